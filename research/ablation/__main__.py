"""Measures what makes small objects better, by cross-validation.

    python -m research.ablation --pipeline pipelines/gtsdb_mobilenet.config \
        --folds 3 --seeds 0 1 2 --output output/ablation

All records that the config names are dealt out to folds by hashes of the names
of their frames, or by patterns, so that each object is judged once by a
detector that has not seen its frame. Every fold and seed has one base detector;
from its weights, with equal extra steps, start all variants. Other base
detectors stand beside it with --base. The same command goes on where it was
stopped.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.command_line.flags import add_classes_flag
from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import check_input_files
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.metrics.options import select_classes
from research.ablation.plan import Plan
from research.ablation.plan import possible_variants
from research.ablation.variants import BASE
from research.ablation.variants import VARIANTS
from research.ablation.variants import own_base
from research.ablation.variants import own_variant


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: Arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m research.ablation",
        description="Compares variants of feature super-resolution.",
    )
    add_pipeline_flags(parser)
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="for all files"
    )
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--folds", type=int, default=3, metavar="N")
    parts.add_argument(
        "--fold_patterns",
        nargs="+",
        default=[],
        metavar="REGEX",
        help="a fold for each: the frames whose FILE:NAME it matches, such as "
        "the scenes of a video or the official splits",
    )
    parser.add_argument(
        "--judged_folds",
        type=int,
        nargs="+",
        metavar="K",
        help="folds that judge; the others are trained on only; default: all. "
        "The score threshold of a fold is chosen on the others that judge, of "
        "one alone on its own frames",
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="each once"
    )
    parser.add_argument(
        "--variants",
        nargs="*",
        choices=VARIANTS,
        default=list(VARIANTS),
        metavar="NAME",
        help=f"beside {BASE}; default: all of {', '.join(VARIANTS)}",
    )
    for flag, what in (
        (
            "--also",
            "one more variant: its name and what it changes below "
            "model.feature_super_resolution",
        ),
        (
            "--base",
            "one more base detector, trained from the beginning: its name and "
            "what it changes in the config",
        ),
    ):
        parser.add_argument(
            flag,
            nargs="+",
            action="append",
            default=[],
            metavar=("NAME", "FIELD=VALUE"),
            help=f"{what}; may be repeated",
        )
    parser.add_argument("--workers", type=int, default=2)
    _add_run_flags(parser)
    arguments = parser.parse_args(argv)
    arguments.folds = len(arguments.fold_patterns) or arguments.folds
    with exit_on_error():
        run(arguments)


def _add_run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--steps-scale",
        type=float,
        default=1.0,
        metavar="F",
        help="times the steps of the config, with their schedules",
    )
    parser.add_argument(
        "--cached_images",
        type=int,
        default=2000,
        metavar="N",
        help="images whose features are computed once for all variants; 0: "
        "nothing is shared; default %(default)s",
    )
    parser.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="draws of the bootstrap; default %(default)s",
    )
    add_classes_flag(parser)
    parser.add_argument(
        "--folds_only",
        action="store_true",
        help="write the records of the folds, and train nothing",
    )
    parser.add_argument(
        "--keep_models",
        action="store_true",
        help="keep the detectors of all variants, not only the base detectors",
    )
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="summary; default: research/results/ablation_NAME.json for "
        "pipelines/NAME.config",
    )
    parser.add_argument(
        "--probe",
        metavar="FILE",
        help="show the results of `python -m research.probe` too",
    )


def run(arguments: argparse.Namespace) -> None:
    """Runs what is left, judges, prints and writes."""
    from featsr_tf.data.label_map import load_label_map
    from featsr_tf.files import write_text
    from research.ablation.page import render_results
    from research.ablation.results import collect
    from research.ablation.tables import result_tables
    from research.ablation.workers import run_cells
    from research.markdown import markdown_table
    from research.probe.page import read_probe

    _check(arguments)
    probe = read_probe(arguments.probe) if arguments.probe else None
    plan, refused = make_plan(arguments)
    for name, reason in refused.items():
        print(f"left out: {name}: {reason}")
    path = read_pipeline(arguments).train_input_reader.label_map_path
    classes = select_classes(
        load_label_map(path).names, arguments.classes, path
    )
    plan.claim_folder()
    with plan.held():
        prepare(plan)
        if arguments.folds_only:
            print(f"wrote {plan.records}")
            return
        run_cells(plan, arguments.workers, arguments.keep_models)
    results = collect(plan, refused, arguments.resamples, classes)
    results["probe"] = probe
    for table in result_tables(results):
        print(f"\n{markdown_table(table)}")
    name = f"ablation_{Path(arguments.pipeline).stem}.json"
    summary = arguments.results or str(Path("research", "results", name))
    write_text(summary, json.dumps(results, indent=1) + "\n")
    page = Path(arguments.output, "report.html")
    write_text(page, render_results(results))
    print(f"\nwrote {summary}\nwrote {page}")


def make_plan(arguments: argparse.Namespace) -> tuple[Plan, dict]:
    """Makes the plan of the possible variants, and tells of the others.

    Args:
        arguments: Parsed flags.

    Returns:
        The plan, and the reason why a variant is left out by its name.

    Raises:
        ConfigError: A variant of the command line is not possible.
    """
    chosen = {BASE: VARIANTS[BASE]}
    chosen |= {name: VARIANTS[name] for name in arguments.variants}
    own = [
        *(("--base", own_base(words)) for words in arguments.base),
        *(("--also", own_variant(words)) for words in arguments.also),
    ]
    for flag, variant in own:
        if variant.name in chosen:
            raise ConfigError(f"{flag} {variant.name}: is there already")
        chosen[variant.name] = variant
    plan = Plan(
        arguments.pipeline,
        arguments.overrides,
        arguments.output,
        arguments.folds,
        arguments.seeds,
        chosen,
        arguments.steps_scale,
        arguments.cached_images,
        arguments.judged_folds,
        arguments.fold_patterns,
    )
    plan.variants, refused = possible_variants(plan)
    for flag, variant in own:
        if variant.name in refused:
            raise ConfigError(f"{flag} {variant.name}: {refused[variant.name]}")
    return plan, refused


def prepare(plan: Plan) -> None:
    """Deals the records out to the folds.

    Args:
        plan: Where and how many.

    Raises:
        DataError: The records are unsound.
    """
    from featsr_tf.config import load_pipeline
    from featsr_tf.data.tfrecord_files import expand_patterns
    from research.ablation.folds import write_folds

    pipeline = load_pipeline(plan.pipeline_file, plan.overrides)
    readers = [pipeline.train_input_reader, *pipeline.eval_input_reader]
    patterns = [
        pattern
        for reader in readers
        for pattern in reader.tf_record_input_reader.input_path
    ]
    write_folds(
        expand_patterns(patterns),
        plan.records,
        plan.num_folds,
        plan.fold_patterns,
    )


def _check(arguments: argparse.Namespace) -> None:
    for pattern in arguments.fold_patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(
                f"--fold_patterns: expected regular expressions, found "
                f"{pattern!r}: {error}"
            ) from None
    if len({*arguments.seeds}) < len(arguments.seeds):
        raise ConfigError(
            f"--seeds: expected each once, found {arguments.seeds}"
        )
    if min(arguments.seeds) < 0:
        raise ConfigError(
            f"--seeds: expected 0 or more, found {min(arguments.seeds)}"
        )
    check_input_files(read_pipeline(arguments))
    for name, least in (
        ("folds", 2),
        ("workers", 1),
        ("resamples", 1),
        ("cached_images", 0),
    ):
        value = getattr(arguments, name)
        if value < least:
            raise ConfigError(
                f"--{name}: expected {least} or more, found {value}"
            )
    judged = arguments.judged_folds
    if judged is not None and (
        len(set(judged)) < len(judged)
        or not set(judged) <= set(range(arguments.folds))
    ):
        raise ConfigError(
            f"--judged_folds: expected some of 0 to {arguments.folds - 1}, "
            f"each once, found {' '.join(map(str, judged))}"
        )
    if arguments.steps_scale <= 0:
        raise ConfigError(
            f"--steps-scale: expected more than 0, found "
            f"{arguments.steps_scale}"
        )


if __name__ == "__main__":
    main()
