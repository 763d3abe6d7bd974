"""The configs of the paper's tables: what they say, and that they train.

Their data sets cannot be had here, so they train on small imitations of them,
made into records by the very commands in the heads of the configs.
"""

import importlib
import re
import shlex

import pytest

from featsr_tf import train
from featsr_tf.config import load_pipeline
from featsr_tf.data.label_map import load_label_map
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import newest_step
from tests.support import REPOSITORY
from tests.tfrecords_tools import miniatures

PIPELINES = REPOSITORY / "pipelines"
# Config -> backbone, threshold, longest side, a figure of base and of ours.
ROWS = {
    "tt100k": ("resnet50_keras", 32, 1600, "74.9", "82.2"),
    "tt100k_resnet101": ("resnet101_keras", 32, 1600, "75.2", "84.3"),
    "tt100k_mobilenet": ("mobilenet_v1", 32, 1600, "63.4", "71.0"),
    "tt100k_resnet101_full_size": ("resnet101_keras", 32, 2048, "80.9", "88.6"),
    "voc": ("resnet50_keras", 96, 1024, "77.1", "79.1"),
    "voc_resnet101": ("resnet101_keras", 96, 1024, "78.8", "80.6"),
    "voc_mobilenet": ("mobilenet_v1", 96, 1024, "73.2", "77.0"),
    "coco": ("resnet50_keras", 96, 1024, "29.5", "31.2"),
    "coco_resnet101": ("resnet101_keras", 96, 1024, "32.0", "34.2"),
    "coco_mobilenet": ("mobilenet_v1", 96, 1024, "19.3", "21.9"),
}
CLASSES = {"tt100k": 45, "voc": 20, "coco": 90}
SMALLER = (
    "model.faster_rcnn.image_resizer.keep_aspect_ratio_resizer.min_dimension"
    "=128",
    "model.faster_rcnn.image_resizer.keep_aspect_ratio_resizer.max_dimension"
    "=160",
    "model.faster_rcnn.first_stage_max_proposals=32",
    "model.faster_rcnn.second_stage_batch_size=16",
    "model.faster_rcnn.initial_crop_size=4",
    "model.feature_super_resolution.backbone.weights=''",
    "model.feature_super_resolution.generator.hidden_channels=8",
    "model.feature_super_resolution.rois_per_image=8",
    "model.feature_super_resolution.pairs_per_image=4",
    "model.feature_super_resolution.super_resolution_stage.num_steps=4",
    "model.feature_super_resolution.fine_tune_stage.num_steps=4",
    "train_config.batch_size=2",
    "train_config.num_steps=20",
)


def data_set(name):
    return name.split("_")[0]


def head(name):
    """The comment at the beginning of a config, without its marks."""
    lines = (PIPELINES / f"{name}.config").read_text().splitlines()
    return "\n".join(
        line[1:] for line in lines[: lines.index("")] if line.startswith("#")
    )


def commands(name, module):
    """Arguments of the commands of a module in the head of a config."""
    text = re.sub(r"\\\n", " ", head(name))
    found = re.findall(rf"python -m {module}\S*.*", text)
    assert found, f"no command of {module} in the head of {name}"
    return [shlex.split(command)[2:] for command in found]


@pytest.mark.parametrize("name", ROWS)
def test_a_config_says_what_the_paper_says(name):
    backbone, threshold, side, base, ours = ROWS[name]
    pipeline = load_pipeline(PIPELINES / f"{name}.config")
    extension = pipeline.model.feature_super_resolution
    detector = pipeline.model.faster_rcnn
    resizer = detector.image_resizer.keep_aspect_ratio_resizer
    assert detector.feature_extractor.type == f"faster_rcnn_{backbone}"
    assert extension.small_area_threshold == threshold**2
    assert extension.small_area_frame == "ORIGINAL"
    assert resizer.max_dimension == side
    assert detector.num_classes == CLASSES[data_set(name)]
    assert re.search(rf"base .*\b{base}\b", head(name))
    assert re.search(rf"ours .*\b{ours}\b", head(name))


@pytest.mark.parametrize("name", ROWS)
def test_its_label_map_is_shipped(name):
    pipeline = load_pipeline(PIPELINES / f"{name}.config")
    for reader in (pipeline.train_input_reader, *pipeline.eval_input_reader):
        label_map = load_label_map(str(REPOSITORY / reader.label_map_path))
        assert label_map.num_classes == CLASSES[data_set(name)]


@pytest.mark.parametrize("name", ROWS)
def test_its_head_names_the_command_that_trains_it(name):
    (arguments,) = commands(name, "featsr_tf.train")
    assert arguments[1:] == [
        "--pipeline",
        f"pipelines/{name}.config",
        "--model_dir",
        arguments[-1],
    ]
    assert not arguments[-1].endswith(("/tt100k", "/voc", "/coco"))


def test_no_two_configs_share_a_model_folder():
    folders = [commands(name, "featsr_tf.train")[0][-1] for name in ROWS]
    assert len(set(folders)) == len(ROWS)


@pytest.fixture(scope="module")
def small_data_sets(tmp_path_factory):
    """A folder with the three data sets where the heads expect them."""
    folder = tmp_path_factory.mktemp("paper")
    miniatures.write_tt100k(folder).rename(folder / "TT100K")
    for year in ("VOC2007", "VOC2012"):
        miniatures.write_voc(folder, year=year)
    miniatures.write_coco(folder).rename(folder / "COCO")
    (folder / "tfrecords_tools").symlink_to(REPOSITORY / "tfrecords_tools")
    return folder


def convert(name):
    for module, *arguments in commands(name, "tfrecords_tools"):
        importlib.import_module(module).main(arguments)


@pytest.fixture
def arguments(request, small_data_sets, monkeypatch):
    """Arguments of a training, small enough, on records that are there."""
    name = request.param
    monkeypatch.chdir(small_data_sets)
    convert(name)
    overrides = [flag for override in SMALLER for flag in ("--set", override)]
    return ["--pipeline", str(PIPELINES / f"{name}.config"), *overrides]


@pytest.mark.parametrize("arguments", ["voc_mobilenet"], indirect=True)
def test_it_is_checked_on_a_small_imitation_of_its_data(arguments, capsys):
    train.main([*arguments, "--check"])
    assert "anchors, best IoU" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ROWS, indirect=True)
def test_it_trains_on_a_small_imitation_of_its_data(arguments, tmp_path):
    train.main([*arguments, "--model_dir", str(tmp_path)])
    steps = [newest_step(str(tmp_path), stage) for stage in STAGES]
    assert steps == [20, 4, 4]
