"""Python's names, for this package alone."""

import builtins
import importlib
import sys

import pytest

from autograder.own_builtins import keep_own_builtins


def test_what_others_put_in_place_of_pythons_names_isnt_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By modules of this package; a library sees it, as a test may want."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, "autograder.printable")
    before = len(sys.meta_path)
    keep_own_builtins()
    keep_own_builtins()
    assert len(sys.meta_path) == before + 1
    module = importlib.import_module("autograder.printable")
    own = module.printable.__builtins__
    assert own is not vars(builtins)
    monkeypatch.setattr(builtins, "ascii", repr)
    assert own["ascii"] is not repr
    library = importlib.import_module("textwrap")
    assert library.dedent.__builtins__["ascii"] is repr
