"""What a result was made of: code, data, environment, each in a form to keep and compare."""

import __future__

import builtins
import dis
import functools
import hashlib
import inspect
import json
import os
import platform
import re
import subprocess
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.errors import DataError, TrackingError

__all__ = [
    "Code",
    "Environment",
    "GitState",
    "code_of",
    "content_hash",
    "environment_now",
    "environment_on_record",
    "function_from",
    "git_state",
    "installed_version",
]

# What decides numbers, where it is installed; a full list would differ on every machine.
_PACKAGES = (
    "numpy", "pandas", "scipy", "scikit-learn", "mlflow", "mlops-kit", "onnxruntime", "statsmodels",
    "lightgbm", "xgboost", "torch",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """A training function as it was: its name, its source and the hash of both."""

    name: str
    source: str
    hash: str


@dataclass(frozen=True, slots=True)
class GitState:
    """The commit that was checked out, and whether files differed from it; None outside git."""

    commit: str | None
    dirty: bool | None


@dataclass(frozen=True, slots=True)
class Environment:
    """The interpreter, the platform and the packages that decide numbers."""

    python: str
    platform: str
    packages: Mapping[str, str]

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that differ when anything here differs."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Write it as JSON, keys in order."""
        parts = {"python": self.python, "platform": self.platform, "packages": self.packages}
        return json.dumps(parts, sort_keys=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Environment":
        """Read what :meth:`to_json` wrote."""
        parts = json.loads(text)
        return cls(parts["python"], parts["platform"], parts["packages"])

    def differences(self, other: "Environment") -> tuple[str, ...]:
        """Name what differs, as "numpy: 2.3.0, now 2.4.6"."""
        pairs = [("python", self.python, other.python), ("platform", self.platform, other.platform)]
        for name in sorted({*self.packages, *other.packages}):
            absent = "not installed"
            pairs.append((name, self.packages.get(name, absent), other.packages.get(name, absent)))
        return tuple(f"{name}: {then}, now {now}" for name, then, now in pairs if then != now)


@functools.cache
def environment_now() -> Environment:
    """Read the environment of this process, once: it doesn't change while it runs."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = installed_version(name)
        except metadata.PackageNotFoundError:
            continue
    system = f"{platform.system()} {platform.machine()}"
    return Environment(platform.python_version(), system, packages)


@functools.cache
def environment_on_record() -> tuple[str, str]:
    """Give the hash and the JSON of this process's environment: each run keeps the same."""
    now = environment_now()
    return now.hash, now.to_json()


_VERSION = re.compile(r"^version[ \t]*:[ \t]*(\S+)[ \t]*$", re.IGNORECASE | re.MULTILINE)


def installed_version(name: str) -> str:
    """Give an installed package's version, without reading its description as a letter.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If it isn't installed.

    Examples
    --------
    >>> installed_version("pandas") == pd.__version__
    True
    """
    found = metadata.distribution(name)
    head, _, _ = (found.read_text("METADATA") or "").partition("\n\n")
    told = _VERSION.search(head)
    return told[1] if told else found.version


def git_state(folder: Path | None = None) -> GitState:
    """Ask git for the state of the folder's repository; without git, it is unknown."""
    if not _in_repository(folder):
        return GitState(None, None)
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        dirty = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return GitState(None, None)
    return GitState(commit, dirty)


def _in_repository(folder: Path | None) -> bool:
    """See whether it is worth starting git, which takes longer than a small training."""
    if "GIT_DIR" in os.environ:
        return True
    place = os.path.abspath(folder or os.curdir)  # noqa: PTH100 - each run asks; paths are slow
    while not os.path.exists(os.path.join(place, ".git")):  # noqa: PTH110, PTH118
        place, below = os.path.dirname(place), place  # noqa: PTH120
        if place == below:
            return False
    return True


def _git(folder: Path | None, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


# A sweep asks for the same function's source again and again. Kept by what was compiled, which
# a cell or module that is run anew replaces, and with it, so that its id is nobody else's.
_known: dict[int, tuple[CodeType, Code]] = {}
_MOST_KNOWN = 32


def code_of(function: Callable[..., Any]) -> Code:
    """Take a function's source, and see that the source alone is enough to run it.

    Parameters
    ----------
    function : callable
        Made with ``def``, in a module, a script or a notebook.

    Returns
    -------
    Code
        Its source, dedented.

    Raises
    ------
    TrackingError
        If there is no source, or the function needs names from outside itself; the message
        lists them.

    Notes
    -----
    Taught in @sec-track.
    """
    known = _known.get(id(getattr(function, "__code__", None)))
    if known is not None and known[1].name == function.__name__:
        return known[1]
    if not inspect.isfunction(function) or function.__name__ == "<lambda>":
        raise TrackingError(
            f"the code of a run must be a function made with def, got {function!r}. "
            "Put the training into a function that takes data, seed and parameters."
        )
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise TrackingError(
            f"the source of {function.__name__} can't be read ({error}). Define it in a notebook "
            "cell, a script or a module, not in an interactive prompt."
        ) from error
    outside = sorted({*_global_names(function.__code__), *function.__code__.co_freevars})
    outside = [name for name in outside if name != function.__name__]
    if outside:
        raise TrackingError(
            f"{function.__name__} uses {', '.join(outside)} from outside itself, so its source "
            "isn't enough to run it again. Import modules inside the function, and pass values "
            "as parameters."
        )
    digest = hashlib.sha256(f"{function.__name__}\n{source}".encode()).hexdigest()
    code = Code(function.__name__, source, digest)
    function_from(code)
    while len(_known) >= _MOST_KNOWN:
        del _known[next(iter(_known))]
    _known[id(function.__code__)] = function.__code__, code
    return code


def _global_names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function and what is defined inside it look up outside."""
    instructions = list(dis.get_instructions(code))
    # A class body stores its own names; those aren't outside.
    own = {str(step.argval) for step in instructions if step.opname == "STORE_NAME"}
    for step in instructions:
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            name = str(step.argval)
            if name not in own and name != "__name__" and not hasattr(builtins, name):
                yield name
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def function_from(code: Code) -> Callable[..., Any]:
    """Make the function again from its recorded source.

    Raises
    ------
    TrackingError
        If the source isn't what was recorded, or doesn't define the function by itself.
    """
    digest = hashlib.sha256(f"{code.name}\n{code.source}".encode()).hexdigest()
    if digest != code.hash:
        raise TrackingError(
            f"the recorded source of {code.name} was changed since: its hash is {digest[:12]}, "
            f"{code.hash[:12]} was recorded. Restore the artifact from a backup."
        )
    namespace: dict[str, Any] = {"__name__": "recorded_run"}
    try:
        exec(_compiled(code.name, code.source), namespace)  # noqa: S102
    except Exception as error:
        raise TrackingError(
            f"the source of {code.name} doesn't stand by itself: {type(error).__name__}: {error}. "
            "Decorators and default values from outside can't be recorded; move them inside."
        ) from error
    return namespace[code.name]  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=_MOST_KNOWN)
def _compiled(name: str, source: str) -> CodeType:
    flags = __future__.annotations.compiler_flag
    compiled: CodeType = compile(source, f"<recorded {name}>", "exec", flags)
    return compiled


def content_hash(frame: pd.DataFrame) -> str:
    """Name a table by its content: column order, index and width of numbers don't matter.

    The order of rows, the names of columns and every value do; a missing value is a value.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        Any columns whose values have a text form: numbers, text, times, categories, booleans.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).

    Raises
    ------
    DataError
        If it isn't a DataFrame, or two columns have the same name.

    Notes
    -----
    Taught in @sec-track.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    >>> content_hash(table) == content_hash(table[["b", "a"]].set_index(pd.Index([7, 8])))
    True
    >>> content_hash(table) == content_hash(table[::-1])
    False
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"content_hash: a pandas.DataFrame was wanted, got {type(frame).__name__}. "
            "Turn it into one, with named columns."
        )
    names = [str(name) for name in frame.columns]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DataError(f"content_hash: columns {', '.join(doubled)} are there twice; rename one.")
    digest = hashlib.sha256(f"{len(frame)}\n".encode())
    columns = _column_values(frame)
    for position in sorted(range(len(names)), key=names.__getitem__):
        kind, content = _column_content(columns[position])
        head = json.dumps([names[position], kind, len(content)])
        digest.update(head.encode() + b"\n" + content)
    return digest.hexdigest()


def _column_values(frame: pd.DataFrame) -> list[Any]:
    """Give each column's array; pandas takes longer to make a Series of it than we to hash it."""
    quick = getattr(pd.DataFrame, "_iter_column_arrays", None)
    if quick is not None:
        return list(quick(frame))
    arrays = (column.array for _, column in frame.items())
    return [a.to_numpy() if isinstance(a, pd.arrays.NumpyExtensionArray) else a for a in arrays]


def _column_content(values: Any) -> tuple[str, bytes]:
    """Give a column's kind and its values as bytes, the same for equal values."""
    kind = values.dtype.kind
    if isinstance(values, np.ndarray) and kind in "iub":
        wide = "<u8" if kind == "u" else "<i8"
        return ("bool" if kind == "b" else "whole", values.astype(wide).tobytes())
    if isinstance(values, np.ndarray) and kind == "f":
        reals = values.astype("<f8") + 0.0  # -0.0 becomes 0.0
        reals[np.isnan(reals)] = np.nan
        return "real", reals.tobytes()
    if kind == "M":
        zone = getattr(values.dtype, "tz", None)
        times = values.tz_convert("UTC").tz_localize(None) if zone is not None else values
        whole = np.asarray(times, "datetime64[ns]").astype("<i8")
        return f"time {zone is not None}", whole.tobytes()
    if kind == "m":
        return "span", np.asarray(values, "timedelta64[ns]").astype("<i8").tobytes()
    if isinstance(values.dtype, pd.StringDtype):
        codes, texts = pd.factorize(values)
        if len(texts):
            return "text", json.dumps(texts.tolist()).encode() + codes.astype("<i8").tobytes()
    return _object_content(pd.Series(values, dtype=values.dtype))


def _object_content(column: pd.Series) -> tuple[str, bytes]:
    missing = column.isna().to_numpy()
    objects = column.astype(object).to_numpy()
    if pd.api.types.infer_dtype(objects, skipna=True) == "string":
        codes, different = pd.factorize(objects)
        codes[missing] = -1
        return "text", json.dumps(different.tolist()).encode() + codes.astype("<i8").tobytes()
    parts = [
        "missing" if gone else f"{type(value).__name__} {_text(value)}"
        for value, gone in zip(objects, missing, strict=True)
    ]
    return "text", json.dumps(parts).encode()


def _text(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    # An object's address would make a new hash in every process.
    return re.sub(r" at 0x[0-9a-f]+", "", text)
