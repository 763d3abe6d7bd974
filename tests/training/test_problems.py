"""What cannot be learnt is counted before the training, with what to change."""

import numpy as np
import pytest

from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.records import RecordSummary
from featsr_tf.training.problems import find_problems
from featsr_tf.training.problems import scale_line
from tests.model.small import small_pipeline

EXTENSION = "model.feature_super_resolution"
RESIZER = "model.faster_rcnn.image_resizer.keep_aspect_ratio_resizer"


def make_records(objects, labels=None, size=(480, 640)):
    """Records of one image with objects of these heights and widths."""
    labels = (
        [1 + n % 2 for n in range(len(objects))] if labels is None else labels
    )
    return RecordFiles(
        ["x.record"],
        LabelMap({1: "round", 2: "square"}),
        RecordSummary(
            image_sizes=np.array([size]),
            object_sizes=np.array(objects, np.float32).reshape(-1, 2),
            object_labels=np.array(labels, int),
            boxes_per_image=np.array([len(objects)]),
        ),
    )


def make_pipeline(*overrides, crop=(192, 192, 0.8, 1.2), side=480):
    height, width, least, most = crop
    return small_pipeline(
        f"{RESIZER}={{min_dimension: {side} max_dimension: 4096}}",
        f"{EXTENSION}.training_crop={{height: {height} width: {width} "
        f"minimum_scale: {least} maximum_scale: {most}}}",
        *overrides,
    )


GOOD = make_records([(20, 20), (30, 30)])


def test_nothing_is_said_where_all_can_be_learnt():
    assert find_problems(make_pipeline(), GOOD, [GOOD]) == []
    assert find_problems(small_pipeline(), GOOD, []) == []


def test_objects_that_no_crop_holds_by_half_are_counted():
    # At the scale .8 a crop shows 240 x 240 px: of 240 x 479 more than half.
    records = make_records([(20, 20), (240, 479), (240, 481), (470, 630)])
    (problem,) = find_problems(make_pipeline(), records, [])
    assert problem == (
        "training_crop: 2 of 4 objects are too large for any crop to hold half "
        "of them, and are never learnt: 192 x 192 px at the scale 0.8 show 240 "
        "x 240 px of a frame; set minimum_scale to 0.3, which holds all as a "
        "whole, or make height and width larger, or leave training_crop out"
    )
    changed = make_pipeline(crop=(192, 192, 0.3, 1.2))
    assert find_problems(changed, records, []) == []
    assert find_problems(small_pipeline(), records, []) == []


def test_what_the_frame_itself_ends_is_not_cut():
    # The object is as wide as the frame; the crop is wider.
    wide = make_records([(20, 20), (100, 150)], size=(100, 150))
    assert (
        find_problems(
            make_pipeline(crop=(96, 192, 1.0, 1.0), side=100), wide, []
        )
        == []
    )


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (385, None),
        (
            96,
            "1 of 1 evaluation images at 0.2 px per px of the frame, crops at "
            "0.8 to 1.2: objects look up to 4 times smaller than in training; "
            "set minimum_scale to 0.2, or",
        ),
        (
            1440,
            "1 of 1 evaluation images at 3 px per px of the frame, crops at "
            "0.8 to 1.2: objects look up to 2.5 times larger than in training; "
            "set maximum_scale to 3, or",
        ),
    ],
)
def test_scales_of_crops_and_inference_are_compared(side, expected):
    found = find_problems(make_pipeline(side=side), GOOD, [GOOD])
    if expected is None:
        assert found == []
    else:
        (problem,) = found
        assert f"training_crop: inference sees {expected}" in problem


def test_the_scales_stand_in_the_summary():
    assert scale_line(make_pipeline(side=96), GOOD, [GOOD]) == (
        "px per px of a frame: 0.2 in inference, 0.8 to 1.2 in crops"
    )
    assert scale_line(small_pipeline(), GOOD, []).endswith(
        " in inference, the same in training"
    )


