"""What of a release the examiner's room has for itself, read from the cells' text."""

import nbformat
import pytest

from autograder.lab_changes import changed_names
from autograder.lab_facts import facts_of, is_to_change
from autograder.lab_private import kept_names

GIVEN = """\
import json
truth = make_truth()
data = load()
class Judge:
    def same(self, a, b): return a == b
class Config: pass
config = Config()
def helper(x): return x + offset[0]
offset = [1]
"""


def test_only_what_answers_have_nothing_to_do_with_is_kept() -> None:
    """Names that answers use, directly or through a given function, stay in their room."""
    tests = ["assert solve(data) == truth and Judge().same(1, 1)", "isinstance(config, Config)"]
    assert kept_names(["solve = lambda d: d"], [GIVEN], tests) == {
        *("truth", "Judge", "data", "config", "Config"),
    }
    assert "data" not in kept_names(["solve(data)"], [GIVEN], tests)
    assert "offset" in kept_names([], [GIVEN], ["helper(1)"])
    assert "offset" not in kept_names(["helper(2)"], [GIVEN], ["helper(1)"])


def test_a_class_of_which_answers_get_objects_is_not_kept() -> None:
    """Its objects are the student's room's, so the class must be the same."""
    tests = ["isinstance(config, Config)"]
    assert "Config" not in kept_names(["config.rate"], [GIVEN], tests)
    assert "Config" not in kept_names(["backup.rate"], [GIVEN, "backup = [config]"], tests)
    assert {"Config", "config"} <= kept_names(["solve()"], [GIVEN], tests)
    assert "Judge" in kept_names([], [GIVEN], ["Judge()"])


def test_a_class_that_tests_hand_over_is_not_kept() -> None:
    """What an answer makes of it, or of its objects, is the student's room's."""
    answers = ["def solve(x): return replace(x, size=2)"]
    assert "Judge" not in kept_names(answers, [GIVEN], ["made = solve(Judge)"])
    assert "Judge" in kept_names(answers, [GIVEN], ["with raises(Judge): solve(1)"])
    assert "Config" not in kept_names(answers, [GIVEN], ["for c in [config]: Config, solve(c)"])
    assert "Config" in kept_names(answers, [GIVEN], ["for c in [config]: Config, solve(c.x)"])
    assert "Judge" not in kept_names(answers, [GIVEN], ["solve(Judge())"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("seen.append(1)", {"seen"}),
        ("def f():\n    rates['a'][0] = 1", {"rates"}),
        ("del table[0]; total += 1", {"table", "total"}),
        ("thing.part.value = 2", {"thing"}),
        ("seen.count(1); rates['a']; x = y", set()),
    ],
)
def test_names_that_are_changed_in_place(text: str, names: set[str]) -> None:
    """By a method that changes, an item, an attribute or an augmented assignment."""
    assert changed_names([text]) == names


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("ratings.csv", "pd.read_csv('ratings.csv')", True),
        ("out/day1.csv", "for p in Path('out').iterdir(): ...", True),
        ("day1.csv", "Path('.').glob('*.csv')", True),
        ("truth.json", "open('ratings.csv', 'a')", False),
        ("truth.json", "", False),
    ],
)
def test_files_that_a_lab_speaks_of(name: str, text: str, wanted: bool) -> None:
    """By name, by folder or by kind."""
    assert is_to_change(name, text) is wanted


def cell(kind: str, text: str) -> nbformat.NotebookNode:
    made = nbformat.v4.new_code_cell(text)
    made.metadata["nbgrader"] = {
        **{"schema_version": 3, "grade_id": f"{kind}-{abs(hash(text))}", "task": False},
        **{"grade": kind == "test", "solution": kind == "answer", "locked": kind != "answer"},
        "points": 1,
    }
    return made


def test_facts_of_a_lab() -> None:
    """Shipped files may be changed only where the reference or a given cell writes any."""
    reads = [
        cell("locked", "limits = [1]\nlog = []"),
        cell("answer", "class Gate: pass\ndef solve(): log.append(open('a.csv').read())"),
        cell("test", "assert solve() == limits"),
    ]
    facts = facts_of(nbformat.v4.new_notebook(cells=reads))
    assert facts["known"]
    assert facts["students"] == ["Gate", "solve"]
    assert facts["classes"] == {"Gate": []}
    assert facts["kept"] == ["limits"]
    assert facts["changing"] == ["log"]
    assert facts["changes"] == ""
    writes = [*reads, cell("answer", "open('a.csv', 'w').write('x')")]
    assert "a.csv" in facts_of(nbformat.v4.new_notebook(cells=writes))["changes"]
    assert not facts_of(None)["known"]
