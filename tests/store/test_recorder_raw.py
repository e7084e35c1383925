"""Raw frames come back byte for byte, whatever they are and whatever happens to the disk."""

import gzip
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.errors import ConfigError, DataError
from livekit.store.recorder_raw import RawLog, raw_path, read_raw

NS = 1_767_571_200_000_000_000
DAY = "2026-01-05"
DAY_NS = 86_400_000_000_000


def keep(root, frames, **options):
    log = RawLog(root, **options)
    for ns, frame in frames:
        assert log.append(ns, frame)
    log.close()
    return log


def test_frames_come_back_as_they_came_and_any_tool_reads_the_lines(tmp_path):
    frames = [
        (NS, b'{"arg":{"channel":"trades"},"data":[]}'),
        (NS + 1, b"pong"),
        (NS + 2, b"\xff\x00\xff"),
        (NS + 3, b'{"text":\n"on two lines"}'),
        (NS + 4, b""),
        (NS + 5, b'[1, {"a": "\xc3\xa9"}]'),
    ]
    log = keep(tmp_path, frames)
    path = raw_path(tmp_path, "public", DAY)
    assert list(read_raw(path)) == frames
    text = gzip.decompress(path.read_bytes())
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["ns"] for line in lines] == [ns for ns, _ in frames]
    assert lines[0]["frame"]["arg"] == {"channel": "trades"}
    assert (lines[1]["text"], lines[2]["base64"]) == ("pong", "/wD/")
    assert (log.n_frames, log.n_dropped, log.failure) == (6, 0, "")
    assert log.n_bytes == path.stat().st_size


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_come_back(tmp_path_factory, found):
    root = tmp_path_factory.mktemp("raw")
    frames = [(NS + i, frame) for i, frame in enumerate(found)]
    keep(root, frames)
    path = raw_path(root, "public", DAY)
    assert (list(read_raw(path)) if path.exists() else []) == frames


def test_each_day_and_connection_has_its_file_and_a_second_run_appends(tmp_path):
    keep(tmp_path, [(NS + DAY_NS - 1, b"{}"), (NS + DAY_NS, b"[]")])
    keep(tmp_path, [(NS + DAY_NS + 1, b"{1}")])
    keep(tmp_path, [(NS, b"{2}")], connection="business")
    assert list(read_raw(raw_path(tmp_path, "public", DAY))) == [(NS + DAY_NS - 1, b"{}")]
    assert list(read_raw(raw_path(tmp_path, "public", "2026-01-06"))) == [
        (NS + DAY_NS, b"[]"),
        (NS + DAY_NS + 1, b"{1}"),
    ]
    assert list(read_raw(raw_path(tmp_path, "business", DAY))) == [(NS, b"{2}")]


def test_damaged_member_is_passed_over_and_said(tmp_path, caplog):
    for i in range(3):
        keep(tmp_path, [(NS + i, b'{"n":%d}' % i)])
    path = raw_path(tmp_path, "public", DAY)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 + 15] ^= 0xFF  # in the second
    path.write_bytes(data[:-4])  # and the third is torn
    with caplog.at_level(logging.WARNING):
        assert list(read_raw(path)) == [(NS, b'{"n":0}')]
    assert "raw frames damaged" in caplog.text


@pytest.mark.parametrize("n_good", range(3))
def test_full_disk_ends_the_log_and_keeps_what_was_written(tmp_path, n_good, monkeypatch):
    import os

    monkeypatch.setattr("livekit.store.recorder_raw.FLUSH_S", 3600.0)
    calls = []

    def write(file, data):
        calls.append(len(data))
        if len(calls) > n_good:
            os.write(file, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return os.write(file, data)

    log = RawLog(tmp_path, write=write)
    for day in range(4):
        assert log.append(NS + day * DAY_NS, b'{"day":%d}' % day)
    log.close()
    assert "No space left on device" in log.failure
    assert not log.append(NS, b"{}")
    assert log.n_dropped == 1
    for day in range(4):
        path = raw_path(tmp_path, "public", f"2026-01-0{5 + day}")
        found = list(read_raw(path)) if path.exists() else []
        expected = [(NS + day * DAY_NS, b'{"day":%d}' % day)] if day < n_good else []
        assert found == expected


def test_too_much_that_waits_is_dropped_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("livekit.store.recorder_raw.FLUSH_S", 3600.0)
    monkeypatch.setattr("livekit.store.recorder_raw._MAX_WAITING", 100)
    log = RawLog(tmp_path)
    taken = [log.append(NS + i, b"{%s}" % (b"x" * 60)) for i in range(5)]
    log.close()
    assert taken == [True, True, False, False, False]
    assert (log.n_frames, log.n_dropped) == (2, 3)
    assert len(list(read_raw(raw_path(tmp_path, "public", DAY)))) == 2


def test_what_is_no_raw_log_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot name a folder"):
        RawLog(tmp_path, connection="../public")
    with pytest.raises(DataError, match="cannot be read"):
        list(read_raw(tmp_path / "none"))
    path = tmp_path / "other.gz"
    path.write_bytes(gzip.compress(b'{"other":1}\n'))
    with pytest.raises(DataError, match="which is no raw frame"):
        list(read_raw(path))
