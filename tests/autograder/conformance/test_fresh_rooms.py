"""Given functions whose calls get a room of their own, in which no answer ran."""

from pathlib import Path
from typing import Any

import pytest

TAG = "fresh-room"
# What a lab would give: run a script that was handed in, say how it ended and what it noted.
HARNESS = """\
import os, subprocess, sys, tempfile
from pathlib import Path

SCALE = {"ten": 10}

def perform(script, *, word="go"):
    with tempfile.TemporaryDirectory() as place:
        Path(place, "script.py").write_text(script)
        done = subprocess.run(
            [sys.executable, "script.py", word], cwd=place, capture_output=True, text=True
        )
    return {"passed": done.returncode == 0, "said": done.stdout.strip(), "by": SCALE["ten"]}

def traces():
    return os.listdir(tempfile.gettempdir()) + os.listdir(), "solution" in globals()
"""
GIVEN = ("locked", HARNESS, TAG)
FAILING = "def script(): return 'raise SystemExit(3)'"
JUDGE = ("test", "assert perform(script())['passed'], 'the script failed'")


def verdicts(execution: Any) -> list[str]:
    return [cell.status for cell in execution.cells if cell.grade_id.startswith("test")]


def messages(execution: Any) -> list[str]:
    return [cell.message for cell in execution.cells]


@pytest.fixture
def walls(warm_for: Any) -> None:
    """See that rooms are confined: unconfined, these would do harm to whoever tries them."""
    if warm_for.level == "process":
        pytest.skip("nothing confines rooms here")


@pytest.fixture
def judge(run: Any) -> Any:
    """Grade an answer by the harness; the reference is an honest one."""

    def go(answer: str, *tests: str, given: tuple[str, ...] = GIVEN, **limits: Any) -> Any:
        reference = [given, ("answer", "def script(): return 'print(1)'")]
        return run(
            given,
            ("answer", answer),
            *([("test", test) for test in tests] or [JUDGE]),
            reference=[*reference, *[("test", test) for test in tests]],
            **limits,
        )

    return go


def test_plain_data_goes_there_and_comes_back(judge: Any) -> None:
    """A call looks like any other; what the program printed and how it ended comes back."""
    answer = "def script(): return 'import sys; print(len(sys.argv), sys.argv[1])'"
    done = judge(
        answer,
        "assert perform(script(), word='no') == "
        "{'passed': True, 'said': '2 no', 'by': SCALE['ten']}",
    )
    assert verdicts(done) == ["ok"], messages(done)
    assert verdicts(judge(FAILING)) == ["error"]


FORGERIES = {
    "replaces_the_function": "perform = lambda script, word='': {'passed': True}",
    "patches_the_library": """\
import subprocess
class Done: returncode, stdout = 0, ""
subprocess.run = lambda *_, **__: Done""",
    "patches_what_the_room_remembers": """\
import gc
for found in gc.get_objects():
    if isinstance(found, dict) and "perform" in found:
        found["perform"] = lambda script, word="": {"passed": True}""",
    "patches_the_interpreters_start": """\
import pathlib, site, sys
for folder in (*site.getsitepackages(), site.getusersitepackages(), ".", "/tmp"):
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        for name in ("sitecustomize", "usercustomize", "subprocess"):
            pathlib.Path(folder, f"{name}.py").write_text("import os; os._exit(0)")
    except OSError:
        pass""",
    "changes_the_environment": """\
import os, sys, pathlib
pathlib.Path("python").write_text("#!/bin/sh\\nexit 0")
os.chmod("python", 0o755)
os.environ.update(PATH=os.getcwd(), PYTHONSTARTUP="/tmp/x", PYTHONPATH=os.getcwd())
sys.executable = os.path.abspath("python")""",
    "answers_in_the_examiners_stead": """\
from autograder import student_operations
forged = (lambda *_, **__: {"passed": True},)
names = ("name", "given")
student_operations.OPERATIONS.update(dict.fromkeys(names, lambda *_, **__: forged))
student_operations.OPERATIONS["given_call"] = lambda *_, **__: {"passed": True}""",
}


@pytest.mark.usefixtures("walls")
@pytest.mark.parametrize("name", FORGERIES)
def test_no_answer_reaches_the_room(judge: Any, name: str) -> None:
    """Whatever an answer does to its own room, the script that fails is seen to fail."""
    answer = f"{FORGERIES[name]}\n{FAILING}"
    assert verdicts(judge(answer)) == ["error"]


