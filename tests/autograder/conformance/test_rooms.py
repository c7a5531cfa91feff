"""The engine of two rooms: what it reports, what it survives, and where each cell runs."""

from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder.engine import Limits
from autograder.errors import SandboxError

SQUARE = ("answer", "def solve(x): return x * x")


def statuses(execution: Any) -> list[str]:
    return [cell.status for cell in execution.cells]


def test_each_cell_is_reported_with_its_room(run: Any) -> None:
    """Answers and given cells run in the student's room, tests in the examiner's."""
    execution = run(("locked", "import math"), SQUARE, ("test", "assert solve(2) == 4"))
    assert [cell.room for cell in execution.cells] == ["student", "student", "examiner"]
    assert statuses(execution) == ["ok"] * 3
    assert execution.problems == ()


def test_a_failed_test_names_its_error_message_and_line(run: Any) -> None:
    """The line is that of the test cell, counted from 1."""
    execution = run(SQUARE, ("test", "x = 3\n\nassert solve(x) == 8, 'not eight'\n"))
    cell = execution.cells[1]
    assert (cell.status, cell.error, cell.message) == ("error", "AssertionError", "not eight")
    assert cell.line == 3
    assert cell.outputs[-1]["output_type"] == "error"


def test_a_failed_test_names_where_the_error_rose_that_ended_it(run: Any) -> None:
    """And not where one did that the test has waited for."""
    execution = run(
        ("answer", "def f(x):\n    if x < 0:\n        raise ValueError('negative')\n    return x"),
        ("test", "import pytest\nwith pytest.raises(ValueError): f(-1)\nassert f(1) == 2, 'no'"),
        ("test", "f(-1)"),
        ("test", "try:\n    f(-1)\nexcept ValueError:\n    assert False, 'no error was wanted'"),
    )
    assert [cell.message for cell in execution.cells[1:]] == [
        "no",
        "negative\nNote: it rose in <cell 1> line 3",
        "no error was wanted\nNote: it rose in <cell 1> line 3",
    ]


def test_an_error_of_an_answer_is_its_own_cells(run: Any) -> None:
    """A cell that fails doesn't stop the next; its outputs say what happened."""
    execution = run(("answer", "print('before')\n1 / 0"), SQUARE, ("test", "assert solve(1) == 1"))
    assert statuses(execution) == ["error", "ok", "ok"]
    failed = execution.cells[0]
    assert (failed.error, failed.line) == ("ZeroDivisionError", 2)
    assert [out["output_type"] for out in failed.outputs] == ["stream", "error"]
    assert not any("\x1b" in line for line in failed.outputs[1]["traceback"])


def test_a_syntax_error_is_reported(run: Any) -> None:
    """A cell that can't be compiled is an error at its line, in both rooms."""
    execution = run(("answer", "x = 1\ndef f(:"), ("test", "\nassert ("))
    assert [cell.error for cell in execution.cells] == ["SyntaxError", "SyntaxError"]
    assert "'(' was never closed" in execution.cells[1].message
    assert execution.cells[0].line == 2


def test_outputs_are_those_of_a_notebook(run: Any) -> None:
    """Text, results, displayed things and figures, with counts."""
    execution = run(
        ("answer", "print('a')\nprint('b')\n2 + 3"),
        ("answer", "from IPython.display import display, HTML\ndisplay(HTML('<b>x</b>'))"),
        ("answer", "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"),
        ("answer", "import os\nos.write(1, b'below');"),
        ("answer", "!echo shell"),
    )
    first, html, figure, below, shell = (cell.outputs for cell in execution.cells)
    assert first[0]["text"] == "a\nb\n"
    assert first[1]["data"]["text/plain"] == "5"
    assert execution.notebook.cells[0].execution_count == 1
    assert html[0]["data"]["text/html"] == "<b>x</b>"
    assert "image/png" in figure[0]["data"]
    assert below[0]["text"] == "below"
    assert "shell" in shell[0]["text"]


def test_long_output_is_cut(run: Any) -> None:
    """What is kept is bounded, and says that it was cut."""
    execution = run(("answer", "for i in range(3000): print('x' * 1000)"), output_kb=50)
    text = execution.cells[0].outputs[0]["text"]
    assert len(text) < 60_000
    assert "cut" in text


