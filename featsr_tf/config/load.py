"""From a config file and command line to a checked pipeline."""

from collections.abc import Sequence
from pathlib import Path

from featsr_tf.config import checks
from featsr_tf.config import schema
from featsr_tf.config import text_format
from featsr_tf.config.overrides import apply_override
from featsr_tf.errors import ConfigError


def load_pipeline(
    path: str | Path, overrides: Sequence[str] = ()
) -> schema.Pipeline:
    """Reads and checks a pipeline config.

    Nothing but the file itself is touched: the paths inside it are checked
    by those who open them.

    Args:
        path: A config in the syntax of the TF Object Detection API.
        overrides: Such as "model.faster_rcnn.num_classes=4".

    Returns:
        The config, with defaults for all that is not set.

    Raises:
        ConfigError: The file cannot be read, or says something impossible.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the pipeline config: "
            f"{error.strerror or error}"
        ) from None
    return parse_pipeline(content, str(path), overrides)


def parse_pipeline(
    content: bytes, source: str, overrides: Sequence[str] = ()
) -> schema.Pipeline:
    """Parses and checks the content of a config file.

    Args:
        content: The bytes of the file.
        source: Its name, for errors.
        overrides: As for `load_pipeline`.

    Returns:
        The config, with defaults for all that is not set.

    Raises:
        ConfigError: The content says something impossible.
    """
    text = text_format.decode(content, source)
    proto, origins = text_format.parse(text, source)
    for override in overrides:
        apply_override(proto, origins, override)
    pipeline = text_format.from_proto(proto, schema.Pipeline, origins)
    pipeline.source = source
    pipeline.origins = origins
    checks.check(pipeline)
    return pipeline
