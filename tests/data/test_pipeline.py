"""Batches: static shapes, reproducible order, nothing lost in silence."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.augment import TrainingCrop
from featsr_tf.data.input_pipeline import BatchOptions
from featsr_tf.data.input_pipeline import TrainingOptions
from featsr_tf.data.input_pipeline import WholeFrames
from featsr_tf.data.input_pipeline import evaluation_dataset
from featsr_tf.data.input_pipeline import training_dataset
from featsr_tf.data.keys import Batch
from featsr_tf.data.records import scan_records
from featsr_tf.data.resize import FixedShapeResizer
from featsr_tf.data.resize import KeepAspectRatioResizer
from featsr_tf.data.sharding import Shard
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import unchecked
from tests.data.example_files import write_records

NUM_EXAMPLES = 7
BOX = [0.25, 0.25, 0.5, 0.75]
FRAMES = WholeFrames(KeepAspectRatioResizer(40, 80), 64, 96)
FLIP = (("random_horizontal_flip", {}),)
# For what does not depend on what the images look like.
WHOLE_FRAMES = {"view": FRAMES, "augmentations": ()}
# What takes pixels of other images.
MIXED = (
    ("random_mosaic", {"probability": 1.0}),
    ("random_copy_paste", {"probability": 1.0, "num_copies": 1}),
)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Seven noise images of 80x120 px in two files, the last without a box."""
    records = [
        example(
            encode(noise_image(80, 120, number)),
            [BOX] * (number < NUM_EXAMPLES - 1),
            [number + 1] * (number < NUM_EXAMPLES - 1),
            f"image {number}",
        )
        for number in range(NUM_EXAMPLES)
    ]
    folder = tmp_path_factory.mktemp("records")
    paths = [
        write_records(folder / "a.record", records[:4]),
        write_records(folder / "b.record", records[4:]),
    ]
    return scan_records(paths, None)


@pytest.fixture(scope="module")
def trained(records):
    """The first examples of training, two epochs of them."""
    return examples(training_dataset(records, options()), 2 * NUM_EXAMPLES)


@pytest.fixture(scope="module")
def whole(records):
    """The first examples of training on whole frames, three epochs."""
    dataset = training_dataset(records, options(**WHOLE_FRAMES))
    return examples(dataset, 3 * NUM_EXAMPLES)


@pytest.fixture(scope="module")
def evaluated(records):
    """All batches of an evaluation."""
    dataset = evaluation_dataset(records, FRAMES, batches())
    return list(dataset.as_numpy_iterator())


def batches(**changes):
    return BatchOptions(**{"batch_size": 2, "max_boxes": 3, **changes})


def options(**changes):
    arguments = {
        "batches": batches(),
        "view": TrainingCrop(48, 64, 0.7, 1.0),
        "augmentations": FLIP,
        "seed": 5,
    }
    return TrainingOptions(**{**arguments, **changes})


def examples(dataset, count):
    """The first examples as a list of dicts of arrays."""
    unbatched = dataset.unbatch().take(count).as_numpy_iterator()
    return list(unbatched)


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], key)


def test_training_batches_have_static_shapes(records):
    spec = training_dataset(records, options()).element_spec
    shapes = {key: tuple(value.shape) for key, value in spec.items()}
    assert shapes == {
        Batch.IMAGES: (2, 64, 64, 3),
        Batch.HALF_IMAGES: (2, 32, 32, 3),
        Batch.IMAGE_SIZES: (2, 2),
        Batch.SCALES: (2, 2),
        Batch.BOXES: (2, 3, 4),
        Batch.CLASSES: (2, 3),
        Batch.IGNORED: (2, 3),
        Batch.SEEDS: (2, 2),
    }


def test_half_images_can_be_left_out(records):
    changed = options(batches=batches(with_half_images=False), **WHOLE_FRAMES)
    assert (
        Batch.HALF_IMAGES not in training_dataset(records, changed).element_spec
    )


def test_the_half_image_is_the_block_mean_of_the_padded_image(trained):
    blocks = trained[0][Batch.IMAGES].reshape(32, 2, 32, 2, 3)
    np.testing.assert_allclose(
        trained[0][Batch.HALF_IMAGES], blocks.mean((1, 3)), rtol=1e-6
    )


def test_box_sides_by_the_scale_are_those_of_the_original(whole):
    for item in whole:
        np.testing.assert_allclose(item[Batch.SCALES], [0.5, 0.5])
        np.testing.assert_array_equal(item[Batch.IMAGE_SIZES], [40, 60])
        if item[Batch.CLASSES][0]:
            sides = item[Batch.BOXES][0, 2:] - item[Batch.BOXES][0, :2]
            np.testing.assert_allclose(
                sides / item[Batch.SCALES], [20, 60], rtol=1e-6
            )


