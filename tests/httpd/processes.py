"""Processes as /proc shows them: who runs, and what they hold open."""

import contextlib
import os
import pathlib
import signal
import time

PROC = pathlib.Path("/proc")


def children(parent):
    """The ids of the processes that parent started and that still run."""
    try:
        text = (PROC / f"{parent}/task/{parent}/children").read_text()
    except FileNotFoundError:
        return set()
    return {int(word) for word in text.split() if alive(word)}


def alive(pid):
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return _state(stat) not in "ZX"


@contextlib.contextmanager
def paused(pids):
    """The processes do nothing meanwhile, in none of their threads."""
    pids = list(pids)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            wait_until(lambda: _threads_states(pid) <= {"T"},
                       f"the pause of {pid}")
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError): # it was killed
                os.kill(pid, signal.SIGCONT)


def _threads_states(pid):
    states = set()
    for task in (PROC / str(pid) / "task").iterdir():
        try:
            states.add(_state((task / "stat").read_text()))
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended
    return states


def _state(stat):
    return stat.rpartition(")")[2].split()[0]


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


def _sockets():
    """(local address, remote address, state, inode) of each of IPv4."""
    for line in (PROC / "net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        yield fields[1], fields[2], fields[3], fields[9]


def owner_of_socket(candidates, server_port, client_port):
    """The one of the processes that holds the server's end of a connection
    on 127.0.0.1, or None while none has accepted it."""
    ends = tuple(f"0100007F:{port:04X}" for port in (server_port, client_port))
    for local, remote, _, inode in _sockets():
        if (local, remote) == ends:
            wanted = f"socket:[{inode}]"
            return next((pid for pid in candidates
                         if wanted in descriptors(pid).values()), None)
    return None


def has_connections(server_port):
    """Does the server on this port of 127.0.0.1 still hold any?"""
    time_wait, listen = "06", "0A"
    return any(local == f"0100007F:{server_port:04X}"
               and state not in (time_wait, listen)
               for local, _, state, _ in _sockets())


def _sleeps(pid):
    """{of a thread: how often it fell asleep, or False if it is awake}."""
    found = {}
    for path in PROC.glob(f"{pid}/task/*/status"):
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended
        fields = dict(line.split(":\t", 1) for line in text.splitlines()
                      if ":\t" in line)
        found[path] = (fields["State"].startswith("S")
                       and fields["voluntary_ctxt_switches"])
    return found


def idle(pids):
    """Was there a moment, just now, at which all their threads slept?"""
    before = [_sleeps(pid) for pid in pids]
    return (all(all(threads.values()) for threads in before)
            and before == [_sleeps(pid) for pid in pids])


def wait_until(true, what, seconds=20.0):
    """Return once true() is, or fail naming what did not happen."""
    end = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"within {seconds:g} s: {what} did not come")
        time.sleep(0.002)
