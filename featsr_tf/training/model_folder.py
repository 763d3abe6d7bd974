"""The model folder: everything that belongs to one trained detector.

It can be copied elsewhere as a whole; its parts are:

    MODEL_DIR/pipeline.config    the effective config of the last training
    MODEL_DIR/label_map.pbtxt    the classes
    MODEL_DIR/checkpoints/       of the three stages (`checkpoints.py`), with
    .../STAGE/pipeline-N.config  what each was trained with from step N on
    MODEL_DIR/history.jsonl      losses and gauges over the steps
    MODEL_DIR/tensorboard/       the same for TensorBoard, with pictures
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from featsr_tf.config import affects_of
from featsr_tf.config import base_differences
from featsr_tf.config import changes
from featsr_tf.config import differences
from featsr_tf.config import inference_differences
from featsr_tf.config import load_pipeline
from featsr_tf.config import stage_differences
from featsr_tf.config import to_text
from featsr_tf.config import with_inference_of
from featsr_tf.config.fields import INFERENCE
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.files import hold_lock
from featsr_tf.files import write_text

HISTORY_FILE = "history.jsonl"


class History:
    """The lines of one stage."""

    def __init__(self, model_dir: str, stage: str):
        self.path = os.path.join(model_dir, HISTORY_FILE)
        self.stage = stage

    def append(self, step: int, **content: Any) -> None:
        """Adds a line about a step with other content, fit for JSON."""
        line = json.dumps({"stage": self.stage, "step": step, **content})
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def truncate_after(self, step: int) -> None:
        """Drops what a run that was cut off wrote after its checkpoint."""
        lines = self._read()
        kept = [
            line
            for line, record in lines
            if record["stage"] != self.stage or record["step"] <= step
        ]
        # Also where the only line is one that was cut off.
        if os.path.exists(self.path):
            write_text(self.path, "".join(kept))

    def validations(self) -> list[dict]:
        """Lists the lines with figures, in order of their steps."""
        return [
            record
            for _, record in self._read()
            if record["stage"] == self.stage and "validation" in record
        ]

    def is_validated(self, step: int) -> bool:
        """Tells whether a step has been validated."""
        return any(record["step"] == step for record in self.validations())

    def best_step(self) -> int | None:
        """Finds the step with the greatest figure, the first of equal ones.

        Returns:
            The step; None where no figure is to decide, or none is defined.
        """
        records = self.validations()
        figure = records[-1]["best_by"] if records else ""
        values = {r["step"]: r["validation"].get(figure) for r in records}
        values = {step: v for step, v in values.items() if v is not None}
        return max(values, key=values.__getitem__) if values else None

    def patience_exceeded(self, patience: int) -> bool:
        """Tells whether as many validations as `patience` were no better.

        A patience of 0 is without end.
        """
        best = self.best_step()
        if not patience or best is None:
            return False
        later = [r for r in self.validations() if r["step"] > best]
        return len(later) >= patience

    def _read(self) -> list[tuple[str, dict]]:
        return read_history(self.path) if os.path.exists(self.path) else []


def read_history(path: str | Path) -> list[tuple[str, dict]]:
    """Reads a history: its whole lines of all stages, and what they hold.

    A last line without its end, as a killed run leaves it, is left out.

    Raises:
        DataError: it cannot be read, or a line is no record of a step.
    """
    try:
        text = Path(path).read_text("utf-8-sig", "replace")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return [
        (f"{line}\n", _parse(line, f"{path}, line {number}"))
        for number, line in enumerate(text.split("\n")[:-1], start=1)
        if line.strip()
    ]


def _parse(line: str, where: str) -> dict:
    try:
        record = json.loads(line)
        return {**record, "stage": record["stage"], "step": record["step"]}
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{where}: expected an object with 'stage' and 'step', found "
            f"{line[:60]!r}; delete the line"
        ) from None


PIPELINE_FILE = "pipeline.config"
LABEL_MAP_FILE = "label_map.pbtxt"
_LOCK_FILE = ".lock"
_STAGE_CONFIG = re.compile(r"pipeline-(\d+)\.config")


def checkpoint_directory(model_dir: str, stage: str) -> str:
    """Names the folder of a stage's checkpoints."""
    return os.path.join(model_dir, "checkpoints", stage)


