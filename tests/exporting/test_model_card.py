"""A model card tells what the export was made from and with."""

import json

import pytest

from featsr_tf import export as export_command
from featsr_tf.config import load_pipeline
from featsr_tf.config import to_text
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.exporting.model_card import model_card
from featsr_tf.exporting.other_runtimes import ExportOptions
from featsr_tf.exporting.saved_model import export
from featsr_tf.html_report.inputs import Metrics
from featsr_tf.training.checkpoints import BASE
from tests.model.small import small_backbone
from tests.model.small import small_pipeline
from tests.server.models import write_model

REFINER = "model.feature_super_resolution.refiner"
SIZES = ("small", "medium", "large", "all")


def figures(f1, min_score):
    """Figures of one detector that has the same F1 on all sizes."""
    result = {
        size: {
            "recall": 0.5,
            "accuracy": 0.5,
            "f1": f1,
            "ap50": 0.5,
            "num_objects": 7,
        }
        for size in SIZES
    }
    return {"protocol": "tt100k", "min_score": min_score, **result}


METRICS = Metrics(
    {"base": figures(0.625, 0.8), "super_resolved": figures(0.875, 0.7)},
    {"num_images": 3, "command": "python -m featsr_tf.evaluate"},
    {},
)


def card_of(*overrides, trained=None, **options):
    pipeline = small_pipeline(*overrides)
    return model_card(
        "signs",
        pipeline,
        LabelMap({1: "one", 2: "two"}),
        {"image": "images"},
        {"base": 12},
        trained or {"base": {0: pipeline}},
        ExportOptions(**options),
    )


def sections_of(card):
    return dict(part.split("\n\n", 1) for part in card.split("\n## ")[1:])


def test_figures_are_those_of_the_metrics():
    text = sections_of(card_of(metrics=METRICS))["Figures"]
    assert "On 3 images with 7 objects" in text
    assert "score thresholds: base 0.8, super resolved 0.7" in text
    assert "62.5" in text and "87.5" in text


RECORDS = "train_input_reader.tf_record_input_reader.input_path"


def test_a_card_tells_with_what_each_stage_was_trained():
    first = small_pipeline("train_config.batch_size=2", f"{RECORDS}=['a']")
    more = small_pipeline("train_config.batch_size=4", f"{RECORDS}=['a']")
    last = small_pipeline(
        "train_config.batch_size=4",
        f"{RECORDS}=['b', 'c']",
        "model.feature_super_resolution.seed=3",
    )
    asked = "model.feature_super_resolution.seed=9"
    trained = {"base": {0: first, 600: more}, "fine_tune": {0: last}}
    card = card_of(asked, trained=trained)
    assert "| seed | base 0; fine_tune 3 |" in card
    assert sections_of(card)["Data"].strip().splitlines() == [
        "Records: base `a`; fine_tune `b`, `c`.",
        "Initial weights: random.",
        "From step 600 of base on, before and then: "
        "train_config.batch_size: 2 and 4.",
        "From step 0 of fine_tune on, before and then: "
        "model.feature_super_resolution.seed: 0 and 3.",
        "From step 0 of fine_tune on, before and then: "
        f"{RECORDS}: ['a'] and ['b', 'c'].",
    ]


def test_a_card_tells_no_folders_of_the_machine():
    weights = "model.feature_super_resolution.backbone.weights"
    pipeline = small_pipeline(
        f"{RECORDS}=['/home/me/signs/train.record-*', 'C:\\\\me\\\\x.record']",
        f"{weights}=/home/me/signs.weights.h5",
    )
    command = (
        "python -m featsr_tf.evaluate --model_dir /home/me/model --output="
        "/home/me/out.json --set a.b=['/home/me/val.record'] --records x/y"
    )
    metrics = Metrics(METRICS.detectors, {"command": command}, {})
    card = card_of(trained={"base": {0: pipeline}}, metrics=metrics)
    assert "/me" not in card and "\\me" not in card
    assert "Records: `train.record-*`, `x.record`." in card
    assert "Initial weights: `signs.weights.h5`." in card
    assert (
        "--model_dir model --output=out.json --set a.b=['val.record'] "
        "--records x/y`"
    ) in card


