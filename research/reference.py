"""Speed of inference and training beside the Faster R-CNN of other libraries.

    pip install torch torchvision
    pip install --no-deps tf-models-research-object-detection
    python -m research.reference --output output/reference.json

All are of one config, by default ResNet-50 with conv5 as head and RoI align
14 x 14, and see the same frames of noise. Weights are random; every frame has
as many proposals as the config allows. torchvision runs in both layouts of
memory. The Object Detection API, whose code runs in Keras 2, has a head of
4 x 4 cells; with its stride taken out it computes what the others compute. A
large matrix product of TensorFlow tells how much of the machine is used.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import write_text
from research import api_detector
from research.api_detector import ApiDetector
from research.other_processes import DetectorProcess
from research.other_processes import versions
from research.side_by_side import PAUSE
from research.side_by_side import comparison
from research.side_by_side import in_turns
from research.side_by_side import ratio
from research.torchvision_detector import TorchvisionDetector

OURS = "featsr_tf"
TORCHVISION = "torchvision"
API = "object_detection"
# What is installed, by name of what is imported.
PACKAGES = {
    TORCHVISION: {"torch": "torch", TORCHVISION: TORCHVISION},
    API: {API: "tf-models-research-object-detection"},
}
PRODUCT = "matrix product"
# Rows and columns of the matrices.
SIDE = 3072
NUM_OBJECTS = 8

Calls = Mapping[str, Callable[[], object]]


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m research.reference")
    add_pipeline_flags(parser, required=False)
    parser.set_defaults(pipeline="pipelines/voc.config")
    parser.add_argument(
        "--frames", nargs="+", default=["800x800", "1360x800"], metavar="WxH"
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=["inference", "training"],
        default=["inference", "training"],
    )
    parser.add_argument(
        "--beside", nargs="+", choices=list(PACKAGES), default=list(PACKAGES)
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", metavar="FILE", help="figures as JSON")
    arguments = parser.parse_args()
    with exit_on_error():
        run(read_pipeline(arguments), arguments)


def run(pipeline, arguments: argparse.Namespace) -> None:
    """Measures, prints and writes the figures."""
    from featsr_tf.html_report.inputs import describe_environment

    environment = describe_environment() | {
        name: versions(PACKAGES[name]) for name in arguments.beside
    }
    print("; ".join(environment.values()), flush=True)
    detector = untrained(pipeline)
    others = start(pipeline, arguments.beside)
    figures = []
    for frame in arguments.frames:
        images = noise(*sides(frame))
        if "inference" in arguments.parts:
            calls, counts = inference_calls(detector, others, images)
            seconds = in_turns(calls, arguments.rounds, pause=PAUSE)
            count = multiply_adds_of_frame(pipeline, detector, images.shape)
            report(f"inference {frame}", seconds, figures, count)
            print("  proposals judged:", counts())
    if "training" in arguments.parts:
        frame = arguments.frames[0]
        calls = training_calls(pipeline, detector, others, noise(*sides(frame)))
        seconds = in_turns(calls, arguments.rounds, pause=PAUSE)
        report(f"training {frame}", seconds, figures)
    if arguments.output:
        kept = {"environment": environment, "figures": figures}
        write_text(arguments.output, json.dumps(kept, indent=1) + "\n")


def untrained(pipeline):
    """Builds a detector of random weights that finds many proposals."""
    import keras

    from featsr_tf.model.build import build_detector

    keras.utils.set_random_seed(0)
    detector = build_detector(pipeline, load_weights=False)
    # Boxes moved at random would all be clipped to the same few.
    deltas = detector.proposal_network.deltas
    deltas.kernel.assign(keras.ops.zeros_like(deltas.kernel))
    return detector


def start(pipeline, libraries: Sequence[str]) -> dict[str, DetectorProcess]:
    """Starts the processes of the other detectors, by title."""
    others = {}
    if TORCHVISION in libraries:
        for layout, is_last in {"": False, ", channels last": True}.items():
            others[f"{TORCHVISION}{layout}"] = DetectorProcess(
                TorchvisionDetector, pipeline, is_last
            )
    if API in libraries:
        for cells, is_dense in {"4 x 4": False, "7 x 7": True}.items():
            others[f"{API}, {cells} cells"] = DetectorProcess(
                ApiDetector,
                pipeline,
                is_dense,
                environment=api_detector.ENVIRONMENT,
            )
    return others


def sides(frame: str) -> tuple[int, int]:
    """Reads "1360x800": width and height, up to multiples of 32 px."""
    parts = frame.split("x")
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise ConfigError(f"--frames {frame!r}: expected such as 1360x800")
    # As all detectors here pad them.
    width, height = (-(-int(part) // 32) * 32 for part in parts)
    return width, height


def noise(width: int, height: int) -> np.ndarray:
    """Makes a frame of noise `[1, height, width, 3]`, 0..255."""
    generator = np.random.default_rng(0)
    shape = (1, height, width, 3)
    return generator.uniform(0, 255, shape).astype("float32")


def random_objects(
    shape: Sequence[int], num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Makes boxes `[1, M, 4]` and classes `[1, M]` in frames of a shape."""
    generator = np.random.default_rng(1)
    lengths = generator.uniform(24, 240, (1, NUM_OBJECTS, 2))
    limits = np.array(shape[1:3]) - lengths
    corners = generator.uniform(0, 1, limits.shape) * limits
    boxes = np.concatenate([corners, corners + lengths], axis=-1)
    classes = generator.integers(1, num_classes + 1, (1, NUM_OBJECTS))
    return boxes.astype("float32"), classes.astype("int32")


