"""Processes as /proc shows them: who runs, and what they hold open."""

import os
import pathlib
import time

PROC = pathlib.Path("/proc")


def children(parent):
    """The ids of the processes that parent started and that still run."""
    found = set()
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, ppid = stat.rpartition(")")[2].split()[:2]
        if int(ppid) == parent and state not in "ZX":
            found.add(int(entry.name))
    return found


def alive(pid):
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def descriptors(pid):
    """{number: target} of what the process has open; {} if it is gone."""
    found = {}
    directory = PROC / str(pid) / "fd"
    try:
        numbers = os.listdir(directory)
    except FileNotFoundError:
        return found
    for number in numbers:
        try:
            found[int(number)] = os.readlink(directory / number)
        except FileNotFoundError:
            continue
    return found


def memory(pid):
    """Resident bytes."""
    pages = (PROC / str(pid) / "statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def owner_of_socket(server_port, client_port):
    """The process that holds the server's end of a connection on 127.0.0.1,
    or None while none has accepted it."""
    local, remote = (f"0100007F:{port:04X}"
                     for port in (server_port, client_port))
    inode = None
    for line in (PROC / "net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == local and fields[2] == remote:
            inode = fields[9]
    if inode in (None, "0"):
        return None
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                if f"socket:[{inode}]" in descriptors(entry.name).values():
                    return int(entry.name)
            except PermissionError:
                continue
    return None


def wait_until(true, what, seconds=20.0):
    """Return once true() is, or fail naming what did not happen."""
    end = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"within {seconds:g} s: {what} did not come")
        time.sleep(0.01)
