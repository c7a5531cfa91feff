"""The directions between the parts, read from the source: who may import whom."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("mlops_kit", "autograder", "labs", "book", "templates", "tests", "benchmarks")
MAY_IMPORT = {
    "mlops_kit": {"mlops_kit"},
    "autograder": {"autograder"},
    "labs": {"mlops_kit"},
    "book": {"mlops_kit"},
}
# From the ground up; a module may import from its own layer's left and from below.
KIT_LAYERS = (
    {"errors"},
    {
        "contract_checks",
        "contract_columns",
        "contract_kinds",
        "contract_requests",
        "contracts",
        "data",
        "data_splits",
        "ci",
        "ci_expressions",
        "ci_github",
        "ci_gitlab",
        "ci_model",
        "ci_reading",
        "ci_steps",
        "worlds",
        "evaluate",
        "debt",
        "maturity",
        "lineage",
        "stores",
        "tables",
        "sqlite_runs",
        "serve_log",
        "new",
        "new_git",
        "new_merge",
        "new_place",
        "new_render",
        "new_templates",
        "new_update",
    },
    {
        "drift_alarms",
        "drift_compare",
        "drift_concept",
        "drift_contest",
        "drift_distances",
        "drift_estimate",
        "drift_layout",
        "drift_merge",
        "drift_profile",
        "drift_reference",
        "drift_report",
        "drift_score",
        "drift_sketch",
        "drift_slices",
        "drift_tests",
        "drift_usual",
        "drift_watch",
        "drift_words",
        "drift",
    },
    {"monitor_gauges", "monitor_labels", "monitor_log", "monitor_page", "monitor_report"},
    {
        "active_runs",
        "reruns",
        "runs",
        "tracking",
        "monitor",
        "monitor_cli",
        "rollout",
        "gates",
        "gate_classes",
        "gate_judging",
        "gate_metrics",
        "gate_report",
        "gate_rules",
    },
    {
        "pipeline",
        "llm",
        "registry",
        "registry_adopt",
        "registry_calls",
        "registry_models",
        "registry_reading",
        "registry_trail",
        "registry_versions",
        "edge_budget",
        "edge_c",
        "edge_compile",
        "edge_emlearn",
        "edge_onnx",
        "edge_parity",
        "edge_plan",
        "edge_tables",
        "edge",
    },
    {
        "serve",
        "serve_answers",
        "serve_batch",
        "serve_cli",
        "serve_current",
        "serve_export",
        "serve_metrics",
        "serve_models",
        "serve_onnx",
        "serve_predict",
        "serve_registry",
        "serve_routes",
        "serve_rows",
        "serve_running",
        "serve_schema",
        "retrain",
        "govern",
        "fleet",
    },
    {"flight"},
    {"cli", "ci_cli", "contract_cli", "registry_cli", "edge_cli", "gate_cli", "new_cli"},
)
HEAVY = {"mlflow", "fastapi", "evidently", "onnxruntime", "sklearn", "matplotlib", "pandera"}


def python_sources(part: str) -> list[Path]:
    """List the Python files of one part that git would know."""
    hidden = {"__pycache__", ".ipynb_checkpoints"}
    return [p for p in sorted((ROOT / part).rglob("*.py")) if not hidden & set(p.parts)]


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of every module that a tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_each_part_imports_only_what_lies_below_it(part: str) -> None:
    """The library knows nothing of the grader, and neither knows the labs, book or tests."""
    forbidden = set(PARTS) - MAY_IMPORT[part]
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_sources(part)
        for name in imported_modules(parse(path))
        if name.split(".")[0] in forbidden
    ]
    assert not found, found


def kit_graph() -> dict[str, set[str]]:
    """Map each module of the kit to the modules of the kit that it imports."""
    modules = {path.stem for path in python_sources("mlops_kit")} - {"__init__"}
    graph = {}
    for path in python_sources("mlops_kit"):
        names = (name.split(".") for name in imported_modules(parse(path)))
        graph[path.stem] = {n[1] for n in names if n[0] == "mlops_kit" and len(n) > 1} & modules
    return graph


def test_the_kit_has_no_module_outside_its_layers() -> None:
    """A new module gets a place before it gets users; private parts belong to one public module."""
    public = {name for name in kit_graph() if not name.startswith("_")}
    assert public <= set().union(*KIT_LAYERS)


def test_the_kit_imports_downwards_only() -> None:
    """A module never imports from a layer above its own."""
    level = {name: depth for depth, layer in enumerate(KIT_LAYERS) for name in layer}
    found = [
        f"{module} -> {target}"
        for module, targets in kit_graph().items()
        for target in targets
        if module in level and level.get(target, -1) > level[module]
    ]
    assert not found, found


@pytest.mark.parametrize("part", ["mlops_kit", "autograder"])
def test_no_package_has_an_import_circle(part: str) -> None:
    """Importing at the top of a module never needs the module itself."""
    graph: dict[str, set[str]] = {}
    for path in python_sources(part):
        top = ast.Module(body=[n for n in parse(path).body if not _type_only(n)], type_ignores=[])
        names = (n.split(".") for n in _eager_imports(top))
        graph[path.stem] = {n[1] for n in names if n[0] == part and len(n) > 1}
    for start in graph:
        seen: set[str] = set()
        queue = [start]
        while queue:
            for target in graph.get(queue.pop(), set()) - seen:
                assert target != start, f"{part}.{start} is in an import circle"
                seen.add(target)
                queue.append(target)


def _type_only(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _eager_imports(tree: ast.Module) -> Iterator[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    lazy = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, functions)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if id(node) not in lazy and isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported_modules(node)


def test_nothing_heavy_is_imported_at_the_top_of_the_kit() -> None:
    """`import mlops_kit` stays light: tools load inside the function that needs them."""
    found = [
        f"{path.name} imports {name}"
        for path in python_sources("mlops_kit")
        for name in _eager_imports(parse(path))
        if name.split(".")[0] in HEAVY
    ]
    assert not found, found


def test_only_one_module_of_the_autograder_parses() -> None:
    """Threads that parse at once fail until Python 3.11.8: see `autograder/syntax.py`."""
    found = [
        f"{path.name}, line {node.lineno}"
        for path in python_sources("autograder")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "ast.parse"
    ]
    assert len(found) == 1, found
    assert found[0].startswith("syntax.py"), found


@pytest.mark.parametrize("part", ["mlops_kit", "autograder"])
def test_every_module_lists_its_public_names_sorted(part: str) -> None:
    """`__all__` is there, sorted, and true."""
    for path in python_sources(part):
        tree = parse(path)
        lists = [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and "__all__" in {ast.unparse(t) for t in _targets(node)}
        ]
        assert len(lists) == 1, f"{path.relative_to(ROOT)} needs one __all__"
        names = ast.literal_eval(lists[0]) if lists[0] is not None else None
        assert names == sorted(names), f"{path.relative_to(ROOT)}: __all__ isn't sorted"
        defined = set(itertools.chain.from_iterable(_bound_names(node) for node in tree.body))
        assert set(names) <= defined, f"{path.relative_to(ROOT)}: {set(names) - defined}"


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _bound_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        for target in _targets(node):
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.If | ast.Try):
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.stmt):
                yield from _bound_names(inner)


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    """Modules are named for one concept."""
    drawers = {"utils", "util", "helpers", "helper", "manager", "misc", "common"}
    found = [p for part in PARTS for p in python_sources(part) if p.stem in drawers]
    assert not found, found