def test_partial_credit_is_the_tests_own_value(run: Any) -> None:
    """The last expression of a test cell is its result; a handle never looks like a number."""
    answer = (
        "answer",
        "class Five:\n    def __repr__(self): return '5.0'\ndef solve(x): return Five()",
    )
    execution = run(answer, ("test", "0.5 + 1"), ("test", "solve(1)"))
    number, handle = (cell.outputs[0]["data"]["text/plain"] for cell in execution.cells[1:])
    assert number == "1.5"
    assert "Five" in handle
    with pytest.raises(ValueError, match="could not convert"):
        float(handle)


def test_what_was_believed_is_noted(run: Any) -> None:
    """Truth, length and class of a handle are the student's claims, listed with the cell."""
    answer = (
        "answer",
        "class Yes:\n    def __bool__(self): return True\ndef solve(x): return Yes()",
    )
    execution = run(answer, ("test", "assert solve(1)"), ("test", "assert 1 == 1"))
    believed, sure = execution.notebook.cells[1:]
    assert any("truth" in claim for claim in believed.metadata["autograder"]["claims"])
    assert "autograder" not in sure.metadata


def test_what_a_given_cells_client_says_is_noted(run: Any) -> None:
    """It runs beside the student's code, which may have changed it, wherever it was imported."""
    execution = run(
        ("locked", "from fastapi import FastAPI\nfrom fastapi.testclient import TestClient"),
        ("answer", "app = FastAPI()"),
        ("test", "assert TestClient(app).get('/').status_code == 404"),
        ("test", "assert 1 == 1"),
    )
    believed, sure = execution.notebook.cells[2:]
    assert any("fastapi.testclient" in claim for claim in believed.metadata["autograder"]["claims"])
    assert "autograder" not in sure.metadata


def test_a_descriptor_is_refused_in_a_class_body(run: Any) -> None:
    """It would give the test's class nothing; the error says so."""
    made = "class made:\n  def __get__(self, *_): return 1\nmade = made()"
    execution = run(("answer", made), ("test", "class C:\n    one = made\nassert C"))
    assert execution.cells[1].error == "HandleError"
    assert "'one'" in execution.cells[1].message
    assert "student-room" in execution.cells[1].message


def test_a_tagged_test_runs_beside_the_answers(run: Any) -> None:
    """The tag ``student-room`` is the way out for a test that can't be asked from outside."""
    cells = [
        ("answer", "class V:\n  def __eq__(self, other): return True\ndef solve(): return V()"),
        ("test", "assert solve() == [1]"),
        ("test", "assert solve() == [1]", "student-room"),
    ]
    execution = run(*cells)
    assert statuses(execution) == ["ok", "error", "ok"]
    assert execution.cells[2].room == "student"
    assert "student-room" in execution.cells[1].message


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ("solve() + 1", "arithmetic"),
        ("float(solve())", "converted"),
        ("import numpy as np\nnp.mean(solve())", "library"),
        ("sorted([solve(), solve()])", "ordered"),
        ("import pickle as p\nimport _pickle\n_pickle.dumps(solve())", "pickled"),
        ("class Mine(solve()): pass", "no class"),
        ("assert solve() == solve()", "compared"),
        ("import subprocess as s, os\nos.system('true')", "programs"),
    ],
)
def test_what_cannot_work_says_so(test: str, says: str, run: Any) -> None:
    """The error names the handle, why it can't be, and the two ways out."""
    answer = "class Thing:\n  def __eq__(self, o): return True\ndef solve(): return Thing()"
    cell = run(("answer", answer), ("test", test)).cells[1]
    assert (cell.status, cell.error) == ("error", "HandleError")
    assert says in cell.message
    assert "student-room" in cell.message


@pytest.mark.parametrize("item", ["size: Own", "size: list[Own] = []", "size: int = Own()"])
def test_what_a_library_cannot_read_of_a_tests_class_says_so(item: str, run: Any) -> None:
    """The error names the part of the class body that isn't brought over, and the ways out."""
    model = ("answer", "from pydantic import BaseModel\nclass Size(BaseModel): x: int")
    execution = run(model, ("test", f"class Own: pass\nclass More(Size):\n    {item}\nMore(x=1)"))
    cell = execution.cells[1]
    assert (cell.status, cell.error) == ("error", "HandleError")
    assert "'size' in the body of More" in cell.message
    assert "student-room" in cell.message


