"""What "natural" means: ordinary test cells, in one process and in two rooms, agree."""

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from autograder.engine import Execution

HERE = Path(__file__).parent


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"conformance_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


read_cases = load("conftest").read_cases
CASES: dict[str, list[tuple[str, str]]] = {
    name: case
    for file in ("values.cases", "objects.cases", "reach.cases", "handed.cases")
    for name, case in read_cases(file).items()
}
# How many cases share a process before another one is started.
IN_A_ROW = 25
# What a case has imported stays: looking through it again for each of the others takes seconds.
FORGET = "import gc\ngc.freeze()\n%reset -f"


def cells_of(case: list[tuple[str, str]], answer: str) -> list[tuple[str, str]]:
    """Make the cells of a case with one of its answers, ``right`` or ``wrong``."""
    names = {"locked": "locked", "test": "test", answer: "answer"}
    return [(names[part], text) for part, text in case if part in names]


def verdict(execution: Execution) -> str:
    """Say how the tests ended: passed, or the first error."""
    failed = [run for run in execution.cells if run.status != "ok"]
    return f"{failed[0].status} {failed[0].message[:300]}" if failed else "passed"


def test_there_are_enough_cases() -> None:
    """The suite holds at least eighty ordinary test cells."""
    assert len(CASES) >= 80


def together(names: Sequence[str], which: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Make one notebook of several cases, and say whose each cell is; each begins with no names."""
    cells: list[tuple[str, str]] = []
    owners: list[str] = []
    for name in names:
        added = [*cells_of(CASES[name], which), ("locked", FORGET)]
        cells += added
        owners += [name] * len(added)
    return cells, owners


@pytest.fixture(scope="module")
def in_one_process(run: Any) -> Callable[[str, str], str]:
    """Give what one process says of a case: of a row of cases, and where that says something
    unexpected of one, of that one alone."""
    first: dict[tuple[str, str], str] = {}

    def in_its_row(name: str, which: str) -> str:
        if (name, which) not in first:
            names = list(CASES)
            row = names.index(name) // IN_A_ROW * IN_A_ROW
            cells, owners = together(names[row : row + IN_A_ROW], which)
            first.update(((owner, which), "passed") for owner in owners)
            runs = run(*cells, compatible=True).cells
            for owner, cell in reversed(list(zip(owners, runs, strict=True))):
                if cell.status != "ok":
                    first[owner, which] = cell.status
        return first[name, which]

    def go(name: str, which: str) -> str:
        found = in_its_row(name, which)
        if found == ("passed" if which == "right" else "error"):
            return found
        return verdict(run(*cells_of(CASES[name], which), compatible=True))

    return go


@pytest.mark.parametrize("name", CASES)
def test_two_rooms_agree_with_one_process(name: str, run: Any, in_one_process: Any) -> None:
    """A right answer passes and a wrong one fails, wherever the test runs."""
    case = CASES[name]
    right, wrong = cells_of(case, "right"), cells_of(case, "wrong")
    assert in_one_process(name, "right") == "passed"
    assert in_one_process(name, "wrong").startswith("error")
    assert verdict(run(*right, reference=right)) == "passed"
    assert verdict(run(*wrong, reference=right)).startswith("error")


# What only a reference can tell: which names are students' to define, and which operators.
NEEDS_REFERENCE = {
    *("replaced_name", "replaced_setting", "equals_of_a_class_to_write"),
    *("operators_of_a_class_to_write", "dataclass_by_functions_of_the_library"),
    *("enumerations_of_numbers_and_flags", "values_that_a_visible_line_gives_to_later_answers"),
    *("enumeration_members_compared", "an_app_whose_dependency_a_test_replaces"),
    *("what_a_test_changes_in_the_students_containers", "classes_derived_from_userdict_and_copied"),
    *("operators_of_a_given_class", "seeds_and_states_of_generators"),
    "test_classes_of_given_ones_that_later_statements_change",
    *("objects_of_given_classes_as_keys", "operators_with_values_that_give_objects"),
    *("data_classes_with_fields_by_name_only", "models_made_of_what_they_convert"),
    *("frozen_models_as_keys", "given_names_that_functions_bind_anew"),
    *("students_models_in_models_of_the_test", "classes_that_normalise_their_fields"),
    *("namespaces_and_results_that_hold_objects_of_the_students", "protocols_and_generic_classes"),
    *("names_of_students_classes_that_libraries_read", "a_score_that_a_given_base_works_out"),
    *("given_objects_that_only_tests_use", "names_that_functions_of_the_test_bind_globally"),
    *(
        "modules_of_the_answers_that_a_test_replaces",
        "replacements_in_libraries_that_other_cells_import",
    ),
    "class_decorators_of_registries_and_of_derived_classes",
    "class_decorators_that_derive_or_look_into_classes",
    "class_decorators_that_set_what_a_class_has",
    "what_a_class_derived_from_a_plain_one_contains",
    *("objects_of_attrs_classes", "models_derived_from_a_given_one"),
    "imports_of_a_test_for_the_answers_it_calls",
}


@pytest.mark.parametrize("name", sorted(set(CASES) - NEEDS_REFERENCE)[::6])
def test_two_rooms_work_without_a_reference(name: str, run: Any) -> None:
    """A course that has no reference at hand is graded alike."""
    case = CASES[name]
    assert verdict(run(*cells_of(case, "right"))) == "passed"


@pytest.mark.skipif(not os.environ.get("AUTOGRADER_STOCK"), reason="set AUTOGRADER_STOCK to run it")
@pytest.mark.parametrize("which", ["right", "wrong"])
def test_stock_nbgrader_agrees(which: str) -> None:
    """One kernel that runs all cases one after the other gives the same verdicts."""
    from autograder.engine import Limits
    from autograder.nbgrader_engine import NbgraderEngine

    build = load("conftest").build
    cells, owners = together(list(CASES), which)
    execution = NbgraderEngine().run(build(*cells), None, Limits(total_seconds=600))
    failed = {owners[r.index] for r in execution.cells if r.status != "ok"}
    assert failed == (set() if which == "right" else set(CASES))
