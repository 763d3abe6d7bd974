"""Telling a model folder of this config from one of another."""

import pytest

from featsr_tf.config import affects_of
from featsr_tf.config import all_differences
from featsr_tf.config import base_differences
from featsr_tf.config import differences
from featsr_tf.config import inference_differences
from featsr_tf.config import load_pipeline
from featsr_tf.config import parse_pipeline
from featsr_tf.config import stage_differences
from featsr_tf.config import with_inference_of
from featsr_tf.config.differences import values_of_cache
from featsr_tf.config.fields import BASE
from featsr_tf.config.fields import CACHE
from featsr_tf.config.fields import INFERENCE
from featsr_tf.config.fields import MODEL
from featsr_tf.config.fields import TRAINING
from featsr_tf.config.fields import Affects
from featsr_tf.config.fields import fields_of
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.text_format import message_paths
from tests.config.sample import SAMPLE
from tests.support import REPOSITORY

EXTENSION = "model.feature_super_resolution"
POST_PROCESSING = "model.faster_rcnn.second_stage_post_processing"
CONVOLUTION = "model.faster_rcnn.first_stage_box_predictor_conv_hyperparams"


def parse(*overrides: str):
    return parse_pipeline(SAMPLE.encode(), "sample", overrides)


def test_equal_configs_do_not_differ():
    assert differences(parse(), parse()) == []


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "model.faster_rcnn.num_classes=4",
            "model.faster_rcnn.num_classes: 3 and 4",
        ),
        (
            "model.faster_rcnn.image_resizer.fixed_shape_resizer"
            ".resize_method=BILINEAR",
            "model.faster_rcnn.image_resizer.fixed_shape_resizer"
            ".resize_method: AREA and BILINEAR",
        ),
        (
            f"{EXTENSION}.backbone.alpha=0.5",
            f"{EXTENSION}.backbone.alpha: 1.0 and 0.5",
        ),
        (
            f"{EXTENSION}.discriminator.hidden_units=8",
            f"{EXTENSION}.discriminator.hidden_units: [512, 256] and [8]",
        ),
        (
            f"{EXTENSION}.supervision=NONE",
            f"{EXTENSION}.supervision: ATROUS and NONE",
        ),
    ],
)
def test_another_detector_is_named(override, expected):
    assert differences(parse(), parse(override)) == [expected]


@pytest.mark.parametrize(
    "override",
    [
        "train_config.num_steps=99",
        "model.faster_rcnn.second_stage_localization_loss_weight=5",
        f"{POST_PROCESSING}.batch_non_max_suppression.iou_threshold=0.3",
        "model.faster_rcnn.use_static_shapes=false",
        "model.faster_rcnn.second_stage_box_predictor.mask_rcnn_box_predictor"
        ".fc_hyperparams={op: FC regularizer { l2_regularizer {} }}",
        f"{EXTENSION}.training_crop={{height: 64 width: 64}}",
        f"{EXTENSION}.super_resolution_stage.num_steps=9",
        f"{EXTENSION}.losses.content_weight=3",
        f"{EXTENSION}.twin_aware_weight=0.5",
        f"{EXTENSION}.backbone.weights=some.weights.h5",
        f"{EXTENSION}.seed=3",
        f"{EXTENSION}.precision=MIXED_BFLOAT16",
        f"{EXTENSION}.jit_compile=true",
    ],
)
def test_what_only_training_or_suppression_uses_does_not_count(override):
    assert differences(parse(), parse(override)) == []


@pytest.mark.parametrize(
    "override",
    [
        "train_config.num_steps=7",
        "model.faster_rcnn.first_stage_minibatch_size=8",
        f"{EXTENSION}.seed=3",
        f"{EXTENSION}.backbone.alpha=0.5",
        f"{EXTENSION}.twin_aware_weight=0.5",
        f"{EXTENSION}.precision=MIXED_FLOAT16",
    ],
)
def test_base_stages_differ_by_whatever_trains_them(override):
    (line,) = base_differences(parse(), parse(override))
    assert line.startswith(override.split("=")[0])


