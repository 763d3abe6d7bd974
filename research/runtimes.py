"""How far ONNX and TensorFlow Lite models stray from the SavedModel.

    python -m research.runtimes --saved_model saved_models/signs/1 \
        --onnx saved_models/signs_onnx/1/model.onnx \
        --tflite saved_models/signs_tflite/1/model.tflite \
        --images ../shared/data/gtsdb/images

All judge the same pictures in turn, one at a time.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from featsr_tf.data.pictures import read_image
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error

ENDINGS = {".bmp", ".jpeg", ".jpg", ".png", ".ppm"}
Detect = Callable[[np.ndarray], dict[str, np.ndarray]]


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m research.runtimes")
    parser.add_argument("--saved_model", required=True, metavar="DIR")
    parser.add_argument("--onnx", metavar="FILE")
    parser.add_argument("--tflite", metavar="FILE")
    parser.add_argument("--images", required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=40)
    arguments = parser.parse_args()
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints."""
    files = sorted(Path(arguments.images).glob("*"))
    files = [file for file in files if file.suffix.lower() in ENDINGS]
    if not files:
        raise DataError(f"{arguments.images}: no pictures in it")
    expect = saved_model(arguments.saved_model)
    others = {}
    if arguments.onnx:
        others["onnx"] = onnx(arguments.onnx)
    if arguments.tflite:
        others["tflite"] = tflite(arguments.tflite)
    times = {name: [] for name in ("saved_model", *others)}
    differences = {}
    for file in files[: arguments.count]:
        image = read_image(str(file))[None]
        expected = timed(expect, image, times["saved_model"])
        for runtime, detect in others.items():
            found = timed(detect, image, times[runtime])
            for output, values in expected.items():
                difference = np.abs(found[output] - values).ravel()
                differences.setdefault((runtime, output), []).append(difference)
    for runtime, seconds in times.items():
        print(f"{runtime:12} median {1e3 * statistics.median(seconds):7.1f} ms")
    for (runtime, output), found in differences.items():
        found = np.concatenate(found)
        print(
            f"{runtime:12} {output:18} differs by at most {found.max():.1e}, "
            f"on average by {found.mean():.1e}"
        )


def timed(
    detect: Detect, image: np.ndarray, seconds: list[float]
) -> dict[str, np.ndarray]:
    """Detects and notes how long it took."""
    begin = time.perf_counter()
    found = detect(image)
    seconds.append(time.perf_counter() - begin)
    return found


def saved_model(folder: str) -> Detect:
    """Loads a SavedModel."""
    import tensorflow as tf

    # The model must outlive its signature.
    model = tf.saved_model.load(folder)

    def detect(image):
        found = model.signatures["image"](input_tensor=tf.constant(image))
        return {name: values.numpy() for name, values in found.items()}

    return detect


def onnx(file: str) -> Detect:
    """Loads an ONNX model."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    names = [output.name for output in session.get_outputs()]

    def detect(image):
        values = session.run(names, {"input_tensor": image})
        return dict(zip(names, values, strict=True))

    return detect


def tflite(file: str) -> Detect:
    """Loads a TensorFlow Lite model."""
    from ai_edge_litert.interpreter import Interpreter

    run_signature = Interpreter(file, num_threads=2).get_signature_runner()
    return lambda image: run_signature(input_tensor=image)


if __name__ == "__main__":
    main()
