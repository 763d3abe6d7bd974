"""What each cell's config is, and which variants there are."""

import json
import re

import pytest

from featsr_tf.config import base_differences
from featsr_tf.config import load_pipeline
from featsr_tf.errors import ConfigError
from research.ablation.__main__ import main
from research.ablation.plan import Cell
from research.ablation.plan import Plan
from research.ablation.plan import possible_variants
from research.ablation.plan import scaled_steps
from research.ablation.variants import EXTENSION
from research.ablation.variants import VARIANTS
from research.ablation.variants import own_base
from research.ablation.variants import own_variant
from tests.support import REPOSITORY

PIPELINE = str(REPOSITORY / "pipelines" / "gtsdb_mobilenet.config")
WARMUP = "super_resolution_stage.adversarial_warmup_steps"


def make_plan(folder, *overrides, variants=VARIANTS, **options):
    return Plan(PIPELINE, overrides, folder, 3, [0, 1], variants, **options)


def test_a_cell_trains_on_all_folds_but_the_one_that_judges_it(tmp_path):
    plan = make_plan(tmp_path)
    folds = {str(plan.records / f"fold_{fold}.record") for fold in range(3)}
    for fold in range(3):
        pipeline = plan.pipeline(Cell(fold, 0, VARIANTS["naive"]))
        trained, judged = (
            set(reader.tf_record_input_reader.input_path)
            for reader in (
                pipeline.train_input_reader,
                pipeline.eval_input_reader[0],
            )
        )
        assert judged == {str(plan.records / f"fold_{fold}.record")}
        assert trained == folds - judged


def test_variants_share_the_base_stage_of_their_fold_and_seed(tmp_path):
    plan = make_plan(tmp_path)
    possible, _ = possible_variants(plan)
    base = plan.pipeline(Cell(1, 1, VARIANTS["base"]))
    extension = base.model.feature_super_resolution
    assert extension.super_resolution_stage.num_steps == 0
    assert extension.fine_tune_stage.num_steps == 0
    for variant in possible.values():
        pipeline = plan.pipeline(Cell(1, 1, variant))
        assert base_differences(base, pipeline) == []
        assert pipeline.model.feature_super_resolution.seed == 1
    other = plan.pipeline(Cell(1, 0, VARIANTS["base"]))
    assert base_differences(base, other) != []


def test_variants_of_a_fold_and_seed_share_a_feature_cache(tmp_path):
    plan = make_plan(tmp_path, cached_images=7)
    possible, _ = possible_variants(plan)
    folders = {}
    for fold, seed in ((0, 0), (1, 0), (1, 1)):
        caches = {
            name: cache_of(plan.pipeline(Cell(fold, seed, variant)))
            for name, variant in possible.items()
        }
        assert caches.pop("base") is None
        assert {cache.num_images for cache in caches.values()} == {7}
        (folders[fold, seed],) = {cache.folder for cache in caches.values()}
    assert len(set(folders.values())) == 3
    assert folders[1, 0] == str(tmp_path / "features" / "fold_1-seed_0")


def test_without_cached_images_no_cell_has_a_cache(tmp_path):
    cell = Cell(0, 0, VARIANTS["naive"])
    assert cache_of(make_plan(tmp_path).pipeline(cell)) is None


def cache_of(pipeline):
    return pipeline.model.feature_super_resolution.feature_cache


def test_a_variant_that_the_config_does_not_know_is_told_with_its_reason(
    tmp_path,
):
    unknown = own_variant(["strange", "supervision=FROM_ABOVE"])
    known = own_variant(["wide", "generator.hidden_channels=64"])
    variants = {variant.name: variant for variant in (unknown, known)}
    possible, refused = possible_variants(
        make_plan(tmp_path, variants=variants)
    )
    assert list(possible) == ["wide"]
    assert "FROM_ABOVE" in str(refused["strange"])
    assert possible["wide"].overrides == (
        f"{EXTENSION}.generator.hidden_channels=64",
    )


