"""Overrides: any field from the command line, with the checks of the file."""

import pytest

from featsr_tf.config import find_warnings
from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.errors import ConfigError
from tests.config.sample import SAMPLE


def parse(*overrides: str):
    return parse_pipeline(SAMPLE.encode(), "sample", overrides)


def test_a_number_a_string_a_flag_and_a_choice_are_set():
    pipeline = parse(
        "model.faster_rcnn.num_classes=7",
        "train_input_reader.label_map_path = other map.pbtxt",
        "train_input_reader.shuffle=false",
        "model.feature_super_resolution.supervision=NAIVE",
    )
    assert pipeline.model.faster_rcnn.num_classes == 7
    assert pipeline.train_input_reader.label_map_path == "other map.pbtxt"
    assert pipeline.train_input_reader.shuffle is False
    assert pipeline.model.feature_super_resolution.supervision == "NAIVE"


@pytest.mark.parametrize("value", ["1,2", "[1, 2]", "1.0, 2.0"])
def test_a_list_is_replaced_with_or_without_brackets(value):
    path = "model.faster_rcnn.first_stage_anchor_generator"
    pipeline = parse(f"{path}.grid_anchor_generator.scales={value}")
    anchors = pipeline.model.faster_rcnn.first_stage_anchor_generator
    assert anchors.grid_anchor_generator.scales == [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (r"conv\d, bn", [r"conv\d", "bn"]),
        ('["a{1,2}"]', ["a{1,2}"]),
        ("[]", []),
        ("", []),
    ],
)
def test_strings_in_a_list_need_quotes_only_for_commas(value, expected):
    pipeline = parse(f"train_config.freeze_variables={value}")
    assert pipeline.train_config.freeze_variables == expected


def test_messages_of_a_list_are_reached_by_their_index():
    pipeline = parse(
        "eval_input_reader.0.label_map_path=a.pbtxt",
        "train_config.data_augmentation_options.3="
        "{random_adjust_contrast {max_delta: 2}}",
    )
    assert pipeline.eval_input_reader[0].label_map_path == "a.pbtxt"
    assert len(pipeline.eval_input_reader) == 1
    added = pipeline.train_config.data_augmentation_options[3]
    assert added.random_adjust_contrast.max_delta == 2.0


def test_a_member_of_a_group_takes_the_place_of_its_siblings():
    pipeline = parse(
        "model.faster_rcnn.image_resizer.keep_aspect_ratio_resizer"
        ".min_dimension=480",
        "train_config.optimizer.adam_optimizer.learning_rate"
        ".constant_learning_rate={}",
    )
    resizer = pipeline.model.faster_rcnn.image_resizer
    assert resizer.fixed_shape_resizer is None
    assert resizer.keep_aspect_ratio_resizer.min_dimension == 480
    assert resizer.keep_aspect_ratio_resizer.max_dimension == 1024
    assert pipeline.train_config.optimizer.momentum_optimizer is None
    assert pipeline.train_config.optimizer.adam_optimizer is not None


def test_an_optional_message_appears_when_one_of_its_fields_is_set():
    crop = "model.feature_super_resolution.training_crop"
    pipeline = parse(f"{crop}.height=64", f"{crop}.width=96")
    assert pipeline.model.feature_super_resolution.training_crop.width == 96


def test_overrides_are_part_of_the_printed_config():
    pipeline = parse("model.faster_rcnn.num_classes=7")
    assert parse_pipeline(to_text(pipeline).encode(), "again") == pipeline


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.faster_rcnn.num_clases=4", "nearest known name: num_classes"),
        (
            "model.num_classes=4",
            "nearest known name: model.faster_rcnn.num_classes",
        ),
        (
            "num_steps=4",
            "nearest known name: train_config.num_steps or model.feature_super_"
            "resolution.super_resolution_stage.num_steps",
        ),
        ("model.faster_rcnn.num_classes=x", "Couldn't parse integer: x"),
        ("model.faster_rcnn.num_classes=0", "num_classes is 0; expected at"),
        ("model.faster_rcnn.num_classes", "expected path=value"),
        ("=4", "expected path=value"),
        ("train_config.batch_size.x=1", "batch_size has no fields"),
        ("eval_input_reader.2.shuffle=true", "expected an index from 0 to 1"),
        ("eval_input_reader.shuffle=true", "expected an index from 0 to 1"),
        ("model.ssd.num_classes=1", "model.ssd is not supported"),
    ],
)
def test_an_impossible_override_is_named(override, message):
    with pytest.raises(ConfigError) as caught:
        parse(override)
    assert str(caught.value).startswith("--set ")
    assert message in str(caught.value)


def test_no_name_is_no_field():
    with pytest.raises(ConfigError, match="train_config"):
        parse("train_config.=1")


def test_commas_within_brackets_belong_to_a_pattern():
    pipeline = parse(r"train_config.freeze_variables=^conv\d{1,2}$, a[b,c]")
    assert pipeline.train_config.freeze_variables == [
        r"^conv\d{1,2}$",
        "a[b,c]",
    ]


def test_what_stands_in_a_message_is_known_by_where_it_was_set():
    pipeline = parse(
        "train_config.data_augmentation_options=[{random_jpeg_quality {}}]",
        "eval_config={num_visualizations: 5}",
        "model.feature_super_resolution={steps_per_epoch: 100}",
    )
    assert pipeline.model.feature_super_resolution.checkpoint_interval == 100
    told = "".join(find_warnings(pipeline))
    assert "num_visualizations" in told and "random_jpeg_quality" in told
    inside = "model.feature_super_resolution.checkpoint_interval"
    assert pipeline.where(inside) == "--set model.feature_super_resolution"


def test_a_message_that_is_set_takes_nothing_of_the_one_before():
    anchors = "model.faster_rcnn.first_stage_anchor_generator"
    path = f"{anchors}.grid_anchor_generator"
    plain = parse(f"{path}={{height: 64 width: 64}}")
    other = parse(
        f"{path}={{scales: [1.0] aspect_ratios: [2.0]}}",
        f"{path}={{height: 64 width: 64}}",
    )
    assert plain.model == other.model
