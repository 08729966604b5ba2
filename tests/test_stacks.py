"""Signals: SIGUSR2 asks a child for its stacks, one that dies leaves them, and
threads of programs take none that are meant for httpd."""

import os
import signal
import subprocess

import pytest

from httpd import page

CRASHES = {
    "fault": "ctypes.string_at(0)",
    "abort": "os.abort()",
}
HTACCESS = "SetHandler mod_python\nPythonHandler hello\nPythonInterpreter {}\n"
PARKED = """
    import ctypes, os
    import harness

    def parked_in_{name}():
        harness.wait(__file__, "{name}")

    def handler(req):
        if req.args == "park":
            parked_in_{name}()
        elif req.args == "hold":
            req.log_error("asleep")
            sleeping_in_{name}()
        elif req.args:
            dying_in_{name}(req.args)
        req.write("on")
        return 0

    def sleeping_in_{name}():
        ctypes.PyDLL(None).sleep(5)  # with the GIL

    def dying_in_{name}(how):
        exec({crashes!r}[how])
    """
NAMES = ("main_interpreter", "other")
# From Python 3.13 on there is faulthandler only, with words of its own, which
# shows one interpreter: that of the thread that dies, or the main one.
SHOWS_ALL = subprocess.run(
    [os.environ.get("MP_PYTHON", "/usr/bin/python3"), "-c",
     "import sys; sys.exit(sys.version_info >= (3, 13))"],
    check=False).returncode == 0
SHOWN = NAMES if SHOWS_ALL else NAMES[:1]
NOISE = "MPY010[89]|^interpreter|most recent call|^ +(File|<no)|^Fatal Python"


def files():
    return {path: text for name in NAMES for path, text in {
        f"{name}/.htaccess": HTACCESS.format(name),
        f"{name}/hello.py": PARKED.format(name=name, crashes=CRASHES),
    }.items()}


@pytest.mark.parametrize("how", CRASHES)
@pytest.mark.parametrize("name", NAMES)
def test_child_that_dies_leaves_the_stack_of_its_python(own_server, name, how):
    server = own_server(children=1, files=files())
    server.log.allow(f"AH00052|AH00051|{NOISE}")
    assert server.site.get(f"{name}/").text == "on"
    with pytest.raises(OSError):
        server.site.request(f"{name}/?{how}")
    server.log.expect("MPY0109: SIG(SEGV|ABRT): process .* ends" if SHOWS_ALL
                      else "Fatal Python error: (Segm|Abort)")
    server.log.expect(rf"in dying_in_{name}")
    server.log.expect("exit signal")
    assert server.site.get(f"{name}/").text == "on"


def test_child_shows_its_stacks_when_it_is_asked(own_server):
    server = own_server(mpm="event", children=1, threads=8, files=files())
    server.log.allow(NOISE)
    pid, = server.children()
    connections = [server.connect() for _ in NAMES]
    for name, connection in zip(NAMES, connections):
        connection.send(server.site.url(f"{name}/?park"))
        server.site.wait_parked(name)
    for count in (1, 2):
        os.kill(pid, signal.SIGUSR2)
        for name in SHOWN:
            server.log.expect(f"in parked_in_{name}", count=count)
        for name in SHOWN if SHOWS_ALL else ():
            server.log.expect("MPY0108", count=count)
            server.log.expect(f"interpreter '{name}'", count=count)
    for name, connection in zip(NAMES, connections):
        server.site.open_gate(name)
        assert connection.receive().text == "on"
        connection.close()
    assert server.children() == {pid}


def test_child_whose_gil_is_held_shows_its_stacks(own_server):
    server = own_server(children=1, files=files())
    server.log.allow(NOISE)
    pid, = server.children()
    with server.connect() as connection:
        connection.send(server.site.url(f"{SHOWN[-1]}/?hold"))
        server.log.expect("asleep")
        os.kill(pid, signal.SIGUSR2)
        server.log.expect(f"in sleeping_in_{SHOWN[-1]}")
        assert connection.receive().text == "on"
    assert server.children() == {pid}


STARTS = {
    "threading": "threading.Thread(target=put).start()",
    "daemon": "threading.Thread(target=put, daemon=True).start()",
    "_thread": "_thread.start_new_thread(put, ())",
    "executor": "concurrent.futures.ThreadPoolExecutor().submit(put)",
    "timer": "threading.Timer(0, put).start()",
}


@pytest.mark.parametrize("interpreter", ["main_interpreter", "another"])
@pytest.mark.parametrize("how", STARTS)
def test_thread_of_a_program_takes_no_signals_of_httpd(own_server, how,
                                                       interpreter):
    """A prefork child ends in its handler of SIGTERM, which must not run in
    the midst of Python."""
    server = own_server(mpm="prefork", files={
        ".htaccess": HTACCESS.format(interpreter),
        "hello.py": page("(theirs, ours)", f"""
            import _thread, concurrent.futures, queue, signal, threading

            answers = queue.Queue()
            ASKED = {{signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP}}

            def mask():
                return len(signal.pthread_sigmask(signal.SIG_BLOCK, [])
                           & ASKED)

            def put():
                answers.put(mask())

            {STARTS[how]}
            theirs, ours = answers.get(), mask()
            """)})
    assert server.site.texts() == {"(3, 0)"}