def inference_calls(detector, others, images) -> tuple[Calls, Callable]:
    """Makes the calls that detect objects in a frame.

    Returns:
        The calls; and a function that tells how many proposals each judges.
    """
    import tensorflow as tf

    from featsr_tf.prediction.data_set import detection_function

    fast = detector.for_inference()
    detect = detection_function(fast, super_resolve=False)
    frame = tf.constant(images)
    image_sizes = tf.constant([images.shape[1:3]], tf.float32)
    matrix = tf.random.normal([SIDE, SIDE])
    multiply = tf.function(tf.matmul)
    theirs = {
        name: other.prepare("inference", images)
        for name, other in others.items()
    }
    calls = {
        OURS: lambda: detect(frame, image_sizes, tf.ones([1, 2])),
        **theirs,
        PRODUCT: lambda: multiply(matrix, matrix),
    }

    def count_judged() -> dict[str, int]:
        proposals = fast.propose(fast.extract(frame), image_sizes)
        own = int(tf.reduce_sum(tf.cast(proposals.valid, tf.int32)))
        return {OURS: own} | {k: call() for k, call in theirs.items()}

    return calls, count_judged


def training_calls(pipeline, detector, others, images) -> Calls:
    """Makes the calls that make one step of training on a frame."""
    import tensorflow as tf

    from featsr_tf.data.keys import Batch
    from featsr_tf.data.resize import half_image
    from featsr_tf.training import checkpoints
    from featsr_tf.training.build import build_stage

    boxes, classes = random_objects(
        images.shape, pipeline.model.faster_rcnn.num_classes
    )
    batch = {
        Batch.IMAGES: tf.constant(images),
        Batch.HALF_IMAGES: half_image(tf.constant(images)),
        Batch.IMAGE_SIZES: tf.constant([images.shape[1:3]], tf.float32),
        Batch.SCALES: tf.ones([1, 2]),
        Batch.BOXES: tf.constant(boxes),
        Batch.CLASSES: tf.constant(classes),
        Batch.IGNORED: tf.zeros(classes.shape, tf.bool),
        Batch.SEEDS: tf.constant([[0, 1]]),
    }
    calls = {}
    for name in checkpoints.STAGES:
        step = tf.function(build_stage(pipeline, name, detector).train_step)
        title = OURS if name == checkpoints.BASE else f"{OURS} {name}"
        calls[title] = lambda step=step: step(batch)
    for name, other in others.items():
        calls[name] = other.prepare("training", images, boxes, classes)
    return calls


def multiply_adds_of_frame(pipeline, detector, shape: Sequence[int]) -> int:
    """Counts the products with weights in the base detector's inference."""
    from research.generator_cost import multiply_adds

    cells = (1, shape[1] // 16, shape[2] // 16)
    channels = detector.extractor.output["base"].shape[-1]
    size = detector.pool_base.output_size
    judged = pipeline.model.faster_rcnn.first_stage_max_proposals
    return (
        multiply_adds(detector.extract, tuple(shape))
        + multiply_adds(detector.proposal_network, (*cells, channels))
        + judged
        * multiply_adds(detector.large_predictor, (1, size, size, channels))
    )


def report(
    title: str,
    seconds: dict[str, list[float]],
    figures: list[dict],
    count: int | None = None,
) -> None:
    """Prints figures and adds them to those that are kept.

    Args:
        title: what was timed.
        seconds: from `in_turns`.
        figures: get one more entry.
        count: multiply-adds of our call, by the definition of the network:
            it may get by with fewer.
    """
    product = seconds.pop(PRODUCT, None)
    print(title)
    print(comparison(seconds, OURS), flush=True)
    entry = {"title": title, "seconds": seconds}
    figures.append(entry)
    for name in (name for name in seconds if not name.startswith(OURS)):
        share, lower, upper = ratio(seconds[OURS], seconds[name])
        print(f"  ours: {share:.2f} ({lower:.2f} to {upper:.2f}) of {name}")
    if count is not None:
        rate = 2 * count / statistics.median(seconds[OURS])
        most = 2 * SIDE**3 / statistics.median(product)
        entry |= {"flop_per_second": rate, "of_product": rate / most}
        print(
            f"  {2e-9 * count:.0f} Gflop at {1e-9 * rate:.0f} Gflop/s, "
            f"{100 * rate / most:.0f}% of the {1e-9 * most:.0f} Gflop/s of a "
            "matrix product"
        )


if __name__ == "__main__":
    main()
