"""Damaged, half-written and impossible checkpoints never lose sound ones."""

import contextlib
import errno
import subprocess
import warnings
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import DataError
from featsr_tf.training import checkpoints
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import StageCheckpoints
from featsr_tf.training.checkpoints import newest_step
from featsr_tf.training.checkpoints import restore_detector
from featsr_tf.training.checkpoints import translate_checkpoint_errors
from featsr_tf.training.losses import NonFiniteError

# Large enough for the offsets to lie in values, keys and the graph.
SHAPE = [40, 30]


def layer(value):
    """Stands for a detector."""
    dense = keras.layers.Dense(SHAPE[1], use_bias=False)
    dense.build((None, SHAPE[0]))
    dense.kernel.assign(tf.fill(SHAPE, float(value)))
    return dense


def save(path, *steps):
    """Writes checkpoints whose weights are their steps."""
    for step in steps:
        objects = {"detector": layer(step)}
        StageCheckpoints(str(path), BASE, objects).save(step)
    return path / "checkpoints" / BASE


def restored_step(path):
    """Restores as a training does, which must get the weights of the step."""
    detector = layer(-1)
    step = StageCheckpoints(str(path), BASE, {"detector": detector}).restore()
    assert np.all(detector.kernel == (step or -1))
    return step


def damaged_bytes(content, offset, kind):
    if kind == "cut":
        return content[:offset]
    flipped = content[offset] ^ (1 << offset % 8)
    return content[:offset] + bytes([flipped]) + content[offset + 1 :]


@pytest.mark.parametrize("kind", ["cut", "flipped bit"])
@pytest.mark.parametrize("ending", ["index", "data-*", "json", "sha256"])
def test_the_one_before_is_used_wherever_the_newest_is_damaged(
    tmp_path, ending, kind
):
    folder = save(tmp_path, 4, 8)
    (file,) = folder.glob(f"ckpt-8.{ending}")
    content = file.read_bytes()
    for offset in np.linspace(0, len(content) - 2, 20).astype(int).tolist():
        file.write_bytes(damaged_bytes(content, offset, kind))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert restored_step(tmp_path) == 4
        (message,) = [str(warning.message) for warning in caught]
        assert "ckpt-8: the checkpoint is damaged" in message
        assert message.endswith("ckpt-4 is used")
        assert "\n" not in message
    file.write_bytes(content)
    assert restored_step(tmp_path) == 8


def test_evaluation_passes_over_damage_as_well(tmp_path):
    folder = save(tmp_path, 4, 8)
    (folder / "ckpt-8.index").write_bytes(b"")
    detector = layer(-1)
    with pytest.warns(UserWarning, match="ckpt-4 is used"):
        path = restore_detector(detector, str(tmp_path), BASE)
    assert path.endswith("ckpt-4")
    assert np.all(detector.kernel == 4)


def test_where_none_is_sound_all_are_named(tmp_path):
    folder = save(tmp_path, 4, 8)
    for step in (4, 8):
        (folder / f"ckpt-{step}.data-00000-of-00001").unlink()
    with pytest.raises(DataError, match=r"ckpt-8.*ckpt-4.*no other is left"):
        restored_step(tmp_path)


def test_a_damaged_one_goes_when_the_stage_goes_on_from_before(tmp_path):
    folder = save(tmp_path, 4, 8)
    (folder / "ckpt-8.index").write_bytes(b"")
    save(tmp_path, 6)
    assert checkpoints.written_steps(str(folder)) == [4, 6]
    assert restored_step(tmp_path) == 6


