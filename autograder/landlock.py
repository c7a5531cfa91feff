"""Landlock: the kernel keeps a process to the files it was given, root or not."""

import contextlib
import os
import struct
from collections.abc import Iterable

from autograder import linux

__all__ = ["abi", "restrict"]

_VERSION_FLAG = 1
_RULE_BELOW = 1
_EXECUTE, _WRITE, _READ, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _DEVICE_COMMANDS = 1 << 14, 1 << 15
_READ_ONLY = _EXECUTE | _READ | _READ_FOLDER
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICE_COMMANDS
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract sockets, signals
_NETWORK_ABI, _SCOPE_ABI = 4, 6


def abi() -> int:
    """Give the version of Landlock that this kernel speaks; 0 if none."""
    try:
        return linux.syscall("landlock_create_ruleset", None, 0, _VERSION_FLAG)
    except (OSError, KeyError):
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str], *, network: bool) -> None:
    """Keep this process and its descendants to these files and folders, for good.

    Parameters
    ----------
    readable : iterable of str
        Files and folders that may be read and executed; what doesn't exist is left out.
    writable : iterable of str
        Files and folders that may also be changed.
    network : bool
        Whether TCP stays allowed, where this kernel can tell.

    Raises
    ------
    OSError
        If the kernel has no Landlock.
    """
    version = abi()
    every = (1 << _RIGHTS_BY_ABI.get(version, 16)) - 1
    words = [every]
    if version >= _NETWORK_ABI:
        words.append(0 if network else _TCP)
    if version >= _SCOPE_ABI:
        words.append(_SCOPES)
    attributes = struct.pack(f"{len(words)}Q", *words)
    rules = linux.syscall("landlock_create_ruleset", attributes, len(attributes), 0)
    try:
        for paths, rights in ((readable, _READ_ONLY), (writable, every)):
            for path in paths:
                _allow(rules, path, rights & every)
        linux.prctl(38, 1)
        linux.syscall("landlock_restrict_self", rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):  # noqa: PTH112 - a path as it was given
                rights &= _OF_FILES
            rule = struct.pack("=Qi", rights, place)
            linux.syscall("landlock_add_rule", rules, _RULE_BELOW, rule, 0)
        finally:
            os.close(place)
