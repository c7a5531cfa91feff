"""The warm process of the tests: imports, then forks a room for each request."""

import contextlib
import importlib
import json
import os
import socket
import sys
import traceback
import warnings


def serve(control: socket.socket) -> None:
    control.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 65536, 8)
        if not message:
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        job = json.loads(message)
        child = os.fork()
        if child == 0:
            become_room(control, job, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(child.to_bytes(4, "little"))


def become_room(control: socket.socket, job: dict[str, str], descriptors: list[int]) -> None:
    try:
        os.setsid()
        control.close()
        os.chdir(job["folder"])
        module, function = job["entry"].split(":")
        entry = getattr(importlib.import_module(module), function)
        entry([socket.socket(fileno=descriptor) for descriptor in descriptors])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name in json.loads(os.environ["PRELOAD"]):
        importlib.import_module(name)
    warnings.resetwarnings()
    serve(socket.socket(fileno=int(sys.argv[1])))
