"""The command `python -m featsr_tf.config`, and the committed reference."""

import subprocess
import sys
from pathlib import Path

import pytest

from featsr_tf.config import parse_pipeline
from featsr_tf.config.__main__ import main
from featsr_tf.config.__main__ import reference
from tests.config.sample import SAMPLE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "sample.config"
    path.write_text(SAMPLE, encoding="utf-8")
    return str(path)


def test_the_effective_config_goes_to_stdout_and_warnings_to_stderr(
    sample, capsys
):
    main([sample, "--set", "model.faster_rcnn.num_classes=5"])
    printed, warned = capsys.readouterr()
    effective = parse_pipeline(printed.encode(), "printed")
    assert effective.model.faster_rcnn.num_classes == 5
    assert "warning: without effect here: eval_input_reader.0.shuffle" in warned
    for line in warned.splitlines():
        assert line.startswith("warning: ")


def test_an_error_is_one_line_on_stderr_with_exit_code_2(sample, capsys):
    with pytest.raises(SystemExit) as caught:
        main([sample, "--set", "train_config.batch_sise=5"])
    printed, warned = capsys.readouterr()
    assert caught.value.code == 2
    assert not printed
    assert warned.startswith("error: --set train_config.batch_sise=5: ")
    assert warned.count("\n") == 1


def test_the_command_does_not_import_tensorflow(sample):
    code = (
        "import sys, featsr_tf.config.__main__; "
        f"featsr_tf.config.load_pipeline({sample!r}); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_the_committed_reference_is_that_of_the_schema():
    committed = ROOT / "docs" / "config_reference.md"
    assert committed.read_text(encoding="utf-8") == reference(), (
        "run: python -m featsr_tf.config --reference > docs/config_reference.md"
    )


def test_an_example_is_printed_as_it_is(capsys):
    main(["--example", "toy"])
    expected = (ROOT / "pipelines" / "toy.config").read_text()
    assert capsys.readouterr().out == expected
