"""Reading configs: the syntax of the API, and errors one can act on.

Users bring pipeline configs of the TF Object Detection API. Those must load
unchanged; everything malformed must come out as one line with a position.
"""

import random
import re
from pathlib import Path

import pytest

from featsr_tf.config import load_pipeline
from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.errors import ConfigError
from tests.config.sample import SAMPLE

PIPELINES = sorted((Path(__file__).parents[2] / "pipelines").glob("*.config"))
OFFICIAL = (
    "faster_rcnn_resnet50_coco.config",
    "faster_rcnn_resnet101_voc07.config",
    "faster_rcnn_resnet50_v1_640x640_coco17_tpu-8.config",
)
POSITION = re.compile(r"sample:\d+:\d+: |sample: (\w+\.)+\w+ ")


def parse(text: str, *overrides: str):
    return parse_pipeline(text.encode(), "sample", overrides)


def test_every_syntax_of_official_files_is_read():
    pipeline = parse(SAMPLE)
    detector = pipeline.model.faster_rcnn
    anchors = detector.first_stage_anchor_generator.grid_anchor_generator
    assert detector.num_classes == 3
    assert detector.image_resizer.keep_aspect_ratio_resizer is None
    assert detector.image_resizer.fixed_shape_resizer.width == 320
    assert anchors.scales == [0.25, 0.5, 1.0, 2.0]
    assert anchors.aspect_ratios == [1.0]
    train = pipeline.train_config
    rate = train.optimizer.momentum_optimizer.learning_rate
    assert rate.manual_step_learning_rate.initial_learning_rate == 0.04
    assert [jump.step for jump in rate.manual_step_learning_rate.schedule] == [
        5,
        8,
    ]
    assert train.data_augmentation_options[1].random_adjust_hue.max_delta == (
        0.02
    )
    assert train.freeze_variables == ["conv1", "conv_(dw|pw)_[12]"]
    assert pipeline.train_input_reader.label_map_path == "map.pbtxt"
    assert pipeline.eval_input_reader[0].tf_record_input_reader.input_path == [
        "val.record",
        "more.record*",
    ]


def test_fields_that_are_not_set_have_the_defaults_of_the_api():
    pipeline = parse(SAMPLE)
    detector = pipeline.model.faster_rcnn
    assert detector.first_stage_max_proposals == 300
    assert detector.first_stage_nms_iou_threshold == 0.7
    suppression = (
        detector.second_stage_post_processing.batch_non_max_suppression
    )
    assert suppression.iou_threshold == 0.6
    assert pipeline.train_config.max_number_of_boxes == 100
    assert pipeline.eval_config.min_score_threshold == 0.5


def test_feature_super_resolution_is_present_with_defaults():
    extension = parse(SAMPLE).model.feature_super_resolution
    assert extension.small_area_threshold == 1024
    assert extension.supervision == "ATROUS"
    assert extension.training_crop is None
    assert extension.discriminator.hidden_units == [512, 256]
    stage = extension.super_resolution_stage
    rate = stage.optimizer.adam_optimizer.learning_rate
    assert rate.constant_learning_rate.learning_rate == 5e-4


def test_two_choices_of_one_message_may_have_a_value_of_the_same_name():
    pipeline = parse(
        SAMPLE,
        "model.feature_super_resolution.supervision=NONE",
        "model.feature_super_resolution.refiner=NONE",
    )
    extension = pipeline.model.feature_super_resolution
    assert extension.supervision == extension.refiner == "NONE"
    assert parse(to_text(pipeline)) == pipeline


