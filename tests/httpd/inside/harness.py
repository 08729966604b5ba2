"""What the handlers of tests import to tell the test what they do. Cold code:
it lies on PYTHONPATH, under no root, and is the same for all generations."""

import importlib
import os
import threading
import time


def note(file):
    """The body of this module runs: tell Site.executions()."""
    line = f"{os.getpid()} {os.path.realpath(file)}\n".encode()
    handle = os.open(os.environ["MP_NOTES"], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def load(name):
    """What cold code gets for this name."""
    return importlib.import_module(name)


def call(function, *arguments):
    """Call it from cold code."""
    return function(*arguments)


def wait(file, name, seconds=30.0):
    """Park here until the test calls Site.open_gate(name)."""
    site = os.path.relpath(file, os.environ["MP_DOCUMENTS"]).split("/")[0]
    gate = os.path.join(os.environ["MP_GATES"], f"{site}.{name}.")
    me = f"{gate}{os.getpid()}-{threading.get_ident()}.parked"
    os.close(os.open(me, os.O_WRONLY | os.O_CREAT))
    end = time.monotonic() + seconds
    while not os.path.exists(gate + "open"):
        if time.monotonic() > end:
            raise TimeoutError(f"nobody opened the gate {name!r}")
        time.sleep(0.005)
