"""What a config may not say, and what it says without effect.

A run that cannot work must end before it begins, and a field that changes
nothing must be named: silence would look like obedience.
"""

import pytest

from featsr_tf.config import find_warnings
from featsr_tf.config import parse_pipeline
from featsr_tf.config.fields import fields_of
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.text_format import message_paths
from featsr_tf.errors import ConfigError
from tests.config.sample import SAMPLE

DETECTOR = "model.faster_rcnn"
EXTENSION = "model.feature_super_resolution"
COSINE = (
    "train_config.optimizer.adam_optimizer.learning_rate"
    ".cosine_decay_learning_rate"
)
ANCHORS = (
    f"{DETECTOR}.first_stage_anchor_generator.grid_anchor_generator.scales"
)


def parse(*overrides: str):
    return parse_pipeline(SAMPLE.encode(), "sample", overrides)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"{DETECTOR}.num_classes=0", "is 0; expected at least 1"),
        (f"{DETECTOR}.num_classes=-3", "is -3; expected at least 1"),
        (f"{DETECTOR}.image_resizer={{}}", "expected keep_aspect_ratio"),
        (
            f"{DETECTOR}.image_resizer.keep_aspect_ratio_resizer"
            ".max_dimension=500",
            "is 600; expected at most max_dimension, 500",
        ),
        (
            f"{DETECTOR}.feature_extractor.type=faster_rcnn_resnet152",
            "'faster_rcnn_resnet152' is not supported; expected one of "
            "faster_rcnn_mobilenet_v1",
        ),
        (f"{DETECTOR}.feature_extractor.type=", "is not set; expected one of"),
        (
            f"{DETECTOR}.feature_extractor.first_stage_features_stride=8",
            "is 8; expected 16 for faster_rcnn_mobilenet_v1",
        ),
        (
            "train_config.fine_tune_checkpoint_type=segmentation",
            "is 'segmentation'; expected one of detection, full",
        ),
        (f"{DETECTOR}.first_stage_atrous_rate=2", "is not supported as 2"),
        (f"{DETECTOR}.first_stage_nms_iou_threshold=1.5", "at most 1"),
        (f"{DETECTOR}.first_stage_nms_iou_threshold=nan", "finite number"),
        (f"{DETECTOR}.first_stage_max_proposals=8", "second_stage_batch_size"),
        (f"{DETECTOR}.maxpool_kernel_size=3", "do not divide"),
        (f"{DETECTOR}.number_of_stages=3", "is not supported as 3"),
        (f"{ANCHORS}=1,inf", "is inf; expected a finite number"),
        (f"{ANCHORS}=[]", "is empty; expected at least one"),
        (
            f"{DETECTOR}.second_stage_box_predictor.rfcn_box_predictor={{}}",
            "rfcn_box_predictor is not supported",
        ),
        (
            f"{DETECTOR}.second_stage_post_processing.score_converter=SIGMOID",
            "is SIGMOID; expected SOFTMAX, which goes with the",
        ),
        (
            f"{DETECTOR}.second_stage_classification_loss={{weighted_sigmoid "
            "{}}",
            "is SOFTMAX; expected SIGMOID, which goes with the",
        ),
        ("model.ssd={}", "model.ssd is not supported"),
        (f"{EXTENSION}.minimum_pair_area_ratio=4", "expected less than"),
        (f"{EXTENSION}.generator.kernel_size=2", "expected an odd number"),
        (f"{EXTENSION}.discriminator.hidden_units=[]", "is empty"),
        (
            f"{EXTENSION}.zoom.window_size=100",
            "zoom.window_size is 100; expected a multiple of 16",
        ),
        (
            f"{EXTENSION}.zoom={{window_size: 64 margin: 32}}",
            "zoom.margin is 32; expected less than half of window_size, 64",
        ),
        (f"{EXTENSION}.gate_score_threshold=1.5", "expected at most 1"),
        (f"{EXTENSION}.gate_maximum=-1", "expected at least 0"),
        (
            f"{EXTENSION}.training_crop={{height: 100 width: 128}}",
            "training_crop.height is 100; expected a multiple of 32",
        ),
        (
            f"{EXTENSION}.training_crop={{height: 32 width: 128}}",
            "training_crop.height is 32; expected at least 64",
        ),
        (
            f"{EXTENSION}.training_crop="
            "{height: 64 width: 64 minimum_scale: 2}",
            "expected at most maximum_scale, 1",
        ),
        (
            f"{EXTENSION}.backbone={{weights: 'imagenet' alpha: .3}}",
            "is 0.3; ImageNet weights exist for 0.25, 0.5, 0.75, 1",
        ),
        ("train_config.optimizer={}", "expected one of rms_prop_optimizer"),
        (
            "train_config.optimizer={adam_optimizer {}}",
            "expected one of constant_learning_rate",
        ),
        (f"{COSINE}.total_steps=100", "more than the 10000 steps of warm-up"),
        ("train_config.freeze_variables=(a", "no regular expression"),
        ("train_config.data_augmentation_options.0={}", "is empty"),
        (
            "train_config.data_augmentation_options.0={random_crop_image "
            "{min_area: .5 max_area: .25}}",
            "random_crop_image.min_area is 0.5; expected at most max_area",
        ),
        ("train_input_reader.label_map_path=", "expected a label map"),
        (
            "train_input_reader.tf_record_input_reader.input_path=[]",
            "expected TFRecord files",
        ),
        ("train_input_reader.label_map_path='a\\tb'", "printable"),
    ],
)
def test_an_impossible_config_is_refused(override, message):
    with pytest.raises(ConfigError) as caught:
        parse(override)
    assert message in str(caught.value)
    assert override.split("=")[0].split(".")[0] in str(caught.value)


