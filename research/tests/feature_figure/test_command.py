"""The command of Figure 6, on small models and in its mistakes."""

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from research.feature_figure import __main__
from research.feature_figure import figure
from research.feature_figure.figure import relative_distance
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.model.small import small_backbone
from tests.server.models import LABEL_MAP
from tests.server.models import write_model
from tests.training.batches import LARGE
from tests.training.batches import SMALL

EXTENSION = "model.feature_super_resolution"


@pytest.fixture(autouse=True)
def _small_backbone():
    tf.config.run_functions_eagerly(True)
    with small_backbone():
        yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Records of a small and a medium-sized object, and models of them."""
    folder = tmp_path_factory.mktemp("figures")
    (folder / "map.pbtxt").write_text(LABEL_MAP.to_text())
    boxes = [np.array(box) / 64 for _, box in (SMALL, LARGE)]
    write_records(
        folder / "val.record",
        [
            example(encode(noise_image(64, 64, n)), boxes, [1, 2], f"{n}.png")
            for n in range(3)
        ],
    )
    write_records(
        folder / "small.record",
        [example(encode(noise_image(64, 64)), boxes[:1], [1], "small.png")],
    )
    readers = [
        f"{reader}.{field}={folder}/{name}"
        for reader in ("train_input_reader", "eval_input_reader.0")
        for field, name in (
            ("label_map_path", "map.pbtxt"),
            ("tf_record_input_reader.input_path", "val.record"),
        )
    ]
    for name, stages, *overrides in (
        ("naive", (BASE, FINE_TUNE), f"{EXTENSION}.supervision=NAIVE"),
        ("magnified", (BASE, FINE_TUNE), f"{EXTENSION}.supervision=MAGNIFIED"),
        ("untrained", (BASE,)),
        ("no_refiner", (BASE, FINE_TUNE), f"{EXTENSION}.refiner=NONE"),
        ("other", (BASE, FINE_TUNE), f"{EXTENSION}.seed=5"),
    ):
        write_model(folder / name, stages, [*readers, *overrides])
    write_model(folder / "without_records")
    return folder


def models(folder, *names):
    return [f"--model={name}={folder / name}" for name in names]


def error_of(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        __main__.main([str(argument) for argument in arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert sum(line.startswith("error: ") for line in error) == 1
    return error[-1]


def test_it_shows_what_each_generator_has_learned(
    folder, tmp_path, capsys, monkeypatch
):
    drawn = []
    draw = figure.draw_features
    monkeypatch.setattr(
        figure,
        "draw_features",
        lambda groups, width: drawn.extend(groups) or draw(groups, width),
    )
    __main__.main(
        [
            *models(folder, "naive", "magnified"),
            f"--output={tmp_path}",
            "--count=2",
        ]
    )
    path = tmp_path / "features.png"
    assert capsys.readouterr().out == f"{path}\n"
    with PIL.Image.open(path) as picture:
        assert picture.width == 1000
    medium, small = drawn
    titles = [column.title for column in medium.columns]
    assert titles == [
        "$F^{0.5}$",
        "naive",
        "magnified",
        "$T^{1.0}$",
        "$T^{1.0}$",
        "$F(2 I^{0.5})$",
        "$F^{1.0}$",
    ]
    assert [column.is_target for column in medium.columns] == [
        *[False] * 3,
        *(True, False, False, True),
    ]
    assert [column.title for column in small.columns][-1] == "$F^{2.0}$"
    assert [row.label for row in medium.rows] == ["two\n44 x 44 px"] * 2
    assert [row.label for row in small.rows] == ["one\n20 x 20 px"] * 2
    for group in drawn:
        for row in group.rows:
            low, naive, magnified, *targets = row.features
            assert low.shape == naive.shape == (3, 3, 12)
            for refined in (naive, magnified):
                assert 0 < relative_distance(refined, low) < 1
            assert (naive != magnified).any()
            assert all(relative_distance(low, t) > 0 for t in targets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=naive"], "--model: expected NAME=DIR"),
        (["--model==x"], "--model: expected NAME=DIR"),
        (["features", "--model=naive"], "--model: expected NAME=DIR"),
        (["--model=a={}/naive", "--model=a={}/other"], "two models called 'a'"),
        (["--model=a={}/nothing"], "no model here"),
        (["--model=a={}/naive", "--count=0"], "--count: expected 1 or more"),
        (["--model=a={}/naive", "--seed=-1"], "--seed: expected 0 or more"),
        (["--model=a={}/naive", "--width=9"], "--width: expected 400 or more"),
        (["--model=a={}/naive", "--output=a.gif"], "a file that ends in .png"),
        (["--model=a={}/naive", "--records=none"], "no such record file"),
        (["--model=a={}/without_records"], "has no eval_input_reader"),
        (["--model=a={}/untrained"], "its generator is not trained yet"),
        (["--model=a={}/no_refiner"], "refiner NONE has nothing to learn"),
        (["--model=a={}/naive", "--model=b={}/other"], "these fields differ"),
        (
            ["--model=a={}/naive", "--records", "{}/small.record"],
            "no object of 1024 to 4096 px^2",
        ),
    ],
)
def test_mistakes_end_in_one_line(folder, tmp_path, capsys, arguments, message):
    arguments = [argument.format(folder, folder) for argument in arguments]
    output = f"--output={tmp_path}/out.png"
    error = error_of(capsys, [output, *arguments])
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_models_of_different_base_detectors_are_refused(
    folder, tmp_path, capsys, monkeypatch
):
    arguments = models(folder, "naive", "magnified")
    monkeypatch.setattr(
        "research.feature_figure.models.np.array_equal", lambda *_: False
    )
    error = error_of(capsys, [f"--output={tmp_path}/out.png", *arguments])
    assert "its base detector is not that of naive=" in error
