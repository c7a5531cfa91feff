"""What the text of a cell may change in place: by a method, an item, an attribute or a call."""

import ast
import re
from collections.abc import Sequence
from functools import lru_cache

from autograder.examiner_source import cell_tree, names_in, targets_of

__all__ = [
    "SHOWING",
    "changed_in",
    "changed_names",
    "changes_what_it_gets",
    "changing_by",
    "changing_in",
    "class_decorators",
    "may_change",
    "noting_classes",
    "registering",
]

_CHANGING = frozenset(
    {
        *("append", "extend", "insert", "add", "update", "pop", "popitem", "remove", "clear"),
        *("discard", "setdefault", "sort", "reverse", "appendleft", "popleft", "extendleft"),
    }
)
_FILLING = frozenset({"fill", "put", "resize", "partition", "rotate", "move_to_end"})
_FILLING_FIRST = frozenset({"copyto", "fill_diagonal", "put", "shuffle", "heappush", "heappop"})
_OF_TABLES = frozenset(
    {
        *("loc", "iloc", "at", "iat", "columns", "index", "name", "attrs", "values", "flat", "T"),
        *("shape", "dtype", "real", "imag"),
    }
)
_PLAIN_RESULTS = frozenset(
    {
        *("len", "int", "float", "str", "bool", "sum", "abs", "round", "range", "repr", "ord"),
        *("set", "list", "dict", "tuple", "sorted", "isinstance", "hash", "id", "type", "all"),
        *("any", "divmod", "pow", "deepcopy", "print"),
    }
)
_MAKING = frozenset({"__init__", "__post_init__", "__new__", "__init_subclass__"})
_OF_CLASSES = frozenset({"__init__", "__new__", "__dict__", "__annotations__", "__subclasses__"})
_DUNDER = re.compile(r"__[a-z]+__")
_ORDER = frozenset({"__lt__", "__le__", "__gt__", "__ge__"})
SHOWING = frozenset(
    {
        *("print", "display", "head", "tail", "describe", "info", "sample", "plot", "hist", "len"),
        *("mean", "sum", "max", "min", "items", "keys", "values", "round", "to_string", "show"),
    }
)
"""What is called to look at something."""


def changed_names(texts: Sequence[str]) -> set[str]:
    """Give the names of what a text changes in place: a list it appends to, a dict it fills.

    Examples
    --------
    >>> sorted(changed_names(["def log(x): seen.append(x)", "rates['a'] = 1; print(limits)"]))
    ['rates', 'seen']
    """
    return set[str]().union(*(changed_in(cell_tree(text)) for text in texts))


@lru_cache(maxsize=4096)
def changed_in(tree: ast.AST) -> frozenset[str]:
    """Give what :func:`changed_names` gives of a piece of a cell that nobody changes."""
    found: set[str] = set()
    for node in ast.walk(tree):
        place: ast.AST = node
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Attribute) or node.func.attr not in _CHANGING:
                continue
            place = node.func.value
        elif isinstance(node, ast.AugAssign):
            place = node.target
        elif not isinstance(node, (ast.Subscript, ast.Attribute)) or isinstance(node.ctx, ast.Load):
            continue
        while isinstance(place, (ast.Subscript, ast.Attribute)):
            place = place.value
        if isinstance(place, ast.Name):
            found.add(place.id)
    return frozenset(found)


def registering(texts: Sequence[str]) -> set[str]:
    r"""Give the names of functions and classes with which texts register what is theirs.

    Examples
    --------
    >>> sorted(registering(["@show.register\ndef _(x: int): ...", "Shape.register(Square)"]))
    ['Shape', 'show']
    """
    nodes = (node for text in texts for node in ast.walk(cell_tree(text)))
    found = (node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "register")
    return {node.value.id for node in found if isinstance(node.value, ast.Name)}


def may_change(text: str, name: str) -> bool:
    """Say whether a cell may change in place what a name stands for.

    Examples
    --------
    >>> [may_change(cell, "t") for cell in ("x = f(t)", "t.head()", "t.sort()", "t['a'] = 1")]
    [False, False, True, True]
    """
    return name in changing_in(text)


