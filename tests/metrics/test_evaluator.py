"""The figures of a detector must be complete, legible, and honest on gaps."""

import json

import numpy as np
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.metrics.evaluator import Protocol
from featsr_tf.metrics.evaluator import choose_threshold
from featsr_tf.metrics.evaluator import evaluate
from featsr_tf.metrics.evaluator import format_table
from tests.metrics.scenes import found
from tests.metrics.scenes import random_scene
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

BOXES = [square(0, 0, 20), square(100, 0, 60)]
SIZES = ["small", "medium", "large", "all"]
FIGURES = {
    "tt100k": {"recall", "accuracy", "f1", "ap50", "ap", "num_objects"},
    "coco": {"ap50", "ap75", "ap", "ar", "num_objects"},
    "voc": {"ap50", "num_objects"},
}


def evaluate_scene(objects, shown, protocol="tt100k", names=None, **options):
    return evaluate(
        objects,
        shown,
        names or {1: "sign"},
        protocol=Protocol(protocol),
        **options,
    )


@pytest.mark.parametrize("protocol", FIGURES)
def test_every_size_and_class_has_every_figure(protocol):
    result = evaluate_scene([truth(BOXES)], [found(BOXES)], protocol)
    assert result["protocol"] == protocol
    assert (result["size_by"], result["min_score"]) == ("area", 0.5)
    for by_size in (result, result["per_class"]["sign"]):
        assert all(FIGURES[protocol] <= set(by_size[size]) for size in SIZES)
        assert by_size["small"]["ap50"] == pytest.approx(1)
        assert by_size["all"]["num_objects"] == 2


def test_each_protocol_has_its_totals():
    scene = random_scene(np.random.default_rng(0))
    names = {1: "a", 2: "b", 3: "c"}
    coco = evaluate_scene(*scene, "coco", names)
    voc = evaluate_scene(*scene, "voc", names)
    assert coco["AP"] == coco["all"]["ap"]
    assert coco["APs"] == coco["small"]["ap"]
    assert coco["ARl"] == coco["large"]["ar"]
    assert voc["AP50"] == voc["all"]["ap50"]
    assert voc["APs"] == voc["small"]["ap50"]
    per_class = [voc["per_class"][name]["all"]["ap50"] for name in "abc"]
    assert voc["AP50"] == pytest.approx(np.mean(per_class))


def test_precision_stands_beside_the_papers_word_for_it():
    result = evaluate_scene(*random_scene(np.random.default_rng(0)))
    for size in SIZES:
        assert result[size]["precision"] == result[size]["accuracy"]


def test_undefined_figures_are_null_in_json():
    result = evaluate_scene([truth(BOXES)], [found(BOXES)])
    large = json.loads(json.dumps(result, allow_nan=False))["large"]
    assert large["num_objects"] == 0
    assert large["recall"] is None
    assert large["ap50"] is None


def test_the_score_threshold_moves_f1_but_not_average_precision():
    shown = [found(BOXES, [0.4, 0.3])]
    high = evaluate_scene([truth(BOXES)], shown, score_threshold=0.5)
    low = evaluate_scene([truth(BOXES)], shown, score_threshold=0.2)
    assert (high["all"]["f1"], low["all"]["f1"]) == (0, 1)
    assert high["all"]["ap50"] == low["all"]["ap50"] == pytest.approx(1)


def test_sizes_go_by_the_long_side_where_asked():
    boxes = [[0, 0, 40, 10]]
    long = Protocol(size_by="long_side")
    result = evaluate([truth(boxes)], [found(boxes)], {1: "a"}, protocol=long)
    assert result["size_by"] == "long_side"
    assert result["small"]["num_objects"] == 0
    assert result["medium"]["f1"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "kitti"}, "expected one of tt100k, coco, voc"),
        ({"size_by": "height"}, "expected 'area' or 'long_side'"),
        ({"name": "coco", "size_by": "long_side"}, "goes by area"),
        ({"eleven_point": True}, "only the voc protocol"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Protocol(**options)


def test_the_table_shows_percents_and_dashes_in_equal_lines():
    base = evaluate_scene([truth(BOXES)], [found(BOXES[:1])])
    better = evaluate_scene([truth(BOXES)], [found(BOXES)])
    table = format_table({"base": base, "super_resolved": better})
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[:5] == ["Model", "Rec.", "Acc.", "F1", "AP50"]
    assert lines[3].split()[1:9] == ["100.0"] * 4 + ["0.0", "-", "0.0", "0.0"]
    assert lines[4].startswith("super resolved")
    assert "-     -     -     -" in lines[4]


@pytest.mark.parametrize("protocol", FIGURES)
def test_the_table_of_every_protocol_has_equal_lines(protocol):
    result = evaluate_scene([truth(BOXES)], [found(BOXES)], protocol)
    lines = format_table({"detections": result}).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[3].split()[0:2] == ["detections", "100.0"]


def test_curves_are_lists_for_json_and_agree_with_the_figures():
    truths, detections = random_scene(np.random.default_rng(0))
    result = evaluate_scene(truths, detections, names={1: "a", 2: "b", 3: "c"})
    json.dumps(result, allow_nan=False)
    f1 = result["curves"]["f1_over_threshold"]
    at_half = f1["small"][f1["threshold"].index(0.5)]
    assert at_half == pytest.approx(result["small"]["f1"], abs=1e-5)
    precision = result["curves"]["precision_over_recall"]
    assert len(precision["recall"]) == len(precision["all"]) == 101


def test_the_threshold_chosen_has_the_best_f1():
    shown = [found([*BOXES, square(500, 0, 20)], [0.8, 0.7, 0.6])]
    threshold, f1 = choose_threshold([truth(BOXES)], shown, (1,))
    assert threshold == pytest.approx(0.61)
    assert f1 == 1


def test_without_objects_the_best_f1_is_undefined():
    assert choose_threshold([truth()], [], (1,))[1] is None
