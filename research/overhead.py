"""What super-resolution costs at inference, by the share of small proposals.

    python -m research.overhead --pipeline pipelines/voc.config \
        --set model.feature_super_resolution.generator.block=BOTTLENECK

A frame of noise, as many proposals as the config allows, and random weights:
nothing has to be there. Of the proposals the first so many are called small,
whatever their size: times do not depend on it. Gates are left out, for what
passes them depends on what a trained detector finds: `research.inference`
judges real frames.
"""

import argparse
import functools

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import exit_on_error
from research.reference import noise
from research.reference import sides
from research.reference import untrained
from research.side_by_side import comparison
from research.side_by_side import in_turns
from research.side_by_side import print_environment


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m research.overhead")
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

    from featsr_tf.prediction.data_set import detection_function

    extension = pipeline.model.feature_super_resolution
    extension.gate_score_threshold = extension.gate_objectness_threshold = 0.0
    extension.gate_maximum = 0
    print_environment()
    detector = untrained(pipeline).for_inference()
    images = tf.constant(noise(*sides(arguments.frame)))
    frame = images, tf.cast([images.shape[1:3]], tf.float32), tf.ones([1, 2])
    count = int(tf.math.count_nonzero(find_proposals(detector, frame).valid))
    calls = {f"{count} proposals": detection_function(detector, False)}
    (base,) = calls
    for share in arguments.shares:
        number = round(share * count)
        detector.is_small = functools.partial(first_are_small, number)
        detect = detection_function(detector, super_resolve=True)
        # The number is a constant of the graph, which is made now.
        detect(*frame)
        calls[f"{number} of them small"] = detect
    seconds = in_turns(
        {name: functools.partial(f, *frame) for name, f in calls.items()},
        arguments.rounds,
    )
    print(comparison(seconds, base))


def find_proposals(detector, frame):
    """Finds the proposals of a frame."""
    images, image_sizes, _ = frame
    return detector.propose(detector.extract(images), image_sizes)


def first_are_small(number: int, boxes, image_indices, scales):
    """Stands for `Detector.is_small`: the first so many boxes are."""
    import tensorflow as tf

    return tf.range(tf.shape(boxes)[0]) < number


if __name__ == "__main__":
    main()
