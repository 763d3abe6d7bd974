"""The report must be one file, show the figures, and refuse broken inputs."""

import copy
import functools
import html.parser
import json
import re

import numpy as np
import pytest
from PIL import Image

from featsr_tf import report
from featsr_tf.html_report.html import Line
from featsr_tf.html_report.html import line_chart
from featsr_tf.html_report.inputs import read_captions
from featsr_tf.html_report.inputs import read_history
from featsr_tf.html_report.inputs import read_metrics
from featsr_tf.html_report.page import headline
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.evaluator import Protocol
from featsr_tf.metrics.evaluator import evaluate
from tests.metrics.scenes import found
from tests.metrics.scenes import random_scene


class Page(html.parser.HTMLParser):
    """Collects the attributes and the words of a page, and what is open."""

    def __init__(self, text):
        super().__init__()
        self.attributes = []
        self.words = ""
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


NAMES = {1: "stop", 2: "yield", 3: "<other>"}


CHANGES = {"added": 1234, "lost": 5, "overlap_change": None}


@functools.cache
def evaluated():
    truths, detections = random_scene(np.random.default_rng(0))
    weaker = [found(image_id=1), *detections[1:]]
    return {
        "base": evaluate(truths, weaker, NAMES),
        "super_resolved": evaluate(truths, detections, NAMES),
        "changes": {size: CHANGES for size in SIZE_NAMES},
        "settings": {"score_thresholds": {"base": 0.5}},
    }


@pytest.fixture
def metrics():
    return copy.deepcopy(evaluated())


def figures(small, overall):
    return {"small": {"f1": small}, "all": {"f1": overall}}


def step(stage, number, loss=1.0):
    return {
        "stage": stage,
        "step": number,
        "learning_rate": 0.001,
        "seconds_per_step": 0.125,
        "data_wait": 0.03,
        "losses": {"loss": loss, "content": 300 * loss},
        "gauges": {"target_mean": 0.4},
    }


def write(tmp_path, metrics, **flags):
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    output = tmp_path / "report.html"
    arguments = [f"--metrics={tmp_path}/metrics.json", f"--output={output}"]
    arguments += [f"--{name}={value}" for name, value in flags.items()]
    report.main(arguments)
    return output.read_text()


def write_all(tmp_path, metrics):
    history = tmp_path / "history.jsonl"
    records = [step("base", 25), step("base", 50), step("super_resolution", 25)]
    history.write_text("".join(json.dumps(r) + "\n" for r in records))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("one_sign.png", "two_signs.jpg"):
        Image.new("RGB", (40, 30)).save(pictures / name)
    (pictures / "captions.json").write_text('{"two_signs.jpg": "<both>"}')
    return write(
        tmp_path, metrics, history=history, pictures=pictures, title="A & B"
    )


@pytest.fixture(scope="module")
def whole_page(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("report"), evaluated())


def test_the_page_is_one_file_that_loads_nothing(whole_page):
    text = whole_page
    page = Page(text)
    assert page.open == []
    for tag, name, value in page.attributes:
        if name in {"src", "href", "xlink:href", "srcset"}:
            assert value.startswith(("data:", "#")), (tag, name, value[:40])
    assert "http:" not in text and "https:" not in text
    assert "@import" not in text and "<script" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    images = [value for tag, name, value in page.attributes if name == "src"]
    assert len(images) == 2


def test_the_page_shows_figures_curves_pictures_and_facts(whole_page, metrics):
    page = Page(whole_page)
    for name in ("base", "super_resolved"):
        for size in ("small", "medium", "all"):
            for key in ("recall", "accuracy", "f1", "ap50"):
                assert f"{100 * metrics[name][size][key]:.1f}" in page.words
    for words in (
        "A & B",
        "Super-resolved",
        "Difference",
        "Stage 1: base detector",
        "50 steps",
        "0.125 s per step",
        "3% of the time waiting for data",
        "one sign",
        "<both>",
        "F1 over score threshold, small",
        "score thresholds, base",
        "Average precision",
        "AP50:95",
        "Classes",
        "<other>",
        "Confusion: Super-resolved",
        "Worst images: Base",
        "tensorflow 2",
        "What changed",
        "1,234",
    ):
        assert words in page.words
    described = [v for _, name, v in page.attributes if name == "aria-label"]
    assert "Losses: loss, content" in described


