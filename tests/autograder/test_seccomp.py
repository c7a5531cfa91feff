"""The filter on system calls, run in a small interpreter of the kernel's programs."""

import errno
import struct
from typing import Any

import pytest

from autograder import linux, seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
MACHINES = ("x86_64", "aarch64")
UNIX, INTERNET, NETLINK = 1, 2, 16


def verdict(code: bytes, number: int, *arguments: int, audit: int) -> int | str:
    """Run the program on one call, as the kernel would; a number is the error it answers."""
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number, audit, 0, *words)
    lines = list(struct.iter_unpack("HBBI", code))
    accumulator = place = 0
    while True:
        operation, yes, no, value = lines[place]
        place += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            if value in (ALLOW, KILL):
                return "allow" if value == ALLOW else "kill"
            return value & 0xFFFF
        else:
            holds = {
                0x15: accumulator == value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[operation]
            place += yes if holds else no


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each processor that is known, as if this were one."""
    monkeypatch.setattr(linux.platform, "machine", lambda: request.param)
    monkeypatch.setattr(linux.sys, "platform", "linux")
    return linux.machine()


def test_ordinary_calls_pass(machine: Any) -> None:
    """Reading, writing, mapping memory and the like aren't looked at."""
    code = seccomp.program()
    ordinary = {"x86_64": (0, 1, 9, 202, 257), "aarch64": (63, 64, 222, 98, 56)}[machine.name]
    assert {verdict(code, number, audit=machine.audit) for number in ordinary} == {"allow"}


@pytest.mark.parametrize(
    "name",
    [
        *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "ptrace", "bpf"),
        *("process_vm_readv", "process_vm_writev", "perf_event_open", "keyctl", "add_key"),
        *("init_module", "finit_module", "kexec_load", "open_by_handle_at", "personality"),
        *("io_uring_enter", "shmget", "msgget", "mq_open", "clock_settime", "pidfd_getfd"),
    ],
)
def test_calls_that_reach_beyond_the_room_are_refused(machine: Any, name: str) -> None:
    """Each answers with an error that Python turns into an OSError."""
    code = seccomp.program()
    number = machine.calls[name]
    assert verdict(code, number, audit=machine.audit) in (errno.EPERM, errno.ENOSYS)


@pytest.mark.parametrize(
    "name", ["memfd_create", "io_uring_setup", "io_setup", "pidfd_open", "clone3"]
)
def test_what_libraries_can_do_without_looks_absent(machine: Any, name: str) -> None:
    """They take another way when the kernel doesn't know a call."""
    found = verdict(seccomp.program(), machine.calls[name], audit=machine.audit)
    assert found == errno.ENOSYS


def test_processes_may_be_made_but_not_namespaces(machine: Any) -> None:
    """``clone`` is judged by its flags."""
    code = seccomp.program()
    number = machine.calls["clone"]
    assert verdict(code, number, 17, audit=machine.audit) == "allow"
    for flag in (0x10000000, 0x20000000, 0x40000000, 0x02000000, 0x00020000, 0x80):
        assert verdict(code, number, 17 | flag, audit=machine.audit) == errno.EPERM


def test_sockets_are_judged_by_their_family(machine: Any) -> None:
    """Only those that were named can be made; without any, none."""
    number = machine.calls["socket"]
    some, none = seccomp.program(families=(UNIX, INTERNET)), seccomp.program()
    assert verdict(some, number, UNIX, audit=machine.audit) == "allow"
    assert verdict(some, number, INTERNET, audit=machine.audit) == "allow"
    assert verdict(some, number, NETLINK, audit=machine.audit) == errno.EPERM
    assert verdict(none, number, UNIX, audit=machine.audit) == errno.EPERM


def test_signals_go_to_the_room_itself_only(machine: Any) -> None:
    """Where nothing else keeps rooms apart, ``kill`` is judged by whom it is sent to."""
    number = {"x86_64": 62, "aarch64": 129}[machine.name]
    apart, together = seccomp.program(), seccomp.program(signals_to=4711)
    assert verdict(together, number, 4711, 9, audit=machine.audit) == "allow"
    assert verdict(together, number, 4712, 9, audit=machine.audit) == errno.EPERM
    assert verdict(apart, number, 4712, 9, audit=machine.audit) == "allow"