@pytest.mark.parametrize(
    "override",
    [
        f"{EXTENSION}.supervision=NAIVE",
        f"{EXTENSION}.twin_pooling=STRIDE",
        f"{EXTENSION}.generator.residual_blocks=5",
        f"{EXTENSION}.super_resolution_stage.num_steps=7",
        f"{EXTENSION}.backbone.sub_layer=conv_pw_3",
        f"{POST_PROCESSING}.batch_non_max_suppression.iou_threshold=0.3",
    ],
)
def test_base_stages_do_not_differ_by_what_the_later_stages_do(override):
    assert base_differences(parse(), parse(override)) == []


STAGES = ("base", "super_resolution", "fine_tune")


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        (f"{EXTENSION}.seed=3", STAGES),
        ("train_config.batch_size=7", STAGES),
        ("train_config.num_steps=7", ["base"]),
        ("train_config.gradient_clipping_by_norm=7", ["base"]),
        (f"{EXTENSION}.losses.content_weight=7", ["super_resolution"]),
        (f"{EXTENSION}.super_resolution_stage.num_steps=7", STAGES[1:2]),
        (f"{EXTENSION}.fine_tune_stage.num_steps=7", ["fine_tune"]),
        (f"{EXTENSION}.rois_per_image=7", STAGES[1:]),
        ("eval_config.min_score_threshold=0.7", []),
    ],
)
def test_trainings_of_a_stage_differ_by_what_it_is_trained_with(
    override, stages
):
    found = [
        s for s in STAGES if stage_differences(parse(), parse(override), s)
    ]
    assert found == list(stages)


def test_a_trained_detector_is_used_with_what_affects_inference_alone():
    reader = "eval_input_reader.0.label_map_path=other.pbtxt"
    gate = f"{EXTENSION}.gate_maximum=9"
    asked = parse(
        reader, gate, f"{EXTENSION}.seed=3", "train_config.batch_size=7"
    )
    assert with_inference_of(parse(), asked) == parse(reader, gate)


def test_zoom_can_take_the_base_of_the_config_that_it_names():
    paper, zoom = (
        load_pipeline(REPOSITORY / "pipelines" / f"{name}.config")
        for name in ("gtsdb_mobilenet", "gtsdb_mobilenet_zoom")
    )
    assert base_differences(paper, zoom) == []


@pytest.mark.parametrize(
    "override",
    [
        "train_config.num_steps=7",
        "eval_config.batch_size=3",
        f"{EXTENSION}.seed=3",
        f"{EXTENSION}.supervision=NAIVE",
    ],
)
def test_every_field_with_effect_can_be_compared(override):
    assert all_differences(parse(), parse()) == []
    (line,) = all_differences(parse(), parse(override))
    assert line.startswith(override.split("=")[0])


def test_fields_without_effect_are_never_compared():
    other = parse("model.faster_rcnn.use_static_shapes=false")
    assert all_differences(parse(), other) == []


def test_base_stages_differ_by_the_twin_where_they_learn_from_it():
    aware = f"{EXTENSION}.twin_aware_weight=0.5"
    stride = f"{EXTENSION}.twin_pooling=STRIDE"
    (line,) = base_differences(parse(aware), parse(aware, stride))
    assert line == f"{EXTENSION}.twin_pooling: PAPER and STRIDE"
    assert len(base_differences(parse(), parse(aware, stride))) == 2


def has_effect(path):
    """Whether a field and the messages around it are more than read."""
    message_class = Pipeline
    for name in path.split("."):
        if not name.isdecimal():
            field = fields_of(message_class)[name]
            if not field.declaration.has_effect:
                return False
            message_class = field.kind
    return True


def test_exactly_the_fields_with_effect_say_what_they_affect():
    for owner, message_class in message_paths(Pipeline).items():
        for field in fields_of(message_class).values():
            path = f"{owner}.{field.name}".lstrip(".")
            if not field.is_message:
                assert bool(affects_of(path)) == has_effect(path), path


