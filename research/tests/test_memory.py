"""What was taken is seen, also after it was given back."""

import mmap

import pytest

from research import memory

MEGABYTES = 64


def take() -> mmap.mmap:
    block = mmap.mmap(-1, MEGABYTES * 2**20)
    block.write(b"1" * len(block))
    return block


def test_a_peak_is_seen_after_it_until_it_is_forgotten():
    take().close()
    memory.forget_peak()
    before = memory.peak_megabytes()
    with take():
        assert memory.resident_megabytes() > before + MEGABYTES / 2
    peak = memory.peak_megabytes()
    # With the bytes that are written into the block.
    assert peak - before == pytest.approx(2 * MEGABYTES, rel=0.2)
    memory.forget_peak()
    assert memory.peak_megabytes() < peak - MEGABYTES
