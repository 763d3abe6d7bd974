"""Accuracy and time of super-resolution beside other ways to small objects.

    python -m research.alternatives \
        --records output/ablation/records/fold_0.record --models \
        generator=output/ablation/models/atrous_gan-fold_0-seed_0 \
        zoom=output/ablation/models/zoom_gates-fold_0-seed_0

All models were trained from one base detector (`--base_from`). It looks at
frames as they are, at enlarged frames, and at tiles beside the whole frame, as
`featsr_tf.predict --tile` does, or as SAHI does (`--sahi`; it is in the extra
`sahi`). All ways judge the same frames, which none of
the models was trained on. Time is that from a decoded frame to its detections:
resizing, cutting and merging are in it.
"""

import argparse
import dataclasses
import itertools
from collections.abc import Sequence

from featsr_tf.command_line.flags import add_classes_flag
from featsr_tf.config.schema import AreaFrame
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.exporting.names import BASE
from featsr_tf.metrics.options import select_classes
from featsr_tf.prediction.tiling import Tiling
from research.side_by_side import add_clock_flag
from research.side_by_side import add_enlarge_flag
from research.side_by_side import check_rounds
from research.side_by_side import clock_of
from research.side_by_side import print_environment


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research.alternatives",
        description="Super-resolution beside enlarged frames and tiles.",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        required=True,
        metavar="NAME=DIR",
        help="trained detectors; fields of the config may follow the folder, "
        'as in "NAME=DIR FIELD=VALUE"',
    )
    parser.add_argument(
        "--records",
        nargs="+",
        required=True,
        metavar="FILE",
        help="frames that judge, none of which the models were trained on",
    )
    _add_view_flags(parser)
    parser.add_argument(
        "--sizes_of",
        choices=["config", "original"],
        default="config",
        help="in which frame objects are small: that of the config's "
        "small_area_frame, or the original one, as COCO has it",
    )
    add_classes_flag(parser)
    parser.add_argument(
        "--images", type=int, help="judge so many frames; default all"
    )
    parser.add_argument(
        "--timed",
        type=int,
        default=15,
        metavar="N",
        help="of these, frames that are timed; default %(default)s",
    )
    parser.add_argument("--rounds", type=int, default=5)
    add_clock_flag(parser)
    parser.add_argument(
        "--plot", metavar="FILE.png", help="picture of accuracy over time"
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        check(arguments)
        run(arguments)


def _add_view_flags(parser: argparse.ArgumentParser) -> None:
    add_enlarge_flag(parser)
    parser.add_argument(
        "--limit_base",
        type=float,
        metavar="OBJECTNESS",
        help="the base, at each of its sizes, also where it judges only "
        "proposals of so much, as models with gate_objectness_threshold do; "
        "default not",
    )
    parser.add_argument(
        "--enlarge_models",
        type=float,
        nargs="*",
        default=[4 / 3],
        metavar="F",
        help="the same for the models; default 4/3",
    )
    parser.add_argument(
        "--tile",
        type=int,
        default=512,
        metavar="PX",
        help="side of the tiles; default %(default)s",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        default=Tiling.overlap,
        metavar="PART",
        help="of neighbouring tiles; default %(default)s",
    )
    parser.add_argument(
        "--enlarge_tiles",
        type=float,
        nargs="*",
        default=[1.0, 4 / 3, 5 / 3],
        metavar="F",
        help="times the size at which the config shows tiles; default "
        "1 4/3 5/3",
    )
    parser.add_argument(
        "--sahi",
        type=int,
        nargs="*",
        default=[],
        metavar="PX",
        help="sides of the slices of SAHI around the base; default none",
    )


def check(arguments: argparse.Namespace) -> None:
    """Refuses values that are out of range.

    Args:
        arguments: parsed flags.

    Raises:
        ConfigError: names the flag.
    """
    check_rounds(arguments.rounds)
    Tiling(arguments.tile, arguments.overlap)
    # Score thresholds are chosen on one half of the frames for the other.
    for flag, least in (("images", 2), ("timed", 1)):
        value = getattr(arguments, flag)
        if value is not None and value < least:
            raise ConfigError(
                f"--{flag}: expected {least} or more, found {value}"
            )
    limit = arguments.limit_base
    if limit is not None and not 0 < limit < 1:
        raise ConfigError(
            f"--limit_base: expected between 0 and 1, found {limit:g}"
        )
    for flag in ("enlarge", "enlarge_models", "enlarge_tiles"):
        for value in getattr(arguments, flag):
            if value <= 0:
                raise ConfigError(
                    f"--{flag}: expected more than 0, found {value:g}"
                )


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints and draws."""
    from featsr_tf.config.schema import TFRecordInputReader
    from featsr_tf.data.build import load_records
    from research.alternatives.figures import accuracy_table
    from research.alternatives.figures import plot
    from research.alternatives.figures import price_table
    from research.alternatives.looking import judge
    from research.alternatives.looking import look
    from research.alternatives.looking import read_frames
    from research.alternatives.models import open_models
    from research.alternatives.ways import make_ways

    models = open_models(arguments.models, arguments.records)
    pipeline = models[0].pipeline
    source = load_records(
        dataclasses.replace(
            pipeline.train_input_reader,
            tf_record_input_reader=TFRecordInputReader(arguments.records),
        ),
        pipeline.model.faster_rcnn.num_classes,
    )
    names = source.label_map.names
    classes = select_classes(names, arguments.classes, source.label_map.path)
    ways = make_ways(models, arguments)
    frames = itertools.islice(read_frames(pipeline, source), arguments.images)
    kept = look(
        frames,
        ways,
        arguments.timed,
        arguments.rounds,
        clock_of(arguments),
    )
    area_frame = pipeline.model.feature_super_resolution.small_area_frame
    if arguments.sizes_of == "original":
        area_frame = AreaFrame.ORIGINAL
    judged = {
        name: judge(item, classes, area_frame) for name, item in kept.items()
    }
    if not judged[BASE].counts.objects[:, 0].any():
        raise DataError(
            f"{source.paths[0]}: expected small objects, found none"
        )
    print_environment()
    print(
        f"{len(kept[BASE].truths)} frames of {', '.join(source.paths)}, "
        f"{min(arguments.timed, len(kept[BASE].truths))} of them timed in "
        f"{arguments.rounds} rounds; sizes in px of the {area_frame.lower()} "
        "frame"
    )
    print(f"\n{price_table(judged)}\n\n{accuracy_table(judged)}")
    if arguments.plot:
        plot(judged, arguments.plot)


if __name__ == "__main__":
    main()
