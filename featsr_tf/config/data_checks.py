"""Impossible input readers."""

from featsr_tf.config import schema
from featsr_tf.errors import ConfigError


def check_data(pipeline: schema.Pipeline) -> None:
    """Refuses input readers that name no files.

    Args:
        pipeline: A config whose single values are within their limits.

    Raises:
        ConfigError: Which reader names no records or no label map.
    """
    _check_reader(pipeline, "train_input_reader", pipeline.train_input_reader)
    for index, reader in enumerate(pipeline.eval_input_reader):
        _check_reader(pipeline, f"eval_input_reader.{index}", reader)


def _check_reader(
    pipeline: schema.Pipeline, path: str, reader: schema.InputReader
) -> None:
    records = f"{path}.tf_record_input_reader.input_path"
    paths = reader.tf_record_input_reader.input_path
    for name, missing, expected in (
        (records, not paths or not all(paths), "TFRecord files"),
        (f"{path}.label_map_path", not reader.label_map_path, "a label map"),
    ):
        if missing:
            raise ConfigError(
                f"{pipeline.where(name)}: {name} is not set; expected "
                f"{expected}"
            )