def test_a_variant_that_changes_the_base_detector_is_left_out(tmp_path):
    twin_aware = f"{EXTENSION}.twin_aware_weight=0.5"
    possible, refused = possible_variants(make_plan(tmp_path, twin_aware))
    assert "atrous_paper" in possible
    assert "twin_pooling: PAPER and STRIDE" in str(refused["atrous_stride"])
    assert "--base" in str(refused["atrous_stride"])


def test_a_base_of_its_own_changes_what_it_is_trained_by(tmp_path):
    own = own_base(["larger_batch", "train_config.batch_size=4"])
    plan = make_plan(tmp_path, variants={**VARIANTS, own.name: own})
    possible, _ = possible_variants(plan)
    cell = Cell(1, 0, possible["larger_batch"])
    pipeline = plan.pipeline(cell)
    assert cell.base is None
    assert pipeline.train_config.batch_size == 4
    extension = pipeline.model.feature_super_resolution
    assert extension.super_resolution_stage.num_steps == 0
    assert extension.fine_tune_stage.num_steps == 0
    # The others still start from the detector that the config makes.
    assert Cell(1, 0, possible["naive"]).base.variant.name == "base"


def test_steps_are_scaled_with_their_schedules():
    pipeline = load_pipeline(PIPELINE, [f"{EXTENSION}.{WARMUP}=100"])
    assert scaled_steps(pipeline, 1.0) == []
    scaled = load_pipeline(PIPELINE, scaled_steps(pipeline, 0.02))
    extension = scaled.model.feature_super_resolution
    stages = (
        scaled.train_config,
        extension.super_resolution_stage,
        extension.fine_tune_stage,
    )
    # Of 5000, 600 and 150 steps with 100, 30 and 10 of warm-up.
    schedules = [
        stage.optimizer.adam_optimizer.learning_rate.cosine_decay_learning_rate
        for stage in stages
    ]
    assert [stage.num_steps for stage in stages] == [100, 12, 3]
    assert [schedule.total_steps for schedule in schedules] == [100, 12, 3]
    assert [schedule.warmup_steps for schedule in schedules] == [2, 0, 0]
    assert extension.super_resolution_stage.adversarial_warmup_steps == 2


@pytest.mark.parametrize("scale", [1e-6, 0.001, 0.007, 0.33, 1.1, 3.0])
def test_scaled_schedules_are_possible(scale):
    pipeline = load_pipeline(PIPELINE)
    scaled = load_pipeline(PIPELINE, scaled_steps(pipeline, scale))
    assert scaled.train_config.num_steps == max(round(5000 * scale), 1)


def test_each_cell_comes_after_its_base(tmp_path):
    cells = list(make_plan(tmp_path).cells())
    assert len(cells) == len({cell.name for cell in cells})
    assert len(cells) == 2 * 3 * len(VARIANTS)
    names = [cell.name for cell in cells]
    for cell in cells:
        if cell.base is not None:
            assert names.index(cell.base.name) < names.index(cell.name)


def test_folds_that_do_not_judge_are_trained_on_only(tmp_path):
    plan = make_plan(tmp_path, judged_folds=[0, 2])
    assert {cell.fold for cell in plan.cells()} == {0, 2}
    pipeline = plan.pipeline(Cell(0, 0, VARIANTS["naive"]))
    assert pipeline.train_input_reader.tf_record_input_reader.input_path == [
        str(plan.records / f"fold_{fold}.record") for fold in (1, 2)
    ]


def test_a_folder_takes_more_seeds_but_no_other_config(tmp_path):
    make_plan(tmp_path).claim_folder()
    Plan(PIPELINE, [], tmp_path, 3, [5], VARIANTS).claim_folder()
    other = f"{EXTENSION}.pairs_per_image=3"
    with pytest.raises(ConfigError, match=r"pairs_per_image: \d+ and 3; give"):
        make_plan(tmp_path, other).claim_folder()
    with pytest.raises(ConfigError, match=r"steps_scale: 1.0 and 0.5; give"):
        make_plan(tmp_path, steps_scale=0.5).claim_folder()
    with pytest.raises(ConfigError, match="folds: 3 and 4; give"):
        Plan(PIPELINE, [], tmp_path, 4, [0], VARIANTS).claim_folder()


