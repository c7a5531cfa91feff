"""The commands ``mlops-kit registry …``: a model from a file to champion, and back."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from mlops_kit.errors import RegistryError
from mlops_kit.stores import DATABASE

__all__ = ["registry_app"]

registry_app = typer.Typer(
    no_args_is_help=True, help="Versions of a model: register, promote by a gate, roll back."
)
messages = Console(stderr=True, highlight=False)

Name = Annotated[str, typer.Argument(help="What the model is called in the registry.")]
Workspace = Annotated[
    str, typer.Option("--workspace", help="The registry: a folder, or a server's address.")
]
Why = Annotated[str, typer.Option("--why", help="For the trail, which people read later.")]


@registry_app.command()
def register(
    model: Annotated[str, typer.Argument(help="A .joblib or .pkl file, or a folder of MLflow's.")],
    name: Name,
    data: Annotated[Path, typer.Option("--data", help="What it was fitted on: .csv, .parquet.")],
    code: Annotated[Path, typer.Option("--code", help="What made it: a notebook or script.")],
    contract: Annotated[
        Path | None, typer.Option("--contract", help="What it is sent; see mlops-kit contract.")
    ] = None,
    workspace: Workspace = "workspace",
    why: Why = "",
) -> None:
    """Give a model from anywhere a version, with its data, code and environment on record.

    Loading a pickled model runs code: register only files that you trust. The workspace is made
    if it isn't there.
    """
    from mlops_kit import registry, tracking
    from mlops_kit.serve_cli import read_contract
    from mlops_kit.serve_models import source_of
    from mlops_kit.tables import read_table

    frame = read_table(data)
    if not code.is_file():
        raise RegistryError(f"there is no {code}; --code names the notebook or script.")
    agreed = None if contract is None else read_contract(contract)
    if model.startswith("models:"):
        raise RegistryError(f"{model} is registered already; name a file or a folder.")
    found = source_of(model).load()
    if isinstance(found.model, bytes):
        raise RegistryError(
            f"{model} is an ONNX file, which `mlops-kit serve` takes as it is. Register the "
            "scikit-learn model that it was made from."
        )
    tracking.start(workspace)
    made = registry.register(found.model, name, data=frame, code=code, contract=agreed, why=why)
    messages.print(
        f"{escape(made.uri)}; make it the champion with: mlops-kit registry promote "
        f"{escape(name)} {made.version} --gate gate.yml --why …",
        soft_wrap=True,
    )


@registry_app.command()
def versions(name: Name, workspace: Workspace = "workspace") -> None:
    """List the versions of a model, with their aliases and what they were made of."""
    from mlops_kit import registry

    _open(workspace)
    table = registry.versions(name)
    shown = table.assign(**{key: table[key].str[:12] for key in ("data_hash", "code_hash")})
    columns = ["version", "aliases", "registered", "data_hash", "code_hash", "run_id"]
    sys.stdout.write(shown[columns].to_string(index=False) + "\n")


@registry_app.command()
def promote(
    name: Name,
    version: Annotated[int, typer.Argument(help="Which version.")],
    gate: Annotated[Path, typer.Option("--gate", help="The gate's YAML file; it names data.")],
    why: Why,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write Markdown here; figure, JSON beside it.")
    ] = None,
    workspace: Workspace = "workspace",
) -> None:
    """Judge a version beside the champion and promote it if it passes: exit code 0, 1 or 2.

    The gate's file says which rows (``data``), and what was ``measured``; who challenges whom is
    known from here.
    """
    from mlops_kit import registry
    from mlops_kit.gate_cli import EXIT_CODES, rows_of
    from mlops_kit.gates import Gate

    rules = Gate.read(gate)
    frame, measured = rows_of(rules, gate)
    _open(workspace)
    found = registry.judge(name, version, rules, frame, measured=measured)
    for path in found.save(report) if report is not None else ():
        messages.print(f"written: {escape(str(path))}", soft_wrap=True)
    sys.stdout.write(found.to_markdown())
    if found.passed:
        champion = registry.promote(name, version, found, why=why)
        messages.print(f"champion: {escape(champion.uri)}", soft_wrap=True)
    raise typer.Exit(EXIT_CODES[found.outcome])


@registry_app.command()
def rollback(name: Name, why: Why, workspace: Workspace = "workspace") -> None:
    """Make the champion before this one champion again."""
    from mlops_kit import registry

    _open(workspace)
    messages.print(f"champion: {escape(registry.rollback(name, why=why).uri)}", soft_wrap=True)


@registry_app.command()
def history(name: Name, workspace: Workspace = "workspace") -> None:
    """Print who changed what, when and why."""
    from mlops_kit import registry

    _open(workspace)
    sys.stdout.write(registry.history(name).to_string(index=False) + "\n")


def _open(workspace: str) -> None:
    from mlops_kit import tracking

    if "://" not in workspace and not (Path(workspace) / DATABASE).is_file():
        raise RegistryError(
            f"there is no registry in {workspace!r}. Name the folder or the server: --workspace."
        )
    tracking.start(workspace)
