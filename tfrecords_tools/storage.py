"""Files of local folders and of stores such as gs://, through tf.io.gfile."""

import hashlib
import os
import uuid
from pathlib import Path

from featsr_tf import files
from featsr_tf.errors import DataError

_CHUNK_BYTES = 1 << 20


def is_remote(path: str) -> bool:
    """Whether a path belongs to a store such as gs://."""
    return "://" in path


def absolute(path: str | os.PathLike) -> str:
    """The path of a folder that does not depend on the working folder.

    Raises:
        DataError: a whole store such as gs://bucket.
    """
    text = os.fspath(path)
    if not is_remote(text):
        return str(Path(text).resolve())
    text = text.rstrip("/")
    if "/" not in text.partition("://")[2]:
        raise DataError(f"{text}: expected a folder, such as {text}/records")
    return text


def write_text(path: str, text: str) -> None:
    """Writes a UTF-8 text file like `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file whole or not at all.

    Args:
        path: the file to write or replace; its folder is made when needed.
    """
    import tensorflow as tf

    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(temporary, "wb") as stream:
        stream.write(content)
    tf.io.gfile.rename(temporary, path, overwrite=True)


def read_text(path: str) -> str | None:
    """The content of a text file; None when there is no such file.

    Raises:
        DataError: it is no text.
    """
    import tensorflow as tf

    if not tf.io.gfile.exists(path):
        return None
    if not is_remote(path):
        return files.read_text(path)
    with tf.io.gfile.GFile(path, "rb") as stream:
        content = stream.read()
    try:
        return files.decode_text(content)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file: {error}") from None


def sha256(path: str) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    import tensorflow as tf

    digest = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def move_in(local_path: str, path: str) -> None:
    """Moves a local file to its place, where it appears whole."""
    import tensorflow as tf

    if is_remote(path):
        tf.io.gfile.copy(local_path, path, overwrite=True)
    else:
        os.replace(local_path, path)
