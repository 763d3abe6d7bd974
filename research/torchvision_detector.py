"""torchvision's Faster R-CNN, made like the detector of a config.

Torch is no dependency of this project.
"""

from collections.abc import Callable

import numpy as np

from featsr_tf.config.schema import Pipeline


class TorchvisionDetector:
    """Faster R-CNN of torchvision: ResNet-50 up to conv4, conv5 as head.

    Extractor, head, RoI align (14 x 14), proposal network, losses and
    suppression are torchvision's own code with the settings of the config; of
    its proposal network the shared convolution is as wide as the config says.
    All weights are random, and batch normalization is frozen.

    Args:
        pipeline: the config, with ResNet-50.
        channels_last: whether weights and images are laid out that way.
    """

    def __init__(self, pipeline: Pipeline, channels_last: bool):
        import torch

        self.format = (
            torch.channels_last if channels_last else torch.contiguous_format
        )
        self.model = _model(pipeline).to(memory_format=self.format)
        self.clip_norm = pipeline.train_config.gradient_clipping_by_norm
        self.num_judged = 0
        self.model.roi_heads.box_head.register_forward_pre_hook(self._count)

    def _count(self, module, inputs) -> None:
        self.num_judged = inputs[0].shape[0]

    def _images(self, images: np.ndarray) -> list:
        import torch

        return list(torch.from_numpy(images.transpose(0, 3, 1, 2) / 255.0))

    def inference(self, images: np.ndarray) -> Callable[[], object]:
        """Makes a call that detects objects; see `OtherDetector`."""
        import torch

        tensors = self._images(images)

        def detect():
            self.model.train(False)
            with torch.inference_mode():
                return self.model(tensors)

        return detect

    def training(
        self, images: np.ndarray, boxes: np.ndarray, classes: np.ndarray
    ) -> Callable[[], object]:
        """Makes a call that makes a step of training; see `OtherDetector`."""
        import torch

        tensors = self._images(images)
        targets = [
            {
                "boxes": torch.from_numpy(rows[:, [1, 0, 3, 2]].copy()),
                "labels": torch.from_numpy(labels.astype("int64")),
            }
            for rows, labels in zip(boxes, classes, strict=True)
        ]
        trained = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=1e-4, momentum=0.9)

        def step():
            self.model.train()
            optimizer.zero_grad()
            sum(self.model(tensors, targets).values()).backward()
            torch.nn.utils.clip_grad_norm_(trained, self.clip_norm)
            optimizer.step()

        return step


def _model(pipeline: Pipeline):
    from torch import nn
    from torchvision.models import resnet50
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
    from torchvision.ops import FrozenBatchNorm2d
    from torchvision.ops import MultiScaleRoIAlign

    config = pipeline.model.faster_rcnn
    network = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    root = [network.conv1, network.bn1, network.relu, network.maxpool]
    extractor = nn.Sequential(
        *root, network.layer1, network.layer2, network.layer3
    )
    extractor.out_channels = network.layer4[0].conv1.in_channels
    # As `freeze_variables` of the config does.
    for part in (network.conv1, network.layer1):
        part.requires_grad_(False)
    head = nn.Sequential(network.layer4, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    suppression = config.second_stage_post_processing.batch_non_max_suppression
    return FasterRCNN(
        extractor,
        rpn_anchor_generator=_anchors(config),
        rpn_head=_proposal_head(config, extractor.out_channels),
        rpn_pre_nms_top_n_train=2000,
        rpn_pre_nms_top_n_test=2000,
        rpn_post_nms_top_n_train=config.first_stage_max_proposals,
        rpn_post_nms_top_n_test=config.first_stage_max_proposals,
        rpn_nms_thresh=config.first_stage_nms_iou_threshold,
        rpn_batch_size_per_image=config.first_stage_minibatch_size,
        box_roi_pool=MultiScaleRoIAlign(["0"], config.initial_crop_size, 2),
        box_head=head,
        box_predictor=FastRCNNPredictor(
            network.fc.in_features, config.num_classes + 1
        ),
        box_score_thresh=suppression.score_threshold,
        box_nms_thresh=suppression.iou_threshold,
        box_detections_per_img=suppression.max_total_detections,
        box_batch_size_per_image=config.second_stage_batch_size,
        box_positive_fraction=config.second_stage_balance_fraction,
        # Frames come at their size; nothing is to be resized.
        _skip_resize=True,
    )


def _anchors(config):
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    grid = config.first_stage_anchor_generator.grid_anchor_generator
    sizes = tuple(int(grid.height * scale) for scale in grid.scales)
    return AnchorGenerator((sizes,), (tuple(grid.aspect_ratios),))


def _proposal_head(config, channels: int):
    from torch import nn
    from torchvision.models.detection.rpn import RPNHead

    depth = config.first_stage_box_predictor_depth
    head = RPNHead(depth, _anchors(config).num_anchors_per_location()[0])
    head.conv = nn.Sequential(
        nn.Conv2d(channels, depth, 3, padding=1), nn.ReLU()
    )
    # Boxes moved at random would all be clipped to the same few.
    nn.init.zeros_(head.bbox_pred.weight)
    return head
