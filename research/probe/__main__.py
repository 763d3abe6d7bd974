"""Measures what a predictor can tell of objects from each kind of target.

    python -m research.probe --ablation output/ablation
    python -m research.probe --pipeline pipelines/gtsdb_mobilenet.config \
        --model_dir output/gtsdb_mobilenet

A target can teach a generator no more than it knows. All kinds of features are
pooled for the same proposals, those that make pairs in stage 2. On each of
them a copy of the base detector's predictor is fine-tuned with training
records, and judged on records that the base detector has not seen.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import check_input_files
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from research.probe.bases import Base
from research.probe.bases import bases_of_ablation
from research.probe.bases import single_base


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research.probe",
        description="Asks a predictor what each kind of target knows.",
    )
    parser.add_argument(
        "--ablation",
        metavar="DIR",
        help="the base detectors in a folder of research.ablation",
    )
    add_pipeline_flags(parser, required=False)
    parser.add_argument(
        "--model_dir", metavar="DIR", help="a single detector's model folder"
    )
    parser.add_argument(
        "--folds", type=int, nargs="+", help="of --ablation; default: all"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        help="of --ablation; default: those whose folds are finished",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=200,
        help="of each fine-tuning; default %(default)s",
    )
    parser.add_argument(
        "--learning_rate",
        type=float,
        default=3e-4,
        metavar="F",
        help="of Adam at the first step, zero at the last; default %(default)s",
    )
    parser.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="draws of the bootstrap; default %(default)s",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="keep what each base detector tells, so that the same command "
        "goes on where it was stopped; default: keep nothing",
    )
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="default: research/results/probe_NAME.json, NAME being that of "
        "the ablation's folder or of the config",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Probes, prints and writes."""
    bases = find_bases(arguments)
    for base in bases:
        check_input_files(base.pipeline)

    from featsr_tf.files import write_text
    from featsr_tf.html_report.inputs import describe_environment
    from research.markdown import markdown_table
    from research.probe.counts import summarize
    from research.probe.page import probe_table

    results = {
        **summarize(
            count_bases(
                bases,
                arguments.steps,
                arguments.learning_rate,
                arguments.output,
            ),
            arguments.resamples,
        ),
        "settings": {
            "bases": [base.model_dir for base in bases],
            "folds": len({base.fold for base in bases}),
            "seeds": sorted({base.seed for base in bases}),
            "steps": arguments.steps,
            "learning_rate": arguments.learning_rate,
            "resamples": arguments.resamples,
        },
        "environment": describe_environment(),
    }
    print(f"\n{markdown_table(probe_table(results))}")
    name = Path(arguments.ablation or arguments.pipeline).stem
    summary = arguments.results or str(
        Path("research", "results", f"probe_{name}.json")
    )
    write_text(summary, json.dumps(results, indent=1) + "\n")
    print(f"\nwrote {summary}")


def count_bases(
    bases: Sequence[Base],
    num_steps: int,
    learning_rate: float,
    folder: str | None,
) -> dict[tuple[int, int], dict]:
    """Probes the base detectors that are not kept yet.

    Args:
        bases: The base detectors.
        num_steps: Steps of each fine-tuning.
        learning_rate: At the first step.
        folder: For `KeptCounts`; None = keep nothing.

    Returns:
        `Counts` by kind of features, by fold and seed.
    """
    from research.probe.kept import KeptCounts
    from research.probe.probing import probe_base

    options = (num_steps, learning_rate)
    kept = KeptCounts(folder, *options) if folder else None
    counts = {}
    for base in bases:
        found = kept.read(base) if kept else None
        if found is None:
            found = probe_base(base, *options)
            if kept:
                kept.write(base, found)
        counts[base.fold, base.seed] = found
    return counts


def find_bases(arguments: argparse.Namespace) -> list[Base]:
    """Finds the base detectors that the flags name.

    Args:
        arguments: Parsed flags.

    Raises:
        ConfigError: There are none, or the flags contradict each other.
    """
    for name in ("steps", "resamples"):
        value = getattr(arguments, name)
        if value < 1:
            raise ConfigError(f"--{name}: expected 1 or more, found {value}")
    if not 0 < arguments.learning_rate < 1:
        raise ConfigError(
            "--learning_rate: expected a number between 0 and 1, found "
            f"{arguments.learning_rate}"
        )
    is_single = arguments.pipeline is not None
    if is_single == (arguments.ablation is not None) or is_single != (
        arguments.model_dir is not None
    ):
        raise ConfigError(
            "expected either --ablation, or --pipeline with --model_dir"
        )
    if is_single:
        return [
            single_base(
                arguments.pipeline, arguments.overrides, arguments.model_dir
            )
        ]
    return bases_of_ablation(
        arguments.ablation,
        arguments.overrides,
        arguments.folds,
        arguments.seeds,
    )


if __name__ == "__main__":
    main()