def test_figures_alone_are_enough_and_gaps_are_dashes(tmp_path, metrics):
    metrics["base"]["large"].update(recall=None, accuracy=None, f1=None)
    sizes = ("small", "medium", "large", "all")
    content = {
        name: {size: metrics[name][size] for size in sizes}
        for name in ("base", "super_resolved")
    }
    page = Page(write(tmp_path, content))
    assert "Training" not in page.words
    assert "Pictures" not in page.words
    assert "What changed" not in page.words
    assert "-" in re.findall(r"(?<=Large).*", page.words)[0]


def test_a_report_of_the_base_detector_alone_has_no_differences(
    tmp_path, metrics
):
    page = Page(write(tmp_path, {"base": metrics["base"]}))
    assert "Difference" not in page.words
    assert "The base detector reaches an F1 of" in page.words


@pytest.mark.parametrize("protocol", ["tt100k", "coco", "voc"])
def test_the_figures_of_a_file_are_shown_under_every_protocol(
    tmp_path, protocol
):
    scene = random_scene(np.random.default_rng(0))
    metrics = evaluate(*scene, NAMES, protocol=Protocol(protocol))
    words = write(tmp_path, metrics)
    assert f"{100 * metrics['all']['ap50']:.1f}" in words
    assert ("Rec." in words) == (protocol == "tt100k")
    assert ("AP75" in words) == (protocol != "voc")
    assert "The detections reach an" in words


def test_tables_have_as_many_cells_as_heads(whole_page, metrics):
    tables = re.findall(r"<table(?! class=.facts).*?</table>", whole_page)
    assert len(tables) == 8
    for table in tables:
        first, *rows = re.findall(r"<tr><t.*?</tr>", table)
        heads, *rows = rows if "colspan" in first else [first, *rows]
        for row in rows:
            assert len(re.findall("<t[hd]", row)) == heads.count("<th")
    assert ">Super-resolved</th>" in tables[0]
    best = f"{100 * metrics['super_resolved']['all']['f1']:.1f}"
    assert re.search(f'<td class="[a-z ]*best">{best}<', tables[0])


def compare(folder, first, second, names=("weak.json", "strong.json")):
    for name, content in zip(names, (first, second), strict=True):
        (folder / name).write_text(json.dumps(content))
    paths = [str(folder / name) for name in names]
    report.main(["--metrics", *paths, f"--output={folder}/both.html"])
    return Page((folder / "both.html").read_text()).words


def test_two_detectors_are_set_side_by_side(tmp_path, metrics):
    words = compare(tmp_path, metrics["base"], metrics["super_resolved"])
    assert re.search(r"Strong \w+ F1 on small objects", words)
    assert re.search(r"Weak\d.*Strong\d.*Difference", words)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size_by": "long_side"}, "expected size_by 'area'"),
        ({"protocol": "kitti"}, "expected one of tt100k, coco, voc"),
        ({"per_class": {}}, "expected classes ["),
    ],
)
def test_figures_that_do_not_compare_are_refused(
    tmp_path, metrics, capsys, change, message
):
    other = {**metrics["base"], **change}
    with pytest.raises(SystemExit):
        compare(tmp_path, metrics["base"], other)
    assert message in capsys.readouterr().err


def test_two_models_stand_beside_the_base_of_the_first(tmp_path, metrics):
    words = compare(tmp_path, metrics, metrics)
    assert re.search(r"Strong \w+ F1 on small objects", words)
    assert re.search(r"Base\d.*Weak\d.*Strong\d", words)


def test_every_detector_has_a_name_of_its_own(tmp_path, metrics, capsys):
    (tmp_path / "again").mkdir()
    with pytest.raises(SystemExit):
        compare(tmp_path, metrics, metrics, ("weak.json", "again/weak.json"))
    assert "expected a file name of its own" in capsys.readouterr().err


def test_a_class_that_is_nowhere_has_no_row(tmp_path):
    scene = random_scene(np.random.default_rng(0))
    names = {1: "stop", 2: "yield", 3: "third", 8: "nowhere"}
    text = write(tmp_path, evaluate(*scene, names))
    assert '<th scope="row">third</th>' in text
    assert '<th scope="row">nowhere</th><td class="first">0<' not in text