def test_classes_without_objects_are_named():
    records = make_records([(20, 20)], [2])
    assert find_problems(make_pipeline(), records, [records]) == [
        "training records: no object of 1 of 2 classes (round), which cannot "
        "be learnt; add images of them, or take them out of the label map",
        "evaluation records: no object of 1 of 2 classes (round), which cannot "
        "be judged; add images of them, or take them out of the label map",
    ]


def test_sets_without_objects_are_told():
    empty = make_records([])
    first, second = find_problems(make_pipeline(), empty, [empty])
    assert first.startswith(
        "training records: no object in 1 images, so that nothing can be learnt"
    )
    assert second.startswith("evaluation records: no object in 1 images")


def test_stages_without_a_small_object_are_told():
    records = make_records([(32, 32), (40, 40)])
    (problem,) = find_problems(make_pipeline(), records, [])
    assert problem.startswith(
        "small_area_threshold: none of 2 objects has an area below 1024 px^2 "
        "of the original frame (the least 1024), so that stages 2 and 3 have"
    )
    resized = make_pipeline(f"{EXTENSION}.small_area_frame=RESIZED", side=400)
    assert find_problems(resized, records, []) == []
    base = make_pipeline(
        f"{EXTENSION}.super_resolution_stage.num_steps=0",
        f"{EXTENSION}.fine_tune_stage.num_steps=0",
    )
    assert find_problems(base, records, []) == []


def looking_again(crop=(192, 192, 0.5, 2.0), **options):
    """A frame of 480 x 640 px, whose first pass sees half of its size."""
    fields = {
        "first_pass_scale": 0.5,
        "magnifications": [2, 4],
        "preferred_size": 40,
        "maximum_enlargement": 2,
        **options,
    }
    text = " ".join(f"{name}: {value}" for name, value in fields.items())
    return make_pipeline(
        f"{EXTENSION}.refiner=SECOND_LOOK",
        f"{EXTENSION}.second_look={{{text}}}",
        crop=crop,
    )


SMALL = make_records([(20, 20)] * 10 + [(80, 80)] * 10)


def test_sizes_in_both_looks_are_compared_with_those_in_crops():
    # In the first pass 10 and 40 px, in windows 40; crops show 10 to 160.
    assert find_problems(looking_again(), SMALL, [SMALL]) == []
    (problem,) = find_problems(
        looking_again((192, 192, 0.8, 1.2), preferred_size=20), SMALL, [SMALL]
    )
    assert problem == (
        "second_look: 10 of 20 evaluation objects in the first pass have sides "
        "of 10 px, where training shows few below 16 px; set "
        "training_crop.minimum_scale to 0.5, or make its first_pass_scale "
        "larger"
    )


@pytest.mark.parametrize(
    ("crop", "options", "expected", "changed"),
    [
        (
            (192, 192, 0.5, 1.0),
            {"preferred_size": 160, "magnifications": [2, 16]},
            "10 of 10 training objects in windows have sides of 160 px, "
            "where training shows few above 80 px; set "
            "training_crop.maximum_scale to 2, or make its preferred_size "
            "smaller",
            (192, 192, 0.5, 2.0),
        ),
        (
            (192, 192, 0.25, 0.3),
            {},
            "10 of 20 training objects in the first pass have sides of 40 px, "
            "where training shows few above 24 px; set "
            "training_crop.maximum_scale to 0.5, or make its first_pass_scale "
            "smaller",
            (192, 192, 0.25, 0.5),
        ),
    ],
)
def test_what_is_proposed_for_a_second_look_helps(
    crop, options, expected, changed
):
    options["maximum_enlargement"] = 16
    problems = find_problems(looking_again(crop, **options), SMALL, [])
    assert f"second_look: {expected}" in problems
    mended = find_problems(looking_again(changed, **options), SMALL, [])
    assert not any("second_look" in problem for problem in mended)


