"""The figures of a detector must be complete, legible, and honest on gaps."""

import json

import numpy as np
import pytest

from featsr_tf.evaluation.evaluator import curves
from featsr_tf.evaluation.evaluator import evaluate
from featsr_tf.evaluation.evaluator import format_table
from tests.evaluation.scenes import found
from tests.evaluation.scenes import random_scene
from tests.evaluation.scenes import square
from tests.evaluation.scenes import truth

BOXES = [square(0, 0, 20), square(100, 0, 60)]


def test_every_size_has_every_figure():
    result = evaluate([truth(BOXES)], [found(BOXES)], (1,))
    assert list(result) == ["small", "medium", "large", "all"]
    keys = {"recall", "accuracy", "f1", "ap50", "ap", "num_objects"}
    assert all(keys <= set(size) for size in result.values())
    assert result["small"]["f1"] == 1
    assert result["all"]["num_objects"] == 2


def test_undefined_figures_are_null_in_json():
    result = evaluate([truth(BOXES)], [found(BOXES)], (1,))
    large = json.loads(json.dumps(result, allow_nan=False))["large"]
    assert large["num_objects"] == 0
    assert large["recall"] is None
    assert large["ap50"] is None


def test_the_score_threshold_moves_f1_but_not_average_precision():
    shown = [found(BOXES, [0.4, 0.3])]
    high = evaluate([truth(BOXES)], shown, (1,), score_threshold=0.5)
    low = evaluate([truth(BOXES)], shown, (1,), score_threshold=0.2)
    assert (high["all"]["f1"], low["all"]["f1"]) == (0, 1)
    assert high["all"]["ap50"] == low["all"]["ap50"] == pytest.approx(1)


def test_the_table_shows_percents_and_dashes_in_equal_lines():
    base = evaluate([truth(BOXES)], [found(BOXES[:1])], (1,))
    better = evaluate([truth(BOXES)], [found(BOXES)], (1,))
    table = format_table({"base": base, "super_resolved": better})
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[:5] == ["Model", "Rec.", "Acc.", "F1", "AP50"]
    assert lines[3].split()[1:9] == ["100.0"] * 4 + ["0.0", "-", "0.0", "0.0"]
    assert lines[4].startswith("super resolved")
    assert "-     -     -     -" in lines[4]


def test_curves_are_lists_for_json_and_agree_with_the_figures():
    truths, detections = random_scene(np.random.default_rng(0))
    lines = curves(truths, detections, (1, 2, 3))
    json.dumps(lines, allow_nan=False)
    f1 = lines["f1_over_threshold"]
    at_half = f1["small"][f1["threshold"].index(0.5)]
    figures = evaluate(truths, detections, (1, 2, 3), 0.5)
    assert at_half == pytest.approx(figures["small"]["f1"], abs=1e-5)
    precision = lines["precision_over_recall"]
    assert len(precision["recall"]) == len(precision["all"]) == 101