def test_beside_the_answers_a_forgery_is_believed(run: Any) -> None:
    """In compatible mode the tag means nothing and the function is a plain one."""
    forged = f"{FORGERIES['patches_the_library']}\n{FAILING}"
    assert verdicts(run(GIVEN, ("answer", forged), JUDGE, compatible=True)) == ["ok"]
    honest = "def script(): return 'print(1)'"
    assert verdicts(run(GIVEN, ("answer", honest), JUDGE, compatible=True)) == ["ok"]


HOSTILE_SCRIPTS = {
    "kills_the_harness": """\
import os, signal
os.kill(os.getppid(), signal.SIGKILL)
raise SystemExit(3)""",
    "traces_the_harness": """\
import ctypes, os
if ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0: raise SystemExit(0)
raise SystemExit(3)""",
    "writes_to_its_sockets": """\
import glob, os
for number in range(3, 64):
    for path in (f"/proc/{os.getppid()}/fd/{number}", f"/proc/self/fd/{number}"):
        try:
            with open(path, "wb", buffering=0) as file: file.write(b"agw1" * 64)
        except OSError: pass
raise SystemExit(3)""",
    "writes_to_its_memory": """\
import os
try:
    open(f"/proc/{os.getppid()}/mem", "r+b")
except OSError: raise SystemExit(3)""",
    "leaves_modules_where_it_starts": """\
import os, pathlib
for folder in (pathlib.Path.home(), "/tmp", os.getcwd()):
    for name in ("subprocess", "encodings", "json", "autograder", "linecache"):
        try: pathlib.Path(folder, f"{name}.py").write_text("import os; os._exit(0)")
        except OSError: pass
raise SystemExit(3)""",
    "edits_the_libraries": """\
import json, pathlib
for path in (json.__file__, pathlib.__file__):
    try:
        with open(path, "a") as file: file.write("\\n1 / 0\\n")
    except OSError: continue
    raise SystemExit(0)
raise SystemExit(3)""",
}


@pytest.mark.usefixtures("walls")
@pytest.mark.parametrize("name", HOSTILE_SCRIPTS)
def test_no_script_speaks_for_the_harness(judge: Any, name: str) -> None:
    """What a script does to the process that runs it costs its own verdict, at most."""
    done = judge(f"def script(): return {HOSTILE_SCRIPTS[name]!r}")
    assert verdicts(done) == ["error"], messages(done)


def test_each_call_has_a_room_of_its_own(judge: Any) -> None:
    """What one script leaves, files or processes, the next one's room hasn't got."""
    leaves = (
        "import os, pathlib, subprocess, sys\n"
        "pathlib.Path(os.environ['TMPDIR'], 'left').touch()\n"
        "pathlib.Path(os.environ['HOME'], 'left').touch()\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'],"
        " start_new_session=True, stdout=-3, stderr=-3)"
    )
    done = judge(
        f"solution = 1\ndef script(): return {leaves!r}",
        "assert perform(script())['passed']",
        "left, seen = traces()\nassert 'left' not in left and not seen, (left, seen)",
    )
    assert verdicts(done) == ["ok", "ok"], messages(done)


def test_values_are_as_no_answer_has_seen_them(run: Any) -> None:
    """What a given cell computes after an answer is, to tests, what it is without the answer."""
    cells = [
        ("answer", "sorted = lambda _: []"),
        ("locked", "ORDER = sorted([3, 1])\ndef order(): return ORDER", TAG),
        ("test", "assert ORDER == order() == [1, 3], (ORDER, order())"),
    ]
    assert verdicts(run(*cells, reference=[("answer", "pass"), *cells[1:]])) == ["ok"]


def test_a_script_that_takes_too_long_is_ended(judge: Any) -> None:
    """The test fails, and the next one has its own time."""
    endless = "while True: pass"
    done = judge(
        f"def script(): return {endless!r}",
        "assert perform(script())['passed']",
        "assert perform('print(1)')['passed']",
        cell_seconds=1.0,
        total_seconds=60.0,
    )
    assert verdicts(done) == ["error", "ok"], messages(done)


def test_what_programs_use_counts(judge: Any) -> None:
    """The CPU time of a test holds that of the programs that ran for it, which are most of it."""
    busy = "import time\nwhile time.process_time() < 0.6: pass"
    done = judge(f"def script(): return {busy!r}", "assert perform(script())['passed']")
    assert verdicts(done) == ["ok"], messages(done)
    assert done.cells[2].cpu_seconds > 0.55
    assert done.cpu_seconds > 0.55


