"""Numbers of the statistics, counted by hand, and the files they go to."""

import dataclasses
import functools
import html.parser
import json
import re

import numpy as np
import pytest

from featsr_tf.data.records import RecordSummary
from tests.data.example_files import write_records
from tests.model.small import CONFIG
from tests.tfrecords_tools.damage import BOX
from tests.tfrecords_tools.damage import record
from tests.tfrecords_tools.damage import write_shards
from tfrecords_tools import stats
from tfrecords_tools.stats import balance
from tfrecords_tools.stats import class_rows
from tfrecords_tools.stats import histogram
from tfrecords_tools.stats import overview
from tfrecords_tools.stats import percentile_rows

SIZES = np.array([[16, 32], [32, 32], [32, 33], [100, 100]], np.float32)
SUMMARY = RecordSummary(
    np.array([[480, 640], [500, 600], [500, 1000]]),
    SIZES,
    np.array([1, 1, 3, 1]),
    np.array([3, 0, 1]),
)


@pytest.fixture
def run(run_command):
    return functools.partial(run_command, stats.main)


def test_the_overview_counts_images_objects_and_sizes():
    facts = overview(SUMMARY)
    assert facts["images"] == "3, 1 of them without objects"
    assert facts["image widths"] == "600 to 1000 px, median 640"
    assert facts["image heights"] == "480 to 500 px, median 500"
    assert facts["objects per image"].startswith("1.3 on average, 3 at most")
    by_area, by_side = list(facts.values())[-2:]
    # 32 x 32 px is small by area but not by its long side.
    assert by_area == "small 2 (50%), medium 1 (25%), large 1 (25%)"
    assert by_side == "small 0 (0%), medium 3 (75%), large 1 (25%)"


def test_objects_longer_than_all_sizes_are_told():
    sizes = np.array([[10, 400], [10, 399]], np.float32)
    summary = dataclasses.replace(SUMMARY, object_sizes=sizes)
    by_side = list(overview(summary).values())[-1]
    assert (
        by_side == "small 0 (0%), medium 0 (0%), large 1 (50%), beyond 1 (50%)"
    )


def test_percentiles_of_sizes_and_shapes():
    rows = {name: values for name, *values in percentile_rows(SIZES)}
    median = rows[""].index("50%")
    assert rows["square root of area, px"][median] == "32.2"
    assert rows["long side, px"][median] == "32.5"
    assert rows["short side, px"][median] == "32"
    assert rows["aspect ratio, width / height"][median] == "1.02"


def test_the_histogram_has_two_bars_to_the_octave():
    lines = histogram(SIZES).split("\n")
    assert [int(line.split()[4]) for line in lines] == [1, 2, 0, 0, 1]
    assert lines[0].split()[:3] == ["22.6", "-", "32.0"]
    assert [line.count("#") for line in lines] == [20, 40, 0, 0, 20]


def test_classes_come_with_their_balance_also_those_without_objects():
    rows = class_rows(SUMMARY, {1: "stop", 2: "yield", 3: "go"})
    assert [row[:3] for row in rows[1:]] == [
        ["1 stop", "3", "75.0%"],
        ["3 go", "1", "25.0%"],
        ["2 yield", "0", "0.0%"],
    ]
    assert all(row[-1] == "fewer than 100" for row in rows[1:])
    assert balance(SUMMARY).startswith("imbalance 3.0 ")
    assert "2 of 2 classes have fewer" in balance(SUMMARY)


def test_sizes_are_told_after_resizing():
    resized = SUMMARY.resized_object_sizes(lambda h, w: (h // 2, 300))
    expected = SIZES * [0.5, 300 / 640]
    expected[3] = SIZES[3] * [0.5, 0.3]
    np.testing.assert_allclose(resized, expected)


def test_the_command_tells_and_proposes(run, tmp_path):
    code, text, _ = run(*write_shards(tmp_path))
    assert code == 0
    assert re.search(r"^1 one +10 +100\.0% +22\.6 +fewer than 100$", text, re.M)
    assert "grid_anchor_generator {" in text
    assert "small_area_threshold: " in text


def test_a_pipeline_scales_objects_and_is_compared(run, tmp_path):
    config = tmp_path / "small.config"
    config.write_text(
        CONFIG.replace("height: 64 width: 64", "height: 128 width: 128")
    )
    output = tmp_path / "stats.json"
    paths = write_shards(tmp_path)
    code, _, _ = run(*paths, "--pipeline", config, "--output", output)
    assert code == 0
    values = json.loads(output.read_text())
    assert (values["images"], values["objects"]) == (10, 10)
    assert values["anchor_coverage"]["pipeline"]["num_anchors"] == 2
    assert values["small_area_threshold"]["pipeline"]["share_small"] == 1
    # Boxes of 16 x 32 px in images of 64 px are 32 x 64 px at 128 px.
    [ratio] = values["anchors"]["aspect_ratios"]
    scale = np.mean(values["anchors"]["scales"])
    assert ratio == pytest.approx(2, abs=0.1)
    assert scale * 256 == pytest.approx(np.sqrt(32 * 64), rel=0.3)


def test_the_page_needs_no_other_file(run, tmp_path):
    output = tmp_path / "stats.html"
    assert run(*write_shards(tmp_path), "--output", output)[0] == 0
    tags = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(
        (tag, dict(attributes))
    )
    parser.feed(output.read_text())
    names = [tag for tag, _ in tags]
    assert names.count("table") == 5
    assert names.count("style") == 1
    assert not {"link", "script", "img"} & set(names)


def test_names_come_from_the_records_where_no_label_map_is(run, shared):
    path = shared / "data" / "odapi" / "raccoon_test.record"
    code, text, _ = run(path)
    assert code == 0
    assert re.search(r"^1 raccoon +44 +100\.0%", text, re.M)


def test_records_without_objects_are_refused(run, tmp_path):
    path = write_records(tmp_path / "a.record", [record(0, (), ())])
    code, _, error = run(path)
    assert code == 2
    assert "no objects in these records" in error


def test_an_output_of_another_kind_is_refused_at_once(run, tmp_path):
    path = write_records(tmp_path / "a.record", [record(0, [BOX], [1])])
    code, text, error = run(path, "--output", tmp_path / "stats.txt")
    assert (code, text) == (2, "")
    assert "ends in .json or .html" in error