def test_checksums_are_those_of_sha256sum(tmp_path):
    folder = save(tmp_path, 4)
    subprocess.run(
        ["sha256sum", "--check", "--strict", "ckpt-4.sha256"],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("moved", range(5))
def test_killed_at_any_file_it_leaves_whole_checkpoints(tmp_path, moved, first):
    if not first:
        save(tmp_path, 4)
    replace = checkpoints.os.replace
    left = [moved]

    def replace_or_die(*paths):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        replace(*paths)

    with mock.patch.object(checkpoints.os, "replace", replace_or_die):
        with contextlib.suppress(KeyboardInterrupt):
            save(tmp_path, 8)
    # The index is the last of four files.
    expected = 8 if moved >= 4 else 0 if first else 4
    assert restored_step(tmp_path) == expected
    save(tmp_path, 9)
    assert restored_step(tmp_path) == 9


def test_what_a_killed_run_was_writing_goes_with_the_next_checkpoint(tmp_path):
    folder = save(tmp_path, 4)
    left = folder / ".writing" / "ckpt-8.data-00000-of-00001"
    left.parent.mkdir()
    left.write_bytes(b"part")
    save(tmp_path, 8)
    assert not left.parent.exists()


def test_variables_that_are_not_finite_are_not_written(tmp_path):
    save(tmp_path, 4)
    for value in (np.nan, np.inf):
        with pytest.raises(
            NonFiniteError, match="stage base, step 8: .*kernel"
        ):
            StageCheckpoints(
                str(tmp_path), BASE, {"detector": layer(value)}
            ).save(8)
    assert newest_step(str(tmp_path), BASE) == 4


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_leaves_the_checkpoints_as_they_were(tmp_path, number):
    folder = save(tmp_path, 4)
    before = sorted(path.name for path in folder.iterdir())
    failing = mock.Mock(side_effect=OSError(number, "no"))
    with (
        mock.patch.object(checkpoints.os, "fsync", failing),
        pytest.raises(OSError),
    ):
        save(tmp_path, 8)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert restored_step(tmp_path) == 4


def test_a_checkpoint_without_checksums_is_read_as_it_is(tmp_path):
    folder = save(tmp_path, 4)
    for ending in ("sha256", "json"):
        (folder / f"ckpt-4.{ending}").unlink()
    assert restored_step(tmp_path) == 4
    (index,) = folder.glob("*.index")
    index.write_bytes(index.read_bytes()[:-20])
    with pytest.raises(DataError, match="ckpt-4: the checkpoint is damaged"):
        restored_step(tmp_path)


def test_a_number_of_the_newest_is_kept_and_the_best(tmp_path):
    (tmp_path / "history.jsonl").write_text(
        '{"stage": "base", "step": 2, "validation": {"ap": 0.5}, '
        '"best_by": "ap"}\n'
    )
    for step in range(1, 7):
        objects = {"detector": layer(step)}
        StageCheckpoints(str(tmp_path), BASE, objects, keep=3).save(step)
    folder = tmp_path / "checkpoints" / BASE
    assert checkpoints.written_steps(str(folder)) == [2, 4, 5, 6]
    detector = layer(-1)
    restore_detector(detector, str(tmp_path), BASE)
    assert np.all(detector.kernel == 2)
    # A training goes on from the newest nevertheless.
    assert restored_step(tmp_path) == 6


def test_a_folder_with_brackets_is_no_pattern(tmp_path):
    folder = tmp_path / "run [1]*"
    save(folder, 3)
    assert restored_step(folder) == 3
    detector = layer(-1)
    restore_detector(detector, str(folder), BASE)
    assert np.all(detector.kernel == 3)


@pytest.mark.parametrize("has_checksums", [True, False])
def test_nobody_is_told_to_delete_what_is_whole(tmp_path, has_checksums):
    directory = save(tmp_path, 3)
    if not has_checksums:
        (directory / "ckpt-3.sha256").unlink()
    other = keras.layers.Dense(5)
    other.build((None, 7))
    with pytest.raises(DataError) as error:
        restore_detector(other, str(tmp_path), BASE)
    assert ("or delete it" in str(error.value)) != has_checksums
    assert ("is whole, but not of" in str(error.value)) == has_checksums


def test_too_little_memory_is_no_damage():
    with pytest.raises(tf.errors.ResourceExhaustedError):
        with translate_checkpoint_errors("model/ckpt-1"):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when")
