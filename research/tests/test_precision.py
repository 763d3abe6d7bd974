"""Precisions side by side: which configs, which lines."""

import pytest

from featsr_tf.config import to_text
from research import precision
from tests.metrics.scenes import found
from tests.metrics.scenes import square
from tests.metrics.scenes import truth
from tests.model.small import small_backbone
from tests.server.models import write_model
from tests.training.batches import write_noise

EXTENSION = "model.feature_super_resolution"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model folder and its config, with records of noise."""
    folder = tmp_path_factory.mktemp("trained")
    records = write_noise(folder)
    pipeline = write_model(
        folder / "model",
        overrides=[
            *records,
            *(
                field.replace("train_input_reader", "eval_input_reader.0")
                for field in records
            ),
            f"{EXTENSION}.precision=MIXED_BFLOAT16",
        ],
    )
    label_map = (folder / "label_map.pbtxt").read_text()
    (folder / "model" / "label_map.pbtxt").write_text(label_map)
    path = folder / "pipeline.config"
    path.write_text(to_text(pipeline))
    return folder / "model", path


def run(trained, *flags):
    model_dir, path = trained
    pipeline = ["--pipeline", str(path), "--model_dir", str(model_dir)]
    with small_backbone():
        precision.main([*pipeline, *flags])


def test_the_same_weights_are_timed_and_judged(trained, capsys):
    flags = "--skip float16 xla steps --rounds 5 --frames 1 --images 2"
    run(trained, *flags.split())
    _, base, refined, accuracy = capsys.readouterr().out.split("\n\n")
    for title, table in (("base", base), ("super_resolved", refined)):
        first, heading, *lines = table.splitlines()
        assert first == f"Inference, {title}, per frame"
        assert "x float32" in heading
        assert [line.split()[0] for line in lines] == ["float32", "bfloat16"]
        assert lines[0].split()[-4:] == ["1.00", "1.00", "to", "1.00"]
    assert accuracy.startswith(
        "Accuracy of the same weights, first 2 images, percent"
    )
    names = [line.split()[:2] for line in accuracy.splitlines()[2:]]
    assert names == [
        [f"{kind},", name]
        for kind in ("base", "super_resolved")
        for name in ("float32", "bfloat16")
    ]


def test_steps_of_all_stages_are_timed(trained, eager, capsys):
    run(trained, *"--skip bfloat16 float16 xla inference accuracy".split())
    out = capsys.readouterr().out
    for name in ("base", "super_resolution", "fine_tune"):
        assert f"Step of stage {name}\n" in out


def test_accuracy_is_that_of_each_detector_by_size():
    small, medium = square(0, 0, 20), square(0, 100, 64)
    objects = [truth([small, medium])]
    results = {
        "good": (objects, [found([small, medium])]),
        "bad": (objects, [found([medium])]),
    }
    heading, *lines = precision.accuracies(results, [1]).splitlines()
    assert heading.split() == (
        "AP50 all AP50:95 all AP50 small AP50:95 small".split()
    )
    assert lines[0].split() == ["good", "100.0", "100.0", "100.0", "100.0"]
    # 51 of 101 recalls are reached.
    assert lines[1].split() == ["bad", "50.5", "50.5", "0.0", "0.0"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--rounds 4", "--rounds: expected 5 or more, found 4"),
        ("--frames 0", "--frames: expected 1 or more, found 0"),
        ("--images 0", "--images: expected 1 or more, found 0"),
    ],
)
def test_numbers_out_of_range_are_refused(trained, flags, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(trained, *flags.split())
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
