"""Functions that workers call in the tests; imported by name in fresh processes."""

import os
import signal
import sys
import threading
import time
from pathlib import Path


def add(context, payload):
    return {"sum": context.get("base", 0) + payload["x"], "pid": os.getpid()}


def environment(context, payload):
    return {name: os.environ.get(name) for name in payload["names"]}


def fail(context, payload):
    raise ValueError("bad luck")


def leave(context, payload):
    sys.exit("giving up")


def chatter(context, payload):
    print("x" * 200_000)
    print("y", file=sys.stderr, flush=True)
    os.write(1, b'{"sum": -1}\n')
    return {"said": True}


def odd(context, payload):
    return {"set": object()}


def die(context, payload):
    """Dies until the file named in the payload exists `lives` times."""
    marks = Path(payload["marks"])
    number = len(list(marks.iterdir()))
    (marks / str(number)).touch()
    if number < payload["lives"]:
        print("about to go", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return {"attempts": number + 1}


def quit_quietly(context, payload):
    os._exit(7)


def fork_and_die(context, payload):
    """Leaves a child that holds the pipes open."""
    if os.fork() == 0:
        time.sleep(payload["seconds"])
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for(context, payload):
    """Marks that it started, then waits for a file."""
    Path(payload["started"]).write_text(str(os.getpid()))
    while not Path(payload["release"]).exists():
        time.sleep(0.01)
    return {"pid": os.getpid()}


def torch_threads(context, payload):
    import torch

    return {"threads": torch.get_num_threads(), "thread": threading.current_thread().name}


def where(context, payload):
    return {"path": sys.path, "cwd": os.getcwd(), "stdin": sys.stdin.read(), "modules": "torch" in sys.modules}


def weigh(shared, payload):
    """The sum of a shared array, and a file."""
    array = shared["array"]
    return {
        "sum": float(array.sum()) + payload["x"],
        "read_only": not array.flags.writeable,
        "file": bytes([payload["x"]]),
    }


def misbehave(shared, payload):
    if payload["do"] == "fail":
        raise ValueError("bad luck")
    if payload["do"] == "die":
        os._exit(1)
    marks = Path(payload["marks"])
    number = len(list(marks.iterdir())) + 1
    (marks / str(number)).touch()
    if number == 1:
        time.sleep(600)  # until the node is gone
    return {"attempts": number}
