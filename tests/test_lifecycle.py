"""The life of a child process: PythonImport at its start, callbacks at its
end, restarts and stops; and what Python writes reaches the error log."""

import os
import signal
import threading

import pytest

from httpd import later, page, processes
from httpd.processes import wait_until
from inline import value

SOAK = int(os.environ.get("MP_SOAK", "1"))  # times the work of soak tests
HELLO = {"hello.py": page("'hello'"),
         ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"}


# PythonImport

def test_imports_run_in_order_in_each_child_before_requests(own_server):
    server = own_server("""
        PythonImport ${SITE}/one.py main_interpreter
        PythonImport ${SITE}/two.py::start main_interpreter
        PythonImport ${SITE}/three.py main_interpreter
        """, files={
            "one.py": "print('start: one')\n",
            "two.py": "print('start: two')\n\n"
                      "def start():\n    print('start: function')\n",
            "three.py": "print('start: three')\n"})
    server.log.expect("start: three", count=server.config.children)
    for pid in server.children():
        assert [entry.text for entry in server.log.matching("^start: ")
                if entry.pid == pid] == [
            "start: one", "start: two", "start: function", "start: three"]


def test_import_in_a_virtual_host_counts_as_one_of_the_server(own_server):
    server = own_server("""
        PythonImport ${SITE}/one.py main_interpreter
        <VirtualHost 127.0.0.1:1>
            PythonImport ${SITE}/two.py named
        </VirtualHost>
        PythonImport ${SITE}/three.py main_interpreter
        """, children=1, files={f"{name}.py": f"""
            from mod_python import apache
            print("start: {name}", apache.interpreter)
            """ for name in ("one", "two", "three")})
    server.log.expect("start: three")
    assert [entry.text for entry in server.log.matching("^start: ")] == [
        "start: one main_interpreter", "start: two named",
        "start: three main_interpreter"]


def test_import_at_start_is_not_imported_again_by_a_handler(own_server):
    server = own_server("PythonImport ${SITE}/state.py main_interpreter",
                        files={**HELLO, "state.py": "print('body of state')\n",
                               "hello.py": page("1", "import state")})
    assert server.site.texts() == {"1"}
    assert len(server.log.matching("body of state")) == (
        server.config.children)
    server.site.edit("state.py", "print('new body')\n")
    server.site.texts()
    server.log.expect("new body", count=server.config.children)


def test_import_runs_in_the_interpreter_it_names(own_server):
    server = own_server("PythonImport ${SITE}/state.py named", files={
        "state.py": "from mod_python import apache\n"
                    "print('in ' + apache.interpreter)\n"})
    server.log.expect("^in named$")


@pytest.mark.parametrize("what, text, logged", [
    ("bad.py", "1 / 0\n", "ZeroDivisionError"),
    ("bad.py", "x = = 1\n", "SyntaxError"),
    ("bad.py::start", "def start():\n    1 / 0\n", "ZeroDivisionError"),
    ("bad.py::missing", "", "missing"),
    ("nothing.py", None, "nothing"),
    ("bad.py", "raise SystemExit(1)\n", "SystemExit"),
])
def test_import_that_fails_is_logged_and_the_child_goes_on(
        own_server, what, text, logged):
    server = own_server(f"""
        PythonImport ${{SITE}}/{what} main_interpreter
        PythonImport ${{SITE}}/after.py main_interpreter
        """, files={**HELLO, "after.py": "print('after')\n",
                    **({} if text is None else {"bad.py": text})})
    server.log.expect(rf"MPY\d{{4}}.*{logged}")
    server.log.expect("^after$")
    assert server.site.texts() == {"hello"}


def test_function_of_an_import_that_fails_leaves_the_module(own_server):
    server = own_server("PythonImport ${SITE}/state.py::start "
                        "main_interpreter", files={
        **HELLO, "hello.py": page("state.value", "import state"),
        "state.py": "print('body')\nvalue = 1\n\n"
                    "def start():\n    raise ValueError\n"})
    server.log.expect("ValueError")
    assert server.site.texts() == {"1"}
    assert len(server.log.matching("^body$")) == server.config.children


# The end of a child

CLEANUP = """
    from mod_python import apache

    def say(text):
        apache.log_error(f"end {text} in {apache.interpreter}",
                         apache.APLOG_INFO)

    def fail(text):
        say(text)
        raise ValueError(text)

    def handler(req):
        apache.register_cleanup(say, "first")
        apache.register_cleanup(fail, "second")
        apache.register_cleanup(say, "third")
        req.write("registered")
        return apache.OK
    """


def end_by_stop(server):
    server.stop()


def end_by_graceful_stop(server):
    server.stop(graceful=True)


def end_by_graceful_restart(server):
    server.graceful()


def end_by_restart(server):
    server.restart()


@pytest.mark.parametrize("end", [end_by_stop, end_by_graceful_stop,
                                 end_by_graceful_restart, end_by_restart])
@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_callbacks_run_when_a_child_ends(own_server, mpm, end):
    server = own_server(mpm=mpm, children=1, files={
        "hello.py": CLEANUP, ".htaccess": HELLO[".htaccess"]})
    assert server.site.get().text == "registered"
    end(server)
    server.log.expect("ValueError: second")
    assert [entry.text for entry in server.log.matching("^end ")] == [
        f"end {name} in main_interpreter"
        for name in ("third", "second", "first")]


def test_callbacks_run_in_the_interpreter_that_registered_them(own_server):
    server = own_server(children=1, files={
        "hello.py": CLEANUP.replace("raise ValueError(text)", "pass"),
        ".htaccess": HELLO[".htaccess"] + """
            <Files one>
                PythonInterpreter one
            </Files>
            <Files two>
                PythonInterpreter two
            </Files>
            """})
    server.site.get("one")
    server.site.get("two")
    server.stop()
    for name in ("one", "two"):
        texts = [entry.text for entry
                 in server.log.matching(f"^end .* in {name}$")]
        assert texts == [f"end {order} in {name}"
                         for order in ("third", "second", "first")]


def test_callbacks_run_when_a_child_has_served_its_connections(own_server):
    server = own_server("MaxConnectionsPerChild 3", mpm="prefork", children=1,
                        files={"hello.py": CLEANUP,
                               ".htaccess": HELLO[".htaccess"]})
    server.log.allow("ValueError: second")
    for _ in range(4):
        server.site.get()
    server.log.expect("^end first")
    wait_until(server.children, "another child")


@pytest.mark.parametrize("interpreter", ["main_interpreter", "named"])
@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_each_recycled_child_runs_its_callbacks_once(
        own_server, mpm, interpreter):
    server = own_server(f"""
        MaxConnectionsPerChild 6
        PythonImport ${{SITE}}/start.py {interpreter}
        """, mpm=mpm, children=1, files={**HELLO, "start.py": """
        import os
        from mod_python import apache

        def end(pid):
            print("ended", pid == os.getpid(), apache.interpreter)

        apache.register_cleanup(end, os.getpid())
        """})
    seen = set()
    while len(seen) < 3:
        seen |= server.children()
        assert server.site.get().text == "hello"
    server.log.expect(f"^ended True {interpreter}$", count=2)
    wait_until(server.children, "another child")
    server.stop()
    pids = [entry.pid for entry in server.log.matching("^ended True")]
    assert len(pids) == len(set(pids)) >= 3
    assert server.pid not in pids


def test_callbacks_never_run_in_the_parent(own_server):
    server = own_server(children=1, files={
        "hello.py": CLEANUP, ".htaccess": HELLO[".htaccess"]})
    server.site.get()
    server.stop()
    server.log.expect("ValueError: second")
    assert {entry.pid for entry in server.log.matching("^end ")} != {
        server.pid}


THREADS = {
    "daemon": "threading.Thread(target=run, daemon=True).start()",
    "non-daemon": "threading.Thread(target=run).start()",
    "pool": "pool = concurrent.futures.ThreadPoolExecutor(1)\n"
            "pool.submit(run)",
    "timer": "threading.Timer(3600, run).start()",
}


@pytest.mark.parametrize("kind", THREADS)
@pytest.mark.parametrize("graceful", [False, True])
def test_thread_of_a_program_does_not_keep_a_child_from_ending(
        own_server, kind, graceful):
    server = own_server(children=1, files={**HELLO, "hello.py": page(
        "'hello'", "import concurrent.futures, threading, time\n\n"
        "def run():\n    while True:\n        time.sleep(0.01)\n\n"
        + THREADS[kind])})
    assert server.site.get().text == "hello"
    assert server.stop(graceful) == 0


BLOCKED = """
    import ctypes, time
    from mod_python import apache

    def spin():
        while True:
            pass

    WAYS = {"sleep": lambda: time.sleep(3600),
            "c": lambda: ctypes.CDLL(None).pause(),
            "gil": lambda: ctypes.PyDLL(None).sleep(3600),
            "loop": spin}

    def handler(req):
        print("begins", req.args)
        WAYS[req.args]()
        return apache.OK
    """


@pytest.mark.parametrize("graceful", [False, True])
@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_blocked_handlers_do_not_keep_the_server_from_ending(
        own_server, mpm, graceful):
    """In C without the GIL, in C with it, and in a loop of Python: each in a
    child of its own, and one child is idle. httpd itself tells a child with
    threads again to end, and kills it 9 s after the first time."""
    ways = ["sleep", "c", "gil", "loop"]
    server = own_server("GracefulShutdownTimeout 1", mpm=mpm,
                        children=len(ways) + 1, threads=2, files={
        "hello.py": BLOCKED, ".htaccess": HELLO[".htaccess"]})
    connections = server.connect_to_each_child()
    blocked = dict(zip(connections, ways))
    for pid, way in blocked.items():
        connections[pid].send(server.site.url("?" + way))
        assert server.log.expect(f"^begins {way}$").pid == pid
    all_of_it = server.children() | {server.pid}
    assert server.stop(graceful) == 0
    assert not any(map(processes.alive, all_of_it))
    assert not (server.root / "httpd.pid").exists()
    with pytest.raises(ConnectionRefusedError):
        server.connect().get("/health.txt")
    killed = {int(entry.text.split()[3]) for entry
              in server.log.matching("AH00046: child process .* SIGKILL")}
    assert killed == (set() if mpm == "prefork" else set(blocked))
    server.log.refuse("exit signal")
    server.log.allow("AH00045: child process|AH00046: child process")
    for connection in connections.values():
        connection.close()


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_process_of_a_program_can_be_told_to_end(own_server, mpm):
    site = own_server(mpm=mpm, children=1).site
    site.write({"hello.py": page("work()", """
        import signal, subprocess

        def blocked(text):
            return int(text.split("SigBlk:")[1].split()[0], 16)

        def work():
            with open("/proc/thread-self/status") as file:
                before = blocked(file.read())
            shown = subprocess.run(["cat", "/proc/self/status"], text=True,
                                   capture_output=True).stdout
            with subprocess.Popen(["sleep", "60"]) as process:
                process.terminate()
                code = process.wait(10)
            with open("/proc/thread-self/status") as file:
                return code, blocked(shown), blocked(file.read()) == before
        """)})
    site.serve("hello")
    assert site.get().text == "(-15, 0, True)"


def test_child_process_started_by_a_handler_is_waited_for(site):
    site.write({"hello.py": page(
        "subprocess.run(['echo', 'from a process'], capture_output=True,"
        " text=True).stdout", "import subprocess")})
    site.serve("hello")
    assert site.texts() == {"from a process\n"}


# Restarts

@pytest.mark.parametrize("how", ["graceful", "restart"])
def test_restart_reads_the_new_configuration(own_server, how):
    server = own_server("PythonOption word one", files={
        **HELLO, "hello.py": page("req.get_options()['word']")})
    assert server.site.texts() == {"one"}
    path = server.root / "httpd.conf"
    path.write_text(path.read_text().replace("word one", "word two"))
    getattr(server, how)()
    assert server.site.texts() == {"two"}


def test_graceful_restart_lets_a_running_request_finish(own_server):
    server = own_server(files={**HELLO, "hello.py": """
        import harness
        from mod_python import apache

        def handler(req):
            if req.args == "park":
                harness.wait(__file__, "here")
            import late
            req.write("finished")
            return apache.OK
        """, "late.py": ""})
    parked = server.site.later("?park")
    server.site.wait_parked("here")
    restart = later(server.graceful)
    server.log.expect("(Graceful restart requested|SIGUSR1 received)")
    server.site.open_gate("here")
    assert parked.result(20).text == "finished"
    restart.result(30)
    assert server.site.get().text == "finished"


@pytest.mark.skipif("MP_PRELOAD" in os.environ,
                    reason="a sanitizer keeps what was freed")
@pytest.mark.seconds(60 + 300 * SOAK)
def test_graceful_restarts_under_load_lose_no_request(own_server):
    server = own_server(files=HELLO)
    server.site.texts()
    stop = threading.Event()

    def ask():
        texts = set()
        while not stop.is_set():
            texts.add(server.site.get().text)
        return texts

    # No edge of a connection that httpd refuses: one per request.
    clients = [later(ask) for _ in range(2)]
    sizes = []
    for _ in range(5 * SOAK):
        server.graceful()
        sizes.append(processes.memory(server.pid))
    stop.set()
    assert [client.result(30) for client in clients] == [{"hello"}] * 2
    assert sizes[-1] - sizes[0] < 1 << 20, sizes


def test_edits_are_seen_after_a_graceful_restart(own_server):
    server = own_server(files=HELLO)
    for word in ("one", "two", "three"):
        server.site.edit("hello.py", page(repr(word)))
        assert server.site.texts() == {word}
        server.graceful()
        assert server.site.texts() == {word}


def test_stop_with_idle_interpreters_ends_well(own_server):
    server = own_server(files={**HELLO, ".htaccess": HELLO[".htaccess"]
                               + "".join(f"<Files f{n}>\n"
                                         f"PythonInterpreter i{n}\n</Files>\n"
                                         for n in range(3))})
    for number in range(3):
        assert server.site.texts(f"f{number}") == {"hello"}
    assert server.stop() == 0


def test_child_that_is_killed_is_replaced_and_serves(own_server):
    server = own_server(files=HELLO)
    old = server.children()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(server.children() - old) == len(old),
               "new children")
    assert server.site.texts() == {"hello"}
    server.site.replace("hello.py", "'hello'", "'edited'")
    assert server.site.texts() == {"edited"}


