"""Every lab has the shape that students, teachers and the autograder rely on; nothing is run."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from nbformat import NotebookNode

from autograder.answers import Answer, load_answers
from autograder.hidden_regions import hidden_lines
from autograder.labs import Lab, find_labs, source_notebook
from autograder.notebook import cell_kind, grade_id, points
from autograder.release import hint_at

LABS = find_labs(Path(__file__).parents[2] / "labs")
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
# What a test can't rely on: the hour, the network, a place on one machine, another process.
UNSTEADY = re.compile(
    r"time\.(time|perf_counter|monotonic|sleep)|datetime\.now|Timestamp\.now|requests\.|urllib"
    r"|http://|https://|subprocess|['\"](/|~/|[A-Z]:\\)"
)

each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)


@cache
def cells(name: str) -> tuple[NotebookNode, ...]:
    lab = next(lab for lab in LABS if lab.name == name)
    return tuple(source_notebook(lab).cells)


def of_kind(lab: Lab, *kinds: str) -> list[NotebookNode]:
    return [cell for cell in cells(lab.name) if cell_kind(cell) in kinds]


def has_hidden(cell: NotebookNode) -> bool:
    return bool(hidden_lines(cell.source))


def worth(lab: Lab, tests: list[str] | tuple[str, ...]) -> float:
    return sum(points(cell) for cell in of_kind(lab, "test") if grade_id(cell) in tests)


def questions(lab: Lab) -> dict[str, list[NotebookNode]]:
    """Give each answer cell's test cells: those between it and the next answer cell."""
    found: dict[str, list[NotebookNode]] = {}
    for cell in of_kind(lab, "answer", "test"):
        if cell_kind(cell) == "answer":
            found[grade_id(cell)] = []
        elif found:
            found[list(found)[-1]].append(cell)
    return found


def stored_names(tree: ast.AST) -> set[str]:
    names = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def asserts(cell: NotebookNode) -> list[ast.Assert]:
    return [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Assert)]


def test_there_is_a_lab():
    """A course has at least one lab; an empty folder would make every other test here pass."""
    assert LABS


@each_lab
def test_settings_name_chapter_time_packages_and_every_graded_cell(lab):
    """lab.toml says what a teacher plans with, and gives each graded cell a title."""
    assert lab.chapter == lab.name.replace("_", "-")
    assert 30 <= lab.minutes <= 180
    assert lab.packages
    assert lab.parameters.get("seed") is not None
    graded = [grade_id(cell) for cell in of_kind(lab, "test", "manual", "task")]
    assert list(lab.questions) == graded


@each_lab
def test_points_add_up(lab):
    """The points in lab.toml are the sum over the graded cells, each worth something."""
    graded = of_kind(lab, "test", "manual", "task")
    assert all(points(cell) > 0 for cell in graded)
    assert sum(points(cell) for cell in graded) == lab.points


@each_lab
def test_six_to_ten_questions_each_followed_by_tests_and_one_reflection(lab):
    """A lab asks six to ten tested questions and one that a person marks."""
    assert 6 <= len(questions(lab)) <= 10
    assert all(questions(lab).values()), {key for key, tests in questions(lab).items() if not tests}
    assert len(of_kind(lab, "manual", "task")) == 1


@each_lab
def test_every_cell_carries_a_unique_id_and_is_locked_unless_it_is_answered(lab):
    """Students change the answers alone: every other cell is locked, and each has its own id."""
    ids = [grade_id(cell) for cell in cells(lab.name)]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    for cell in cells(lab.name):
        open_to_students = cell_kind(cell) in ("answer", "manual")
        assert cell.metadata.nbgrader.locked is not open_to_students, grade_id(cell)


@each_lab
def test_answers_have_one_solution_region_that_leaves_a_stub(lab):
    """Each answer cell hides its solution and keeps the line that says what to write."""
    for cell in of_kind(lab, "answer"):
        lines = [line.strip() for line in cell.source.splitlines()]
        assert lines.count(BEGIN) == lines.count(END) == 1, grade_id(cell)
        assert lines.index(END) > lines.index(BEGIN) + 1, grade_id(cell)
        assert any(lines[: lines.index(BEGIN)]), f"{grade_id(cell)}: nothing is left to start from"
    for cell in cells(lab.name):
        if cell_kind(cell) not in ("answer", "manual"):
            assert "BEGIN SOLUTION" not in cell.source, grade_id(cell)


@each_lab
def test_a_share_of_the_points_depends_on_hidden_tests(lab):
    """Between a quarter and three quarters of the tested points need more than visible tests."""
    tests = of_kind(lab, "test")
    hidden = sum(points(cell) for cell in tests if has_hidden(cell))
    assert 0.25 <= hidden / sum(points(cell) for cell in tests) <= 0.75
    for answer, own in questions(lab).items():
        assert any(has_hidden(cell) for cell in own), f"{answer} has no hidden test"