def test_a_folder_is_of_use_to_a_schema_with_one_more_field(tmp_path):
    plan = make_plan(tmp_path)
    plan.claim_folder()
    path = tmp_path / "settings.json"
    settings = json.loads(path.read_text())
    before = settings["config"]
    settings["config"] = [line for line in before if "seed: 0" not in line]
    assert len(settings["config"]) == len(before) - 1
    path.write_text(json.dumps(settings))
    plan.claim_folder()
    changed = make_plan(tmp_path, f"{EXTENSION}.seed=1")
    with pytest.raises(ConfigError, match="seed: 0 and 1"):
        changed.claim_folder()


def test_a_folder_of_a_schema_with_a_field_that_is_gone_is_refused(tmp_path):
    plan = make_plan(tmp_path)
    plan.claim_folder()
    path = tmp_path / "settings.json"
    settings = json.loads(path.read_text())
    settings["config"].append("sharpness: 3")
    path.write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="settings.json: config.*sharpness"):
        plan.claim_folder()


@pytest.mark.parametrize("content", ["{}", "[3]", "no JSON", '{"config": 3}'])
def test_settings_of_something_else_are_named(tmp_path, content):
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(ConfigError, match="settings.json: expected the sett"):
        make_plan(tmp_path).claim_folder()


def test_a_cell_of_another_variant_of_its_name_is_not_taken_for_it(tmp_path):
    first, second = (
        Cell(0, 0, own_variant(["wide", f"generator.hidden_channels={width}"]))
        for width in (32, 64)
    )
    plan = make_plan(tmp_path)
    assert not plan.is_finished(first)
    plan.write_config(first)
    plan.kept_file(first).parent.mkdir()
    plan.kept_file(first).touch()
    assert plan.is_finished(first)
    with pytest.raises(ConfigError, match="hidden_channels: 32 and 64; give"):
        plan.is_finished(second)


def test_a_finished_cell_need_not_name_what_stands_at_its_default(tmp_path):
    cell = Cell(0, 0, VARIANTS["naive"])
    plan = make_plan(tmp_path)
    path = plan.write_config(cell)
    plan.kept_file(cell).parent.mkdir()
    plan.kept_file(cell).touch()
    text = path.read_text()
    path.write_text(re.sub(r"\n *seed: 0", "", text))
    assert path.read_text() != text
    assert plan.is_finished(cell)


def test_two_processes_do_not_work_in_one_folder(tmp_path):
    make_plan(tmp_path).claim_folder()
    with make_plan(tmp_path).held():
        with pytest.raises(ConfigError, match="another process is at work"):
            with make_plan(tmp_path).held():
                pass
    with make_plan(tmp_path).held():
        pass


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--folds", "1"], "--folds: expected 2 or more, found 1"),
        (["--judged_folds", "1", "1"], "of 0 to 2, each once, found 1 1"),
        (["--judged_folds", "1", "3"], "of 0 to 2, each once, found 1 3"),
        (["--seeds", "0", "-1"], "--seeds: expected 0 or more, found -1"),
        (["--base", "naive"], "--base naive: is there already"),
        (["--cached_images", "-1"], "--cached_images: expected 0 or more"),
        (["--workers", "0"], "--workers: expected 1 or more, found 0"),
        (["--steps-scale", "0"], "--steps-scale: expected more than 0"),
        (["--also", "naive", "x=1"], "--also naive: is there already"),
        (
            ["--also", "odd", "supervision=ABOVE"],
            "Supervision has no value ABOVE",
        ),
    ],
)
def test_impossible_flags_are_told_in_one_line(
    tmp_path, capsys, monkeypatch, flags, message
):
    monkeypatch.setattr(
        "research.ablation.__main__.check_input_files", lambda _: None
    )
    output = str(tmp_path / "output")
    with pytest.raises(SystemExit) as stop:
        main(["--pipeline", PIPELINE, "--output", output, *flags])
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "output").exists()
