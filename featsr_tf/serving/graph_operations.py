"""Looks into a SavedModel for operations that reach out of it.

A SavedModel is a program: TensorFlow runs whatever is in its graphs. What
`featsr_tf.export` writes computes and does nothing else, so a model that
wants to touch files or run Python is not one of these.
"""

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from featsr_tf.errors import DataError

# Saving and restoring variables is part of every SavedModel.
_FORBIDDEN_PARTS = (
    "PyFunc",
    "ReadFile",
    "WriteFile",
    "MatchingFiles",
    "Reader",
    "Dataset",
    "Iterator",
    "Lookup",
    "HashTable",
    "SendTF",
    "Print",
    "Summary",
    "Rpc",
    "Debug",
    "CustomCall",
)


def check_operations(saved: saved_model_pb2.SavedModel, path: str) -> None:
    """Refuses a SavedModel that does more than compute.

    Args:
        saved: the content of `saved_model.pb`.
        path: the file, for the message.

    Raises:
        DataError: the operations that are not allowed.
    """
    found = set()
    for meta_graph in saved.meta_graphs:
        graph = meta_graph.graph_def
        found.update(node.op for node in graph.node)
        for function in graph.library.function:
            found.update(node.op for node in function.node_def)
    wrong = sorted(
        name for name in found if any(part in name for part in _FORBIDDEN_PARTS)
    )
    if wrong:
        raise DataError(
            f"{path}: has operations that reach out of the model:"
            f" {', '.join(wrong)}; expected a model that python -m"
            " featsr_tf.export has written"
        )


def read_saved_model(path: str) -> saved_model_pb2.SavedModel:
    """Reads `saved_model.pb` and checks what it would run.

    Args:
        path: the file.

    Returns:
        Its content.

    Raises:
        DataError: it is damaged, or does more than compute.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        saved = saved_model_pb2.SavedModel.FromString(content)
    except DecodeError as error:
        raise DataError(f"{path}: damaged: {error}") from None
    check_operations(saved, path)
    return saved