def _stage_config(model_dir: str, stage: str, step: int) -> str:
    folder = checkpoint_directory(model_dir, stage)
    return os.path.join(folder, f"pipeline-{step}.config")


def trained_configs(model_dir: str, stage: str) -> dict[int, Pipeline]:
    """Reads what a stage was trained with.

    Returns:
        The configs by the step from which on each was used, in this order;
        none where the stage has not begun. Of a folder without this record
        the only config that there is.
    """
    folder = checkpoint_directory(model_dir, stage)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [
        match for name in names if (match := _STAGE_CONFIG.fullmatch(name))
    ]
    if found:
        return {
            step: load_pipeline(
                _stage_config(model_dir, stage, step), trains=False
            )
            for step in sorted(int(match[1]) for match in found)
        }
    is_known = os.path.exists(os.path.join(model_dir, PIPELINE_FILE))
    return {0: load(model_dir)} if names and is_known else {}


def record_config(
    model_dir: str, stage: str, step: int, pipeline: Pipeline
) -> None:
    """Keeps with what config a stage goes on from a step.

    What was known of steps that a cut off run lost is forgotten.
    """
    keep_configs(model_dir, model_dir)
    known = trained_configs(model_dir, stage)
    for other in [other for other in known if other >= step]:
        os.remove(_stage_config(model_dir, stage, other))
        del known[other]
    if not known or stage_differences([*known.values()][-1], pipeline, stage):
        path = _stage_config(model_dir, stage, step)
        write_text(path, to_text(pipeline))


def keep_configs(
    source: str, model_dir: str, stages: Sequence[str] | None = None
) -> None:
    """Writes what the stages of a folder were trained with into another one.

    Args:
        stages: which ones. Default all; into the folder itself this keeps
            its only config where it has no other record.
    """
    folder = os.path.join(source, "checkpoints")
    if stages is None:
        stages = os.listdir(folder) if os.path.isdir(folder) else []
    for stage in stages:
        for step, config in trained_configs(source, stage).items():
            path = _stage_config(model_dir, stage, step)
            if not os.path.exists(path):
                write_text(path, to_text(config))


def changed_since(model_dir: str, stage: str, pipeline: Pipeline) -> list[str]:
    """Names the fields by which a stage was trained otherwise at last.

    Returns:
        Lines such as "train_config.batch_size: 8 and 4".
    """
    known = [*trained_configs(model_dir, stage).values()]
    return stage_differences(known[-1], pipeline, stage) if known else []


# Apart from the lock: not every system lets others read what is locked.
_HOLDER_FILE = ".lock_holder"


def prepare(model_dir: str, pipeline: Pipeline, label_map: LabelMap) -> None:
    """Makes a model folder; `check` and `check_classes` come before."""
    write_config(model_dir, pipeline)
    write_text(os.path.join(model_dir, LABEL_MAP_FILE), label_map.to_text())


def write_config(folder: str, pipeline: Pipeline) -> None:
    """Writes the config that `load` reads, making the folder when needed."""
    write_text(os.path.join(folder, PIPELINE_FILE), to_text(pipeline))


@contextlib.contextmanager
def locked(model_dir: str) -> Iterator[None]:
    """Keeps a model folder, made when needed, for one training.

    The lock goes with the process, however that ends.

    Raises:
        ConfigError: another process trains in it.
    """
    os.makedirs(model_dir, exist_ok=True)
    holder = Path(model_dir, _HOLDER_FILE)

    def refuse() -> None:
        process = holder.read_text("utf-8") if holder.exists() else "unknown"
        raise ConfigError(
            f"{model_dir}: process {process} trains in this folder; wait until"
            " it ends, or give another --model_dir"
        ) from None

    with hold_lock(Path(model_dir, _LOCK_FILE), refuse):
        write_text(holder, str(os.getpid()))
        yield