INTERVAL = "model.feature_super_resolution.checkpoint_interval"
OLD_INTERVAL = "model.feature_super_resolution.steps_per_epoch"
OLD_SAMPLE = SAMPLE.replace(
    "model {",
    "model {\n  feature_super_resolution { steps_per_epoch: 7 }",
)


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        (OLD_SAMPLE, (), 7),
        (OLD_SAMPLE, (f"{INTERVAL}=8",), 8),
        (OLD_SAMPLE, (f"{OLD_INTERVAL}=8",), 8),
        (SAMPLE, (f"{OLD_INTERVAL}=8",), 8),
        (SAMPLE, (f"{INTERVAL}=9", f"{OLD_INTERVAL}=8"), 8),
        (SAMPLE, (f"{OLD_INTERVAL}=8", f"{INTERVAL}=9"), 9),
    ],
)
def test_a_field_can_be_set_by_its_old_name(text, overrides, expected):
    pipeline = parse(text, *overrides)
    extension = pipeline.model.feature_super_resolution
    assert extension.checkpoint_interval == expected
    assert f"checkpoint_interval: {expected}\n" in to_text(pipeline)
    assert "steps_per_epoch" not in to_text(pipeline)


def test_errors_point_at_the_old_name_of_a_field():
    with pytest.raises(ConfigError, match="^sample:4:30: .*interval is 0;"):
        parse(OLD_SAMPLE.replace("steps_per_epoch: 7", "steps_per_epoch: 0"))
    both = "steps_per_epoch: 7 checkpoint_interval: 8"
    with pytest.raises(ConfigError, match="^sample:4:49: .*specified tog"):
        parse(OLD_SAMPLE.replace("steps_per_epoch: 7", both))
    with pytest.raises(ConfigError, match="nearest known name: checkpoint_in"):
        parse(OLD_SAMPLE.replace("steps_per_epoch: 7", "checkpoint_intervl: 7"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"map.pbtxt"', '""C:/map.pbtxt"', 'a doubled quote "" ends the text'),
        ('"map.pbtxt"', "map.pbtxt", "the text map.pbtxt has no quotes; write"),
        ("num_classes: 3", "num_classes = 3", "expected a colon between name"),
    ],
)
def test_slips_of_the_pen_are_named(old, new, message):
    with pytest.raises(ConfigError, match=rf"^sample:\d+:\d+: {message}"):
        parse(SAMPLE.replace(old, new))


def test_each_step_needs_a_block_of_its_own():
    steps = "random_horizontal_flip {} random_adjust_hue {}"
    text = f"train_config {{ data_augmentation_options {{ {steps} }} }}"
    with pytest.raises(ConfigError, match="are two steps in one block; give"):
        parse(text)


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_configs_load_unchanged(name, shared):
    pipeline = load_pipeline(shared / "data" / "odapi" / name)
    assert pipeline.model.faster_rcnn.initial_crop_size == 14
    assert parse(to_text(pipeline)) == pipeline


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_own_pipelines_load_and_print_into_equal_ones(path):
    pipeline = load_pipeline(path)
    assert parse(to_text(pipeline)) == pipeline


def test_the_printed_config_is_read_into_an_equal_one():
    pipeline = parse(SAMPLE)
    assert parse(to_text(pipeline)) == pipeline
    assert "initial_learning_rate: 0.04\n" in to_text(pipeline)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "num_classes",
            "num_clases",
            "sample:5:5: FasterRcnn has no field 'num_clases'; nearest known "
            "name: num_classes",
        ),
        (
            "  batch_size: 2",
            "  num_classes: 2",
            "sample:18:3: TrainConfig has no field 'num_classes'; nearest "
            "known name: model.faster_rcnn.num_classes",
        ),
        (
            "SOFTMAX",
            "SOFTMAXX",
            "sample:13:53: ScoreConverter has no value SOFTMAXX; nearest "
            "known name: SOFTMAX",
        ),
        (
            "num_classes: 3",
            "num_classes: three",
            "sample:5:18: Couldn't parse integer: three",
        ),
        (
            "num_classes: 3",
            "num_classes: 3 num_classes: 4",
            'sample:5:33: Message type "FasterRcnn" should not have multiple '
            '"num_classes" fields.',
        ),
        (
            "fixed_shape_resizer <",
            "keep_aspect_ratio_resizer {} fixed_shape_resizer <",
            "sample:6:50: keep_aspect_ratio_resizer and fixed_shape_resizer "
            "are specified together; keep one of both",
        ),
        (
            "faster_rcnn: {",
            "ssd { num_classes: 2 } faster_rcnn: {",
            "sample:4:9: model.ssd is not supported: SSD; faster_rcnn is "
            "built.",
        ),
    ],
)
def test_malformed_text_is_refused_with_its_position(old, new, message):
    with pytest.raises(ConfigError) as caught:
        parse(SAMPLE.replace(old, new, 1))
    assert str(caught.value) == message


