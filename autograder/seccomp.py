"""A filter on system calls, as the kernel's own small programs (classic BPF).

What a notebook needs stays allowed; calls that reach beyond the process, make namespaces, load
code into the kernel or hold memory that no limit counts are refused with an error that Python
turns into an ``OSError``.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

from autograder import linux

__all__ = ["install", "program", "works"]

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AND = 0x54
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_X32_BIT = 0x40000000
_NAMESPACES = 0x7E020080  # every CLONE_NEW… flag, that of time included
_TERMINAL_INPUT, _CONSOLE_INPUT = 0x5412, 0x541C
# Shared memory without a file: it can be let go of and kept, so that no count of pages sees it.
_SHARING_MASK, _SHARED_ANONYMOUS = 0x2F, 0x21
# Whose limits, times and processors a call changes: the number of the argument that says it.
_WHOSE = {
    **{"prlimit64": 0, "sched_setparam": 0, "sched_setscheduler": 0, "sched_setaffinity": 0},
    **{"sched_setattr": 0, "setpriority": 1, "ioprio_set": 1},
}
# All that one user has: the first argument of these.
_EVERYTHING = {"setpriority": 2, "ioprio_set": 3}
# Who gets a signal when a descriptor is ready, and which one.
_SETTING_OWNER = {"fcntl": (8, 10, 15), "ioctl": (0x8901, 0x8902)}
# A lock that belongs to an open file, not to a process: nobody can say whose it is.
_NOBODYS_LOCKS = (37, 38)
_DEATH_SIGNAL, _KILLED = 1, 9
# Looked at by their arguments, or harmless within a room.
_EXAMINED = frozenset(
    {
        *("socket", "clone", "clone3", "ioctl", "mmap", "prctl", "seccomp", "mknod", "mknodat"),
        *("fcntl", *_WHOSE),
    }
)
_OPENING = frozenset({"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"})
# Libraries have another way where the call doesn't exist, and give up where it is forbidden.
_ABSENT = frozenset(
    {
        *("memfd_create", "memfd_secret", "io_uring_setup", "pidfd_open", "userfaultfd"),
        "io_setup",  # what it may take is one number for the whole machine
    }
)
# Lists of rights kept with files are memory that no size of a file system counts.
_UNSUPPORTED = frozenset({"setxattr", "lsetxattr", "fsetxattr", "setxattrat"})
_SIGNALLING = {"x86_64": (62, 200, 234, 129, 297), "aarch64": (129, 130, 131, 138, 240)}

Instruction = tuple[int, int, int, int]


def _refuse(number: int) -> int:
    return 0x00050000 | number


def program(
    *, families: Iterable[int] = (), signals_to: int | None = None, alone: int | None = None
) -> bytes:
    """Build the filter's program.

    Parameters
    ----------
    families : iterable of int
        The address families that sockets may have; pairs of connected sockets are always allowed.
    signals_to : int, optional
        The only process that signals may be sent to, where nothing else keeps rooms apart.
    alone : int, optional
        The only process whose limits and share of the processors may be changed, where others can
        be named.

    Raises
    ------
    OSError
        If this processor's calls aren't known.
    """
    here = linux.machine()
    if here is None:
        raise OSError(errno.ENOSYS, "no filter is known for this processor")
    calls = here.calls
    lines: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, here.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _refuse(errno.EPERM)),
    ]
    for name, number in sorted(calls.items()):
        if name not in _EXAMINED and name not in _OPENING:
            lines += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _refuse(_answer(name)))]
    # Its flags lie behind a pointer; the C library then uses `clone`, whose flags can be seen.
    lines += [(_JUMP_EQUAL, 0, 1, calls["clone3"]), (_RETURN, 0, 0, _refuse(errno.ENOSYS))]
    lines += _when(
        calls["clone"], 0, [(_JUMP_ANY_BIT, 0, 1, _NAMESPACES), (_RETURN, 0, 0, _refuse(1))]
    )
    for command in (_TERMINAL_INPUT, _CONSOLE_INPUT):
        forbidden = [(_JUMP_EQUAL, 0, 1, command), (_RETURN, 0, 0, _refuse(errno.EPERM))]
        lines += _when(calls["ioctl"], 1, forbidden)
    lines += _when(
        calls["mmap"],
        3,
        [
            (_AND, 0, 0, _SHARING_MASK),
            (_JUMP_EQUAL, 0, 1, _SHARED_ANONYMOUS),
            (_RETURN, 0, 0, _refuse(errno.ENOMEM)),
        ],
    )
    lines += _when(calls["socket"], 0, _only(families))
    lines += _when(calls["fcntl"], 1, _none_of(_NOBODYS_LOCKS, errno.EINVAL))
    # A room ends with the process that watches it: that can't be called off.
    lines += _when(
        calls["prctl"],
        0,
        [
            (_JUMP_EQUAL, 0, 3, _DEATH_SIGNAL),
            (_LOAD, 0, 0, _FIRST_ARGUMENT + 8),
            (_JUMP_EQUAL, 1, 0, _KILLED),
            (_RETURN, 0, 0, _refuse(errno.EPERM)),
        ],
    )
    if alone is not None:
        lines += _only_own(calls, alone)
    if signals_to is not None:
        for number in _SIGNALLING[here.name]:
            lines += _when(number, 0, _only((signals_to, 0)))
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _answer(name: str) -> int:
    """Give the error that a refused call ends with."""
    if name in _ABSENT:
        return errno.ENOSYS
    return errno.EOPNOTSUPP if name in _UNSUPPORTED else errno.EPERM


def _only_own(calls: dict[str, int], process: int) -> list[Instruction]:
    """Leave the limits, priorities and signals of other processes alone."""
    lines: list[Instruction] = []
    for name, argument in _WHOSE.items():
        lines += _when(calls[name], argument, _only((process, 0)))
    for name, every in _EVERYTHING.items():
        lines += _when(calls[name], 0, _none_of((every,)))
    for name, commands in _SETTING_OWNER.items():
        lines += _when(calls[name], 1, _none_of(commands))
    return lines


def _none_of(values: Iterable[int], answer: int = errno.EPERM) -> list[Instruction]:
    """Refuse these values of the loaded word."""
    pairs = [((_JUMP_EQUAL, 0, 1, one), (_RETURN, 0, 0, _refuse(answer))) for one in values]
    return [line for pair in pairs for line in pair]


def _when(number: int, argument: int, block: list[Instruction]) -> list[Instruction]:
    """Look at the low half of an argument of one call; what the block lets pass is looked at on."""
    place = _FIRST_ARGUMENT + 8 * argument
    body = [(_LOAD, 0, 0, place), *block, (_LOAD, 0, 0, _NUMBER)]
    return [(_JUMP_EQUAL, 0, len(body), number), *body]


def _only(values: Iterable[int]) -> list[Instruction]:
    """Refuse every value of the loaded word but these."""
    wanted = tuple(values)
    tests = [(_JUMP_EQUAL, len(wanted) - place, 0, value) for place, value in enumerate(wanted)]
    return [*tests, (_RETURN, 0, 0, _refuse(errno.EPERM))]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(code: bytes) -> None:
    """Put this process and its descendants under a filter, for good."""
    linux.prctl(PR_SET_NO_NEW_PRIVS, 1)
    buffer = ctypes.create_string_buffer(code, len(code))
    made = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    linux.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(made))


def works() -> bool:
    """Say whether this kernel takes such filters, without installing one."""
    if linux.machine() is None:
        return False
    try:
        linux.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0)
    except OSError as error:
        # A filter at address 0 can't be read: the kernel got as far as wanting one.
        return error.errno in (errno.EFAULT, errno.EACCES) and hasattr(os, "fork")
    return False
