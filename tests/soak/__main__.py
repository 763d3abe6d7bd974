"""Kills a small training again and again, and compares it with a whole one.

    python -m tests.soak --kills 50

Every kill is SIGKILL at a random moment: of the whole time that a training
takes, or soon after a checkpoint, so that writing it is hit as well. Where a
training has come to its end, weights, optimizers and the loss log of all three
stages must equal, to the bit, those of one that was never killed, and the next
one begins. Only kills of a training that runs are counted.
"""

import argparse
import collections
import random
import shutil
import signal
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
    places = collections.Counter()
    different = []
    trainings = 1
    with tqdm.tqdm(total=kills, unit="kill") as bar:
        while places.total() < kills:
            place = _kill(training, killed, draw, seconds)
            if place is None:
                different += differences(killed, whole)
                shutil.rmtree(killed)
                trainings += 1
            else:
                places[place] += 1
                bar.update()
    training.finish(killed)
    different += differences(killed, whole)
    compared = sum(
        len(variables(whole, stage)) for stage in trained_stages(whole)
    )
    for place, count in sorted(places.items()):
        print(f"{count:3} kills {place}")
    print(
        f"{kills} kills of {trainings} trainings survived; {compared} "
        f"variables and the loss log of 3 x {STEPS} steps of each: "
        + (f"DIFFERENT: {different[:5]}" if different else "equal to the bit")
    )
    raise SystemExit(bool(different))


def _kill(
    training, model_dir: Path, draw: random.Random, seconds: float
) -> str | None:
    """Starts or continues a training and kills it.

    Returns:
        Where it was; None where it had come to its end.
    """
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
    process.kill()
    output, _ = process.communicate()
    if process.returncode == 0:
        return None
    assert process.returncode == -signal.SIGKILL, output[-2000:]
    stage, step = progress(model_dir)
    return f"in {STAGES[stage]}" if step else "before the first checkpoint"


if __name__ == "__main__":
    main()