def test_an_image_without_objects_has_only_zeros(evaluated):
    last = evaluated[-1]
    assert not last[Batch.BOXES].any()
    assert not last[Batch.CLASSES].any()
    assert not last[Batch.IGNORED].any()


def test_every_epoch_holds_each_example_once_in_another_order(whole):
    labels = [int(item[Batch.CLASSES][0]) for item in whole]
    epochs = [tuple(labels[i : i + NUM_EXAMPLES]) for i in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len(set(epochs)) == 3


def test_seeds_hold_the_run_and_the_running_number(trained):
    seeds = [item[Batch.SEEDS].tolist() for item in trained]
    assert seeds == [[5, number] for number in range(2 * NUM_EXAMPLES)]


def test_the_seed_decides_everything_and_the_global_seed_nothing(
    records, trained
):
    tf.random.set_seed(99)
    again = examples(training_dataset(records, options()), 9)
    assert_same(trained[:9], again)
    other = examples(training_dataset(records, options(seed=6)), 9)
    assert any(
        not np.array_equal(a[Batch.IMAGES], b[Batch.IMAGES])
        for a, b in zip(again, other, strict=True)
    )


def test_skipping_continues_the_uninterrupted_sequence(records, whole):
    changed = options(**WHOLE_FRAMES, skip_examples=7)
    assert_same(whole[7:13], examples(training_dataset(records, changed), 6))


def test_skipping_may_end_inside_a_block_of_the_shuffle(records):
    blocks = {"shuffle_buffer_mb": 0.05, **WHOLE_FRAMES}
    sequence = training_dataset(records, options(**blocks))
    tail = training_dataset(records, options(**blocks, skip_examples=10))
    assert_same(examples(sequence, 16)[10:], examples(tail, 6))


def test_mixed_examples_continue_and_hold_objects_of_other_images(records):
    mixed = {"augmentations": MIXED, "batches": batches(max_boxes=8)}
    sequence = examples(training_dataset(records, options(**mixed)), 12)
    assert_same(
        examples(
            training_dataset(records, options(**mixed, skip_examples=5)), 7
        ),
        sequence[5:],
    )
    classes = [set(item[Batch.CLASSES].tolist()) - {0} for item in sequence]
    assert sum(len(found) > 1 for found in classes) > 6
    assert set().union(*classes) == set(range(1, NUM_EXAMPLES))


def test_a_record_of_a_rare_class_comes_as_often_as_its_factor(records):
    # Every class is in a seventh of the images: sqrt(1.75) = 1.3229 times six
    # of them and one without an object make 8.94, so 9 per epoch.
    changed = options(
        **WHOLE_FRAMES, class_balance_threshold=0.25, shuffle_buffer_mb=0.05
    )
    assert np.sqrt(0.25 * 7) * 6 + 1 == pytest.approx(8.937, abs=1e-3)
    sequence = examples(training_dataset(records, changed), 90)
    labels = np.array([item[Batch.CLASSES][0] for item in sequence])
    for epoch in labels.reshape(10, 9):
        counts = np.bincount(epoch, minlength=NUM_EXAMPLES)
        assert set(counts) <= {1, 2}
    # Of 10 epochs 13.3 on average; a sum of roundings is off by less than 10.
    totals = np.bincount(labels)
    assert len(set(map(tuple, np.sort(labels.reshape(10, 9))))) > 1
    assert 10 <= totals[0] <= 12
    assert np.all(totals[1:] > 10)
    assert np.all(totals[1:] < 20)
    skipped = dataclasses.replace(changed, skip_examples=31)
    assert_same(
        examples(training_dataset(records, skipped), 9), sequence[31:40]
    )


def test_a_balanced_order_notices_a_record_that_was_not_counted(records):
    more = dataclasses.replace(
        records,
        summary=dataclasses.replace(
            records.summary,
            image_sizes=np.full([9, 2], 80),
            boxes_per_image=np.append(records.summary.boxes_per_image, [0, 0]),
        ),
    )
    changed = options(**WHOLE_FRAMES, class_balance_threshold=0.5)
    with pytest.raises(tf.errors.OpError, match="9"):
        examples(training_dataset(more, changed), 30)


def test_a_batch_may_be_larger_than_the_data_set(records):
    changed = options(batches=batches(batch_size=16), **WHOLE_FRAMES)
    batch = next(training_dataset(records, changed).as_numpy_iterator())
    assert batch[Batch.SEEDS][:, 1].tolist() == list(range(16))
    labels = batch[Batch.CLASSES].max(axis=1)
    assert sorted(labels[:NUM_EXAMPLES]) == list(range(NUM_EXAMPLES))


def test_evaluation_is_one_pass_in_order_with_an_uneven_last_batch(evaluated):
    assert [len(batch[Batch.IMAGES]) for batch in evaluated] == [2, 2, 2, 1]
    names = np.concatenate([batch[Batch.SOURCE_IDS] for batch in evaluated])
    assert names.tolist() == [b"image %d" % i for i in range(NUM_EXAMPLES)]
    np.testing.assert_array_equal(
        evaluated[-1][Batch.ORIGINAL_SIZES], [[80, 120]]
    )


def test_evaluation_shapes_are_static_but_for_the_batch(records):
    spec = evaluation_dataset(records, FRAMES, batches()).element_spec
    assert tuple(spec[Batch.IMAGES].shape) == (None, 64, 96, 3)
    assert tuple(spec[Batch.BOXES].shape) == (None, 3, 4)


def test_only_the_records_asked_for_are_evaluated(records, evaluated):
    dataset = evaluation_dataset(
        records, FRAMES, batches(), positions=[5, 1, 4]
    )
    found = list(dataset.as_numpy_iterator())
    ids = np.concatenate([batch[Batch.SOURCE_IDS] for batch in found])
    assert ids.tolist() == [b"image 1", b"image 4", b"image 5"]
    np.testing.assert_array_equal(
        found[0][Batch.IMAGES][0], evaluated[0][Batch.IMAGES][1]
    )


def test_padding_is_zero(evaluated):
    batch = evaluated[0]
    assert batch[Batch.IMAGES][:, :40, :60].any()
    assert not batch[Batch.IMAGES][:, 40:].any()
    assert not batch[Batch.IMAGES][:, :, 60:].any()


def test_scales_of_a_fixed_shape_differ_by_axis(records):
    view = WholeFrames(FixedShapeResizer(40, 96), 64, 96)
    item = examples(evaluation_dataset(records, view, batches()), 1)[0]
    np.testing.assert_allclose(item[Batch.SCALES], [0.5, 0.8], rtol=1e-6)
    np.testing.assert_allclose(
        item[Batch.BOXES][0], [10, 24, 20, 72], rtol=1e-6
    )


def test_cut_boxes_are_counted_in_a_warning(tmp_path):
    record = example(encode(noise_image(8, 8)), [BOX] * 5, [1, 2, 3, 4, 5])
    path = write_records(tmp_path / "many.record", [record])
    view = WholeFrames(FixedShapeResizer(32, 32), 32, 32)
    with pytest.warns(UserWarning, match="2 boxes in 1 of 1 images"):
        dataset = training_dataset(
            scan_records([path], None), options(view=view, augmentations=())
        )
    item = examples(dataset, 1)[0]
    np.testing.assert_array_equal(item[Batch.CLASSES], [1, 2, 3])


def test_a_record_that_was_not_counted_beforehand_is_an_error(records):
    more = unchecked(records.paths, num_examples=9)
    with pytest.raises(tf.errors.OpError, match="9"):
        examples(training_dataset(more, options(**WHOLE_FRAMES)), 9)


@pytest.mark.parametrize(
    "augmentations", [(), pytest.param(MIXED, marks=pytest.mark.slow)]
)
def test_workers_decode_what_is_theirs_and_nothing_is_left_out(
    records, augmentations
):
    made = {"view": FRAMES, "augmentations": augmentations}
    found = {}
    for worker in range(2):
        shard = Shard(2, num_replicas=2, num_workers=2, worker=worker)
        changed = options(shard=shard, **made)
        for item in examples(training_dataset(records, changed), 7):
            found[int(item[Batch.SEEDS][1])] = item
    assert sorted(found) == list(range(14))
    alone = examples(training_dataset(records, options(**made)), 14)
    assert_same([found[number] for number in range(14)], alone)


def test_data_services_decode_the_same_images(records, whole):
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    worker = service.WorkerServer(
        service.WorkerConfig(dispatcher.target.removeprefix("grpc://"))
    )
    changed = options(services=[dispatcher.target], **WHOLE_FRAMES)
    assert_same(examples(training_dataset(records, changed), 21), whole)
    mixed = dataclasses.replace(
        options(**WHOLE_FRAMES),
        augmentations=[("random_mosaic", {"probability": 1.0})],
    )
    changed = dataclasses.replace(mixed, services=[dispatcher.target])
    assert_same(
        examples(training_dataset(records, changed), 4),
        examples(training_dataset(records, mixed), 4),
    )
    del worker
