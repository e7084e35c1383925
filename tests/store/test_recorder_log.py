"""A part read back: whole, cut at every byte, with every bit of a frame flipped, full disk."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.errors import ConfigError, DataError
from livekit.store.recorder_log import (
    FRAME_BYTES,
    FolderLock,
    PartHeader,
    PartWriter,
    parts_of,
    read_part,
    recording_folder,
)

HEADER = PartHeader("okx", ["BTC-USDT", "ETH-USDT"], ["ETH-USDT"], is_partial=True)
NS = 1_767_571_200_000_000_000


def frame(number, n_lines):
    memory = np.full(FRAME_BYTES + n_lines * 64 + 128, number, np.uint8)
    return memory, n_lines * 64


def write(path, sizes, **options):
    writer = PartWriter(path, HEADER, NS, **options)
    try:
        for i, n_lines in enumerate(sizes):
            memory, n_bytes = frame(i + 1, n_lines)
            writer.append(memory, n_bytes, n_lines, NS + i)
    finally:
        writer.close()
    return writer


def seen(path):
    header, frames, n_bad = read_part(path)
    return header, [(one.payload.tobytes(), one.n_events, one.written) for one in frames], n_bad


def expected(sizes):
    return [(bytes([i + 1]) * n * 64, n, NS + i) for i, n in enumerate(sizes)]


def test_frames_come_back_with_the_header(tmp_path):
    path = tmp_path / "okx-1-0.open"
    writer = write(path, [1, 4, 2])
    assert writer.n_bytes == path.stat().st_size
    assert seen(path) == (HEADER, expected([1, 4, 2]), 0)
    assert path.stat().st_mode & 0o777 == 0o600


def test_part_cut_at_any_byte_holds_the_whole_frames_before_it(tmp_path):
    path = tmp_path / "okx-1-0.open"
    write(path, [1, 2])
    data = path.read_bytes()
    ends = [len(data) - 5 * 64, len(data) - 3 * 64, len(data)]  # of the header, of each frame
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        header, frames, n_bad = seen(path)
        n_whole = sum(end <= size for end in ends)
        assert n_bad == 0
        assert header == (HEADER if n_whole else None)
        assert frames == expected([1, 2])[: max(0, n_whole - 1)]


def test_every_flipped_bit_is_found_and_costs_its_frame_only(tmp_path):
    path = tmp_path / "okx-1-0.open"
    write(path, [1, 1, 1])
    data = path.read_bytes()
    start = len(data) - 2 * 128  # of the second frame
    for bit in range(128 * 8):
        if 40 <= bit // 8 < 64:
            continue  # reserved words, which nobody reads
        damaged = bytearray(data)
        damaged[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        _, frames, n_bad = seen(path)
        assert n_bad > 0
        assert frames == [expected([1, 1, 1])[0], expected([1, 1, 1])[2]]


def failing(n_good, error, part=0):
    """Return a write that fails at its call `n_good`, after `part` bytes."""
    calls = iter(range(10**6))

    def attempt(file, data):
        if next(calls) < n_good:
            return os.write(file, data)
        if part:
            os.write(file, data[:part])
        raise OSError(error, os.strerror(error))

    return attempt


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT])
@pytest.mark.parametrize("n_good", range(5))
def test_write_that_fails_leaves_every_frame_before_it(tmp_path, n_good, error):
    path = tmp_path / "okx-1-0.open"
    sizes = [1, 3, 2, 5]
    with pytest.raises(DataError, match=r"recording stopped.*free space") as raised:
        write(path, [*sizes, 1], write=failing(n_good, error, part=40))
    assert os.strerror(error) in str(raised.value)
    if n_good == 0:
        assert not path.exists()
    else:
        assert seen(path) == (HEADER, expected(sizes[: n_good - 1]), 0)


def test_short_writes_are_finished(tmp_path):
    path = tmp_path / "okx-1-0.open"
    write(path, [2, 2], write=lambda file, data: os.write(file, data[:17]))
    assert seen(path) == (HEADER, expected([2, 2]), 0)


def test_part_of_another_layout_is_refused(tmp_path):
    path = tmp_path / "okx-1-0.open"
    PartWriter(path, PartHeader("okx", abi=99), NS).close()
    with pytest.raises(DataError, match="holds events of layout 99, this is layout"):
        read_part(path)


def test_parts_are_listed_oldest_first_and_finished_ones_by_default(tmp_path):
    folder = recording_folder(tmp_path)
    folder.mkdir()
    for name in ("okx-2-000000.open", "okx-1-000001.part", "okx-1-000000.part", "lock"):
        (folder / name).touch()
    assert [path.name for path in parts_of(tmp_path, with_open=False)] == [
        "okx-1-000000.part",
        "okx-1-000001.part",
    ]
    assert parts_of(tmp_path, with_open=True)[-1].name == "okx-2-000000.open"


def test_second_lock_of_a_folder_is_refused_until_the_first_is_gone(tmp_path):
    first = FolderLock(tmp_path)
    with pytest.raises(ConfigError, match=f"recorded into by process {os.getpid()}; stop"):
        FolderLock(tmp_path)
    first.release()
    FolderLock(tmp_path).release()


def test_lock_of_a_dead_recorder_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("livekit.store.recorder_log._PATIENCE_S", 0.05)
    first = FolderLock(tmp_path)  # as a reader that inherited it
    (recording_folder(tmp_path) / "lock").write_text("999999999\n")
    with pytest.raises(ConfigError, match="recorded into by process 999999999"):
        FolderLock(tmp_path)
    first.release()


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be recorded into"):
        FolderLock(tmp_path / "file")


@given(st.data())
def test_any_bytes_give_frames_or_a_data_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("part") / "okx-1-0.part"
    write(path, [1, 2])
    memory = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(memory)))
        memory[at : at + data.draw(st.integers(0, 80))] = data.draw(st.binary(max_size=80))
    path.write_bytes(memory)
    try:
        _, frames, n_bad = read_part(path)
    except DataError:
        return
    assert sum(len(one.payload) for one in frames) + n_bad <= len(memory)
