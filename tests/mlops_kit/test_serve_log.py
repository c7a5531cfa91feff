"""The request log: whole lines, in order, whatever happens to the disk or the process."""

import json
import os
import threading

import pandas as pd
import pytest

from mlops_kit.errors import DataError
from mlops_kit.serve_log import RequestLog, read_request_log

LINE = {
    "time": "2025-01-06T08:00:00.500000Z", "request_id": "r", "model": "m", "version": "1",
    "status": 200, "latency_ms": 1.5, "row_number": 0, "row": {"km": 1.0}, "prediction": 2.0,
}  # fmt: skip


def encoded(**changes):
    return json.dumps(LINE | changes).encode()


def test_a_line_cut_off_by_a_crash_costs_no_other_line(tmp_path):
    """The next start ends it, and a reader skips and counts it."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(encoded() + b"\n" + encoded()[:40])
    log = RequestLog(path)
    log.add([encoded(request_id="after")])
    log.close()
    found = read_request_log(path)
    assert found["request_id"].tolist() == ["r", "after"]
    assert found.attrs["skipped"] == 1


def test_a_full_disk_loses_nothing_while_the_lines_fit_in_memory(tmp_path, monkeypatch):
    """They are written when it takes lines again, and no half line stays."""
    path = tmp_path / "log.jsonl"
    log = RequestLog(path, every_s=60)
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:10]))
    log.add([encoded(request_id="1"), encoded(request_id="2")])
    log.flush()
    assert path.read_bytes() == b""
    monkeypatch.setattr(os, "write", write)
    log.close()
    assert read_request_log(path)["request_id"].tolist() == ["1", "2"]


def test_a_nearly_full_disk_takes_what_fits_and_is_told_once(tmp_path, monkeypatch, caplog):
    """And told again when it takes lines again."""
    path = tmp_path / "log.jsonl"
    log = RequestLog(path, every_s=60)
    write, room = os.write, 700 * (len(encoded(request_id="1000")) + 1)
    monkeypatch.setattr(
        os, "write", lambda file, text: write(file, text[: room - path.stat().st_size])
    )
    log.add(encoded(request_id=str(number)) for number in range(1000, 2200))
    log.flush()
    log.flush()
    assert len(read_request_log(path)) == 500
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "can't be written: the disk is full" in caplog.text
    monkeypatch.setattr(os, "write", write)
    log.close()
    assert read_request_log(path)["request_id"].tolist() == [str(n) for n in range(1000, 2200)]
    assert "written again" in caplog.text


def test_what_memory_cannot_hold_is_dropped_and_counted(tmp_path, monkeypatch):
    """The newest lines are kept."""
    lost = []
    monkeypatch.setattr("mlops_kit.serve_log.MAX_LINES", 3)
    path = tmp_path / "log.jsonl"
    log = RequestLog(path, every_s=60, lost=lost.append)
    path.unlink()
    path.mkdir()
    log.add(encoded(request_id=str(i)) for i in range(5))
    log.flush()
    assert lost == [2]
    log.close()
    assert lost == [2, 3]


def test_threads_and_services_may_share_a_file(tmp_path):
    """Every line is whole, and each writer's lines keep their order."""
    path = tmp_path / "log.jsonl"
    logs = [RequestLog(path, every_s=0.001) for _ in range(2)]

    def write(log, name):
        for i in range(500):
            log.add([encoded(request_id=f"{name}-{i}")])

    threads = [threading.Thread(target=write, args=(log, i)) for i, log in enumerate(logs)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    [log.close() for log in logs]
    ids = read_request_log(path)["request_id"]
    for name in "01":
        own = [int(i[2:]) for i in ids if i.startswith(f"{name}-")]
        assert own == list(range(500))


def test_a_log_that_was_moved_away_is_made_anew(tmp_path):
    """As log rotation does it."""
    path = tmp_path / "log.jsonl"
    log = RequestLog(path, every_s=60)
    log.add([encoded(request_id="old")])
    log.flush()
    path.rename(tmp_path / "log.1")
    log.add([encoded(request_id="new")])
    log.close()
    assert read_request_log(path)["request_id"].tolist() == ["new"]
    assert read_request_log(tmp_path / "log.1")["request_id"].tolist() == ["old"]


@pytest.mark.parametrize("since", ["2025-01-06T09:00", pd.Timestamp("2025-01-06T10:00+01:00")])
def test_reading_since_leaves_out_what_is_older(tmp_path, since):
    """A time with an offset is taken as that moment."""
    path = tmp_path / "log.jsonl"
    times = ["2025-01-06T08:59:59.9Z", "2025-01-06T09:00:00Z", "2025-01-06T09:30:00Z"]
    path.write_bytes(b"\n".join(encoded(time=time) for time in times))
    assert read_request_log(path, since=since)["time"].tolist() == [
        pd.Timestamp("2025-01-06T09:00"), pd.Timestamp("2025-01-06T09:30"),
    ]  # fmt: skip


def test_an_empty_log_has_its_columns_and_a_missing_one_is_said(tmp_path):
    """Monitoring before the first request isn't a crash."""
    path = tmp_path / "log.jsonl"
    path.touch()
    assert "prediction" in read_request_log(path).columns
    assert "error" in read_request_log(path, answered=False).columns
    with pytest.raises(DataError, match="mlops-kit serve"):
        read_request_log(tmp_path / "none.jsonl")


def test_times_are_written_in_utc_with_microseconds(tmp_path):
    """Also across a second's end."""
    log = RequestLog(tmp_path / "log.jsonl", every_s=60)
    assert log.stamp(1736150399.999999) == "2025-01-06T07:59:59.999999Z"
    assert log.stamp(1736150400.25) == "2025-01-06T08:00:00.250000Z"
    log.close()
