"""The worked examples of a lab: read with their heads, and turned into submissions."""

from pathlib import Path

import pytest
from nbformat import NotebookNode

from autograder.answers import load_answers, submission_from
from autograder.assemble import assemble
from autograder.errors import LabError
from autograder.labs import find_lab, source_notebook
from autograder.notebook import grade_id
from autograder.release import release_notebook


def text_of(notebook: NotebookNode, name: str) -> str:
    return next(cell.source for cell in notebook.cells if grade_id(cell) == name)


def test_wrong_and_right_answers_are_read(small_labs: Path) -> None:
    """The head says what must come of them, the cells what was answered."""
    lab = find_lab(small_labs, "05")
    (wrong,) = load_answers(lab, "wrong")
    assert (wrong.name, wrong.score, wrong.fails) == ("constant", 2, ("q1_test",))
    assert wrong.why == "Gives a number of its own."
    assert dict(wrong.cells) == {"q1": "def add(a, b):\n    return 42"}
    (right,) = load_answers(lab, "right")
    assert (right.name, right.score, right.fails) == ("swapped", None, ())


def test_a_lab_without_examples_has_none(small_labs: Path) -> None:
    """No folder is no answer, and no error: a test of the lab asks for them."""
    (small_labs / "05_sums" / "right" / "swapped.py").unlink()
    (small_labs / "05_sums" / "right").rmdir()
    assert load_answers(find_lab(small_labs, "05"), "right") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# score = 2\n# fails = []\n\n# %% q1\nx\n", "why is None"),
        ('# score = "2"\n# fails = []\n# why = "x"\n# %% q1\nx\n', "score is '2'"),
        ('# score = 2\n# fails = []\n# why = "x"\n# extra = 1\n# %% q1\nx\n', "unknown extra"),
        ("# score = \n# %% q1\nx\n", "isn't TOML"),
        ('# why = "café"\n# %% q1\nx\n', "can't be read"),
        ('# score = 2\n# fails = []\n# why = "x"\n# %%\nx\n', "without a name"),
        ('# score = 2\n# fails = []\n# why = "x"\n# %% q1\nx\n# %% q1\ny\n', "two cells"),
        ('# score = 2\n# fails = []\n# why = "x"\n', "no answers"),
    ],
)
def test_an_example_that_says_too_little_is_refused(small_labs: Path, text: str, said: str) -> None:
    """The file and the fault are named."""
    path = small_labs / "05_sums" / "wrong" / "constant.py"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(LabError, match=said) as caught:
        load_answers(find_lab(small_labs, "05"), "wrong")
    assert "constant.py" in str(caught.value)


def test_a_submission_is_the_reference_but_for_its_answers(small_labs: Path) -> None:
    """As a student hands it in: no hidden test, no marks of a solution."""
    lab = find_lab(small_labs, "05")
    source = source_notebook(lab)
    (wrong,) = load_answers(lab, "wrong")
    submission = submission_from(source, wrong)
    assert text_of(submission, "q1") == "def add(a, b):\n    return 42"
    assert text_of(submission, "q2").startswith("total = add(20, 22)")
    assert text_of(submission, "why") == "The secret reflection of the teacher."
    everything = "".join(cell.source for cell in submission.cells)
    assert "SOLUTION" not in everything
    assert "hidden" not in everything
    assert assemble(source, submission).problems == ()
    reference = submission_from(source, {})
    assert text_of(reference, "q1").endswith("secret_sum = a + b\n    return secret_sum")


def test_a_submission_from_a_release_stays_blank(small_labs: Path) -> None:
    """Without the teacher's notebook, what isn't answered is the stub."""
    released = release_notebook(source_notebook(find_lab(small_labs, "05")))
    submission = submission_from(released, {"q2": "total = 42"})
    assert text_of(submission, "q2") == "total = 42"
    assert "NotImplementedError" in text_of(submission, "q1")


def test_an_answer_to_no_question_is_refused(small_labs: Path) -> None:
    """A misspelt cell would silently be the reference, and prove nothing."""
    source = source_notebook(find_lab(small_labs, "05"))
    with pytest.raises(LabError, match=r"q7 can't be answered; .*q1, q2, why"):
        submission_from(source, {"q7": "x"})
