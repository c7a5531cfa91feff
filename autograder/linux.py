"""The few Linux system calls that Python's standard library doesn't wrap.

Nothing here runs on import: the C library is opened at the first call, so that the modules
that use this one can be imported on any operating system.
"""

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = [
    "Machine",
    "children",
    "drop_capabilities",
    "kernel_version",
    "machine",
    "mount",
    "prctl",
    "set_dumpable",
    "set_parent_death_signal",
    "set_subreaper",
    "syscall",
    "umount",
    "unshare",
]

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, slots=True)
class Machine:
    """What system-call filters must know of a processor: its audit number and call numbers."""

    name: str
    audit: int
    calls: dict[str, int]


# Calls whose numbers the two architectures share (the generic table, 4.x and later).
_SHARED = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_open": 434,
    "clone3": 435,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "set_mempolicy_home_node": 450,
    "map_shadow_stack": 453,
    "statmount": 457,
    "listmount": 458,
    "lsm_set_self_attr": 460,
    "setxattrat": 463,
    "open_tree_attr": 467,
}

# fmt: off
_X86_64 = {
    "socket": 41, "clone": 56, "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64,
    "msgget": 68, "ioctl": 16, "ptrace": 101, "syslog": 103, "personality": 135,
    "ustat": 136, "vhangup": 153, "modify_ldt": 154, "pivot_root": 155, "_sysctl": 156,
    "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166,
    "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171,
    "iopl": 172, "ioperm": 173, "create_module": 174, "init_module": 175,
    "delete_module": 176, "quotactl": 179, "nfsservctl": 180, "lookup_dcookie": 212,
    "clock_settime": 227, "mq_open": 240, "kexec_load": 246, "add_key": 248,
    "request_key": 249, "keyctl": 250, "migrate_pages": 256, "mbind": 237,
    "set_mempolicy": 238, "unshare": 272, "move_pages": 279, "perf_event_open": 298,
    "fanotify_init": 300, "name_to_handle_at": 303, "open_by_handle_at": 304,
    "clock_adjtime": 305, "adjtimex": 159, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "memfd_create": 319,
    "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323, "vmsplice": 278,
    "mmap": 9, "prctl": 157, "seccomp": 317, "capset": 126, "mknod": 133, "mknodat": 259,
    "fcntl": 72, "prlimit64": 302, "setpriority": 141, "ioprio_set": 251, "sched_setparam": 142,
    "sched_setscheduler": 144, "sched_setaffinity": 203, "sched_setattr": 314,
    "io_setup": 206, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
}
_AARCH64 = {
    "socket": 198, "clone": 220, "shmget": 194, "shmat": 196, "shmctl": 195, "semget": 190,
    "msgget": 186, "ioctl": 29, "ptrace": 117, "syslog": 116, "personality": 92,
    "vhangup": 58, "pivot_root": 41, "chroot": 51, "acct": 89, "settimeofday": 170,
    "mount": 40, "umount2": 39, "swapon": 224, "swapoff": 225, "reboot": 142,
    "sethostname": 161, "setdomainname": 162, "init_module": 105, "delete_module": 106,
    "quotactl": 60, "nfsservctl": 42, "lookup_dcookie": 18, "clock_settime": 112,
    "mq_open": 180, "kexec_load": 104, "add_key": 217, "request_key": 218, "keyctl": 219,
    "migrate_pages": 238, "mbind": 235, "set_mempolicy": 237, "unshare": 97,
    "move_pages": 239, "perf_event_open": 241, "fanotify_init": 262,
    "name_to_handle_at": 264, "open_by_handle_at": 265, "clock_adjtime": 266,
    "adjtimex": 171, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
    "kcmp": 272, "finit_module": 273, "memfd_create": 279, "kexec_file_load": 294,
    "bpf": 280, "userfaultfd": 282, "vmsplice": 75,
    "mmap": 222, "prctl": 167, "seccomp": 277, "capset": 91, "mknodat": 33,
    "fcntl": 25, "prlimit64": 261, "setpriority": 140, "ioprio_set": 30, "sched_setparam": 118,
    "sched_setscheduler": 119, "sched_setaffinity": 122, "sched_setattr": 274,
    "io_setup": 0, "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7,
}
# fmt: on

_MACHINES = {
    "x86_64": Machine("x86_64", 0xC000003E, _X86_64 | _SHARED),
    "aarch64": Machine("aarch64", 0xC00000B7, _AARCH64 | _SHARED),
}
_ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}


def machine() -> Machine | None:
    """Return this processor's call table, or None where no confinement is offered."""
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return None
    name = platform.machine().lower()
    return _MACHINES.get(_ALIASES.get(name, name))


def kernel_version() -> tuple[int, int]:
    """Return the kernel's major and minor number, (0, 0) if it isn't Linux."""
    if not sys.platform.startswith("linux"):
        return (0, 0)
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(name: str, *arguments: object) -> int:
    """Make a system call by name; OSError says which one failed.

    Integers are passed as machine words, bytes as pointers.
    """
    here = machine()
    if here is None:
        raise OSError(f"{name}: no system calls known for {platform.machine()}")
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    _libc().syscall.restype = ctypes.c_long
    return _checked(_libc().syscall(ctypes.c_long(here.calls[name]), *words), name)


def prctl(option: int, *arguments: int) -> int:
    """Call prctl(2), unused arguments zero."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_libc().prctl(option, *map(ctypes.c_ulong, padded)), f"prctl {option}")


def set_parent_death_signal(signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent thread ends."""
    prctl(PR_SET_PDEATHSIG, signal_number)


def set_dumpable(dumpable: bool) -> None:
    """Say whether processes of the same user may read this one's memory and /proc entries."""
    prctl(PR_SET_DUMPABLE, int(dumpable))


def set_subreaper() -> None:
    """Make orphaned descendants children of this process, so that none escapes it."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = CAPABILITY_VERSION_3.to_bytes(4, sys.byteorder) + bytes(4)
    try:
        syscall("capset", header, bytes(24))
    except OSError:
        if _has_capabilities():  # a filter around us may forbid the call to those who have none
            raise


def _has_capabilities() -> bool:
    status = Path("/proc/self/status").read_text(errors="replace").splitlines()
    kept = (line.split()[1] for line in status if line.startswith(("CapPrm:", "CapEff:")))
    return any(int(mask, 16) for mask in kept)


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    syscall("unshare", flags)


def mount(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
) -> None:
    """Call mount(2)."""
    words = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _checked(
        _libc().mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]),
        f"mount {target}",
    )


def umount(target: str, flags: int) -> None:
    """Call umount2(2)."""
    _checked(_libc().umount2(target.encode(), flags), f"umount {target}")


def children(pid: int) -> list[int]:
    """List a process's direct children, those of all its threads."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - read some 20 times a second
        for thread in threads:
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    except OSError:
        pass
    return found