def test_the_schema_of_a_students_model_in_a_tests_names_the_ways_out(run: Any) -> None:
    """What isn't described is refused, also to a test that catches all errors."""
    model = ("answer", "from pydantic import BaseModel\nclass Size(BaseModel): x: int")
    test = "from pydantic import TypeAdapter\ntry: TypeAdapter(list[Size]).json_schema()"
    cell = run(model, ("test", f"{test}\nexcept Exception: pass")).cells[1]
    assert (cell.status, cell.error) == ("error", "HandleError")
    assert "JSON schema" in cell.message
    assert "student-room" in cell.message


@pytest.mark.parametrize(
    ("made", "changed"),
    [
        ("__import__('array').array('i', [1])", "what.append(2)"),
        (
            "__import__('xml.etree.ElementTree').etree.ElementTree.Element('a')",
            "what.set('b', '1')",
        ),
    ],
)
def test_what_has_no_attributes_and_is_changed_names_the_way_out(
    made: str, changed: str, run: Any
) -> None:
    """An object of a library's, written in C, crosses as a copy: its change isn't passed over."""
    answer = ("answer", f"def change(what): {changed}\ndef keep(what): return len(what)")
    execution = run(answer, ("test", f"keep({made})"), ("test", f"change({made})"))
    assert statuses(execution) == ["ok", "ok", "error"]
    assert "can't be brought to the examiner's room" in execution.cells[2].message
    assert "student-room" in execution.cells[2].message


def test_a_parser_of_the_tests_reads_no_file_for_an_answer(run: Any) -> None:
    """It would be a file of the examiner's room, and its lines would be the answer's."""
    take = "parser.fromfile_prefix_chars = '@'; parser.parse_known_args(['@/etc/passwd'])"
    answer = ("answer", f"def add(parser): {take}")
    cell = run(answer, ("test", "import argparse\nadd(argparse.ArgumentParser())")).cells[1]
    assert (cell.status, cell.error) == ("error", "HandleError")
    assert "aren't read for an answer" in cell.message


def test_what_a_tests_object_does_not_let_answers_set_names_the_way_out(run: Any) -> None:
    """An answer that sets what the reference doesn't is told of in the teacher's words."""
    cells = [
        ("answer", "def fill(store): store.items = [1]"),
        ("test", "class Store: items = []\nfill(Store())"),
    ]
    reference = [("answer", "def fill(store): store.load([1])"), cells[1]]
    message = run(*cells, reference=reference).cells[1].message
    assert "'items' of a test's object can't be changed" in message
    assert "student-room" in message


def test_a_question_leaves_nothing_for_the_collector_of_cycles(run: Any) -> None:
    """Arrays are few objects: those of a thousand questions would fill the room before it runs."""
    answer = """
import gc
def mean(a): return a.mean()
def fail(a): raise ValueError(len(a))
def call(f, a): return f(a)
def watch():
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
def arrays():
    gc.collect()
    gc.set_debug(0)
    found = [x for x in gc.garbage if type(x).__name__ in ("ndarray", "memoryview", "RoomDecoder")]
    gc.garbage.clear()
    return len(found)
"""
    test = """
import gc
import numpy as np
watch()
gc.collect()
gc.set_debug(gc.DEBUG_SAVEALL)
for _ in range(20):
    mean(np.ones(9))
    call(lambda a: mean(a), np.ones(9))
    try: fail(np.ones(9))
    except ValueError: pass
gc.collect()
gc.set_debug(0)
found = [x for x in gc.garbage if type(x).__name__ in ("ndarray", "Sent", "LinkEncoder")]
gc.garbage.clear()
assert (len(found), arrays()) == (0, 0)
"""
    assert statuses(run(("answer", answer), ("test", test))) == ["ok", "ok"]


def test_what_is_kept_and_grows_too_large_is_said(run: Any) -> None:
    """What an answer does to a list with more items than are looked at isn't seen."""
    answer = """
class Log:
    def __init__(self, items): self.items = items
    def fill(self, n): self.items.extend(range(n))
"""
    test = """
items = []
log = Log(items)
log.fill(600)
assert len(items) == 600
log.fill(30_000)
assert len(items) == 30_600
"""
    cell = run(("answer", answer), ("test", test)).cells[1]
    assert cell.line == 7
    assert "too large to be looked at with every question" in cell.message
    assert "'student-room'" in cell.message


def test_a_room_that_dies_takes_its_tests_along(run: Any) -> None:
    """What can't be tested any more fails, with a reason; nothing hangs."""
    execution = run(
        ("answer", "import os\nos._exit(3)"), SQUARE, ("test", "pass"), ("test", "assert True")
    )
    assert statuses(execution) == ["died"] * 4
    assert all(cell.message for cell in execution.cells)
    assert execution.problems