def test_a_card_says_that_there_are_no_figures():
    assert "Not given" in sections_of(card_of())["Figures"]


def test_written_sections_follow_what_the_card_says_by_itself():
    own = sections_of(card_of())
    written = {name: f"Text of {name}." for name in (*own, "Thanks")}
    both = sections_of(card_of(card_sections=written))
    assert list(both) == [*own, "Thanks"]
    assert both.pop("Thanks").strip() == "Text of Thanks."
    # There were no figures but those that are told in the text.
    assert both.pop("Figures").strip() == "Text of Figures."
    for name, text in both.items():
        assert text.strip() == f"{own[name].strip()}\n\nText of {name}."


@pytest.mark.parametrize(
    ("refiner", "kind"),
    [("GENERATOR", "super-resolved"), ("ZOOM", "again, enlarged")],
)
def test_a_card_names_the_kind_of_detector(refiner, kind):
    override = f"{REFINER}={refiner}"
    assert kind in card_of(override)
    assert f"| refiner | {refiner.lower()} |" in card_of(override)
    assert kind not in card_of(override, base_only=True)
    assert "refiner" not in card_of(override, base_only=True)


def test_a_card_tells_which_proposals_are_refined():
    extension = "model.feature_super_resolution"
    assert "| refined | all small proposals |" in card_of()
    gated = card_of(
        f"{extension}.gate_score_threshold=0.1", f"{extension}.gate_maximum=5"
    )
    assert "| refined | scores of 0.1 or more, the best 5 of an image" in gated
    assert "| judged |" not in gated
    # It lays windows, however many proposals are in them.
    assert "the best 5" not in card_of(
        f"{extension}.gate_maximum=5", f"{extension}.refiner=SECOND_LOOK"
    )
    assert (
        "| judged | proposals whose objectness is at least 0.05; the base "
        "detector judges all |"
    ) in card_of(f"{extension}.gate_objectness_threshold=0.05")


@pytest.fixture(scope="module")
def zoomed(tmp_path_factory):
    """A model folder whose second detector needs no training."""
    folder = tmp_path_factory.mktemp("zoomed")
    write_model(folder, [BASE], [f"{REFINER}=ZOOM"])
    return folder


def test_the_command_writes_card_figures_and_threshold(zoomed, tmp_path):
    card, metrics, scores, out = (
        tmp_path / name for name in ("card.md", "m.json", "t.json", "signs")
    )
    card.write_text("## Data\nFrames of a street.\n")
    metrics.write_text(
        json.dumps({**METRICS.detectors, "settings": METRICS.settings})
    )
    thresholds = {"base": 0.25, "super_resolved": 0.375}
    scores.write_text(json.dumps({"min_score": thresholds}))
    flags = {
        "pipeline": zoomed / "pipeline.config",
        "model_dir": zoomed,
        "output_directory": out,
        "card": card,
        "metrics": metrics,
        "min_score": scores,
        "format": "saved_model",
    }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    with small_backbone():
        export_command.main(arguments)
        export_command.main([*arguments, "--base_only", "--version=9"])
    sections = sections_of((out / "1/MODEL_CARD.md").read_text())
    assert "Frames of a street." in sections["Data"]
    assert "87.5" in sections["Figures"]
    for version, score in (("1", 0.375), ("9", 0.25)):
        pipeline = load_pipeline(str(out / version / "pipeline.config"))
        assert pipeline.eval_config.min_score_threshold == score
        text = (out / version / "MODEL_CARD.md").read_text()
        assert f"| lowest score drawn | {score} |" in text


def test_thresholds_of_other_detectors_are_refused(zoomed, tmp_path):
    pipeline = load_pipeline(str(zoomed / "pipeline.config"))
    before = to_text(pipeline)
    options = ExportOptions(min_score={"base": 0.5})
    with (
        small_backbone(),
        pytest.raises(DataError, match="'super_resolved', found .* base"),
    ):
        export(pipeline, str(zoomed), str(tmp_path / "signs"), options)
    assert not (tmp_path / "signs").exists()
    assert to_text(pipeline) == before