@pytest.mark.parametrize(
    ("path", "affects"),
    [
        # What the message around a field says holds for it,
        ("eval_input_reader.0.label_map_path", INFERENCE),
        ("train_input_reader.label_map_path", BASE | CACHE | INFERENCE),
        (f"{EXTENSION}.generator.residual_blocks", MODEL),
        # unless it says something itself.
        (f"{CONVOLUTION}.activation", MODEL | BASE | CACHE),
        (f"{CONVOLUTION}.regularizer.l2_regularizer.weight", BASE | CACHE),
        (f"{EXTENSION}.losses.content_weight", TRAINING),
        (f"{EXTENSION}.gate_objectness_threshold", MODEL | INFERENCE),
        (
            f"{EXTENSION}.supervision",
            MODEL | Affects.PAIR_WEIGHTS | Affects.TARGETS,
        ),
    ],
)
def test_a_field_affects_what_it_or_its_message_declares(path, affects):
    assert affects_of(path) == affects


@pytest.mark.parametrize(
    "override",
    [
        f"{EXTENSION}.gate_objectness_threshold=0.1",
        f"{EXTENSION}.gate_score_threshold=0.1",
        f"{EXTENSION}.gate_maximum=9",
        f"{EXTENSION}.zoom.window_size=96",
        f"{EXTENSION}.zoom.margin=4",
    ],
)
def test_gate_and_zoom_stay_in_training_but_can_change_in_inference(override):
    assert len(differences(parse(), parse(override))) == 1
    assert inference_differences(parse(), parse(override)) == []


def test_what_a_trained_detector_is_made_of_cannot_change_in_inference():
    other = parse(
        "model.faster_rcnn.num_classes=4", f"{EXTENSION}.refiner=ZOOM"
    )
    assert len(inference_differences(parse(), other)) == 2


PARTS = ("small", "small_inputs", "pair_inputs", "pair_weights", "targets")
PARTS += ("large", "large_features")


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("train_config.batch_size=3", PARTS),
        (f"{EXTENSION}.seed=3", PARTS),
        (f"{EXTENSION}.refiner=NONE", ("small_inputs", "pair_inputs")),
        (f"{EXTENSION}.twin_pooling=STRIDE", ("targets",)),
        (f"{EXTENSION}.supervision=NAIVE", ("pair_weights", "targets")),
        (
            f"{EXTENSION}.zoom.margin=4",
            ("small_inputs", "pair_inputs", "targets"),
        ),
        (f"{EXTENSION}.gate_maximum=4", ("large", "large_features")),
        (f"{EXTENSION}.gate_objectness_threshold=0.1", ()),
        (f"{EXTENSION}.generator.residual_blocks=5", ()),
        ("train_config.num_steps=99", ()),
        ("eval_config.batch_size=4", ()),
        # First scores decide where windows are laid, suppression does not.
        (f"{POST_PROCESSING}.logit_scale=2", PARTS),
        (f"{POST_PROCESSING}.score_converter=IDENTITY", PARTS),
        (
            f"{POST_PROCESSING}.batch_non_max_suppression.iou_threshold=0.3",
            (),
        ),
        ("model.faster_rcnn.use_static_shapes=false", ()),
    ],
)
def test_parts_of_the_cache_depend_on_what_changes_them(override, parts):
    changed = [
        part
        for part in PARTS
        if values_of_cache(parse(), part)
        != values_of_cache(parse(override), part)
    ]
    assert set(changed) == set(parts)


def test_another_loss_is_another_model():
    """It says all by being there: it has no field of its own."""
    converter = f"{POST_PROCESSING}.score_converter"
    loss = "model.faster_rcnn.second_stage_classification_loss"
    softmax = parse(f"{converter}=IDENTITY")
    sigmoid = parse(
        f"{converter}=IDENTITY", f"{loss}={{weighted_sigmoid {{}}}}"
    )
    change = [f"{loss}.weighted_sigmoid: not set and set"]
    assert base_differences(softmax, sigmoid) == change
    assert all_differences(softmax, sigmoid) == change
    assert all_differences(sigmoid, sigmoid) == []