@lru_cache(maxsize=512)
def changing_in(text: str) -> frozenset[str]:
    """Give the names of all that a cell binds, or may change in place.

    Examples
    --------
    >>> sorted(changing_in("x = f(t); t.sort(); print(u); v.fill(out=w)"))
    ['fill', 'sort', 't', 'v', 'w', 'x']
    """
    return changing_by(cell_tree(text))


@lru_cache(maxsize=4096)
def changing_by(tree: ast.AST) -> frozenset[str]:
    """Give what :func:`changing_in` gives of a piece of a cell that nobody changes."""
    found = changed_in(tree) | targets_of(tree)
    for decorator in getattr(tree, "decorator_list", ()):
        found |= names_in(decorator)  # a registry, say
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            words = {keyword.arg for keyword in node.keywords}
            if "inplace" in words or "out" in words:
                found |= names_in(node)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            called = function.attr if isinstance(function, ast.Attribute) else ""
            called = function.id if isinstance(function, ast.Name) else called
            if called not in SHOWING:
                found |= names_in(node)
    return frozenset(found)


@lru_cache(maxsize=512)
def changes_what_it_gets(text: str) -> bool:
    r"""Say whether a function changes in place what its arguments give it, or sets on that.

    Examples
    --------
    >>> step = "def step(o):\n for w, g in zip(o.weights(), o.slopes): w -= g"
    >>> enter = "def enter(log, x): log.rows(x).append(1)"
    >>> count = "def count(log):\n n = len(log.rows)\n n -= 1\n log.append(n)"
    >>> cart = "class Cart:\n def add(self, x): self.items.append(x.name)"
    >>> [changes_what_it_gets(text) for text in (step, enter, count, cart)]
    [True, True, False, False]
    """
    tree = cell_tree(text)
    methods = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for inner in node.body
    }
    return any(
        _reaches(node, is_method=id(node) in methods)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    )


def _reaches(
    function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, *, is_method: bool
) -> bool:
    """Say so of one function; what a method finds on its own object is no argument's."""
    parameters = [node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)]
    own = parameters[:1] if is_method else []
    made = _made_of(function, set(parameters)) - set(parameters)
    for place, is_set in _places(function):
        root, steps = place, 0
        while isinstance(root, (ast.Subscript, ast.Attribute, ast.Call)):
            is_part = isinstance(root, ast.Attribute) and root.attr in _OF_TABLES
            steps += isinstance(root, (ast.Attribute, ast.Call)) and not is_part
            root = root.func if isinstance(root, ast.Call) else root.value
        if isinstance(root, ast.Name):
            far_enough = steps + is_set > (root.id in own)
            if root.id in made or (root.id in parameters and far_enough):
                return True
    return False


def _made_of(function: ast.AST, names: set[str]) -> set[str]:
    """Give these names and those of what is got by them, but for numbers and texts."""
    bound: list[tuple[set[str], set[str]]] = []
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            value: ast.AST | None = node.value
            places = node.targets if isinstance(node, ast.Assign) else [node.target]
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            value, places = node.iter, [node.target]
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            value, places = node.context_expr, [node.optional_vars]
        else:
            continue
        if value is not None and not _is_plain(value):
            bound.append((set[str]().union(*map(targets_of, places)), set(names_in(value))))
    found, before = set(names), -1
    while before != len(found):
        before = len(found)
        for targets, of in bound:
            if not found.isdisjoint(of):
                found |= targets
    return found


def _is_plain(value: ast.AST) -> bool:
    """Say whether an expression gives a number or a text, or something new."""
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in _PLAIN_RESULTS
    return isinstance(value, (ast.BinOp, ast.Compare, ast.JoinedStr, ast.Constant))


def _places(function: ast.AST) -> list[tuple[ast.expr, bool]]:
    """Give what a function changes in place, and whether that is to set an attribute of it."""
    found: list[tuple[ast.expr, bool]] = []
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign):
            found.append((node.target, False))
        elif isinstance(node, ast.Call):
            words = [keyword.value for keyword in node.keywords if keyword.arg == "out"]
            found += [(word, False) for word in words]
            if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING | _FILLING:
                found.append((node.func.value, False))
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in _FILLING_FIRST and node.args:
                found.append((node.args[0], False))
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            found.append((node.value, False))
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            found.append((node.value, node.attr not in _OF_TABLES))
    return found


