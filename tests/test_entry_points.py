"""The commands as they are installed."""

import importlib
import sys
from importlib.metadata import entry_points, version
from typing import Any

import pytest


class _Stopped:
    """A finder that is interrupted when the command line is about to be imported."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *_: Any) -> None:
        if name == self.name:
            raise KeyboardInterrupt


@pytest.mark.parametrize("package", ["autograder", "mlops_kit"])
def test_ctrl_c_while_a_command_is_imported_is_one_line(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Importing takes up to a second, in which somebody may think better of it."""
    way_in = importlib.import_module(f"{package}.__main__")
    cli = f"{package}.cli"
    importlib.import_module(cli)
    monkeypatch.delitem(sys.modules, cli)
    monkeypatch.delattr(sys.modules[package], "cli")
    monkeypatch.setattr(sys, "meta_path", [_Stopped(cli), *sys.meta_path])
    with pytest.raises(SystemExit) as stop:
        way_in.main()
    assert stop.value.code == 130
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "Interrupted" in told.err


@pytest.mark.parametrize("name", ["autograder", "mlops-kit"])
def test_a_command_begins_at_its_way_in(name: str) -> None:
    """What is installed is what was tested above."""
    (found,) = entry_points(group="console_scripts", name=name)
    assert found.value == f"{name.replace('-', '_')}.__main__:main"


@pytest.mark.parametrize("package", ["autograder", "mlops_kit"])
def test_a_command_says_its_version(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reports a problem can say what they have."""
    monkeypatch.setattr(sys, "argv", [package, "--version"])
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"{package}.cli").main()
    assert not stop.value.code
    assert version("mlops-kit") in capsys.readouterr().out.split()