def test_server_without_any_python_directive_starts_and_stops(own_server):
    server = own_server(interpreter="")
    assert server.get("/health.txt").text == "healthy\n"
    assert server.stop() == 0


def test_server_banner_names_the_module_and_python(own_server):
    server = own_server("ServerTokens Full")
    banner = server.get("/health.txt").headers["Server"]
    assert "mod_python/" in banner and "Python/3." in banner


# The error log

WRITES = [
    ("print('said')", "notice", "said"),
    ("sys.stdout.write('said\\n')", "notice", "said"),
    ("sys.stderr.write('said\\n')", "error", "said"),
    ("print('said', file=sys.stderr)", "error", "said"),
    ("logging.critical('said')", "crit", "said"),
    ("logging.error('said')", "error", "said"),
    ("logging.warning('said')", "warn", "said"),
    ("logging.info('said')", "info", "said"),
    ("logging.getLogger('shop').error('said %s', 1)", "error",
     "shop: said 1"),
    ("req.log_error('said')", "error", "said"),
    ("req.log_error('said', apache.APLOG_NOTICE)", "notice", "said"),
    ("apache.log_error('said')", "error", "said"),
    ("apache.log_error('said', apache.APLOG_WARNING)", "warn", "said"),
    ("warnings.warn('said')", "error", "UserWarning: said"),
    ("print('s\\u00e4id \\udcff')", "notice", "s"),
    ("print('%s %d %n')", "notice", "%s %d %n"),
]