def test_a_tests_room_that_does_not_begin_is_nobodys_verdict(
    borrowing_engine: Any, build_notebook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grading stops: a student whose code hasn't run isn't marked down."""
    monkeypatch.setattr("autograder.rooms.facts_of", lambda _: {})
    with (
        closing(borrowing_engine()) as engine,
        pytest.raises(SandboxError, match="ended before the first cell"),
    ):
        engine.run(build_notebook(SQUARE, ("test", "assert solve(2) == 4")), None, Limits())


def test_a_room_that_dies_in_a_test_is_gone_for_good(run: Any) -> None:
    """No test can catch it away, and the next ones fail too."""
    execution = run(
        ("answer", "import os\ndef solve(x): os._exit(0)"),
        ("test", "try:\n    solve(1)\nexcept BaseException:\n    pass"),
        ("test", "assert True"),
    )
    assert statuses(execution) == ["ok", "died", "died"]


def test_an_endless_answer_costs_its_cell_only(run: Any) -> None:
    """A cell and a call are stopped at their CPU time; the next ones run."""
    execution = run(
        ("answer", "n = 0\nwhile True: n += 1"),
        ("answer", "def loop():\n    n = 0\n    while True: n += 1\ndef solve(x): return x * x"),
        ("test", "loop()"),
        ("test", "assert solve(3) == 9"),
        cell_seconds=0.5,
    )
    assert statuses(execution) == ["timeout", "ok", "timeout", "ok"]


LARGE = {
    "a text": "def solve(x): return 'x' * (150 << 20)",
    "a text of other letters": "def solve(x): return '\N{SNAKE}' * (4 << 20)",
    "texts": "def solve(x): return ['x' * 60_000] * 100_000",
    "texts among others": "def solve(x): return [('x' * 60_000, None, {'y' * 60_000: 1})] * 50_000",
    "a key": "def solve(x): return {'x' * (150 << 20): 1}",
    "numbers": "def solve(x): return [n / 7 for n in range(1_900_000)]",
    "an error": "def solve(x): raise ValueError('x' * (150 << 20))",
    "an error's attribute": "class E(ValueError): pass\ndef solve(x):\n    error = E('no')\n"
    "    error.text = 'x' * (150 << 20)\n    raise error",
    "errors in errors": "def solve(x):\n    error = ValueError(x)\n"
    "    for _ in range(7): error = ExceptionGroup('g', [error] * 20)\n    raise error",
    "the ends of a range": "def solve(x): return range(10 ** 5000)",
    "what is printed": "def solve(x): print('x' * (150 << 20))",
    "what is handed to a test's function": "def solve(x, show=print): show('x' * (150 << 20))",
    "the name of an error": "def solve(x): return 0\n"
    "raise type('x' * (150 << 20), (ValueError,), {})",
}


@pytest.mark.parametrize("name", LARGE)
def test_an_answer_that_is_too_large_costs_its_question_only(name: str, run: Any) -> None:
    """Whatever is large in it, it's said to be, and the next questions are answered."""
    test = "assert solve(3, print) == 9" if "function" in name else "assert solve(3) == 9"
    execution = run(
        ("answer", LARGE[name]),
        ("test", test),
        ("answer", "def solve(x): return x * x"),
        ("test", "assert solve(3) == 9"),
        memory_mb=600,
    )
    first = "error" if name.startswith("the name") else "ok"
    assert statuses(execution) == [first, "error", "ok", "ok"]
    assert "room is gone" not in execution.cells[1].message


HANDED = {
    "numbers": "total([n / 7 for n in range(1_000_000)])",
    "numbers beside a table": "held(table, [n / 7 for n in range(1_000_000)])",
    "numbers from a function of the test": "called(lambda: [n / 7 for n in range(1_000_000)])",
    "a text": "total('x' * (20 << 20))",
}


@pytest.mark.parametrize("name", HANDED)
def test_what_a_test_hands_over_that_is_too_large_costs_its_cell_only(name: str, run: Any) -> None:
    """It's said to be; tables and containers of both rooms are as they were."""
    execution = run(
        (
            "answer",
            "kept = [1]\n"
            "def total(xs): return sum(xs)\n"
            "def called(f): return sum(f())\n"
            "def held(t, *_): return int(t['a'].sum()) + sum(kept)\n",
        ),
        (
            "test",
            "import pandas as pd\n"
            "table = pd.DataFrame({'a': [1, 2]})\nassert held(table) == 4\n"
            f"try:\n    kept.append(5)\n    {HANDED[name]}\nexcept TypeError: pass",
        ),
        ("test", "assert held(table) == 9 and total([1, 2]) == 3 and called(lambda: [4]) == 4"),
        ("test", "table.loc[0, 'a'] = 3\nassert held(table) == 11"),
    )
    assert statuses(execution) == ["ok", "error", "ok", "ok"], execution.cells
    assert "can't be handed to the student's code" in execution.cells[1].message
    if name.startswith("numbers"):
        assert "tag the test cell 'student-room'" in execution.cells[1].message


def test_a_test_that_asks_all_the_time_is_told_how_to_ask_less(run: Any) -> None:
    """A loop of single steps that an answer does takes longer than in one process."""
    test = "while solve(1): pass"
    cell = run(SQUARE, ("test", test), cell_seconds=3).cells[1]
    assert cell.status == "timeout"
    assert "questions, and waiting for each takes time" in cell.message
    assert "'student-room'" in cell.message


def test_an_endless_test_costs_its_cell_only(run: Any) -> None:
    """A test cell has the same limit as any other."""
    execution = run(
        SQUARE,
        ("test", "n = 0\nwhile True: n += 1"),
        ("test", "assert solve(3) == 9"),
        cell_seconds=0.5,
    )
    assert statuses(execution) == ["ok", "timeout", "ok"]


def test_code_that_cannot_be_interrupted_is_ended(run: Any) -> None:
    """A loop in C never sees the polite limit; the room is ended from outside."""
    answer = "import collections, itertools\ncollections.deque(itertools.repeat(0), maxlen=0)"
    execution = run(("answer", answer), ("test", "assert True"), cell_seconds=0.5)
    assert execution.cells[0].status in ("timeout", "died")
    assert execution.cells[1].status != "ok"


def test_a_question_that_cannot_be_interrupted_is_ended(run: Any) -> None:
    """The same within a test: the test fails, and the grader goes on."""
    answer = (
        "import collections, itertools\n"
        "def solve(x): collections.deque(itertools.repeat(0), maxlen=0)"
    )
    execution = run(
        ("answer", answer), ("test", "solve(1)"), ("test", "assert True"), cell_seconds=0.5
    )
    assert execution.cells[0].status == "ok"
    assert [cell.status == "ok" for cell in execution.cells[1:]] == [False, False]


def test_the_whole_notebook_has_a_limit(run: Any) -> None:
    """Cells that each stay within theirs don't add up for ever."""
    burn = "import time\nt = time.process_time()\nwhile time.process_time() - t < 0.4: pass"
    execution = run(*[("answer", burn)] * 4, cell_seconds=1.0, total_seconds=1.0)
    assert statuses(execution)[0] == "ok"
    assert statuses(execution)[-1] != "ok"


def test_nothing_is_left_behind(run: Any, living: Any) -> None:
    """Processes that an answer started end with the room."""
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\nprint('on')"

    def family() -> set[int]:
        return {process.pid for process in psutil.Process().children(recursive=True)}

    run(("answer", "'the warm process is there'"))
    before = family()
    assert before, "the warm process should be a child of the tests'"
    execution = run(("answer", code), ("test", "assert True"))
    assert execution.cells[0].outputs[0]["text"] == "on\n"
    assert living(family() - before) == []


def test_the_labs_files_are_in_both_rooms(run: Any, tmp_path: Path) -> None:
    """A file that the lab ships is found by answers and by tests."""
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    execution = run(
        ("answer", "import pandas as pd\ndf = pd.read_csv('data.csv')"),
        ("test", "import pandas as pd\nassert pd.read_csv('data.csv').equals(df)"),
        files=tmp_path,
    )
    assert statuses(execution) == ["ok", "ok"]


def test_the_test_is_nowhere_in_the_students_room(run: Any) -> None:
    """Neither the text of a test nor what it expects is in the process that runs the answers."""
    # The pattern is written so that it doesn't match itself.
    spy = (
        "import ctypes, gc, re\n"
        "def solve(x):\n"
        "    objects = [o for o in gc.get_objects() if type(o) in (list, dict, tuple)]\n"
        "    values = [v for o in objects for v in (o.values() if type(o) is dict else o)]\n"
        "    if any(re.search('very[s]ecret', v) for v in values if type(v) is str): return True\n"
        "    with open('/proc/self/maps') as maps:\n"
        "        for part in map(str.split, maps):\n"
        "            if part[1].startswith('rw') and part[-1] in ('[heap]', '[stack]'):\n"
        "                first, last = (int(end, 16) for end in part[0].split('-'))\n"
        "                memory = ctypes.string_at(first, last - first)\n"
        "                if re.search(b'very[s]ecret', memory): return True\n"
        "    return False\n"
    )
    test = "expected = 'verysecret'\nassert solve(1) is False, expected"
    execution = run(("answer", spy), ("test", test))
    assert execution.cells[1].message == ""
    assert statuses(execution) == ["ok", "ok"]


@pytest.mark.parametrize(("imports", "starts"), [("json", 1), ("sklearn.dummy", 2)])
def test_a_second_warm_process_is_started_for_what_the_first_one_lacks(
    imports: str, starts: int, borrowing_engine: Any, build_notebook: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The teacher's notebook is run first; what it loads is imported ahead, if it is much."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # What the lines of imports name is imported ahead anyway.
    notebook = build_notebook(("answer", f"found = __import__({imports!r})"), SQUARE)
    asked = []
    for _ in range(2):
        engine = borrowing_engine()
        start = engine._start
        engine._start = lambda *given, start=start: (asked.append(given), start(*given))[1]
        engine.prepare(notebook)
        assert statuses(engine.run(notebook, None, Limits())) == ["ok", "ok"]
    # The second time it is known.
    assert len(asked) == starts + 1
    assert (imports in asked[-1][0]) == (starts == 2)


def test_magics_and_input_are_those_of_a_notebook(run: Any) -> None:
    """Harmless magics work; nobody answers ``input``."""
    execution = run(
        ("answer", "%matplotlib inline\n%time x = 3"),
        ("answer", "name = input('? ')"),
        ("test", "assert x == 3"),
    )
    assert statuses(execution) == ["ok", "error", "ok"]
    assert execution.cells[1].error == "StdinNotImplementedError"


WHERE = "import os\ndef where(): return os.getcwd(), os.environ.get('SEEN', '')"


def test_a_given_function_can_be_kept_beside_the_students_code(run: Any) -> None:
    """In a locked cell with the tag, its functions see what only the student's room has."""
    for tag, seen in (("student-room", "there"), ("", "")):
        execution = run(
            ("locked", WHERE, tag),
            ("answer", "import os\nos.environ['SEEN'] = 'there'"),
            ("test", f"assert where()[1] == {seen!r}, where()"),
        )
        assert statuses(execution) == ["ok"] * 3, [cell.message for cell in execution.cells]


def without_marks(notebook: Any, *places: int) -> Any:
    """Take nbgrader's marks off cells: a teacher's that weren't marked, or a student's."""
    for place in places:
        del notebook.cells[place].metadata["nbgrader"]
    return notebook


OF_A_PROCESS = (
    "with warnings.catch_warnings(record=True) as seen:\n    warnings.simplefilter('always')\n"
    "    old()\nassert len(seen) == 1\nkept, sys.stdout = sys.stdout, io.StringIO()\ntry:\n"
    "    hello()\n    said = sys.stdout.getvalue()\nfinally:\n    sys.stdout = kept\n"
    "same(said, 'hi\\n')"
)


@pytest.mark.parametrize("handed_in", ["as it was", "changed"])
def test_what_a_teacher_did_not_mark_is_given_all_the_same(
    handed_in: str, run_notebook: Any, build_notebook: Any
) -> None:
    """An unmarked cell of imports is the release's own, also where a student adds one to it."""
    imports = "import io, sys, warnings\ndef same(a, b):\n    assert a == b"
    answer = "def old(): warnings.warn('old')\ndef hello(): print('hi')"
    cells = [("locked", imports), ("answer", answer), ("test", OF_A_PROCESS)]
    reference = without_marks(build_notebook(*cells), 0)
    notebook = without_marks(build_notebook(*cells), 0)
    if handed_in == "changed":
        notebook.cells[0].source += "\nimport math"
    execution = run_notebook(notebook, reference=reference)
    assert [cell.message for cell in execution.cells] == [""] * 3


def test_an_unmarked_cell_of_a_students_is_no_given_one(
    run_notebook: Any, build_notebook: Any
) -> None:
    """What a student adds isn't believed as what the teacher wrote is, whatever it defines."""
    given = ("locked", "def same(a, b):\n    assert a == b")
    answer, test = ("answer", "def f(): return 1"), ("test", "same(f(), 2)")
    reference = without_marks(build_notebook(given, answer, test), 0)
    added = ("locked", "def same(a, b): pass")
    notebook = without_marks(build_notebook(given, added, answer, test), 0, 1)
    execution = run_notebook(notebook, reference=reference)
    assert statuses(execution) == ["ok", "ok", "ok", "error"]


def test_a_test_cells_imports_are_there_for_the_answers_that_follow(run: Any) -> None:
    """As in one process, where students can read them; not what a hidden test imports."""
    hidden = "### BEGIN HIDDEN TESTS\nimport statistics as st\n### END HIDDEN TESTS"
    cells = [
        ("answer", "x = 3"),
        ("test", f"import math as m\nassert x == 3\n{hidden}"),
        ("answer", "y = m.sqrt(x)"),
        ("answer", "z = st.mean([x])"),
        ("test", "assert y ** 2 > 2"),
    ]
    execution = run(*cells, reference=cells)
    assert statuses(execution) == ["ok", "ok", "ok", "error", "ok"]


def test_an_answer_that_asks_for_a_tests_name_is_told_so(run: Any) -> None:
    """The error names it, says why it isn't there, and the ways out."""
    execution = run(("answer", "def f(x): return x + LIMIT"), ("test", "LIMIT = 3\nf(1)"))
    message = execution.cells[1].message
    assert "'LIMIT' is a test cell's own name" in message
    assert "student-room" in message


def test_a_module_that_the_lab_ships_is_found_before_any_other(
    borrowing_engine: Any, build_notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In both rooms, also where another of its name is on the grader's own path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = tmp_path / "files"
    files.mkdir()
    (files / "tests.py").write_text("def check(x):\n    assert x == 1\n")
    test = "from tests import check\ncheck(x)"
    for tests in ("examiner", "student"):
        notebook = build_notebook(("answer", "from tests import check\nx = 1"), ("test", test))
        engine = borrowing_engine(tests=tests)
        engine.prepare(notebook)
        execution = engine.run(notebook, files, Limits())
        assert [cell.message for cell in execution.cells] == ["", ""]


def test_what_an_answer_did_to_a_shipped_module_is_seen(run: Any, tmp_path: Path) -> None:
    """The lab asks for a call of functions that keep something; the test asks the same ones."""
    text = (
        "_marks = 0\ndef mark():\n    global _marks\n    _marks += 1\ndef marks(): return _marks\n"
    )
    (tmp_path / "marking.py").write_text(text)
    right = [
        ("answer", "from marking import mark, marks\nmark()\nmark()"),
        ("test", "assert marks() == 2"),
    ]
    wrong = [("answer", "from marking import mark, marks\nmark()"), right[1]]
    assert statuses(run(*right, reference=right, files=tmp_path)) == ["ok", "ok"]
    assert statuses(run(*wrong, reference=right, files=tmp_path)) == ["ok", "error"]


CHECKS = """\
import inspect
import random
from unittest.mock import patch

import numpy as np

LIMIT = 3

class Checks:
    most = LIMIT
    def known(self): return LIMIT == self.most

def drawn_test(draw):
    random.seed(4)
    got = [draw() for _ in range(3)]
    random.seed(4)
    assert got == [random.randint(1, 6) for _ in range(3)], "seeded"

def inverse_test(inverse):
    kept = np.linalg.inv
    def forbidden(*args): raise AssertionError("Don't use np.linalg.inv.")
    np.linalg.inv = forbidden
    try:
        assert np.allclose(inverse(np.eye(2) * 2), np.eye(2) / 2)
    finally:
        np.linalg.inv = kept

def ask_test(ask):
    with patch("builtins.input", side_effect=["7"]):
        assert ask() == 7

def item_test(Item):
    assert Checks().known() and "LIMIT" in globals() and "_room_name" not in dir()
    assert "discount" not in inspect.signature(Item.__init__).parameters, "no discount"
    assert "self.weight" in inspect.getsource(Item.__init__)
    assert Item("a", 1).__class__.__name__ == "Item" and len(Item("a", 1)) == 1
    assert Item.__repr__ is not object.__repr__, "write __repr__"
    assert not callable(Item("a", 1)) and type(Item("a", 1)) is Item
"""
CHECKED = """\
import random
import numpy as np
def draw(): return random.randint(1, 6)
def inverse(a): return np.linalg.solve(a, np.eye(len(a)))
def ask(): return int(input("How many? "))
class Item:
    def __init__(self, name, weight):
        self.weight = weight
    def __len__(self): return self.weight
    def __repr__(self): return f"Item({self.weight})"
"""
UNCHECKED = """\
import numpy as np
def draw(): return 3
def inverse(a): return np.linalg.inv(a)
def ask(): return 8
class Item:
    def __init__(self, name, weight, discount=0):
        self.weight = weight
    def __len__(self): return self.weight
"""


def test_modules_that_check_do_so_as_tests_do(run: Any, tmp_path: Path) -> None:
    """What they seed, replace and look at is the answers', in whichever cell they are imported."""
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "__init__.py").write_text("from .public import *\n")
    (tmp_path / "checks" / "public.py").write_text(CHECKS)
    tests = [
        ("test", "import checks\nchecks.drawn_test(draw)"),
        ("test", "from checks import inverse_test\ninverse_test(inverse)"),
        ("test", "from checks.public import ask_test as asked\nasked(ask)"),
        ("test", "item_test(Item)"),
    ]
    given = ("locked", "from checks.public import item_test")
    right = [given, ("answer", CHECKED), *tests]
    wrong = [given, ("answer", UNCHECKED), *tests]
    assert statuses(run(*right, reference=right, files=tmp_path)) == ["ok"] * 6
    execution = run(*wrong, reference=right, files=tmp_path)
    messages = [cell.message for cell in execution.cells[2:]]
    assert [message.partition("\n")[0] for message in messages] == [
        *("seeded", "Don't use np.linalg.inv.", "", "no discount"),
    ]


SHAPES = """\
from __future__ import annotations
import enum
from dataclasses import dataclass, field
from pydantic import BaseModel
SIZE = 4
class Kind(enum.Enum):
    ROUND = SIZE
    SQUARE = SIZE + 1
class Level(enum.IntEnum):
    LOW = 1
@dataclass
class Shape:
    size: int = SIZE
    tags: list[str] = field(default_factory=list)
    seen: int = field(default=0, compare=False)
class Order(BaseModel):
    number: int
"""


def test_what_shipped_classes_make_is_compared_by_its_fields(run: Any, tmp_path: Path) -> None:
    """And a member of an enumeration is the test's own."""
    (tmp_path / "shapes.py").write_text(SHAPES)
    given = ("locked", "from shapes import Kind, Level, Order, Shape")
    answer = (
        "from http import HTTPStatus\n"
        "def shape(size=3): return Shape(size, ['a'], seen=7)\n"
        "def kind(): return Kind.ROUND\n"
        "def status(): return HTTPStatus.OK\n"
        "def order(): return Order(number=5)\n"
    )
    tests = [
        "assert shape() == Shape(3, ['a']) == shape() and [shape()] == [Shape(3, ['a'])]\n"
        "assert shape() != Shape(4, ['a']) != shape() and shape() != shape(4)",
        "assert kind() is Kind.ROUND and kind() == Kind.ROUND and kind() is not Kind.SQUARE\n"
        "assert kind() != Kind.SQUARE and kind() in (Kind.ROUND,) and kind() != Level.LOW",
        "from http import HTTPStatus\nassert status() is HTTPStatus.OK and status() == 200",
        "assert order() == Order(number=5) and order() != Order(number=6)",
    ]
    right = [given, ("answer", answer), *(("test", text) for text in tests)]
    swapped = {"": "", "3": "2", "ROUND": "SQUARE", "HTTPStatus.OK": "200", "5": "6"}
    for old, new in swapped.items():
        cells = [given, ("answer", answer.replace(old, new) if old else answer), *right[2:]]
        found = statuses(run(*cells, reference=right, files=tmp_path))
        assert found.count("ok") == (6 if not old else 5), (old, found)


def test_what_a_command_says_is_text_in_either_room(run: Any) -> None:
    """A command that complains hasn't failed the test: a terminal has one stream."""
    for compatible in (True, False):
        execution = run(
            ("answer", "x = 1"), ("test", "!echo out; echo err >&2"), compatible=compatible
        )
        outputs = execution.cells[1].outputs
        assert {output["name"] for output in outputs} == {"stdout"}
        assert "err" in outputs[0]["text"]
