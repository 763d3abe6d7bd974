"""A Beam runner writes the records that processes write, or says why not."""

import importlib.util

import pytest

from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from tests.tfrecords_tools.annotated import LABEL_MAP
from tests.tfrecords_tools.annotated import file_contents
from tests.tfrecords_tools.annotated import make_image
from tests.tfrecords_tools.annotated import make_object
from tests.tfrecords_tools.annotated import make_split
from tfrecords_tools.annotations import Split
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter
from tfrecords_tools.create_toy_tf_record import main

HAS_BEAM = importlib.util.find_spec("apache_beam") is not None
BEAM = ConversionOptions(num_shards=3, runner="DirectRunner")
requires_beam = pytest.mark.skipif(
    not HAS_BEAM, reason="Apache Beam is not installed (featsr_tf[beam])"
)


@requires_beam
def test_the_records_are_those_of_a_conversion_without_beam(tmp_path):
    splits = [make_split(7, "train"), make_split(2, "val")]
    expected = convert(
        tmp_path / "plain", splits, LABEL_MAP, ConversionOptions(num_shards=3)
    )
    assert convert(tmp_path / "beam", splits, LABEL_MAP, BEAM) == expected
    contents = file_contents(tmp_path / "beam")
    assert len(contents) == 5
    assert contents == file_contents(tmp_path / "plain")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["beam", "plain"]


@requires_beam
def test_an_error_in_the_pipeline_is_told_and_leaves_nothing(tmp_path):
    bad = make_image(7, make_object(name="bus"))
    split = Split("signs", [make_image(0), bad])
    with pytest.raises(DataError, match="object 3: the class 'bus' is not in"):
        convert(tmp_path / "out", [split], LABEL_MAP, BEAM)
    assert list(tmp_path.iterdir()) == []


@requires_beam
def test_further_flags_are_options_of_the_pipeline(tmp_path):
    flags = ["--num_train=2", "--num_val=1", "--runner=DirectRunner"]
    path = str(tmp_path / "toy")
    main([f"--output_path={path}", *flags, "--direct_num_workers=1"])
    assert len(file_contents(tmp_path / "toy")) == 3


@requires_beam
def test_an_unknown_runner_is_named(tmp_path):
    options = ConversionOptions(runner="FastRunner")
    with pytest.raises(FeatsrError, match="--runner FastRunner: .*FastRunner"):
        convert(tmp_path / "out", [make_split(1)], LABEL_MAP, options)


@pytest.mark.skipif(HAS_BEAM, reason="Apache Beam is installed")
def test_a_missing_beam_is_named(tmp_path):
    with pytest.raises(FeatsrError, match=r"pip install 'featsr_tf\[beam\]'"):
        convert(tmp_path / "out", [make_split(1)], LABEL_MAP, BEAM)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "runner"),
    [
        ([], None),
        (["--runner"], "DirectRunner"),
        (["--runner", "FlinkRunner"], "FlinkRunner"),
    ],
)
def test_beam_runs_on_this_machine_if_no_runner_is_named(flags, runner):
    given = []

    def create(output_path: str, options: ConversionOptions) -> str:
        given.append((output_path, options.runner))
        return ""

    parser = converter_parser("a_converter", "Converts.")
    run_converter(parser, create, ["--output_path", "out", *flags])
    assert given == [("out", runner)]


def test_unknown_flags_without_a_runner_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([f"--output_path={tmp_path}", "--direct_num_workers=1"])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "unrecognized arguments: --direct_num_workers=1" in error