@pytest.mark.parametrize("call, level, text", WRITES,
                         ids=range(len(WRITES)))
def test_what_python_writes_reaches_the_error_log(site, call, level, text):
    site.write({"hello.py": page("'ok'", "import sys, logging, warnings")
                .replace("    req.write", f"    {call}\n    req.write")})
    site.serve("hello")
    assert site.get().text == "ok"
    found = [entry for entry in site.log.matching(".") if text in entry.text
             and entry.level == level and entry.module == "python"]
    assert len(found) == 1
    site.log.allow("^(shop: )?said|UserWarning|warnings.warn")


def test_lines_are_written_one_by_one_and_parts_are_joined(site):
    site.write({"hello.py": page("'ok'").replace("    req.write", """
    print("one\\ntwo")
    print("thr", end="")
    print("ee")
    print()
    print("four", "five", sep="-")
    req.write""")})
    site.serve("hello")
    assert site.get().text == "ok"
    texts = [entry.text for entry in site.log.matching(".")
             if entry.level == "notice" and entry.module == "python"]
    assert texts == ["one", "two", "three", "four-five"]


def test_unfinished_line_is_not_mixed_with_those_of_the_next_request(
        own_server):
    server = own_server(mpm="worker", children=1, threads=1, files={
        **HELLO, "hello.py": page("print(req.args, end='') or 'ok'")})
    for word in ("one", "two"):
        assert server.site.get("?" + word).text == "ok"
    assert [entry.text for entry in server.log.matching("one|two")
            if entry.level == "notice"] == ["one", "two"]