def test_the_headline_says_what_rose_and_what_fell():
    metrics = {
        "base": figures(0.749, 0.90),
        "super_resolved": figures(0.822, 0.897),
    }
    assert headline(metrics) == (
        "Super-resolution raises F1 on small objects from 74.9 to 82.2 (+7.3) "
        "and lowers it over all sizes from 90.0 to 89.7 (\N{MINUS SIGN}0.3)."
    )


def test_the_headline_survives_equal_and_undefined_figures():
    metrics = {"base": figures(None, 0.9), "super_resolved": figures(None, 0.9)}
    sentence = headline(metrics)
    assert "undefined" in sentence
    assert "keeps it over all sizes at 90.0" in sentence


def test_more_pictures_than_wanted_are_counted(tmp_path, metrics):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(4):
        Image.new("RGB", (40, 30)).save(pictures / f"{index}.png")
    text = write(tmp_path, metrics, pictures=pictures, max_pictures=3)
    assert text.count("<img") == 3
    assert "1 more" in text


def test_history_keeps_the_later_record_and_drops_a_torn_line(tmp_path):
    path = tmp_path / "history.jsonl"
    records = [step("base", 50), step("base", 25), step("base", 50, loss=7)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    path.write_text(lines + '{"stage": "ba')
    history = read_history(path)
    assert [record["step"] for record in history["base"]] == [25, 50]
    assert history["base"][1]["losses"]["loss"] == 7


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path, metrics):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(metrics), "utf-8-sig")
    assert read_metrics(path).detectors["base"] == metrics["base"]
    (tmp_path / "captions.json").write_text('{"a.png": "A"}', "utf-8-sig")
    assert read_captions(tmp_path) == {"a.png": "A"}


@pytest.mark.parametrize(
    ("flag", "content", "message"),
    [
        ("metrics", None, "cannot be read"),
        ("metrics", "{", "not a JSON file"),
        ("metrics", "[]", "expected an object, found a list"),
        ("metrics", "{}", "expected 'base', 'super_resolved' or 'protocol'"),
        ("metrics", '{"base": {"small": {}}}', "no figures for 'medium'"),
        ("history", None, "cannot be read"),
        ("history", "{}\n", "line 1: expected an object with 'stage'"),
        ("history", "5\n", "line 1: expected an object with 'stage'"),
        ("pictures", None, "no such folder of pictures"),
    ],
)
def test_broken_inputs_end_in_one_line_and_write_nothing(
    tmp_path, metrics, capsys, flag, content, message
):
    (tmp_path / "good.json").write_text(json.dumps(metrics))
    path = tmp_path / "bad"
    if content is not None:
        path.write_text(content)
    arguments = {"metrics": tmp_path / "good.json", flag: path}
    arguments["output"] = tmp_path / "report.html"
    with pytest.raises(SystemExit) as exit_info:
        report.main([f"--{name}={value}" for name, value in arguments.items()])
    assert exit_info.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
    assert not (tmp_path / "report.html").exists()


def test_a_figure_that_is_no_number_is_named(tmp_path, metrics, capsys):
    metrics["base"]["small"]["f1"] = "high"
    with pytest.raises(SystemExit):
        write(tmp_path, metrics)
    assert "base.small.f1: expected a number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "'changes' has no figures for 'small'"),
        ([1], "'changes' has no figures for 'small'"),
        (
            {size: {"added": "2"} for size in SIZE_NAMES},
            "changes.small.added: expected a number or null, found '2'",
        ),
    ],
)
def test_unsound_changes_are_named(tmp_path, metrics, capsys, changes, message):
    metrics["changes"] = changes
    with pytest.raises(SystemExit):
        write(tmp_path, metrics)
    assert message in capsys.readouterr().err


def test_a_damaged_picture_is_named(tmp_path, metrics, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(SystemExit):
        write(tmp_path, metrics, pictures=pictures)
    assert "torn.jpg: no readable image" in capsys.readouterr().err


def test_charts_take_their_colors_from_the_page_and_bear_gaps():
    line = Line("loss", [1, 2, 3], [0.1, None, 100.0], 0, dot=3)
    chart = line_chart([line], "step", 'a "quoted" name', scale="loss")
    assert "var(--series-0)" in chart and "#0102" not in chart
    assert "&quot;quoted&quot;" in chart
    assert 'id="figure' not in chart
