"""What handles need of the link to the student's room."""

from typing import Any, Protocol

__all__ = ["Link"]


class Link(Protocol):
    """What a handle needs of the link to the student's room.

    ``may_swallow`` says whether the lab asks for a context that swallows an error of its block.
    """

    may_swallow: bool
    sayings: Any
    contents: Any
    judge: Any

    def ask(self, op: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask the student's room and give its answer."""

    def claim(self, what: str) -> None:
        """Note that something was believed."""

    def note(self, what: str) -> None:
        """Note something that helps to understand a failure."""

    def free(self, number: int) -> None:
        """Let the student's room forget an object."""

    def class_of(self, handle: Any) -> type:
        """Give the nearest class of this room that the object claims to be of."""

    def instead_of(self, handle: Any, name: str) -> Any:
        """Refuse attributes by which an object would judge itself, or give what does it instead."""

    def believes(self, handle: Any) -> bool:
        """Say whether an object's word counts on what it contains."""

    def may_operate(self, handle: Any, method: str, others: tuple[Any, ...]) -> bool:
        """Say whether the lab asks students to write this operator for such objects."""

    def equal(self, handle: Any, other: Any) -> bool | None:
        """Compare two objects of a class of the lab's; None where there is no such."""

    def is_librarys_object(self, handle: Any) -> bool:
        """Say whether an object is of a library's own class, as its room says."""

    def is_named(self, handle: Any, value: Any) -> bool | None:
        """Say whether an object is a function or class of this room; None for any other value."""

    def equal_bags(self, handle: Any, other: Any) -> bool | None:
        """Compare what is in two namespaces; None where one isn't of such a class."""

    def equal_by_fields(self, handle: Any, other: Any) -> bool | None:
        """Compare two objects of a module's data class; None where one isn't of such."""

    def operated(self, handle: Any, method: str, others: tuple[Any, ...]) -> Any:
        """Give what an operator that the lab asks for gives."""

    def refused(self, handle: Any, method: str, others: tuple[Any, ...], what: str) -> Exception:
        """Give the error for an operator that handles don't have."""

    def refuse(self, handle: Any, what: str) -> Exception:
        """Give the error that ends a test cell, also one that goes on after it."""

    def doubt(self, handle: Any) -> Exception | None:
        """Give the error for a test that goes on because an object isn't equal to a value."""

    def is_hashable(self, handle: Any) -> bool:
        """Say whether an object can be a key, as its room says."""

    def is_function(self, handle: Any) -> bool:
        """Say whether an object is a function, as its room says."""

    def source_signature(self, handle: Any) -> Any:
        """Give the signature of a callable."""