def test_only_mobilenet_has_a_width_multiplier():
    resnet = f"{DETECTOR}.feature_extractor.type=faster_rcnn_resnet50"
    assert parse(resnet, f"{EXTENSION}.backbone.alpha=1")
    with pytest.raises(ConfigError, match="expected 1 for resnet50"):
        parse(resnet, f"{EXTENSION}.backbone.alpha=0.5")


@pytest.mark.parametrize(
    "backbone,message",
    [
        ("", "backbone.name is not set"),
        ("name: 'MobileNetV2' factory: 'a.b:c'", "one of the two"),
        ("factory: 'a/b:c'", "package.module:function"),
        ("name: 'a.b:c'", "expected factory"),
    ],
)
def test_a_network_of_keras_or_of_ones_own_is_named_in_one_way(
    backbone, message
):
    any_network = f"{DETECTOR}.feature_extractor.type=faster_rcnn_keras"
    assert parse(any_network, f"{EXTENSION}.backbone={{name: 'VGG16'}}")
    with pytest.raises(ConfigError, match=message):
        parse(any_network, f"{EXTENSION}.backbone={{{backbone}}}")
    with pytest.raises(ConfigError, match="faster_rcnn_keras with it"):
        parse(f"{EXTENSION}.backbone={{name: 'VGG16'}}")


def test_weights_that_nobody_has_are_not_waited_for():
    type_ = f"{DETECTOR}.feature_extractor.type=faster_rcnn_efficientnet_lite0"
    assert parse(type_, f"{EXTENSION}.backbone.weights='lite0.weights.h5'")
    with pytest.raises(ConfigError, match="no weights of efficientnet_lite0"):
        parse(type_, f"{EXTENSION}.backbone.weights=imagenet")


def test_the_jumps_of_a_manual_schedule_must_increase():
    text = SAMPLE.replace("step: 8", "step: 5")
    with pytest.raises(ConfigError, match=r"jumps at steps \[5, 5\]"):
        parse_pipeline(text.encode(), "sample")


def test_a_trained_model_may_look_at_fewer_proposals_than_it_sampled():
    few = (f"{DETECTOR}.first_stage_max_proposals=8",)
    assert parse_pipeline(SAMPLE.encode(), "sample", few, trains=False)


def test_a_check_points_at_the_line_of_the_field():
    text = SAMPLE.replace("num_classes: 3", "num_classes: 0")
    with pytest.raises(ConfigError, match="^sample:5:5: model.faster_rcnn"):
        parse_pipeline(text.encode(), "sample")


def test_a_check_of_a_missing_field_points_at_its_surroundings():
    text = SAMPLE.replace("type: 'faster_rcnn_mobilenet_v1'", "")
    with pytest.raises(ConfigError, match="^sample:7:5: .*type is not set"):
        parse_pipeline(text.encode(), "sample")


def test_a_sigmoid_loss_goes_with_sigmoid_scores_and_logits():
    sigmoid = (
        f"{DETECTOR}.second_stage_classification_loss.weighted_sigmoid={{}}"
    )
    converter = f"{DETECTOR}.second_stage_post_processing.score_converter"
    for scores in ("SIGMOID", "IDENTITY"):
        assert parse(sigmoid, f"{converter}={scores}")


