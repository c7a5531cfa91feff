"""What the kernel refuses to code in a room, asked of it directly, call by call."""

import ast
import json
from typing import Any

import pytest

from autograder import linux, sandbox

# Numbers of calls that differ between processors come from the table of the module that filters.
PROBE = r"""
import ctypes, errno, json, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
CALLS = @CALLS@
found = {}
def call(name, *args):
    ctypes.set_errno(0)
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = libc.syscall(ctypes.c_long(CALLS[name]), *words)
    found[name] = "allowed" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")
call("unshare", 0x10000000)
call("unshare", 0x00020000)
call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
call("umount2", b"/tmp", 2)
call("pivot_root", b".", b".")
call("chroot", b"/")
call("setns", 0, 0)
call("ptrace", 16, os.getpid(), 0, 0)
call("process_vm_readv", 1, None, 0, None, 0, 0)
call("process_vm_writev", 1, None, 0, None, 0, 0)
call("kcmp", 1, 1, 0, 0, 0)
call("pidfd_getfd", 0, 0, 0)
call("memfd_create", b"x", 0)
call("memfd_secret", 0)
call("io_uring_setup", 8, ctypes.create_string_buffer(256))
call("userfaultfd", 0)
call("bpf", 0, ctypes.create_string_buffer(128), 128)
call("perf_event_open", ctypes.create_string_buffer(128), 0, -1, -1, 0)
call("keyctl", 0, -3, 1)
call("add_key", b"user", b"x", b"y", 1, -3)
call("request_key", b"user", b"x", None, -3)
call("fanotify_init", 0, 0)
call("open_by_handle_at", -100, ctypes.create_string_buffer(64), 0)
handle, mount = ctypes.create_string_buffer(256), ctypes.create_string_buffer(8)
call("name_to_handle_at", -100, b".", handle, mount, 0)
call("kexec_load", 0, 0, None, 0)
call("init_module", None, 0, b"")
call("delete_module", b"x", 0)
call("reboot", 0, 0, 0, None)
call("swapon", b"/tmp/x", 0)
call("sethostname", b"owned", 5)
call("setdomainname", b"owned", 5)
call("clock_settime", 0, struct.pack("qq", 0, 0))
call("settimeofday", struct.pack("qq", 0, 0), None)
call("syslog", 3, ctypes.create_string_buffer(64), 64)
call("acct", None)
call("quotactl", 0, None, 0, None)
call("personality", 0x0040000)
call("shmget", 0, 4096, 0o1600)
call("semget", 0, 1, 0o1600)
call("msgget", 0, 0o1600)
call("mq_open", b"x", 0o102, 0o600, None)
call("move_pages", 1, 0, None, None, None, 0)
call("io_setup", 100, ctypes.create_string_buffer(8))
open("own", "w").close()
call("setxattr", b"own", b"user.x", b"y", 1, 0)
call("fsetxattr", 3, b"system.posix_acl_access", b"y", 1, 0)
call("prctl", 1, 0, 0, 0, 0)
call("landlock_create_ruleset", None, 0, 1)
print(json.dumps(found))
"""
# Harmless within a room: more walls of its own, or a question.
MAY_BE_ALLOWED = {"landlock_create_ruleset"}
SIGHT = r"""
import json, os, socket
def tried(action):
    try: return repr(action())[:80]
    except Exception: return None
found = {
    "others": sorted(int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()),
    "root": tried(lambda: os.listdir("/root")),
    "etc shadow": tried(lambda: open("/etc/shadow").read()),
    "grader's folder": tried(lambda: os.listdir("ARENA")),
    "tests": tried(lambda: os.listdir("TESTS")),
    "sys": tried(lambda: os.listdir("/sys")),
    "write to python": tried(lambda: open(os.__file__, "a")),
    "write to proc": tried(lambda: open("/proc/self/oom_score_adj", "w").write("-1000")),
    "memory of init": os.getpid() != 1 and tried(lambda: open("/proc/1/mem", "rb").read(1)) or None,
    "internet": tried(lambda: socket.create_connection(("192.0.2.1", 80), timeout=0.2)),
    "name server": tried(lambda: socket.getaddrinfo("example.org", 80)),
    "raw socket": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    "packet socket": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "netlink socket": tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "vsock": tried(lambda: socket.socket(40, socket.SOCK_STREAM)),
    "root's user": tried(lambda: os.setuid(0)) if os.getuid() else None,
    "a terminal": tried(lambda: open("/dev/tty")),
    "a disk": tried(lambda: os.open("/dev/sda", os.O_RDONLY) or os.open("/dev/vda", os.O_RDONLY)),
    "descriptors": [
        os.readlink(f"/proc/self/fd/{n}").split(":")[0]
        for n in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{n}")
    ],
    "environment": sorted(os.environ),
    "capabilities": [l.split()[1] for l in open("/proc/self/status") if l.startswith("CapEff")],
}
print(json.dumps(found))
"""


def told(arena: Any, text: str) -> Any:
    """Run a text in an answer cell and read the JSON that it prints."""
    teacher = arena.teacher({})
    data = arena.hand_in(teacher, {"q1": text})
    verdict = arena.grade(arena.warm(teacher, data), teacher, "probe", data)
    [cell] = [c for c in verdict.graded.notebook.cells if c.get("id") == "q1"]
    return json.loads(cell.outputs[0]["text"])


@pytest.fixture
def full() -> None:
    """Skip where this machine can't build a room's full walls."""
    if sandbox.best() != "full":
        pytest.skip("rooms have no view of their own here")


def test_the_kernel_refuses_what_no_notebook_needs(arena: Any) -> None:
    """Every call that makes namespaces, reaches others or the machine ends with an error."""
    machine = linux.machine()
    if machine is None or sandbox.best() == "process":
        pytest.skip("no filter on this machine")
    names = {
        node.args[0].value
        for node in ast.walk(ast.parse(PROBE.replace("@CALLS@", "{}")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "call"
        and node.args and isinstance(node.args[0], ast.Constant)
    }  # fmt: skip
    calls = {name: machine.calls[name] for name in names}
    found = told(arena, PROBE.replace("@CALLS@", repr(calls)))
    allowed = {name for name, answer in found.items() if answer == "allowed"}
    assert allowed <= MAY_BE_ALLOWED
    assert len(found) == len(names)


@pytest.mark.usefixtures("full")
def test_a_room_sees_nothing_of_the_machine(arena: Any) -> None:
    """No other process, file, network or right is there to be found."""
    text = SIGHT.replace("ARENA", str(arena.folder)).replace("TESTS", __file__.rsplit("/", 1)[0])
    found = told(arena, text)
    assert found.pop("others") == []
    kinds = found.pop("descriptors")
    # Orders and questions, what asyncio wakes itself with, and what is printed behind its back.
    own = {kind for kind in kinds if "(deleted)" in kind or kind.startswith("/proc/")}
    assert set(kinds) - own <= {"/null", "/dev/null", "socket", "anon_inode"}
    assert kinds.count("socket") <= 6
    assert not {"GRADER_SECRET", "PYTEST_CURRENT_TEST"} & set(found.pop("environment"))
    assert found.pop("capabilities") == ["0000000000000000"]
    assert {name: answer for name, answer in found.items() if answer is not None} == {}
