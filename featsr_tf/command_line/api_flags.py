"""Flags of the programs of the TF Object Detection API.

Who comes from there may type them here: they work, or one line says what does
the same. `--pipeline_config_path`, `--model_dir`, `--trained_checkpoint_dir`,
`--output_directory` and `--input_type` are flags of the commands themselves.
"""

import argparse
import enum
import sys
from collections.abc import Sequence
from typing import NamedTuple


class _Does(enum.Enum):
    """What becomes of a flag."""

    SETS = "a field of the config gets its value"
    NOTHING = "one line says why, and the command goes on"
    STOPS = "one line says what does the same here"


class ApiFlag(NamedTuple):
    """A flag of the API.

    Attributes:
        text: the field that it sets, or what is said.
        harmless: values that ask for nothing, of which nothing is said.
    """

    name: str
    does: _Does
    text: str
    harmless: Sequence[str] = ()


_OFF = ("false", "f", "0", "no", "n")
_ON = ("true", "t", "1", "yes", "y")
_COMMON = (
    *(
        ApiFlag(name, _Does.NOTHING, "messages go to the terminal anyway", _OFF)
        for name in ("alsologtostderr", "logtostderr")
    ),
    *(
        ApiFlag(name, _Does.NOTHING, "TF_CPP_MIN_LOG_LEVEL=0 shows more")
        for name in ("v", "verbosity", "stderrthreshold", "log_dir")
    ),
    ApiFlag(
        "use_tpu",
        _Does.STOPS,
        "there is no support of TPUs; all GPUs are used without a flag",
        _OFF,
    ),
    ApiFlag("tpu_name", _Does.STOPS, "there is no support of TPUs", ("",)),
    ApiFlag("hparams_overrides", _Does.STOPS, "give --set FIELD=VALUE"),
)
_EVERY_IMAGE = "evaluate reads all records of the first eval_input_reader"
_NO_WAITING = "nothing waits for checkpoints: featsr evaluate reads the best"
_EVALUATION = (
    *_COMMON,
    ApiFlag("eval_timeout", _Does.NOTHING, _NO_WAITING),
    ApiFlag("max_eval_retries", _Does.NOTHING, _NO_WAITING),
    ApiFlag("run_once", _Does.NOTHING, _NO_WAITING, _ON),
    ApiFlag("sample_1_of_n_eval_examples", _Does.NOTHING, _EVERY_IMAGE, ("1",)),
    ApiFlag(
        "sample_1_of_n_eval_on_train_examples", _Does.NOTHING, _EVERY_IMAGE
    ),
    *(
        ApiFlag(
            name,
            _Does.STOPS,
            "give featsr evaluate --set eval_input_reader.0."
            "tf_record_input_reader.input_path=RECORDS",
            _OFF,
        )
        for name in ("eval_on_train_data", "eval_training_data")
    ),
)
TRAIN_FLAGS = (
    *_EVALUATION,
    ApiFlag("num_train_steps", _Does.SETS, "train_config.num_steps"),
    ApiFlag(
        "checkpoint_every_n",
        _Does.SETS,
        "model.feature_super_resolution.checkpoint_interval",
    ),
    ApiFlag(
        "checkpoint_dir",
        _Does.STOPS,
        "evaluates in the API; here that is featsr evaluate --model_dir DIR",
    ),
    ApiFlag(
        "record_summaries",
        _Does.NOTHING,
        "files for TensorBoard are always written",
        _ON,
    ),
    ApiFlag(
        "num_workers",
        _Does.STOPS,
        "start the command on each machine with TF_CONFIG: docs/training.md",
        ("1",),
    ),
)
EVALUATE_FLAGS = (
    *_EVALUATION,
    ApiFlag("num_train_steps", _Does.NOTHING, "nothing is trained here"),
    ApiFlag("eval_dir", _Does.STOPS, "give --output FILE for the figures"),
)
_NO_SIDE_INPUTS = "models here have one input, the images"
EXPORT_FLAGS = (
    *_COMMON,
    ApiFlag("config_override", _Does.STOPS, "give --set FIELD=VALUE"),
    ApiFlag("use_side_inputs", _Does.STOPS, _NO_SIDE_INPUTS, _OFF),
    *(
        ApiFlag(f"side_input_{name}", _Does.STOPS, _NO_SIDE_INPUTS, ("",))
        for name in ("shapes", "types", "names")
    ),
    ApiFlag(
        "input_shape",
        _Does.STOPS,
        "images of any size are taken; --format tflite has --input_size",
    ),
    ApiFlag(
        "trained_checkpoint_prefix",
        _Does.STOPS,
        "give --trained_checkpoint_dir DIR, the whole model folder",
    ),
    ApiFlag(
        "write_inference_graph",
        _Does.NOTHING,
        "a SavedModel holds its graph",
        _OFF,
    ),
    ApiFlag(
        "additional_output_tensor_names",
        _Does.STOPS,
        "--raw_outputs puts out what there is beside the detections",
    ),
    ApiFlag(
        "max_detections",
        _Does.STOPS,
        "give --set model.faster_rcnn.second_stage_post_processing."
        "batch_non_max_suppression.max_total_detections=N",
    ),
)


def add_api_flags(
    parser: argparse.ArgumentParser, flags: Sequence[ApiFlag]
) -> None:
    """Adds flags that help does not list.

    Args:
        parser: has the flag `--set` where a flag sets a field.
    """
    for flag in flags:
        names = [f"--{flag.name}"]
        if set(flag.harmless) & {"true", "false"}:
            names.append(f"--no{flag.name}")
        parser.add_argument(
            *names,
            action=_Action,
            flag=flag,
            nargs=None if flag.does is _Does.SETS else "?",
            dest=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )


class _Action(argparse.Action):
    def __init__(self, flag: ApiFlag, **options):
        super().__init__(**options)
        self._flag = flag

    def __call__(self, parser, namespace, values, option_string=None):
        flag, name = self._flag, option_string or ""
        if flag.does is _Does.SETS:
            override = f"{flag.text}={values}"
            namespace.overrides = [*namespace.overrides, override]
            return
        asked = "true" if values is None else values.lower()
        if name.startswith("--no") and not flag.name.startswith("no"):
            asked = "false"
        if asked in flag.harmless:
            return
        if flag.does is _Does.STOPS:
            parser.exit(2, f"error: {name}: {flag.text}\n")
        print(f"note: {name} has no effect: {flag.text}", file=sys.stderr)