def test_fields_without_effect_are_named_with_the_reason():
    found = find_warnings(parse(f"{DETECTOR}.use_matmul_gather_in_matcher=1"))
    assert found[0] == (
        "without effect here: model.faster_rcnn.use_matmul_gather_in_matcher, "
        "model.faster_rcnn.use_static_shapes (For TPUs; results do not depend "
        "on it)"
    )
    assert [line.split("(")[0] for line in found[1:]] == [
        "without effect here: "
        "train_config.data_augmentation_options.2.ssd_random_crop ",
        "without effect here: eval_input_reader.0.shuffle ",
        "without effect here: eval_input_reader.0.num_readers ",
    ]


def test_what_is_set_to_its_default_asks_for_nothing():
    default = f"{DETECTOR}.use_static_shapes=false"
    assert "use_static_shapes" not in str(find_warnings(parse(default)))


def test_offsets_of_anchors_are_refused_where_the_api_would_shift_them():
    offset = (
        f"{DETECTOR}.first_stage_anchor_generator.grid_anchor_generator"
        ".height_offset=8"
    )
    parse(offset)
    with pytest.raises(ConfigError, match="height_offset is 8; expected 0"):
        parse(
            offset,
            "model.feature_super_resolution.geometry=OBJECT_DETECTION_API",
        )


def test_moving_averages_are_kept_only_where_the_config_says_so():
    path = "train_config.optimizer.use_moving_average"
    for override, kept in ((), False), ((f"{path}=true",), True):
        pipeline = parse(*override)
        assert pipeline.train_config.optimizer.use_moving_average == kept
        assert path not in str(find_warnings(pipeline))


@pytest.mark.parametrize("step", ["random_mosaic", "random_copy_paste"])
def test_steps_that_take_other_images_come_before_another_scale(step):
    steps = "train_config.data_augmentation_options"
    parse(f"{steps}=[{{{step} {{}}}}, {{random_image_scale {{}}}}]")
    with pytest.raises(ConfigError, match=f"1 is {step} after random_image_s"):
        parse(f"{steps}=[{{random_image_scale {{}}}}, {{{step} {{}}}}]")


def test_a_learning_rate_that_ends_before_the_training_is_named():
    short = parse(f"{COSINE}={{total_steps: 8 warmup_steps: 2}}")
    assert "train_config reaches zero at step 8 of 10" in str(
        find_warnings(short)
    )


def test_a_gate_that_a_second_look_does_not_have_is_named():
    gated = "model.feature_super_resolution.gate_maximum=3"
    refiner = "model.feature_super_resolution.refiner"
    assert "gate_maximum" not in str(find_warnings(parse(gated)))
    found = find_warnings(parse(gated, f"{refiner}=SECOND_LOOK"))
    assert "gate_maximum: without effect on a SECOND_LOOK" in str(found)


def test_crops_that_are_resized_otherwise_than_frames_are_named():
    resizer = "model.faster_rcnn.image_resizer.keep_aspect_ratio_resizer"
    crop = "model.feature_super_resolution.training_crop={height: 64 width: 64}"
    method = f"{resizer}.resize_method"
    told = [
        line
        for fields in (
            (f"{method}=AREA", crop),
            (f"{method}=BICUBIC",),
            (f"{method}=BICUBIC", crop),
        )
        for line in find_warnings(parse(*fields))
        if line.startswith("training_crop")
    ]
    assert len(told) == 1 and "inference by BICUBIC" in told[0]


def test_a_config_without_evaluation_data_is_possible_but_named():
    warnings = find_warnings(parse("eval_input_reader=[]"))
    assert "no eval_input_reader" in warnings[-1]


def test_every_field_of_every_message_says_what_it_means():
    for path, message_class in message_paths(Pipeline).items():
        for field in fields_of(message_class).values():
            assert field.declaration.meaning, f"{path}.{field.name}"


def test_every_field_without_effect_is_named_when_it_is_set():
    """Each scalar field of the detector and of training is set in turn."""
    values = {int: "77", float: "77.0", str: "x"}
    for owner in (DETECTOR, "train_config", "eval_config"):
        for field in fields_of(message_paths(Pipeline)[owner]).values():
            value = values.get(field.kind)
            if field.kind is bool:
                value = str(not field.make_default()).lower()
            if not field.declaration.is_ignored or value is None:
                continue
            path = f"{owner}.{field.name}"
            assert path in str(find_warnings(parse(f"{path}={value}")))


def test_long_values_are_cut_in_messages():
    inner = "feature_extractor { type: '" + "x" * 5000 + "' }"
    text = "model { faster_rcnn { " + inner + " } }"
    with pytest.raises(ConfigError) as caught:
        parse_pipeline(text.encode(), "long.config")
    assert len(str(caught.value)) < 1000