def test_traceback_of_logging_is_whole(site):
    site.write({"hello.py": page("fail()", """
        import logging

        def fail():
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("it failed")
            return "ok"
        """)})
    site.serve("hello")
    assert site.get().text == "ok"
    block = site.log.block(site.log.expect("^it failed", level="error"))
    assert "Traceback" in block and "ZeroDivisionError" in block


def test_level_of_httpd_decides_what_logging_writes(own_server):
    server = own_server("LogLevel info python:warn", files={
        **HELLO, "hello.py": page("'ok'", """
            import logging
            """).replace("    req.write", """    logging.info("too low")
    logging.warning("high enough")
    req.write""")})
    assert server.site.get().text == "ok"
    server.log.expect("high enough")
    server.log.refuse("too low")


def test_lines_go_to_the_log_of_the_virtual_host(own_server):
    server = own_server("""
        <VirtualHost *:*>
            ServerName host.example
            ErrorLog host.log
        </VirtualHost>
        """, files={**HELLO, "hello.py": page("print('said') or 'ok'")})
    assert server.site.get().text == "ok"
    assert "said" in (server.root / "host.log").read_text()
    server.log.refuse("said")


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_stream_has_no_descriptor_and_says_so_as_io_does(site, name):
    assert value(site, f"""
        import sys
        return kind(sys.{name}.fileno), sys.{name}.isatty()
        """) == ("UnsupportedOperation", False)


def test_thread_of_a_program_may_write(site):
    site.write({"hello.py": page("run()", """
        import threading

        def run():
            thread = threading.Thread(target=print, args=["from a thread"])
            thread.start()
            thread.join()
            return "ok"
        """)})
    site.serve("hello")
    assert site.get().text == "ok"
    site.log.expect("from a thread", level="notice")


def test_exception_of_a_thread_reaches_the_log(site):
    site.write({"hello.py": page("run()", """
        import threading

        def run():
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
            return "ok"
        """)})
    site.serve("hello")
    assert site.get().text == "ok"
    site.log.expect("ZeroDivisionError")
    site.log.allow("Exception in thread|Traceback|^ |^Exception")
