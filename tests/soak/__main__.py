"""Kills a small training again and again, and compares it with a whole one.

    python -m tests.soak --kills 50

Every kill is SIGKILL at a random moment: of the whole time that a training
takes, or soon after a checkpoint, so that writing it is hit as well. In the
end weights, optimizers and the loss log of all three stages must equal, to the
bit, those of a training that was never killed.
"""

import argparse
import collections
import random
import tempfile
import time
from pathlib import Path

import tqdm

# Steps of each stage, with a checkpoint after each.
STEPS = 40


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), arguments.kills, random.Random(arguments.seed))


def run(folder: Path, kills: int, draw: random.Random) -> None:
    """Trains, kills, compares and prints a summary."""
    from tests.soak.trainings import SmallTraining
    from tests.soak.trainings import differences
    from tests.soak.trainings import trained_stages
    from tests.soak.trainings import variables

    training = SmallTraining(folder, [STEPS] * 3)
    whole, killed = folder / "whole", folder / "killed"
    begin = time.monotonic()
    training.finish(whole)
    seconds = time.monotonic() - begin
    places = collections.Counter(
        _kill(training, killed, draw, seconds)
        for _ in tqdm.trange(kills, unit="kill")
    )
    training.finish(killed)
    different = differences(killed, whole)
    compared = sum(
        len(variables(whole, stage)) for stage in trained_stages(whole)
    )
    for place, count in sorted(places.items()):
        print(f"{count:3} kills {place}")
    print(
        f"{kills} kills survived; {compared} variables and the loss log of 3 "
        f"x {STEPS} steps: "
        + (f"DIFFERENT: {different[:5]}" if different else "equal to the bit")
    )
    raise SystemExit(bool(different))


def _kill(
    training, model_dir: Path, draw: random.Random, seconds: float
) -> str:
    """Starts or continues a training and kills it; tells where it was."""
    from featsr_tf.training.checkpoints import STAGES
    from tests.soak.trainings import progress
    from tests.soak.trainings import wait_until

    process = training.start(model_dir)
    if draw.random() < 0.5:
        end = time.monotonic() + draw.uniform(0, seconds)
        wait_until(lambda: time.monotonic() > end, process)
    else:
        first = progress(model_dir)
        wait_until(lambda: progress(model_dir) != first, process)
        time.sleep(draw.uniform(0, 0.1))
    was_running = process.poll() is None
    process.kill()
    process.communicate()
    stage, step = progress(model_dir)
    if not was_running:
        return "after the end"
    return f"in {STAGES[stage]}" if step else "before the first checkpoint"


if __name__ == "__main__":
    main()
