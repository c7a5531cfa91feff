"""The command ``mlops-kit serve``: a model behind HTTP until it is told to stop."""

import importlib
import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mlops_kit.contracts import Contract
from mlops_kit.errors import DataError, MissingToolError, ServeError
from mlops_kit.stores import DATABASE

__all__ = ["read_contract", "serve"]


def serve(
    model: Annotated[
        str,
        typer.Argument(
            help="models:/NAME@ALIAS, models:/NAME/VERSION, a model file or folder, or a rule: "
            "package.module:function."
        ),
    ],
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8000,
    workspace: Annotated[
        str, typer.Option("--workspace", help="The registry: a folder, or a server's address.")
    ] = "workspace",
    contract: Annotated[
        Path | None, typer.Option("--contract", help="A .json or .yml file.")
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", help="Where to log requests.")] = None,
    output: Annotated[str, typer.Option("--output", help="prediction or probability.")] = (
        "prediction"
    ),
    max_rows: Annotated[int, typer.Option("--max-rows", help="Of one request.")] = 1000,
    max_waiting: Annotated[
        int, typer.Option("--max-waiting", help="Rows that may wait; more get 503.")
    ] = 4096,
    reload_s: Annotated[
        float, typer.Option("--reload", help="Seconds between looks for a promotion; 0: never.")
    ] = 5.0,
    onnx: Annotated[bool, typer.Option("--onnx/--no-onnx", help="Call by ONNX if equal.")] = True,
) -> None:
    """Serve a model: /predict, /health, /ready, /metrics, /model, /docs."""
    from mlops_kit.serve import create_app, run

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("mlops_kit").setLevel(logging.INFO)
    if output not in ("prediction", "probability"):
        raise DataError(f"--output must be prediction or probability, got {output!r}.")
    agreed = None if contract is None else read_contract(contract)
    app = create_app(
        _found(model),
        registry=_registry(workspace) if model.startswith("models:") else "",
        contract=agreed,
        output="probability" if output == "probability" else "prediction",
        log=log,
        max_rows=max_rows,
        max_waiting=max_waiting,
        reload_s=reload_s,
        onnx=onnx,
    )
    run(app, host=host, port=port, started=_say_started)


def _say_started(url: str) -> None:
    sys.stderr.write(f"Serving on {url} (the documentation is at {url}/docs).\n")
    sys.stderr.flush()


def _found(model: str) -> Any:
    module, _, function = model.partition(":")
    if model.startswith("models:") or Path(model).exists():
        return model
    return _rule(model, module, function) if function.isidentifier() else model


def _registry(workspace: str) -> str:
    if "://" in workspace or workspace == "databricks":
        return workspace
    database = Path(workspace).expanduser().absolute() / DATABASE
    if not database.is_file():
        raise ServeError(
            f"there is no registry in {workspace!r}. Name the folder or the server that holds "
            "it: --workspace."
        )
    return f"sqlite:///{database.as_posix()}"


def _rule(model: str, module: str, function: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ServeError(
            f"the rule {model} can't be imported: {error}. Write package.module:function, and "
            "start in the folder that holds the package."
        ) from error


def read_contract(path: Path) -> Contract:
    """Read a contract from a JSON or YAML file.

    Raises
    ------
    DataError
        If there is no such file, or it holds no contract.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the contract {path} can't be read: {error}.") from error
    if path.suffix == ".json":
        try:
            declared = json.loads(text)
        except ValueError as error:
            raise DataError(f"the contract {path} isn't JSON: {error}.") from error
    else:
        try:
            yaml = importlib.import_module("yaml")
        except ModuleNotFoundError as error:
            raise MissingToolError(
                "YAML files need 'pyyaml', which isn't installed. "
                "Install it with: pip install 'mlops-kit[data]'"
            ) from error
        try:
            declared = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise DataError(f"the contract {path} isn't YAML: {error}.") from error
    return Contract.from_dict(declared)
