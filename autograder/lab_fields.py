"""The data classes of a lab: by which fields objects are equal, and which they are made of."""

import ast
from collections.abc import Iterable

from autograder.examiner_source import parse_cell, targets

__all__ = ["compared_fields"]

_DECORATORS = (
    *("dataclass", "dataclasses.dataclass", "define", "frozen", "attr.s", "attr.define"),
    *("attrs.define", "attrs.frozen", "attr.frozen", "pydantic.dataclasses.dataclass"),
)
_BASES = frozenset({"BaseModel", "pydantic.BaseModel", "Struct", "msgspec.Struct"})
_OTHERS = frozenset({"ABC", "abc.ABC", "object", "Protocol"})
_MAKING = frozenset({"__init__", "__new__"})
_AFTER = frozenset({"__post_init__", "__attrs_post_init__", "model_post_init"})
_LOOKING = frozenset({"len", "isinstance", "abs", "type", "str", "repr", "sum", "min", "max"})
_READING = frozenset({"__eq__", "__getattribute__", "__getattr__"})
_PARTS = ("compared", "made_of", "by_name", "altered")
_NO_FIELDS = ("ClassVar", "InitVar", "KW_ONLY")
_CONVERTING = ("validator", "kw_only", "strip", "alias", "converter", "BeforeValidator")


def compared_fields(texts: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    r"""Give by which fields objects of data classes are equal, and which they are made of.

    Only of classes that leave this to their decorator or base. Nothing for what they are made of,
    where they may convert it; those are ``altered`` that the class may set anew afterwards.

    Examples
    --------
    >>> compared_fields(["@dataclass\nclass Point:\n  x: int\n  y: int = field(compare=False)"])
    {'Point': {'compared': ['x'], 'made_of': ['x', 'y']}}
    >>> compared_fields(["@dataclass\nclass P:\n  _: KW_ONLY\n  x: int"])["P"]["by_name"]
    ['x']
    >>> compared_fields(["class Point(BaseModel):\n  x: int"])
    {'Point': {'compared': ['x'], 'made_of': ['x']}}
    >>> after = "  def __post_init__(self):\n    assert self.y > 0\n    self.x = abs(self.x)"
    >>> known = compared_fields([f"@dataclass\nclass P:\n  x: int\n  y: int\n{after}"])
    >>> known["P"]["made_of"], known["P"]["altered"]
    (['x', 'y'], ['x'])
    """
    found: dict[str, dict[str, list[str]]] = {}
    for node in (node for text in texts for node in parse_cell(text).body):
        if isinstance(node, ast.ClassDef):
            known = found.pop(node.name, None)
            known = _fields(node, found)
            if known is not None:
                found[node.name] = known
    return found


def _fields(
    node: ast.ClassDef, found: dict[str, dict[str, list[str]]]
) -> dict[str, list[str]] | None:
    decorators = [ast.unparse(item) for item in node.decorator_list]
    bases = [ast.unparse(base) for base in node.bases]
    own = {name for inner in node.body for name in targets(inner)}
    is_one = any(text.partition("(")[0] in _DECORATORS for text in decorators)
    is_one = is_one or any(base in _BASES or base in found for base in bases)
    strange = set(bases) - set(found) - _BASES - _OTHERS
    if not is_one or strange or not own.isdisjoint(_READING) or "eq=False" in str(decorators):
        return None
    inherited = [found[base] for base in bases if base in found]
    compared, made_of, by_name, altered = (
        [name for each in inherited for name in each.get(part, ())] for part in _PARTS
    )
    is_by_name = False
    for inner in node.body:
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            text = ast.unparse(inner)
            kind = ast.unparse(inner.annotation)
            is_by_name = is_by_name or "KW_ONLY" in kind
            if any(marker in kind for marker in _NO_FIELDS):
                continue
            compared += [] if "compare=False" in text or "eq=False" in text else [inner.target.id]
            made_of += [] if "init=False" in text else [inner.target.id]
            by_name += [inner.target.id] if is_by_name else []
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name in _AFTER:
            altered += _altered(inner, [*compared, *made_of])
    converts = any(word in ast.unparse(node) for word in _CONVERTING)
    is_usual = own.isdisjoint(_MAKING) and not converts
    in_order = [name for name in dict.fromkeys(made_of) if name not in by_name]
    parts = {"compared": compared, "made_of": in_order + by_name if is_usual else []}
    more = {"by_name": by_name, "altered": list(dict.fromkeys(altered))}
    return parts | {part: names for part, names in more.items() if names}


def _altered(method: ast.FunctionDef, fields: list[str]) -> list[str]:
    """Give the fields that a method may set, or change the content of; all, where it can't be told.

    It only looks at a field that it compares, tests, writes into a text or counts with.
    """
    this = method.args.args[0].arg if method.args.args else ""
    outer = {id(inner): node for node in ast.walk(method) for inner in ast.iter_child_nodes(node)}
    found: list[str] = []
    for node in ast.walk(method):
        if isinstance(node, ast.Name) and node.id == this:
            member = outer[id(node)]
            if not isinstance(member, ast.Attribute) or member.attr not in fields:
                return fields  # what a method of its own does
            if not isinstance(member.ctx, ast.Load) or not _only_looks(outer[id(member)]):
                found.append(member.attr)
    return found


def _only_looks(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in _LOOKING
    looking = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.FormattedValue)
    return isinstance(node, (*looking, ast.If, ast.IfExp, ast.Assert))
