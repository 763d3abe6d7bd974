"""Are our detections those of the Object Detection API, with its weights?

    python -m venv API && API/bin/pip install tensorflow tf_keras tf-slim \
      lvis tf-models-official && API/bin/pip install --no-deps \
      tf-models-research-object-detection
    python -m research.api_parity --api_python API/bin/python

The API's own code draws a random checkpoint and detects in frames of noise;
the checkpoint is loaded here, and detects in the same frames. Printed are the
greatest differences, in pixels of the resized frame and in scores, of all that
the second stage says of proposals, and after suppression. Proposals at the
edge of a frame of which the API's kernel loses the last samples to rounding
are left out, and detections in their frames.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.errors import exit_on_error

RESIZERS = {
    "fixed 320x448": "fixed_shape_resizer { height: 320 width: 448 "
    "resize_method: BILINEAR }",
    "aspect 300 to 500": "keep_aspect_ratio_resizer { min_dimension: 300 "
    "max_dimension: 500 resize_method: BILINEAR }",
    "aspect, padded to 333": "keep_aspect_ratio_resizer { min_dimension: 333 "
    "max_dimension: 333 pad_to_max_dimension: true resize_method: BILINEAR }",
}
# Heights and widths of the frames, px.
FRAMES = ((375, 500), (611, 400), (201, 333))
# What is compared, behind what tells which rows belong together.
COMPARED = {
    "pixels": ("image",),
    "proposals": ("proposals", "proposals"),
    "boxes": ("proposals", "boxes"),
    "scores": ("proposals", "scores"),
    "detections' boxes": (
        "detection_classes",
        "detection_boxes",
        "detection_boxes",
    ),
    "detections' scores": (
        "detection_classes",
        "detection_boxes",
        "detection_scores",
    ),
}
_CONFIG = """
model {
  faster_rcnn {
    num_classes: 5
    image_resizer { %s }
    feature_extractor { type: "faster_rcnn_%s_keras" }
    first_stage_anchor_generator {
      grid_anchor_generator {
        scales: [0.125, 0.25, 0.5, 1.0]
        aspect_ratios: [0.5, 1.0, 2.0]
      }
    }
    first_stage_max_proposals: %d
    initial_crop_size: 14
    maxpool_kernel_size: 2
    maxpool_stride: 2
    second_stage_post_processing {
      batch_non_max_suppression { iou_threshold: 0.6 }
      score_converter: SOFTMAX
    }
  }
  feature_super_resolution { geometry: OBJECT_DETECTION_API refiner: NONE }
}
train_config {
  batch_size: 1
  optimizer {
    momentum_optimizer { learning_rate { constant_learning_rate {} } }
  }
}
train_input_reader {
  label_map_path: "none"
  tf_record_input_reader { input_path: "none" }
}
"""


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m research.api_parity")
    parser.add_argument(
        "--api_python",
        required=True,
        metavar="FILE",
        help="Python of an environment with the API",
    )
    parser.add_argument(
        "--networks", nargs="+", default=["resnet50", "resnet101"]
    )
    parser.add_argument("--proposals", type=int, default=100)
    arguments = parser.parse_args()
    with exit_on_error():
        for network in arguments.networks:
            for title, resizer in RESIZERS.items():
                config = _CONFIG % (resizer, network, arguments.proposals)
                print(f"{network}, {title}:", flush=True)
                compare(config, arguments.api_python)


def compare(config: str, api_python: str) -> None:
    """Prints the greatest differences for each frame."""
    from featsr_tf.data.build import build_resizer
    from featsr_tf.model.build import build_detector
    from featsr_tf.training.build import load_fine_tune_checkpoint

    pipeline = parse_pipeline(config.encode(), "api_parity")
    frames = {str(i): noise(*size) for i, size in enumerate(FRAMES)}
    with tempfile.TemporaryDirectory() as folder:
        config_file = Path(folder, "pipeline.config")
        config_file.write_text(to_text(pipeline), "utf-8")
        np.savez(Path(folder, "frames.npz"), **frames)
        checkpoint = str(Path(folder, "ckpt-0"))
        subprocess.run(
            [
                api_python,
                str(Path(__file__).with_name("api_reference.py")),
                str(config_file),
                str(Path(folder, "frames.npz")),
                checkpoint,
                str(Path(folder, "outputs.npz")),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        detector = build_detector(pipeline, load_weights=False)
        pipeline.train_config.fine_tune_checkpoint = checkpoint
        transfer, _ = load_fine_tune_checkpoint(pipeline, detector)
        theirs = dict(np.load(Path(folder, "outputs.npz")))
    if not transfer.is_complete:
        print(transfer.table())
    resizer = build_resizer(pipeline)
    for number, frame in frames.items():
        ours = detect(detector, resizer, frame)
        expected = {
            key.partition("_")[2]: values
            for key, values in theirs.items()
            if key.startswith(f"{number}_")
        }
        lost = expected.pop("lost")
        shown = ", ".join(
            f"{name} {difference(ours, expected, keys, lost)}"
            for name, keys in COMPARED.items()
            if not (lost.any() and "detection" in name)
        )
        if lost.any():
            shown += f"; {lost.sum()} proposals left out"
        height, width = frame.shape[:2]
        print(f"  {width} x {height} px: {shown}", flush=True)


def noise(height: int, width: int) -> np.ndarray:
    """Makes a frame of noise in patches of several sizes, uint8 RGB."""
    generator = np.random.default_rng(height)
    image = np.zeros((height, width, 3))
    for side in (1, 8, 64):
        shape = (-(-height // side), -(-width // side), 3)
        patches = generator.uniform(0, 85, shape)
        patches = patches.repeat(side, axis=0).repeat(side, axis=1)
        image += patches[:height, :width]
    return image.astype("uint8")


def detect(detector, resizer, frame: np.ndarray) -> dict[str, np.ndarray]:
    """Detects in one frame, as `api_reference` does."""
    from featsr_tf.exporting.signatures import network_inputs

    inputs = network_inputs(frame[None], resizer)
    images, image_sizes, scales = inputs
    proposals = detector.propose(
        detector.extract(images), image_sizes, images.shape[1:3]
    )
    found, candidates = detector.find_with_candidates(
        images, image_sizes, scales, super_resolve=False
    )
    valid, count = candidates.valid[0].numpy(), int(found.count[0])
    means = np.array([123.68, 116.779, 103.939], "float32")
    return {
        "image": images[0].numpy() - means,
        "proposals": proposals.boxes[0].numpy()[valid],
        "boxes": candidates.boxes[0].numpy()[valid],
        "scores": candidates.scores[0].numpy()[valid],
        "detection_boxes": found.boxes[0, :count].numpy(),
        "detection_scores": found.scores[0, :count].numpy(),
        "detection_classes": found.classes[0, :count].numpy(),
    }


def difference(
    ours: dict, theirs: dict, keys: tuple[str, ...], lost: np.ndarray
) -> str:
    """Tells the greatest difference of the last of some arrays.

    Args:
        keys: of what tells which rows belong together, then of what is
            compared: where scores are the same, the order is open.
        lost: which proposals are left out; see `api_reference`.
    """
    *identities, compared = keys
    if len(ours[compared]) != len(theirs[compared]):
        return f"of {len(ours[compared])} and {len(theirs[compared])} rows"
    rows = np.arange(len(ours[compared]))
    if identities:
        first, second = (
            np.column_stack([side[key] for key in identities])
            for side in (ours, theirs)
        )
        distances = np.abs(first[None] - second[:, None]).sum(axis=2)
        rows = distances.argmin(axis=1)
    differences = np.abs(ours[compared][rows] - theirs[compared])
    if "proposals" in identities:
        differences = differences[~lost]
    return f"{differences.max(initial=0.0):.1g}"


if __name__ == "__main__":
    main()