def test_limits_and_priorities_of_others_are_left_alone(machine: Any) -> None:
    """Where other processes can be named, a room can't have the kernel stop or slow them."""
    shut, open_ = seccomp.program(alone=4711), seccomp.program()
    places = {"prlimit64": 0, "sched_setaffinity": 0, "setpriority": 1, "ioprio_set": 1}
    for name, place in places.items():
        number = machine.calls[name]
        for process, wanted in ((0, "allow"), (4711, "allow"), (4712, errno.EPERM)):
            arguments = (0,) * place + (process,)
            assert verdict(shut, number, *arguments, audit=machine.audit) == wanted
        assert verdict(open_, number, *(4712, 4712), audit=machine.audit) == "allow"
    everything = machine.calls["setpriority"], 2, 0
    assert verdict(shut, *everything, audit=machine.audit) == errno.EPERM
    for name, command in (("fcntl", 8), ("fcntl", 15), ("ioctl", 0x8901)):
        refused = machine.calls[name], 3, command
        assert verdict(shut, *refused, audit=machine.audit) == errno.EPERM
    assert verdict(shut, machine.calls["fcntl"], 3, 4, audit=machine.audit) == "allow"


def test_nothing_is_typed_into_the_graders_terminal(machine: Any) -> None:
    """The ``ioctl`` that puts characters into a terminal's input is refused, others pass."""
    code = seccomp.program()
    number = machine.calls["ioctl"]
    assert verdict(code, number, 0, 0x5412, audit=machine.audit) == errno.EPERM
    assert verdict(code, number, 0, 0x5413, audit=machine.audit) == "allow"


def test_memory_that_no_count_sees_is_refused(machine: Any) -> None:
    """Shared memory needs a file, whose size is limited; private memory and files pass."""
    code, number = seccomp.program(), machine.calls["mmap"]
    shared, private, anonymous = 0x01, 0x02, 0x20
    flags = {shared | anonymous: errno.ENOMEM, shared | anonymous | 0x8000: errno.ENOMEM}
    flags |= dict.fromkeys((shared, private, private | anonymous, private | 0x10), "allow")
    for flag, wanted in flags.items():
        assert verdict(code, number, 0, 4096, 3, flag, audit=machine.audit) == wanted


@pytest.mark.parametrize("name", ["setxattr", "lsetxattr", "fsetxattr", "setxattrat"])
def test_rights_and_labels_of_files_are_not_supported(machine: Any, name: str) -> None:
    """They are kept in memory that nothing counts; who copies a file takes no for an answer."""
    found = verdict(seccomp.program(), machine.calls[name], audit=machine.audit)
    assert found == errno.EOPNOTSUPP


def test_a_lock_on_a_file_is_somebodys(machine: Any) -> None:
    """Those that belong to no process couldn't be counted; SQLite uses the others."""
    code, number = seccomp.program(), machine.calls["fcntl"]
    for command, wanted in ((6, "allow"), (7, "allow"), (37, errno.EINVAL), (38, errno.EINVAL)):
        assert verdict(code, number, 3, command, audit=machine.audit) == wanted


def test_a_room_cannot_outlive_who_watches_it(machine: Any) -> None:
    """The signal that the kernel sends when the watching process ends can't be called off."""
    code, number = seccomp.program(), machine.calls["prctl"]
    for option, value, wanted in ((1, 9, "allow"), (1, 0, errno.EPERM), (1, 18, errno.EPERM)):
        assert verdict(code, number, option, value, audit=machine.audit) == wanted
    assert verdict(code, number, 15, 0, audit=machine.audit) == "allow"


def test_calls_of_another_processor_end_the_process(machine: Any) -> None:
    """A 32-bit call in a 64-bit process would mean something else by the same number."""
    assert verdict(seccomp.program(), 1, audit=0x40000003) == "kill"
    if machine.name == "x86_64":
        assert verdict(seccomp.program(), 0x40000000 | 1, audit=machine.audit) == errno.EPERM


def test_an_unknown_processor_gets_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is guessed."""
    monkeypatch.setattr(linux.platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="no filter is known"):
        seccomp.program()
