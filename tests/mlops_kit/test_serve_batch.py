"""Requests that wait together are predicted together, and none pays for another."""

import asyncio
import threading

import numpy as np
import pytest

from mlops_kit.serve_batch import SHORT_S, BusyError, MicroBatcher, TooSlowError
from mlops_kit.serve_predict import PredictionError, Predictor

SLOW = 10 * SHORT_S


def predictor(call):
    return Predictor("array", ("x",), True, call)


def rows(*values):
    return np.array(values, dtype=float)[:, None]


def double(table):
    if (table == 13).any():
        raise ZeroDivisionError("unlucky")
    return 2 * table[:, 0]


async def together(batcher, model, tables):
    calls = (batcher.predict(model, table, len(table)) for table in tables)
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("typical", [SHORT_S / 2, SLOW], ids=["on the loop", "in the thread"])
def test_waiting_requests_become_one_call_and_get_their_own_answers(typical):
    """Sixteen requests at once are far fewer calls, wherever the model runs."""
    sizes = []
    batcher, model = MicroBatcher(observe=sizes.append), predictor(double)
    batcher.learn(model, typical)
    tables = [rows(*range(i, i + 1 + i % 3)) for i in range(16, 32)]
    found = asyncio.run(together(batcher, model, tables))
    assert found == [(2 * table[:, 0]).tolist() for table in tables]
    assert sum(sizes) == sum(map(len, tables))
    assert len(sizes) <= 2
    assert batcher.waiting == 0


def test_a_row_that_breaks_the_model_spoils_no_other_request():
    """The batch is repeated request by request."""
    batcher, model = MicroBatcher(), predictor(double)
    batcher.learn(model, SHORT_S / 2)
    found = asyncio.run(together(batcher, model, [rows(1), rows(13), rows(3)]))
    assert (found[0], found[2]) == ([2.0], [6.0])
    assert isinstance(found[1], PredictionError)


def test_batches_stay_within_their_size_but_a_large_request_is_whole():
    """Nobody's rows are split."""
    sizes = []
    batcher, model = MicroBatcher(max_rows=4, observe=sizes.append), predictor(double)
    batcher.learn(model, SHORT_S / 2)
    tables = [rows(*range(20, 26)), rows(1), rows(2, 3), rows(4, 5)]
    found = asyncio.run(together(batcher, model, tables))
    assert found == [(2 * table[:, 0]).tolist() for table in tables]
    assert sizes == [6, 3, 2]


def test_two_models_are_never_mixed_in_a_batch():
    """Requests that arrived before an exchange get the old model's answers."""
    batcher = MicroBatcher()
    old, new = predictor(double), predictor(lambda table: -table[:, 0])

    async def both():
        before = [batcher.predict(old, rows(i), 1) for i in (1, 2)]
        after = [batcher.predict(new, rows(i), 1) for i in (1, 2)]
        return await asyncio.gather(*before, *after)

    assert asyncio.run(both()) == [[2.0], [4.0], [-1.0], [-2.0]]


def test_a_full_queue_says_so_at_once():
    """Instead of growing until the memory is gone."""
    batcher, model = MicroBatcher(max_waiting=2), predictor(double)
    batcher.learn(model, SLOW)
    found = asyncio.run(together(batcher, model, [rows(i) for i in range(4)]))
    assert [type(answer) for answer in found] == [list, list, BusyError, BusyError]


def test_a_model_that_takes_too_long_is_not_waited_for():
    """The request is answered; the batcher serves the next when the model is free."""
    free = threading.Event()

    def stuck(table):
        if table[0, 0] == 0:
            free.wait(60)
        return table[:, 0]

    async def run():
        batcher, model = MicroBatcher(timeout_s=0.05), predictor(stuck)
        batcher.learn(model, SLOW)
        late = await asyncio.gather(batcher.predict(model, rows(0), 1), return_exceptions=True)
        free.set()
        batcher.timeout_s = 60
        answer = await batcher.predict(model, rows(7), 1)
        await batcher.close()
        return late[0], answer, batcher.waiting

    late, answer, waiting = asyncio.run(run())
    assert isinstance(late, TooSlowError)
    assert (answer, waiting) == ([7.0], 0)