def check(model_dir: str, pipeline: Pipeline) -> None:
    """Refuses a folder in which another config has trained.

    Raises:
        ConfigError: names the first fields that differ.
    """
    if os.path.isfile(model_dir):
        raise ConfigError(f"{model_dir}: is a file; expected a model folder")
    if os.path.exists(os.path.join(model_dir, PIPELINE_FILE)):
        _refuse(model_dir, differences(load(model_dir), pipeline))


def check_trained(model_dir: str, pipeline: Pipeline) -> Pipeline:
    """Refuses a trained model that another config cannot use.

    Fields that affect inference alone, or inference too, may differ.

    Returns:
        The config that the model was trained with, these fields as in
        `pipeline`.

    Raises:
        ConfigError: there is no model, or names the first fields that differ.
    """
    trained = load(model_dir)
    _refuse(model_dir, inference_differences(trained, pipeline))
    return with_inference_of(trained, pipeline)


def _refuse(model_dir: str, differing: list[str]) -> None:
    if differing:
        raise ConfigError(
            f"{model_dir}: holds a model of another config; these fields "
            f"differ: {'; '.join(differing[:3])}; give another --model_dir or "
            "the config of this model"
        )


def check_base(base_from: str, pipeline: Pipeline) -> None:
    """Refuses a folder whose base detector another config would not train.

    Raises:
        ConfigError: names the first fields of stage 1 that differ.
    """
    # Later stages may have been trained with another config since.
    known = [*trained_configs(base_from, "base").values()]
    trained = known[-1] if known else load(base_from)
    differing = base_differences(trained, pipeline)
    if differing:
        raise ConfigError(
            f"{base_from}: holds a base detector of another config; these "
            f"fields differ: {'; '.join(differing[:3])}; give the folder of "
            "one that was trained with this config"
        )


def check_classes(model_dir: str, label_map: LabelMap) -> None:
    """Refuses a folder whose model was trained on other classes.

    Raises:
        ConfigError: names the first class that differs.
    """
    path = os.path.join(model_dir, LABEL_MAP_FILE)
    if not os.path.exists(path):
        return
    if difference := load_label_map(path).first_difference(label_map):
        raise ConfigError(
            f"{model_dir}: holds a model of other classes: {difference}; give "
            "another --model_dir or the label map of this model"
        )


def load(model_dir: str, overrides: Sequence[str] = ()) -> Pipeline:
    """Reads the effective config of a model folder.

    Raises:
        ConfigError: there is no model in this folder, or a field is
            overridden on which the trained model depends.
    """
    path = os.path.join(model_dir, PIPELINE_FILE)
    if not os.path.exists(model_dir):
        raise ConfigError(f"{model_dir}: no model here: no such folder")
    if not os.path.exists(path):
        raise ConfigError(
            f"{model_dir}: no model here ({PIPELINE_FILE} is missing); give "
            "the --model_dir of `python -m featsr_tf.train`"
        )
    trained = load_pipeline(path, trains=False)
    if not overrides:
        return trained
    pipeline = load_pipeline(path, overrides, trains=False)
    for field, (found, asked) in changes(trained, pipeline).items():
        if INFERENCE not in affects_of(field):
            raise ConfigError(
                f"--set {field}: is {asked}, but the model in {model_dir} was "
                f"trained with {found}; expected a field that affects "
                "inference, see docs/config_reference.md"
            )
    return pipeline


def load_classes(model_dir: str) -> LabelMap:
    """Reads the label map of a model folder.

    Raises:
        DataError: the file is missing or unsound.
    """
    return load_label_map(os.path.join(model_dir, LABEL_MAP_FILE))