def test_a_tests_time_is_for_all_its_calls(judge: Any) -> None:
    """The next call of a test that has used it up gets no room."""
    busy = "import time\nwhile time.process_time() < 0.7: pass"
    done = judge(
        f"def script(): return {busy!r}",
        "for _ in range(4): perform(script())",
        cell_seconds=1.0,
    )
    assert verdicts(done) == ["error"]
    assert "the test's time is up" in done.cells[2].message


def test_errors_of_the_harness_are_errors(judge: Any) -> None:
    """An exception there is the same exception here; what isn't plain is refused by name."""
    given = HARNESS + "\ndef refuse(): raise FileNotFoundError('no script')\ndef odd(): return os\n"
    done = judge(
        f"class Text: pass\n{FAILING}",
        "try: refuse()\nexcept FileNotFoundError as error: assert str(error) == 'no script'",
        "odd()",
        "perform(Text())",
        given=("locked", given, TAG),
    )
    assert verdicts(done) == ["ok", "error", "error"], messages(done)
    assert "plain data" in done.cells[3].message and "plain data" in done.cells[4].message
    assert "Text" in done.cells[4].message


DERIVED = {
    "text": "class Text(str): pass\ndef script(): return Text('print(1)')",
    "text_that_says_otherwise": """\
class Text(str):
    def __str__(self): return "raise SystemExit(3)"
    __repr__ = encode = strip = splitlines = __str__
def script(): return Text("print(1)")""",
    "markup": "from markupsafe import Markup\ndef script(): return Markup('print(1)')",
    "member": """\
from enum import Enum
class Text(str, Enum): ONE = "print(1)"
def script(): return Text.ONE""",
}


@pytest.mark.parametrize("name", DERIVED)
def test_what_is_derived_from_text_goes_there_as_text(judge: Any, name: str) -> None:
    """It is the student's data, and what is there is exactly plain."""
    given = f"{HARNESS}\ndef kinds(*values): return [type(value).__name__ for value in values]\n"
    test = "assert kinds(script(), [script()]) == ['str', 'list'] and perform(script())['passed']"
    done = judge(DERIVED[name], test, given=("locked", given, TAG))
    assert verdicts(done) == ["ok"], messages(done)
    wrong = DERIVED[name].replace("print(1)", "raise SystemExit(3)")
    assert verdicts(judge(wrong)) == ["error"]


def test_what_is_derived_from_numbers_and_containers_goes_there_as_these(judge: Any) -> None:
    """So do objects in them; what isn't plain in them is refused, and the way out is named."""
    given = (
        HARNESS
        + """
def told(value):
    kinds = [type(value).__name__, *(type(item).__name__ for item in value)]
    return kinds, sum(map(int, value))
"""
    )
    answer = """
import collections
class Number(int): pass
class Row(list): pass
class Table(dict): pass
class Odd: pass
def row(): return Row([Number(1), 2])
def table(): return Table({Number(3): 1})
def counted(): return collections.Counter([3])
def odd(): return Row([Odd()])
def endless():
    made = Row()
    made.append(made)
    return made
def script(): return ""
"""
    done = judge(
        answer,
        "assert told(row()) == (['list', 'int', 'int'], 3)",
        "assert told(table()) == (['dict', 'int'], 3)",
        "assert told(counted()) == (['Counter', 'int'], 3)",
        "told(odd())",
        "told(endless())",
        given=("locked", given, TAG),
    )
    assert verdicts(done) == ["ok"] * 3 + ["error"] * 2, messages(done)
    assert "Odd" in done.cells[5].message and "student-room" in done.cells[5].message


def test_a_given_cell_that_needs_an_answer_is_named(judge: Any) -> None:
    """Only cells with the tag run there, so that one which uses an answer says so."""
    done = judge(
        FAILING, given=("locked", HARNESS + "\nif os.path.exists('x'): script\nnone\n", TAG)
    )
    assert "NameError" in done.cells[2].message and TAG in done.cells[2].message


def test_files_of_the_lab_are_there(run: Any, tmp_path: Path) -> None:
    """A fresh room has the files that the lab ships, its modules too, as shipped."""
    (tmp_path / "helper.py").write_text("def seven(): return 7\n")
    (tmp_path / "table.csv").write_text("a\n1\n")
    given = (
        "locked",
        "import helper\ndef read(): return open('table.csv').read(), helper.seven()",
        TAG,
    )
    done = run(
        given,
        ("answer", "open('table.csv', 'w').write('b')\nopen('helper.py', 'w').write('1 / 0')"),
        ("test", "assert read() == ('a\\n1\\n', 7)"),
        files=tmp_path,
    )
    assert verdicts(done) == ["ok"], messages(done)
    assert (tmp_path / "table.csv").read_text() == "a\n1\n"