def test_binary_files_are_refused_with_their_position():
    with pytest.raises(ConfigError, match="sample:2:3: not UTF-8 text"):
        parse_pipeline(b"# \xc3\xa9\nab\xff", "sample")
    with pytest.raises(ConfigError, match="sample:1:2: not UTF-8 text"):
        parse_pipeline(b"a\0b", "sample")


def test_an_empty_config_names_the_file_and_the_missing_field():
    with pytest.raises(ConfigError, match="^sample: .*num_classes is 0"):
        parse("")


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match="nowhere.config: cannot read"):
        load_pipeline("nowhere.config")
    with pytest.raises(ConfigError, match="config --example toy > toy.config"):
        load_pipeline("pipelines_not_there/toy.config")


def test_paths_begin_here_or_beside_the_config(tmp_path, monkeypatch):
    beside = tmp_path / "configs [1]"
    for path in (beside / "a.record", beside / "b.record", beside / "w.h5"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "b.record").touch()
    config = beside / "c.config"
    config.write_text(SAMPLE)
    monkeypatch.chdir(tmp_path)
    read = "train_input_reader.tf_record_input_reader.input_path"
    weights = "model.feature_super_resolution.backbone.weights"
    for given, expected in (
        ("a.record", "configs [1]/a.record"),
        ("?.record", "?.record"),
        ("a.*", "configs [1]/a.*"),
        ("b.record", "b.record"),
        ("none.record", "none.record"),
        (str(beside / "a.record"), str(beside / "a.record")),
    ):
        overrides = [f"{read}={given}", f"{weights}=w.h5"]
        pipeline = load_pipeline("configs [1]/c.config", overrides)
        reader = pipeline.train_input_reader.tf_record_input_reader
        assert reader.input_path == [expected]
        backbone = pipeline.model.feature_super_resolution.backbone
        assert backbone.weights == "configs [1]/w.h5"


def mutate(content: bytes, chance: random.Random) -> bytes:
    tokens = re.findall(rb"\w+|\s+|[^\w\s]", content)
    kind = chance.randrange(4)
    if kind == 0:
        changed = bytearray(content)
        changed[chance.randrange(len(content))] = chance.randrange(256)
        return bytes(changed)
    if kind == 1:
        start = chance.randrange(len(content))
        return content[:start] + content[start + chance.randrange(1, 40) :]
    first, second = (chance.randrange(len(tokens)) for _ in range(2))
    if kind == 2:
        tokens[first], tokens[second] = tokens[second], tokens[first]
    else:
        strange = [b"nan", b"-1", b"1e999", b"[", b"}", b"9" * 50, b"'"]
        tokens[first] = chance.choice([*strange, tokens[second]])
    return b"".join(tokens)


def test_mutated_configs_give_only_our_error_with_a_position():
    chance = random.Random(0)
    accepted = 0
    for _ in range(1000):
        content = mutate(SAMPLE.encode(), chance)
        try:
            pipeline = parse_pipeline(content, "sample")
        except ConfigError as error:
            assert POSITION.match(str(error)), content
            assert "\n" not in str(error)
        else:
            assert parse(to_text(pipeline)) == pipeline
            accepted += 1
    assert 100 < accepted < 900
