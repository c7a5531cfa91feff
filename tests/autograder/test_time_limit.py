"""A limit that is put off stays put off, whatever ends the block that let it work for a while."""

import time

import pytest

from autograder.time_limit import CellTimeoutError, CpuLimit, Hold, Unheld


def stop_now() -> None:
    """Do what the timer does while a limit is put off."""
    CpuLimit._pending = "stopped after 1 seconds of CPU time"


def test_a_limit_that_was_put_off_works_at_the_end() -> None:
    """It is raised where the block that put it off ends, and once only."""
    with pytest.raises(CellTimeoutError, match="1 seconds"), Hold():
        stop_now()
    with Hold():
        pass


def test_a_limit_works_at_once_in_between() -> None:
    """Before student code's wish is carried out, what was put off is raised; then it's put off."""
    with Hold():
        with Unheld():
            assert CpuLimit._held == 0
        assert CpuLimit._held == 1
        stop_now()
        with pytest.raises(CellTimeoutError), Unheld():
            raise AssertionError("not reached")
        assert CpuLimit._held == 1
    assert CpuLimit._held == 0


def test_the_seconds_are_those_of_the_limit_that_was_met() -> None:
    """Who waits for nothing is told how long that took, and not the limit of CPU time."""
    with (
        pytest.raises(CellTimeoutError, match=r"after 0\.3 seconds of waiting"),
        CpuLimit(50, wall=0.3),
    ):
        time.sleep(20)
    with (
        pytest.raises(CellTimeoutError, match=r"after 0\.2 seconds of CPU time"),
        CpuLimit(0.2),
    ):
        while True:
            pass
