"""How long the detectors of a cell take, side by side."""

import functools
import json
import statistics
from pathlib import Path

from featsr_tf.config import load_pipeline
from featsr_tf.errors import DataError
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.files import write_text
from featsr_tf.html_report.inputs import describe_environment
from research.grid.plans import DATA_SETS
from research.grid.plans import ROWS
from research.grid.plans import cell_folder
from research.side_by_side import command_line
from research.side_by_side import comparison
from research.side_by_side import ratio
from research.side_by_side import time_per_frame

# Their detectors compute the same.
_LIKE_THE_PAPER = ("no_content", "naive")
TIMES_FILE = "research/results/grid_times.json"


def read_times() -> dict[str, dict]:
    """Reads what was measured before, by DATA/BACKBONE."""
    path = Path(TIMES_FILE)
    if not path.exists():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))


def measure_times(
    cell: str, folder: str, seed: int, num_images: int, rounds: int
) -> None:
    """Times the kept detectors of the first fold, prints and keeps the ratios.

    Args:
        cell: DATA/BACKBONE.
        folder: Of all cells.
        seed: Of the detectors.
        num_images: Frames that all judge in turn, one at a time.
        rounds: How often.

    Raises:
        DataError: The detectors were not kept.
    """
    data_set, _ = cell.split("/")
    inputs = {
        name: _frames_and_detector(cell, folder, name, seed, num_images)
        for name in (BASE, *ROWS)
        if name in (BASE, *DATA_SETS[data_set].rows)
        and name not in _LIKE_THE_PAPER
    }
    num_frames = len(inputs[BASE][0])
    times = time_per_frame(
        (
            {
                name: functools.partial(detect, *frames[number])
                for name, (frames, detect) in inputs.items()
            }
            for number in range(num_frames)
        ),
        rounds,
    )
    print(comparison(times, BASE))
    measured = {
        "frames": num_frames,
        "rounds": rounds,
        **_summary(times),
        "command": command_line(),
        "environment": describe_environment(),
    }
    write_text(
        TIMES_FILE,
        json.dumps({**read_times(), cell: measured}, indent=1) + "\n",
    )


def _frames_and_detector(
    cell: str, folder: str, name: str, seed: int, num_images: int
):
    """Reads frames of the fold that judges as a detector takes them."""
    from featsr_tf.data.build import evaluation_batches
    from featsr_tf.prediction.data_set import network_inputs_of
    from featsr_tf.prediction.evaluation import load_detection_function
    from featsr_tf.prediction.evaluation import open_evaluation

    cells = Path(cell_folder(folder, *cell.split("/")))
    model = f"{name}-fold_0-seed_{seed}"
    model_dir = cells / "models" / model
    if not model_dir.exists():
        raise DataError(
            f"{model_dir}: not found; run this cell with --keep_models first"
        )
    pipeline = load_pipeline(cells / "configs" / f"{model}.config")
    is_base = name == BASE
    batches = evaluation_batches(
        pipeline,
        open_evaluation(pipeline, str(model_dir)),
        batch_size=1,
        super_resolve=not is_base,
    )
    frames = [network_inputs_of(batch) for batch in batches.take(num_images)]
    detector = BASE if is_base else SUPER_RESOLVED
    return frames, load_detection_function(pipeline, str(model_dir), detector)


def _summary(times: dict[str, list[float]]) -> dict:
    return {
        "base_milliseconds": 1000 * statistics.median(times[BASE]),
        "times_base": {
            name: dict(
                zip(
                    ("median", "lower_quartile", "upper_quartile"),
                    ratio(seconds, times[BASE]),
                    strict=True,
                )
            )
            for name, seconds in times.items()
        },
    }