@lru_cache(maxsize=512)
def noting_classes(text: str) -> frozenset[str]:
    r"""Name the classes whose objects change by their own methods, as what notes calls does.

    Examples
    --------
    >>> spy = "class Spy:\n def __init__(self): self.seen = []\n def __call__(self, x): "
    >>> sorted(noting_classes(spy + "self.seen.append(x)\nclass Node:\n left = right = None"))
    ['Spy']
    """
    found = set[str]()
    for kind in ast.walk(cell_tree(text)):
        if not isinstance(kind, ast.ClassDef):
            continue
        for method in kind.body:
            if not isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if method.name not in _MAKING and _changes_itself(method):
                found.add(kind.name)
    return frozenset(found)


def _changes_itself(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    own = {node.arg for node in method.args.args[:1]}
    made = _made_of(method, own)
    places = [place for place, _ in _places(method)]
    return any(not made.isdisjoint(names_in(place)) for place in places)


def class_decorators(texts: Sequence[str]) -> dict[str, set[str]]:
    r"""Give the functions that change a class they are handed, with the operators they speak of.

    One with a dot behind its name does so as a decorator alone: an object's or a class's method, or
    a function that only looks into the class.

    Examples
    --------
    >>> class_decorators(["def tell(cls):\n  cls.__lt__ = lambda *two: True\n  return cls"])
    {'tell': {'__lt__'}, 'tell.': {'__lt__'}}
    >>> class_decorators(["def keep(cls):\n  known.append(cls)\n  return cls"])
    {}
    """
    known: dict[str, set[str]] = {}
    for node in (node for text in texts for node in cell_tree(text).body):
        match node:
            case ast.FunctionDef(name=name) if _changes_a_class(node):
                known[name] = known[f"{name}."] = _operators_in(node)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if _looks_into_a_class(
                node
            ) or _changes_a_class(node):
                known[f"{name}."] = _operators_in(node)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=kind))):
                if f"{kind}." in known:
                    known[f"{name}."] = known[f"{kind}."]
    return known


def _looks_into_a_class(place: ast.FunctionDef | ast.ClassDef) -> bool:
    """Say whether functions look into what they are handed."""
    handed = _handed_to(place)
    for node in ast.walk(place):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in handed:
                if attr in _OF_CLASSES:
                    return True
            case ast.Call(func=ast.Name(id="vars"), args=[ast.Name(id=name)]) if name in handed:
                return True
    return False


def _changes_a_class(place: ast.FunctionDef | ast.ClassDef) -> bool:
    """Say whether functions set what a parameter has, or derive from it."""
    handed = _handed_to(place)

    def is_handed(node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in handed

    for node in ast.walk(place):
        match node:
            case ast.Attribute(value=value, ctx=ast.Store() | ast.Del()) if is_handed(value):
                return True
            case ast.ClassDef(bases=bases) if any(map(is_handed, bases)):
                return True
            case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[first, *_]):
                if is_handed(first):
                    return True
            case ast.Call(func=ast.Name(id="type"), args=[_, ast.Tuple(elts=bases), _]):
                if any(map(is_handed, bases)):
                    return True
            case ast.Call(func=called, args=[first]) if is_handed(first):
                if ast.unparse(called).rpartition(".")[2] in ("total_ordering", "dataclass"):
                    return True
    return False


def _handed_to(place: ast.FunctionDef | ast.ClassDef) -> set[str]:
    names = {node.arg for node in ast.walk(place) if isinstance(node, ast.arg)}
    return names - _firsts(place)


def _firsts(place: ast.FunctionDef | ast.ClassDef) -> set[str]:
    """Give what the methods of a class call the object, or the class, that they belong to."""
    firsts = {"self"}
    for node in place.body if isinstance(place, ast.ClassDef) else ():
        if isinstance(node, ast.FunctionDef):
            hangs = [ast.unparse(each) for each in node.decorator_list]
            firsts |= {arg.arg for arg in node.args.args[:1] if "staticmethod" not in hangs}
    return firsts


def _operators_in(function: ast.FunctionDef | ast.ClassDef) -> set[str]:
    """Give the special methods that a function speaks of, or has made."""
    nodes = list(ast.walk(function))
    names = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    made = {name for name in names if _DUNDER.fullmatch(name)} - _OF_CLASSES
    said = names_in(function)
    made |= _ORDER if "total_ordering" in said | names else set()
    return made | ({"__eq__"} if "dataclass" in said | names else set())