@each_lab
def test_no_test_cell_is_all_hidden(lab):
    """Each test cell shows at least one assert, so that a student sees what it's about."""
    for cell in of_kind(lab, "test"):
        secret = hidden_lines(cell.source)
        assert any(node.lineno not in secret for node in asserts(cell)), grade_id(cell)


@each_lab
def test_every_visible_assert_speaks_and_every_hidden_one_has_a_hint(lab):
    """A failure always tells the student where to look: a message, or a hint for a hidden test."""
    for cell in of_kind(lab, "test"):
        secret = hidden_lines(cell.source)
        for node in asserts(cell):
            where = f"{grade_id(cell)}, line {node.lineno}"
            if node.lineno in secret:
                assert hint_at(cell.source, node.lineno), where
            else:
                assert node.msg is not None, where


@each_lab
def test_test_cells_leave_the_students_names_alone(lab):
    """What a test cell defines begins with an underscore, so it can't change what it examines."""
    for cell in of_kind(lab, "test"):
        names = stored_names(ast.parse(cell.source))
        assert not {name for name in names if not name.startswith("_")}, grade_id(cell)


@each_lab
def test_tests_depend_on_neither_time_network_place_nor_other_processes(lab):
    """The same answer gets the same marks anywhere, at any hour, without a network."""
    for cell in of_kind(lab, "test"):
        assert not UNSTEADY.search(cell.source), grade_id(cell)


@each_lab
def test_code_imports_only_what_the_lab_allows(lab):
    """The packages in lab.toml are all that reference and tests need."""
    allowed = set(lab.packages)
    for cell in cells(lab.name):
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, grade_id(cell)


@each_lab
def test_readme_says_goal_prerequisite_hand_in_and_the_commands(lab):
    """A student can start from the README alone."""
    text = (lab.folder / "README.md").read_text("utf-8")
    number = lab.name[:2]
    for wanted in ("Goal", "Prerequisite", "Hand in"):
        assert wanted in text
    for command in ("start", "check", "submit"):
        assert f"autograder {command} {number}" in text


@each_lab
def test_wrong_answers_are_at_least_six_and_right_ones_two(lab):
    """A lab is proved by plausible mistakes and by other ways of being right."""
    assert len(load_answers(lab, "wrong")) >= 6
    assert len(load_answers(lab, "right")) >= 2


def all_answers() -> list[tuple[Lab, Answer, bool]]:
    return [
        (lab, answer, kind == "wrong")
        for lab in LABS
        for kind in ("wrong", "right")
        for answer in load_answers(lab, kind)
    ]


@pytest.mark.parametrize(
    ("lab", "answer", "wrong"),
    all_answers(),
    ids=lambda value: getattr(value, "name", None),
)
def test_an_answer_replaces_answer_cells_by_python_that_differs(lab, answer, wrong):
    """Each file in wrong/ and right/ says why, and differs from the reference where it says so."""
    reference = {grade_id(cell): cell.source for cell in of_kind(lab, "answer")}
    assert answer.why.strip().endswith(".")
    assert answer.cells
    assert set(answer.cells) <= set(reference)
    for name, source in answer.cells.items():
        ast.parse(source)
        assert source.strip() != reference[name].strip()
    if wrong:
        assert answer.fails
        assert set(answer.fails) <= {grade_id(cell) for cell in of_kind(lab, "test")}
        tested = sum(points(cell) for cell in of_kind(lab, "test"))
        assert answer.score == tested - worth(lab, answer.fails)


@each_lab
def test_every_test_cell_is_failed_by_some_wrong_answer(lab):
    """No test cell is decoration: each one catches a mistake that somebody makes."""
    failed = {name for answer in load_answers(lab, "wrong") for name in answer.fails}
    assert {grade_id(cell) for cell in of_kind(lab, "test")} <= failed


@each_lab
def test_a_shortcut_passes_the_visible_tests_only(lab):
    """Some wrong answer fails exactly the cells with hidden tests: those tests are needed."""
    hidden = {grade_id(cell) for cell in of_kind(lab, "test") if has_hidden(cell)}
    assert any(set(answer.fails) == hidden for answer in load_answers(lab, "wrong"))


@each_lab
def test_the_students_make_a_plot(lab):
    """A student of each lab draws something: an answer cell uses matplotlib."""
    drawn = " ".join(cell.source for cell in of_kind(lab, "answer"))
    assert "plt." in drawn or "axes." in drawn


@each_lab
def test_parameters_are_those_of_the_tagged_cell(lab):
    """An overlay can set each parameter of the notebook, and lab.toml names no other."""
    tagged = [cell for cell in cells(lab.name) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    tree = ast.parse(tagged[0].source)
    assert {name.lower() for name in stored_names(tree)} == set(lab.parameters)
