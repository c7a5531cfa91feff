"""Attacks by the file that is handed in: what counts is the teacher's, however it is edited."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from autograder.notebook import MAX_BYTES

Edit = Callable[[dict[str, Any]], Any]
WRONG = {"q1": "def solve(x): return 4", "q2": "def half(x): return 2"}
YES = "class Yes:\n    def __eq__(self, other): return True\nsolve = half = lambda x: Yes()\n"


def graded_in(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade")]


def emptied(cell: dict[str, Any], **grading: Any) -> dict[str, Any]:
    made = copy.deepcopy(cell)
    made["source"], made["id"] = "pass", f"{cell['id']}x"
    made["metadata"]["nbgrader"].update(grading)
    return made


def code(text: str, name: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": text, "outputs": [],
            "execution_count": None, "id": name}  # fmt: skip


def more_points(notebook: dict[str, Any]) -> None:
    for cell in graded_in(notebook):
        cell["metadata"]["nbgrader"]["points"] = 100


def odd_points(notebook: dict[str, Any]) -> None:
    for cell, points in zip(graded_in(notebook), (float("inf"), -5), strict=True):
        cell["metadata"]["nbgrader"]["points"] = points


def copies_behind(notebook: dict[str, Any]) -> None:
    notebook["cells"] += [emptied(cell) for cell in graded_in(notebook)]


def copies_before(notebook: dict[str, Any]) -> None:
    notebook["cells"] = [emptied(cell) for cell in graded_in(notebook)] + notebook["cells"]


def rewritten_tests(notebook: dict[str, Any]) -> None:
    for cell in graded_in(notebook):
        cell["source"] = "pass"


def outputs_of_a_success(notebook: dict[str, Any]) -> None:
    for cell in graded_in(notebook):
        data = {"text/plain": "2.0"}
        cell["outputs"] = [{"output_type": "execute_result", "data": data, "metadata": {},
                            "execution_count": 1}]  # fmt: skip


def texts_for_tests(notebook: dict[str, Any]) -> None:
    for cell in graded_in(notebook):
        cell["cell_type"] = "markdown"
        cell.pop("outputs")
        cell.pop("execution_count")


def deleted_tests(notebook: dict[str, Any]) -> None:
    notebook["cells"] = [cell for cell in notebook["cells"] if cell not in graded_in(notebook)]


def skipped_tests(notebook: dict[str, Any]) -> None:
    for cell in graded_in(notebook):
        cell["metadata"]["tags"] = ["skip-execution", "raises-exception", "student-room"]


def exchanged_ids(notebook: dict[str, Any]) -> None:
    first, second = (cell["metadata"]["nbgrader"] for cell in graded_in(notebook))
    first["grade_id"], second["grade_id"] = second["grade_id"], first["grade_id"]


def ids_of_answers_for_tests(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        grading = cell["metadata"].get("nbgrader", {})
        if grading.get("solution"):
            grading["grade_id"] += "_test"
            grading.update(grade=True, points=2)


def answers_for_tests(notebook: dict[str, Any]) -> None:
    for cell in graded_in(notebook):
        cell["metadata"]["nbgrader"].update(grade=False, solution=True, locked=False)


def answers_that_wait_for_a_person(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        cell["metadata"].get("nbgrader", {}).update(grade=True, solution=True, points=2)


def another_order(notebook: dict[str, Any]) -> None:
    notebook["cells"].reverse()


def another_kernel(notebook: dict[str, Any]) -> None:
    name = {"name": "bash", "display_name": "Bash", "language": "bash"}
    notebook["metadata"] = {"kernelspec": name, "language_info": {"name": "bash"}}


def a_command_for_a_kernel(notebook: dict[str, Any]) -> None:
    notebook["metadata"]["kernelspec"] = {"name": "../../x; touch /tmp/x", "argv": ["touch", "x"]}


def code_between(notebook: dict[str, Any]) -> None:
    places = range(len(notebook["cells"]), -1, -1)
    for place in places:
        notebook["cells"].insert(place, code(YES, f"between{place}"))


def code_in_given_cells(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("locked"):
            cell["source"] = YES


def thousands_of_cells(notebook: dict[str, Any]) -> None:
    notebook["cells"] += [code("pass", f"more{number}") for number in range(5000)]


def huge_metadata(notebook: dict[str, Any]) -> bytes:
    notebook["metadata"]["junk"] = "A" * MAX_BYTES
    return json.dumps(notebook).encode()


def hostile_metadata(notebook: dict[str, Any]) -> None:
    script = "<script>alert(1)</script>\x1b[2J\u202e{{ 7 * 7 }}[bold]"
    notebook["metadata"].update(title=script, autograder={"student": "../../b_honest"})
    for cell in notebook["cells"]:
        cell["metadata"].update(collapsed=script, autograder={"claims": [script] * 1000})


def deep_json(notebook: dict[str, Any]) -> bytes:
    return json.dumps(notebook)[:-1].encode() + b', "x": ' + b"[" * 10**5 + b"]" * 10**5 + b"}"


def half_a_file(notebook: dict[str, Any]) -> bytes:
    return json.dumps(notebook)[:-5].encode()


def names_twice_in_an_object(notebook: dict[str, Any]) -> bytes:
    return json.dumps(notebook)[:-1].encode() + b', "cells": [], "nbformat": 4}'


def numbers_beyond_reason(notebook: dict[str, Any]) -> bytes:
    return json.dumps(notebook)[:-1].encode() + b', "nbformat": ' + b"9" * 100_000 + b"}"


def lone_surrogates(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        cell["source"] += "\n# \ud800 \udfff"


def other_types(notebook: dict[str, Any]) -> None:
    for cell in graded_in(notebook):
        cell["metadata"]["nbgrader"], cell["source"] = ["x"], 5


def no_metadata_at_all(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        cell["metadata"] = {"nbgrader": {"grade_id": {"$ne": None}}}


def attached_files(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        cell["attachments"] = {"../../../gradebook.db": {"text/plain": "x"}}


EDITS: dict[str, Edit] = {
    function.__name__: function
    for function in (
        *(more_points, odd_points, copies_behind, copies_before, rewritten_tests),
        *(outputs_of_a_success, texts_for_tests, deleted_tests, skipped_tests, exchanged_ids),
        *(ids_of_answers_for_tests, answers_for_tests, answers_that_wait_for_a_person),
        *(another_order, another_kernel, a_command_for_a_kernel, code_between),
        *(code_in_given_cells, thousands_of_cells, huge_metadata, hostile_metadata, deep_json),
        *(half_a_file, names_twice_in_an_object, numbers_beyond_reason, lone_surrogates),
        *(other_types, no_metadata_at_all, attached_files),
    )
}


@pytest.mark.parametrize("name", list(EDITS))
def test_an_edited_file_gains_nothing(name: str, arena: Any, attack: Any, attempt: Any) -> None:
    """Wrong answers stay wrong, and the marks are those of the teacher's cells."""

    def edited(name: str) -> Any:
        notebook = json.loads(arena.hand_in(arena.teacher({}), WRONG))
        changed = EDITS[name](notebook)
        data = changed if isinstance(changed, bytes) else json.dumps(notebook).encode()
        return attempt({}, data)

    verdict = attack(name, edited, list(EDITS))
    assert "<script>" not in verdict.page
    assert "\x1b" not in verdict.page
