"""What a statement of a locked cell is made of."""

import ast

__all__ = ["as_assignment", "is_literal", "owner_of", "roots_of"]


def as_assignment(node: ast.stmt) -> ast.Assign | None:
    """Give a statement as an assignment, without what it says of a type; None if it isn't one."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        plain = ast.Assign([node.target], node.value)
        return ast.fix_missing_locations(ast.copy_location(plain, node))
    return node if isinstance(node, ast.Assign) else None


def is_literal(value: ast.expr) -> bool:
    """Say whether an expression is written out: numbers, texts and containers of them."""
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def owner_of(target: ast.expr) -> str:
    """Name what an attribute is set on, if that is a name."""
    value = getattr(target, "value", None)
    return value.id if isinstance(value, ast.Name) else ""


def roots_of(node: ast.AST) -> set[str]:
    """Give the name that an expression of attributes, items and calls begins with, in two forms.

    With a dot where something of it is used, so that a module and its name differ.
    """
    plain = True
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
        plain = False
    if not isinstance(node, ast.Name):
        return set()
    return {node.id} if plain else {node.id, f"{node.id}."}