def test_whole_frames_are_compared_with_a_coarse_first_pass():
    pipeline = small_pipeline(
        f"{EXTENSION}.refiner=SECOND_LOOK",
        f"{EXTENSION}.second_look.first_pass_scale=0.25",
        f"{RESIZER}={{min_dimension: 480 max_dimension: 4096}}",
    )
    (problem,) = find_problems(pipeline, SMALL, [])
    assert problem == (
        "second_look: 10 of 20 training objects in the first pass have sides "
        "of 5 px, where training shows few below 20 px; give a "
        "training_crop that shows such sizes, or make its first_pass_scale "
        "larger"
    )
    scales = "train_config.data_augmentation_options=[{random_image_scale {}}]"
    pipeline = parse_pipeline(to_text(pipeline).encode(), "again", [scales])
    problems = find_problems(pipeline, SMALL, [])
    assert not any(problem.startswith("second_look") for problem in problems)


def test_a_second_look_at_nothing_is_no_problem():
    large = make_records([(200, 200), (210, 200)])
    pipeline = looking_again((480, 480, 0.4, 1.0))
    assert not any("windows" in p for p in find_problems(pipeline, large, []))
    assert scale_line(pipeline, large, []) == (
        "px per px of a frame: 1 in inference (0.5 in the first pass, no "
        "windows), 0.4 to 1 in crops"
    )
    assert "(0.5 in the first pass, 2 in windows)" in scale_line(
        looking_again(), SMALL, []
    )


def test_steps_that_a_second_look_leaves_out_are_told():
    pipeline = looking_again()
    steps = "train_config.data_augmentation_options=[{random_rotation90 {}}]"
    turned = parse_pipeline(to_text(pipeline).encode(), "again", [steps])
    (problem,) = find_problems(turned, SMALL, [])
    assert "random_rotation90 changes the size" in problem
    none = parse_pipeline(
        to_text(turned).encode(), "again", [f"{EXTENSION}.refiner=NONE"]
    )
    assert find_problems(none, SMALL, []) == []


def test_frames_that_no_window_could_enlarge_are_counted():
    # 2 px per px of the frame, 1.6 of them in the first pass.
    fields = (
        f"{EXTENSION}.refiner=SECOND_LOOK",
        f"{EXTENSION}.small_area_threshold=4000",
    )
    pipeline = make_pipeline(
        *fields,
        f"{EXTENSION}.second_look={{first_pass_scale: 0.8}}",
        crop=(192, 192, 1.0, 2.0),
        side=960,
    )
    problems = find_problems(pipeline, SMALL, [SMALL])
    assert problems == [
        "second_look: 10 of 10 small evaluation objects are in frames that the "
        "first pass would see at 1.6 px per px of the frame, too large for a "
        "window within maximum_enlargement: 2; these frames are seen as by "
        "the base detector, and not looked at again; set first_pass_scale to "
        "0.55, or maximum_enlargement to 2.9, or make image_resizer smaller"
    ]
    line = scale_line(pipeline, SMALL, [])
    assert "2 in inference (2 in the first pass, no windows)" in line
    for change in (
        "first_pass_scale: 0.55",
        "first_pass_scale: 0.8 maximum_enlargement: 2.9 preferred_size: 64",
    ):
        mended = make_pipeline(
            *fields,
            f"{EXTENSION}.second_look={{{change}}}",
            crop=(192, 192, 0.5, 4.0),
            side=960,
        )
        assert find_problems(mended, SMALL, []) == []
        assert "in windows" in scale_line(mended, SMALL, [])
    # Nothing is said where it is turned off.
    off = make_pipeline(
        *fields,
        f"{EXTENSION}.second_look={{maximum_enlargement: 0}}",
        crop=(192, 192, 1.0, 2.0),
        side=960,
    )
    assert find_problems(off, SMALL, []) == []
