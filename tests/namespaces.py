"""httpd in namespaces of its own: limits that hold for it alone, and file
systems that nobody else sees.

    server = own_server(..., start=False)
    enter_namespaces(monkeypatch, server, limits={"inotify_watches": 5})
    server.start()

limits: names behind /proc/sys/user/max_. overlays: [(directory, lower
directory, empty directory for the upper one)], tmpfs: [directory].

Where the kernel refuses (a container without the right to make namespaces)
the test is skipped, with the kernel's words; a process that is allowed to
administrate is not refused, or the test fails."""

import json
import os
import pathlib
import shlex
import subprocess
import sys

import pytest

from httpd import configuration

PROGRAM = pathlib.Path(__file__).with_name("enter_namespaces.py")
ADMINISTRATOR = 1 << 21  # CAP_SYS_ADMIN


def enter_namespaces(monkeypatch, server, **setup):
    """When the server starts, it will run so."""
    refused = _try()
    if refused and not _may_administrate():
        pytest.skip(f"no namespaces here: {refused}")
    assert not refused, refused
    command = [sys.executable, str(PROGRAM), json.dumps(setup),
               configuration.program()]
    script = server.root / "httpd-in-namespaces"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("MP_HTTPD", str(script))


def inside(server, path):
    """The path as the processes of the server see it."""
    return pathlib.Path(f"/proc/{server.pid}/root{path}")


def _try():
    """What the kernel says against it, or an empty text."""
    done = subprocess.run([sys.executable, str(PROGRAM), "{}", "true"],
                          capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


def _may_administrate():
    text = pathlib.Path("/proc/self/status").read_text()
    field = text[text.index("CapEff:"):].split()[1]
    return os.geteuid() == 0 and bool(int(field, 16) & ADMINISTRATOR)
