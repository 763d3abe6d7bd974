"""What is trained on each data set with each backbone."""

import dataclasses
import json

from research.ablation.variants import EXTENSION

# Base detectors of 3000 steps, 360 + 90 more for each variant.
STEPS_SCALE = 0.6
VARIANTS = ("control", "no_content", "naive", "atrous_gan")
# What is compared with the base and with the control, and its name in tables.
ROWS = {
    "no_content": "no content loss",
    "naive": "naive target",
    "atrous_gan": "the paper",
    "atrous_gan_gated": "the paper, gated",
    "tail_magnified": "tail generator",
    "second_look": "second look",
}
# Of the paper's generator at its best price, with cheap blocks.
_GATES = ("gate_objectness_threshold=0.02", "gate_score_threshold=0.05")
# Variants that the ablation does not have, by what they change.
_OWN = {
    "atrous_gan_gated": (
        "supervision=ATROUS",
        "generator.block=BOTTLENECK",
        *_GATES,
    ),
    "tail_magnified": (
        "refiner=TAIL_GENERATOR",
        "supervision=MAGNIFIED",
        "zoom.window_size=16384",
        "zoom.margin=0",
        "losses.generator_weight=0",
    ),
    "second_look": ("refiner=SECOND_LOOK", "supervision=NONE", *_GATES),
}


