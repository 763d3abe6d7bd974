"""What super-resolution costs at inference, by the share of small proposals.

    python -m benchmarks.overhead --pipeline pipelines/voc.config \
        --set model.feature_super_resolution.generator.block=BOTTLENECK

A frame of noise, as many proposals as the config allows, and random weights:
nothing has to be there. The small threshold is set such that just that share of
the frame's proposals is small. Gates are left out, for what passes them depends
on what a trained detector finds: `benchmarks.inference` judges real frames.
"""

import argparse
import functools
from collections.abc import Sequence

from benchmarks.reference import noise
from benchmarks.reference import sides
from benchmarks.reference import untrained
from benchmarks.side_by_side import comparison
from benchmarks.side_by_side import in_turns
from benchmarks.side_by_side import print_environment
from featsr_tf.command_line import add_pipeline_flags
from featsr_tf.command_line import read_pipeline
from featsr_tf.errors import exit_on_error


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead")
    add_pipeline_flags(parser)
    parser.add_argument("--frame", default="800x800", metavar="WxH")
    parser.add_argument(
        "--shares",
        nargs="+",
        type=float,
        default=[0.0, 1 / 3, 1.0],
        metavar="SHARE",
        help="of the proposals, that are small (default 0 .333 1)",
    )
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with exit_on_error():
        run(read_pipeline(arguments), arguments)


def run(pipeline, arguments: argparse.Namespace) -> None:
    """Measures and prints."""
    import tensorflow as tf

    from featsr_tf.inference import detection_function

    extension = pipeline.model.feature_super_resolution
    extension.gate_score_threshold = extension.gate_objectness_threshold = 0.0
    extension.gate_maximum = 0
    print_environment()
    detector = untrained(pipeline).for_inference()
    images = tf.constant(noise(*sides(arguments.frame)))
    frame = images, tf.cast([images.shape[1:3]], tf.float32), tf.ones([1, 2])
    ratios = areas_over_threshold(detector, *frame)
    calls = {f"{len(ratios)} proposals": detection_function(detector, False)}
    (base,) = calls
    small_area_threshold = detector.small_area_threshold
    for share in arguments.shares:
        threshold = threshold_of_share(ratios, share)
        detector.small_area_threshold = small_area_threshold * threshold
        detect = detection_function(detector, super_resolve=True)
        # The threshold is a constant of the graph, which is made now.
        detect(*frame)
        calls[f"{sum(r < threshold for r in ratios)} of them small"] = detect
    seconds = in_turns(
        {name: functools.partial(f, *frame) for name, f in calls.items()},
        arguments.rounds,
    )
    print(comparison(seconds, base))


def areas_over_threshold(detector, images, image_sizes, scales) -> list[float]:
    """Measures the proposals of a frame, in rising order."""
    import tensorflow as tf

    proposals = detector.propose(detector.extract(images), image_sizes)
    boxes = tf.boolean_mask(proposals.boxes, proposals.valid)
    ratios = detector.area_over_threshold(
        boxes, tf.zeros(len(boxes), tf.int32), scales
    )
    return sorted(ratios.numpy().tolist())


def threshold_of_share(ratios: Sequence[float], share: float) -> float:
    """Finds the threshold below which a share of rising ratios lies."""
    edges = [0.0, *ratios, 2.0 * ratios[-1]]
    count = round(share * len(ratios))
    return (edges[count] + edges[count + 1]) / 2


if __name__ == "__main__":
    main()