# The config of each: all their other fields are the same.
BACKBONES = {
    "mobilenet": "pipelines/gtsdb_mobilenet.config",
    "mobilenet_v2": "pipelines/gtsdb_mobilenet_v2.config",
    "efficientnet_lite0": "pipelines/gtsdb_efficientnet_lite0.config",
}


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set, and what its objects ask for.

    Args:
        records: Globs of record files.
        label_map: The classes.
        parts: Flags of the ablation that part frames into folds.
        fields: Of the config, on top of `gtsdb_mobilenet.config`'s.
        second_look: Fields of `second_look` of the config.
        backbones: Of `BACKBONES`, those with which it is looked at.
        rows: What is trained beside the base; default all.
        cached_images: Of the ablation; default as many as the later stages of
            450 steps take.
    """

    records: tuple[str, ...]
    label_map: str
    parts: tuple[str, ...]
    fields: tuple[str, ...] = ()
    second_look: tuple[str, ...] = ()
    backbones: tuple[str, ...] = tuple(BACKBONES)
    rows: tuple[str, ...] = (*VARIANTS, *_OWN)
    cached_images: int = 900


_WIDE_CROPS = (
    f"{EXTENSION}.small_area_frame=RESIZED",
    f"{EXTENSION}.training_crop.log_uniform_scale=true",
)
_ANCHORS = (
    "model.faster_rcnn.first_stage_anchor_generator.grid_anchor_generator"
)
_RESIZER = "model.faster_rcnn.image_resizer.keep_aspect_ratio_resizer"


def _crops(minimum: float, maximum: float) -> tuple[str, ...]:
    return (
        *_WIDE_CROPS,
        f"{EXTENSION}.training_crop.minimum_scale={minimum}",
        f"{EXTENSION}.training_crop.maximum_scale={maximum}",
    )


def _steps(stage: str, count: int, of: int) -> tuple[str, ...]:
    """Sets the steps of a stage, and those after which its rate is zero."""
    return (
        f"{stage}.num_steps={round(count / STEPS_SCALE)}",
        f"{stage}.optimizer.adam_optimizer.learning_rate"
        f".cosine_decay_learning_rate.total_steps={round(of / STEPS_SCALE)}",
    )


_TWO_OF_THREE_FOLDS = ("--folds", "3", "--judged_folds", "0", "1")
# Signs with arrows and numbers are no signs when mirrored; those of which
# there are 20 or more judge, as in the paper those with 100.
_ALL_SIGNS = (
    *_crops(0.4, 2.0),
    "model.faster_rcnn.num_classes=43",
    "train_config.data_augmentation_options.0.random_horizontal_flip"
    ".probability=0",
)
_FREQUENT_SIGNS = ("--classes", "research/grid/frequent_signs.txt")
_SIGNS = ("first_pass_scale=0.8", "preferred_size=64", "focus_threshold=0.05")

DATA_SETS = {
    "gtsdb": DataSet(
        ("output/gtsdb/gtsdb_*.record-*",),
        "tfrecords_tools/label_maps/gtsdb_4_label_map.pbtxt",
        _TWO_OF_THREE_FOLDS,
        _crops(0.4, 2.0),
        _SIGNS,
    ),
    # As near to the paper's setting as MobileNet and 600 frames come: crops of
    # 14 x 14 cells, two fifths of the signs are small, a generator as wide as
    # its input, rates that have not come down to zero. 43 classes would ask for
    # three times the steps (below); with so wide a generator a step takes two
    # seconds of a core: one fold judges, and the later stages are shorter than
    # the first.
    "gtsdb_paper": DataSet(
        ("output/gtsdb/gtsdb_*.record-*",),
        "tfrecords_tools/label_maps/gtsdb_4_label_map.pbtxt",
        ("--folds", "3", "--judged_folds", "0"),
        (
            *_crops(0.4, 2.0),
            "model.faster_rcnn.initial_crop_size=14",
            "model.faster_rcnn.maxpool_kernel_size=2",
            "model.faster_rcnn.maxpool_stride=2",
            f"{EXTENSION}.small_area_frame=ORIGINAL",
            f"{EXTENSION}.small_area_threshold=1190",
            f"{EXTENSION}.backbone.alpha=1.0",
            f"{EXTENSION}.backbone.weights="
            '"../shared/weights/mobilenet_v1_1.0_notop.weights.h5"',
            f"{EXTENSION}.generator.hidden_channels=0",
            f"{EXTENSION}.discriminator.hidden_units=[512, 256]",
            *_steps("train_config", 3000, of=6000),
            *_steps(f"{EXTENSION}.super_resolution_stage", 1200, of=2400),
            *_steps(f"{EXTENSION}.fine_tune_stage", 1200, of=2400),
        ),
        backbones=("mobilenet",),
        rows=("control", "atrous_gan"),
        cached_images=3500,
    ),
    "gtsdb_43": DataSet(
        ("output/gtsdb_43/gtsdb_*.record-*",),
        "tfrecords_tools/label_maps/gtsdb_43_label_map.pbtxt",
        (*_TWO_OF_THREE_FOLDS, *_FREQUENT_SIGNS),
        (*_ALL_SIGNS, *_steps("train_config", 9000, of=9000)),
        _SIGNS,
    ),
    # Three scenes; frames as `featsr new` resizes them, cars of about 30 px.
    # Windows were looked at on the first scene, with untrained later stages.
    "aerial_cars": DataSet(
        ("output/aerial_cars/coco_train.record-*",),
        "output/aerial_cars/label_map.pbtxt",
        (
            *("--fold_patterns", ":MOS1", r":MOS\d\d\.", ":DJI"),
            *("--classes", "research/grid/cars.txt"),
        ),
        (
            *_crops(0.34, 2.0),
            "model.faster_rcnn.num_classes=5",
            f"{_RESIZER}.min_dimension=548",
            f"{_RESIZER}.max_dimension=2252",
            f"{_ANCHORS}.scales=[0.11, 0.2, 0.37, 0.68, 1.25]",
            f"{_ANCHORS}.aspect_ratios=[0.5, 1.0, 2.0]",
            "model.faster_rcnn.first_stage_max_proposals=200",
        ),
        (
            *("first_pass_scale=0.6", "magnifications=[2.0, 2.5, 3.0, 4.0]"),
            *("preferred_size=32", "focus_threshold=0.1"),
            "maximum_window_share=0.5",
        ),
    ),
    # The paper's 96 x 96 px, as frames are at about half their size here.
    "voc_animals": DataSet(
        ("output/voc_animals/voc_*.record-*",),
        "research/grid/voc_animals_label_map.pbtxt",
        ("--fold_patterns", "voc_train", "voc_val"),
        (
            *_crops(0.6, 1.6),
            f"{EXTENSION}.training_crop.height=320",
            f"{EXTENSION}.training_crop.width=320",
            f"{EXTENSION}.small_area_threshold=2304",
            "model.faster_rcnn.num_classes=5",
            f"{_RESIZER}.min_dimension=300",
            f"{_RESIZER}.max_dimension=640",
            f"{_ANCHORS}.scales=[0.3, 0.5, 0.8, 1.25, 2.0, 3.0, 4.5]",
            f"{_ANCHORS}.aspect_ratios=[0.5, 1.0, 2.0]",
        ),
        ("preferred_size=96", "focus_threshold=0.05"),
    ),
}


CELLS = tuple(
    f"{name}/{backbone}"
    for name, data in DATA_SETS.items()
    for backbone in data.backbones
)


def result_file(data_set: str, backbone: str, seed: int | str) -> str:
    """Names the file of what came out; the seed may be a wildcard."""
    return f"research/results/grid_{data_set}_{backbone}_seed_{seed}.json"


def cell_folder(folder: str, data_set: str, backbone: str) -> str:
    """Names the folder of a cell below the folder of all."""
    return f"{folder}/{data_set}_{backbone}"


def ablation_arguments(
    data_set: str, backbone: str, seed: int, folder: str
) -> list[str]:
    """Makes the arguments of `research.ablation`.

    Args:
        data_set: One of `DATA_SETS`.
        backbone: One of `BACKBONES`.
        seed: Of the trainings.
        folder: For all files.
    """
    data = DATA_SETS[data_set]
    label_map = json.dumps(data.label_map)
    fields = (
        *data.fields,
        f"train_input_reader.label_map_path={label_map}",
        f"eval_input_reader.0.label_map_path={label_map}",
        *(
            f"{reader}.tf_record_input_reader.input_path="
            f"{json.dumps(list(data.records))}"
            for reader in ("train_input_reader", "eval_input_reader.0")
        ),
    )
    own = {name: changes for name, changes in _OWN.items() if name in data.rows}
    if "second_look" in own:
        own["second_look"] += tuple(
            f"second_look.{field}" for field in data.second_look
        )
    return [
        *("--pipeline", BACKBONES[backbone]),
        *("--output", cell_folder(folder, data_set, backbone)),
        *("--results", result_file(data_set, backbone, seed)),
        *("--steps-scale", str(STEPS_SCALE)),
        *("--seeds", str(seed)),
        *("--cached_images", str(data.cached_images), "--resamples", "400"),
        *data.parts,
        *("--variants", *(name for name in VARIANTS if name in data.rows)),
        *(
            word
            for name, changes in own.items()
            for word in ("--also", name, *changes)
        ),
        *(word for field in fields for word in ("--set", field)),
    ]
