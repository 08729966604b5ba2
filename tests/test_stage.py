"""Executing modules: once for everybody, within limits, and with nothing left
behind when it fails."""

import os
import socket
import struct
import textwrap
import threading
import time

import pytest

from httpd import counted, later, page, processes, together

ONE = {"mpm": "worker", "children": 1}
HTACCESS = "SetHandler mod_python\nPythonHandler hello\n"
CHILD = {"hello.py": page("child.value", "import child"),
         "child.py": "value = 1\n", ".htaccess": HTACCESS}
HANGS = """
    import harness
    harness.wait(__file__, "body")
    value = VALUE
    """


# Once

def test_fifty_threads_that_find_a_package_changed_run_each_part_once(
        own_server):
    parts = {f"pkg/p{n}.py": counted("import time\ntime.sleep(0.02)\nv = 1\n")
             for n in range(5)}
    server = own_server(**ONE, threads=60, files={
        "hello.py": counted(page("(pkg.v, id(pkg), pkg.p4.v)",
                                 "import pkg")),
        "pkg/__init__.py": counted(
            "from . import p0, p1, p2, p3, p4\nv = p0.v\n"), **parts,
        ".htaccess": HTACCESS})
    site = server.site
    everything = {"hello.py": 1, "pkg/__init__.py": 1,
                  **{name: 1 for name in parts}}
    for value in (1, 2):
        site.replace("pkg/p0.py", "v = ", "v = 0 + ")
        answers = together(lambda number: site.get().text, 50)
        assert len(set(answers)) == 1 and answers[0].startswith("(1,")
        assert site.each_child_ran() == everything


def test_waiters_take_no_longer_than_the_one_that_executes(own_server):
    server = own_server(**ONE, threads=60, files={
        **CHILD, "child.py": "import time\ntime.sleep(0.2)\nvalue = 1\n"})
    site = server.site
    began = time.monotonic()
    together(lambda number: site.get().text, 50)
    site.edit("child.py", site.text("child.py") + "# edited\n")
    together(lambda number: site.get().text, 50)
    assert time.monotonic() - began < 50 * 0.2


def test_request_for_what_is_loaded_does_not_wait_for_a_first_load(
        own_server):
    server = own_server(**ONE, files={
        "a/hello.py": page("'a'"), "a/.htaccess": HTACCESS,
        "b/hello.py": HANGS.replace("VALUE", "1").replace("\n    ", "\n")
        + page("value"), "b/.htaccess": HTACCESS})
    site = server.site
    assert site.get("a/").text == "a"
    slow = site.later("b/")
    site.wait_parked("body")
    site.write({"upload.txt": ""})
    for _ in range(20):
        assert site.get("a/").text == "a"
    site.open_gate("body")
    assert slow.result(20).text == "1"


def test_interpreters_execute_at_the_same_time(own_server):
    server = own_server(**ONE, files={
        "hello.py": counted("import harness\n"
                            "harness.wait(__file__, 'body')\n"
                            + page("apache.interpreter")),
        ".htaccess": HTACCESS + "".join(
            f"<Files {name}>\nPythonInterpreter {name}\n</Files>\n"
            for name in ("one", "two"))})
    site = server.site
    waiting = [site.later(name) for name in ("one", "two")]
    site.wait_parked("body", 2)
    site.open_gate("body")
    assert [future.result(20).text for future in waiting] == ["one", "two"]
    assert site.each_child_ran() == {"hello.py": 2}


def test_body_runs_once_when_requests_and_a_thread_of_the_program_ask(
        own_server):
    server = own_server(**ONE, threads=16, files={
        "hello.py": page("ask()", """
            import threading

            def ask():
                found = []

                def run():
                    import slow
                    found.append(slow.value)

                threads = [threading.Thread(target=run) for _ in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                return found
            """),
        "slow.py": counted("import time\ntime.sleep(0.1)\nvalue = 1\n"),
        ".htaccess": HTACCESS})
    site = server.site
    answers = together(lambda number: site.get().text, 8)
    assert set(answers) == {"[1, 1, 1, 1]"}
    assert site.each_child_ran() == {"slow.py": 1}
    site.replace("slow.py", "value = 1", "value = 2")
    answers = together(lambda number: site.get().text, 8)
    assert set(answers) == {"[2, 2, 2, 2]"}
    assert site.each_child_ran() == {"slow.py": 1}


# Limits

def test_first_load_that_hangs_is_a_timeout_that_names_it(own_server):
    server = own_server("PythonReloadTimeout 1", **ONE, files={
        **CHILD, "child.py": HANGS.replace("VALUE", "1")})
    site = server.site
    first = site.later()
    site.wait_parked("body")
    assert site.get().status == 500
    entry = server.log.expect("TimeoutError: waited 1 s for module")
    assert str(site.path("child.py")) in entry.text
    site.open_gate("body")
    assert first.result(20).text == "1"
    assert site.get().text == "1"


# Bodies that wait until the gate is open, each for something else.
HANGING = {
    "sleep": "harness.wait(__file__, 'body')\n",
    "lock": "lock = threading.Lock()\nlock.acquire()\n"
            "at_last(lock.release)\nlock.acquire()\n",
    "join": "thread = threading.Thread(target=harness.wait,\n"
            "                          args=(__file__, 'body'))\n"
            "thread.start()\nthread.join()\n",
    "network": "ours, theirs = socket.socketpair()\n"
               "at_last(lambda: theirs.send(b'x'))\nours.recv(1)\n",
    "process": "process = subprocess.Popen(['sleep', '60'])\n"
               "at_last(process.kill)\nprocess.wait()\n",
}
RELEASED = """
    import socket, subprocess, threading
    import harness

    def at_last(release):
        def run():
            harness.wait(__file__, "body")
            release()
        threading.Thread(target=run).start()

    """


@pytest.mark.parametrize("kind", HANGING)
def test_body_that_hangs_holds_nobody_up_for_longer_than_the_limit(
        own_server, kind):
    server = own_server("PythonReloadTimeout 1", **ONE, threads=16, files={
        **CHILD, "b/hello.py": page("'b'"), "b/.htaccess": HTACCESS})
    site = server.site
    assert site.get().text == "1" and site.get("b/").text == "b"
    site.edit("child.py", textwrap.dedent(RELEASED) + HANGING[kind]
              + "value = 2\n")
    first = site.later()
    site.wait_parked("body")
    began = time.monotonic()
    answers = together(lambda number: site.get().text, 10)
    assert set(answers) == {"1"}
    assert site.get("b/").text == "b"
    assert time.monotonic() - began < 10
    entry = server.log.expect(r"MPY0203.*child\.py")
    assert str(site.path("child.py")) in entry.text
    site.open_gate("body")
    assert first.result(20).text == "2"
    assert site.get().text == "2"


def test_wait_for_a_hanging_body_is_not_repeated_for_each_request(own_server):
    server = own_server("PythonReloadTimeout 1", **ONE, files=CHILD)
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", HANGS.replace("VALUE", "2"))
    first = site.later()
    site.wait_parked("body")
    assert site.get().text == "1"
    began = time.monotonic()
    for _ in range(20):
        assert site.get().text == "1"
    assert time.monotonic() - began < 3
    server.log.expect("MPY0203")
    site.open_gate("body")
    assert first.result(20).text == "2"
    assert site.get().text == "2"


def test_file_that_hung_and_is_mended_is_new_without_a_restart(own_server):
    server = own_server("PythonReloadTimeout 1", **ONE, files=CHILD)
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", HANGS.replace("VALUE", "2"))
    first = site.later()
    site.wait_parked("body")
    assert site.get().text == "1"
    server.log.expect("MPY0203")
    site.edit("child.py", "value = 3\n")
    processes.wait_until(lambda: site.get().text == "3",
                         "the mended version")
    site.open_gate("body")
    assert first.result(20).text in ("1", "2", "3")
    assert site.get().text == "3"


def test_thread_that_a_body_waits_for_may_import_what_is_loaded(own_server):
    server = own_server(**ONE, files={
        **CHILD, "other.py": "value = 5\n",
        "hello.py": page("child.value", "import other, child"),
        "child.py": """
            import threading
            import other
            found = []

            def run():
                import other
                import json
                found.append(other.value)

            thread = threading.Thread(target=run)
            thread.start()
            thread.join(20)
            value = found
            """})
    assert server.site.get().text == "[5]"
    server.site.edit("child.py", server.site.text("child.py") + "#\n")
    assert server.site.get().text == "[5]"


def test_thread_that_a_body_waits_for_and_that_imports_ends_with_the_limit(
        own_server):
    """A deadlock, were it not for the limit: the body waits for the thread,
    and the thread for the right to execute a module."""
    server = own_server("PythonReloadTimeout 1", **ONE, files={
        **CHILD, "other.py": ""})
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", """
        import threading
        caught = []

        def run():
            try:
                import other
            except TimeoutError as error:
                caught.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        value = caught
        """)
    text = site.get().text
    assert "waited 1 s for module" in text and "child.py" in text
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "2"


def test_opposite_locks_of_a_cold_and_a_hot_import_end(own_server):
    """A cold module imports an application's module, which imports the cold
    one, each for the first time and at the same moment."""
    server = own_server("""
        PythonReloadTimeout 1
        PythonModulePath ${SITE}/app
        PythonPath "sys.path + ['${SITE}/cold']"
        """, **ONE, files={
            "cold/coldone.py": "import harness\n"
                               "harness.wait(__file__, 'cold')\n"
                               "import shop\nvalue = 'cold'\n",
            "app/shop.py": "import harness\nharness.wait(__file__, 'hot')\n"
                           "import coldone\nvalue = 'hot'\n",
            "hello.py": page("harness.load(req.args).value",
                             "import harness"),
            ".htaccess": HTACCESS})
    site = server.site
    server.log.allow("MPY0401|TimeoutError|Traceback")
    hot = site.later("?shop")
    site.wait_parked("hot")
    cold = site.later("?coldone")
    site.wait_parked("cold")
    site.open_gate("cold")
    site.open_gate("hot")
    answers = [future.result(20) for future in (hot, cold)]
    assert 200 in {answer.status for answer in answers}
    assert site.get("?shop").text == "hot"
    assert site.get("?coldone").text == "cold"


# Failures

FATAL = {
    "memory-error": ("raise MemoryError\n", "MemoryError"),
    "generator-exit": ("raise GeneratorExit\n", "GeneratorExit"),
    "stop-iteration": ("next(iter([]))\n", "StopIteration"),
    "cancelled": ("import asyncio\nraise asyncio.CancelledError\n",
                  "CancelledError"),
    "exception-group": ("raise BaseExceptionGroup('g', [SystemExit(1)])\n",
                        "BaseExceptionGroup"),
    "broken-str": ("class E(Exception):\n    def __str__(self):\n"
                   "        return 1 / 0\nraise E\n", r"\bE\b"),
    "long-message": ("raise ValueError('x' * 1_000_000)\n", "ValueError"),
    "surrogates": ("raise ValueError('\\ud800\\0\\n')\n", "ValueError"),
    "deep-expression": ("value = " + "(" * 500 + ")" * 500 + "\n",
                        "SyntaxError|MemoryError|RecursionError"),
    "too-many-blocks": ("".join(" " * n + "if 1:\n" for n in range(150))
                        + " " * 150 + "pass\n", "SyntaxError|Indentation"),
    "wrong-coding": ("# coding: no-such-codec\nvalue = 2\n", "SyntaxError"),
    "bom-and-coding": (b"\xef\xbb\xbf# coding: latin-1\nvalue = 2\n",
                       "SyntaxError"),
    "merge-conflict": ("<<<<<<< HEAD\nvalue = 2\n=======\nvalue = 3\n",
                       "SyntaxError"),
    "tabs": ("if 1:\n\tx = 1\n        y = 2\n", "TabError"),
    "await-outside": ("await x\n", "SyntaxError"),
    "unicode-name": ("value = 2\n\u202evalue = 3\n", "SyntaxError"),
    "recursive-import": ("import child, sys\n"
                         "def f(n):\n    return f(n + 1)\nvalue = f(0)\n",
                         "RecursionError"),
    "del-and-raise": ("import sys\ndel sys.modules[__name__]\n1 / 0\n",
                      "ZeroDivisionError"),
    "replace-and-raise": ("import sys\nsys.modules[__name__] = 5\n1 / 0\n",
                          "ZeroDivisionError"),
    "error-in-finally": ("try:\n    1 / 0\nfinally:\n    {}['second']\n",
                         "KeyError"),
    "no-globals-left": ("globals().clear()\nnope\n", "NameError"),
}


@pytest.mark.parametrize("kind", FATAL)
def test_fatal_body_changes_nothing_and_mending_heals(site, kind):
    text, logged = FATAL[kind]
    site.write(CHILD)
    assert site.texts() == {"1"}
    site.edit("child.py", text)
    assert site.get().text == "1"
    site.log.expect(rf"MPY0202.*({logged})")
    site.edit("child.py", "value = 3\n")
    assert site.texts() == {"3"}
    site.edit("child.py", "value = 4\n")
    assert site.texts() == {"4"}


@pytest.mark.parametrize("kind", FATAL)
def test_fatal_first_load_is_an_error_and_mending_heals(site, kind):
    text, logged = FATAL[kind]
    site.write({**CHILD, "child.py": text})
    for _ in range(2):
        assert site.get().status == 500
    site.log.expect(rf"MPY0401.*({logged})")
    site.edit("child.py", "value = 3\n")
    assert site.texts() == {"3"}


def test_failure_in_the_fortieth_of_fifty_modules_leaves_all_old(site):
    names = [f"m{number}" for number in range(50)]
    site.write({f"{name}.py": f"import {below}\nvalue = {below}.value\n"
                              "mine = 1\n"
                for name, below in zip(names, names[1:])})
    site.write({"m49.py": "value = 1\nmine = 1\n", ".htaccess": HTACCESS,
                "hello.py": page(
                    "(m0.value, sum(m.mine for m in (%s)))" %
                    ", ".join(names), "import " + ", ".join(names))})
    assert site.texts() == {"(1, 50)"}
    for name in names:
        site.replace(f"{name}.py", "mine = 1", "mine = 2")
    site.replace("m49.py", "value = 1", "value = 2")
    site.replace("m39.py", "mine = 2", "mine = 2 / 0")
    assert site.texts() == {"(1, 50)"}
    site.log.expect(r"MPY0202.*m39\.py.*ZeroDivisionError")
    site.replace("m39.py", "2 / 0", "2")
    assert site.texts() == {"(2, 100)"}


def test_failing_module_that_nothing_imports_any_more_stops_nothing(site):
    site.write(CHILD)
    assert site.texts() == {"1"}
    site.edit("child.py", "1 / 0\n")
    assert site.texts() == {"1"}
    site.log.expect("ZeroDivisionError")
    site.edit("hello.py", page("'without'"))
    assert site.texts() == {"without"}
    site.edit("hello.py", page("'again'"))
    assert site.texts() == {"again"}
    site.edit("child.py", "value = 2\n")
    site.edit("hello.py", CHILD["hello.py"])
    assert site.texts() == {"2"}


@pytest.mark.parametrize("pause", [0, 1.3])
def test_edit_beside_a_broken_file_waits_for_it_whenever_it_comes(site, pause):
    site.write({"hello.py": page("(a.value, b.value, c.value)",
                                 "import a, b, c"), ".htaccess": HTACCESS,
                **{f"{name}.py": "value = 1\n" for name in "abc"}})
    assert site.texts() == {"(1, 1, 1)"}
    site.edit("a.py", "value = = 2\n")
    assert site.texts() == {"(1, 1, 1)"}
    site.log.expect("SyntaxError")
    time.sleep(pause)
    site.edit("b.py", "value = 2\n")
    assert site.texts() == {"(1, 1, 1)"}
    time.sleep(pause)
    site.edit("c.py", "value = 2\n")
    assert site.texts() == {"(1, 1, 1)"}
    site.edit("a.py", "value = 2\n")
    assert site.texts() == {"(2, 2, 2)"}


def test_error_only_in_a_dependent_is_told_of_the_dependent(site):
    site.write({**CHILD, "child.py": "value = 1\nname = 'x'\n",
                "hello.py": page("shown", "import child\nshown = child.name"
                                          " and child.value")})
    assert site.texts() == {"1"}
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"1"}
    entry = site.log.expect("MPY0202.*AttributeError")
    assert "hello.py'" in entry.text
    site.edit("hello.py", page("shown", "import child\nshown = child.value"))
    assert site.texts() == {"2"}


def test_import_that_becomes_circular_is_told_and_heals(site):
    site.write({"hello.py": page("a.x", "import a"), ".htaccess": HTACCESS,
                "a.py": "import b\nx = 1\n", "b.py": "y = 1\n"})
    assert site.texts() == {"1"}
    site.edit("b.py", "from a import x\ny = 2\n")
    assert site.texts() == {"1"}
    site.log.expect("MPY0202.*ImportError.*'x'")
    site.edit("a.py", "x = 2\nimport b\n")
    assert site.texts() == {"2"}


def test_submodule_of_a_package_that_refuses_attributes_is_the_real_error(
        site):
    site.write({
        "hello.py": page("__import__('pkg.sub').sub"), ".htaccess": HTACCESS,
        "pkg/sub.py": "",
        "pkg/__init__.py": """
            import sys, types

            class Closed(types.ModuleType):
                def __setattr__(self, name, value):
                    raise TypeError("closed to " + name)

            closed = Closed(__name__)
            closed.__dict__.update(globals())
            sys.modules[__name__] = closed
            """})
    assert site.get().status == 500
    site.log.expect("MPY0401.*TypeError: closed to sub")
    site.edit("pkg/__init__.py", "")
    assert "pkg/sub.py" in site.get().text


@pytest.mark.seconds(120)
@pytest.mark.skipif("MP_PRELOAD" in os.environ,
                    reason="a sanitizer keeps what was freed")
def test_failed_reloads_keep_memory_flat(own_server):
    rounds = 500
    names = [f"m{number}" for number in range(10)]
    server = own_server(children=1, files={
        **{f"{name}.py": f"import {below}\n\nclass Thing:\n"
                         "    def method(self):\n        return [1] * 100\n"
           for name, below in zip(names, names[1:])},
        "m9.py": "value = 0\n", ".htaccess": HTACCESS,
        "hello.py": page("(req.args and gc.collect(), 1)[1]",
                         "import gc, m0")})
    site = server.site
    server.log.allow("MPY0202")
    pid, = server.children()
    sizes = []
    with server.connect() as connection:
        assert connection.get(site.url()).text == "1"
        for number in range(1, rounds + 1):
            site.edit("m9.py", f"value = {number}\n"
                      + ("1 / 0\n", "= =\n", "import nope\n")[number % 3])
            assert connection.get(site.url()).text == "1"
            if number % (rounds // 10) == 0:
                connection.get(site.url("?collect"))
                sizes.append(processes.memory(pid))
        site.edit("m9.py", "value = 1\n")
        site.edit("hello.py", page("'mended'"))
        assert connection.get(site.url()).text == "mended"
    assert sizes[-1] - sizes[3] < 2 << 20, sizes


def test_failed_versions_are_let_go(own_server):
    server = own_server(**ONE, files={
        "hello.py": page("alive()", """
            import gc, harness, child

            def alive():
                gc.collect()
                return sum(ref() is not None for ref in harness.markers)
            """), ".htaccess": HTACCESS,
        "child.py": """
            import harness, weakref

            class Marker:
                pass

            marker = Marker()
            harness.__dict__.setdefault("markers", []).append(
                weakref.ref(marker))
            """})
    site = server.site
    server.log.allow("MPY0202")
    good = site.text("child.py")
    assert site.get().text == "1"
    for number in range(20):
        site.edit("child.py", good + f"{number} / 0\n")
        site.get()
    site.edit("child.py", good + "# mended\n")
    site.get()
    assert int(site.get().text) <= 2


# Disturbed

def test_client_that_goes_away_while_a_stage_runs_loses_nothing(own_server):
    server = own_server(**ONE, files=CHILD)
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", counted(HANGS.replace("VALUE", "2")))
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.sendall(f"GET {site.url()} HTTP/1.1\r\nHost: x\r\n\r\n"
                       .encode())
        site.wait_parked("body")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    site.open_gate("body")
    assert site.get().text == "2"
    assert site.each_child_ran() == {"child.py": 1}


def test_clients_that_go_away_while_they_wait_lose_nothing(own_server):
    server = own_server(**ONE, files=CHILD)
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", counted(HANGS.replace("VALUE", "2")))
    first = site.later()
    site.wait_parked("body")
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", server.port)) as stream:
            stream.sendall(f"GET {site.url()} HTTP/1.1\r\nHost: x\r\n\r\n"
                           .encode())
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", 1, 0))
    site.open_gate("body")
    assert first.result(20).text == "2"
    assert site.get().text == "2"
    assert site.each_child_ran() == {"child.py": 1}


@pytest.mark.parametrize("exception", ["SystemExit", "KeyboardInterrupt",
                                       "TimeoutError"])
def test_exception_sent_to_the_thread_that_executes_rolls_back(own_server,
                                                               exception):
    server = own_server(**ONE, files=CHILD)
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", f"""
        import ctypes, threading, time

        def interrupt(thread):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread), ctypes.py_object({exception}))

        threading.Timer(0.05, interrupt, [threading.get_ident()]).start()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            time.sleep(0.001)
        value = 2
        """)
    assert site.get().text == "1"
    server.log.expect(f"MPY0202.*{exception}")
    site.edit("child.py", "value = 3\n")
    assert site.get().text == "3"


def test_processes_started_by_handlers_do_not_disturb_reloads(own_server):
    server = own_server(**ONE, files={
        **CHILD, "hello.py": page("run(child.value)", """
            import subprocess, child

            def run(value):
                done = subprocess.run(["echo", str(value)], text=True,
                                      capture_output=True)
                return done.stdout.strip()
            """)})
    site = server.site
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            assert site.get().status == 200

    clients = [later(ask) for _ in range(4)]
    for number in range(100):
        site.edit("child.py", f"value = {number}\n")
        assert site.get().text == str(number)
    stop.set()
    for client in clients:
        client.result(20)


def test_process_forked_while_another_thread_executes_may_import(own_server):
    server = own_server(**ONE, files={
        "hello.py": page("run()", """
            import os

            def run():
                readable, writable = os.pipe()
                if os.fork() == 0:
                    try:
                        import late
                        os.write(writable, str(late.value).encode())
                    except BaseException as error:
                        os.write(writable, repr(error).encode())
                    finally:
                        os._exit(0)
                os.close(writable)
                data = os.read(readable, 1000)
                os.close(readable)
                os.wait()
                return data.decode()
            """), "late.py": "value = 7\n",
        ".htaccess": HTACCESS + "PythonAutoReload Off\n",
        "slow/hello.py": "import harness\nharness.wait(__file__, 'body')\n"
                         + page("'slow'"), "slow/.htaccess": HTACCESS})
    site = server.site
    assert site.get().text == "7"
    slow = site.later("slow/")
    site.wait_parked("body")
    assert site.get().text == "7"
    site.open_gate("body")
    assert slow.result(20).text == "slow"


def test_processes_of_a_pool_run_the_code_of_the_request(own_server):
    server = own_server(**ONE, files={
        "hello.py": page("run()", """
            import multiprocessing

            def times(x):
                import late
                return x * late.value

            def run():
                pool = multiprocessing.get_context("fork").Pool(2)
                try:
                    return pool.map(times, range(4))
                finally:
                    pool.close()
                    pool.join()
            """), "late.py": "value = 2\n", ".htaccess": HTACCESS})
    assert server.site.get().text == "[0, 2, 4, 6]"
    server.site.edit("late.py", "value = 3\n")
    assert server.site.get().text == "[0, 3, 6, 9]"


def test_reload_that_finds_no_descriptor_keeps_the_old_and_heals(own_server):
    server = own_server("""
        <Directory ${ROOT}/htdocs>
            AllowOverride None
            SetHandler mod_python
        </Directory>
        <Directory ${SITE}>
            PythonHandler hello
        </Directory>
        """, **ONE, threads=1, files={
        **CHILD, "hello.py": page("work(req.args)", """
            import os, resource, child
            import harness

            def work(how):
                if how == "fill":
                    most = len(os.listdir("/proc/self/fd")) + 3
                    harness.limits = resource.getrlimit(
                        resource.RLIMIT_NOFILE)
                    resource.setrlimit(resource.RLIMIT_NOFILE,
                                       (most, harness.limits[1]))
                    harness.files = []
                    try:
                        while True:
                            harness.files.append(os.open("/", 0))
                    except OSError:
                        pass
                if how == "free":
                    for number in harness.files:
                        os.close(number)
                    resource.setrlimit(resource.RLIMIT_NOFILE,
                                       harness.limits)
                return child.value
            """)})
    site = server.site
    with server.connect() as connection:
        assert connection.get(site.url("?fill")).text == "1"
        site.edit("child.py", "value = 2\n")
        assert connection.get(site.url("?full")).text == "1"
        server.log.expect("MPY020[24].*Too many open files")
        assert connection.get(site.url("?free")).text in ("1", "2")
        site.edit("child.py", "value = 3\n")
        assert connection.get(site.url()).text == "3"


# Imports outside a request

def test_cleanups_may_import_and_see_their_requests_generation(site):
    site.write({**CHILD, "hello.py": page("work(req)", """
        import harness

        def late(req):
            import child
            req.log_error("cleanup sees %s" % child.value, apache.APLOG_INFO)

        def work(req):
            req.register_cleanup(late, req)
            if req.args == "park":
                harness.wait(__file__, "middle")
            import child
            return child.value
        """)})
    assert site.texts() == {"1"}
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "2"
    site.log.expect("cleanup sees 2")
    count = len(site.log.matching("cleanup sees 1"))
    site.open_gate("middle")
    assert parked.result(20).text == "1"
    site.log.expect("cleanup sees 1", count=count + 1)


def test_cleanup_at_the_end_of_a_child_may_import(own_server):
    server = own_server(children=1, files={**CHILD, "hello.py": page(
        "apache.register_cleanup(late)", """
        def late(data):
            import child, last
            apache.log_error("end sees %s %s" % (child.value, last.value))
        """), "last.py": "value = 'last'\n"})
    server.site.get()
    server.site.edit("child.py", "value = 2\n")
    server.site.get()
    server.stop()
    server.log.expect("end sees 2 last", count=2)


def test_timer_of_a_program_may_import(own_server):
    server = own_server(**ONE, files={**CHILD, "hello.py": page(
        "begin(req.args)", """
        import threading
        import harness

        def late():
            import child
            harness.seen = child.value

        def begin(how):
            if how == "begin":
                threading.Timer(0.01, late).start()
            return getattr(harness, "seen", None)
        """)})
    site = server.site
    site.get("?begin")
    processes.wait_until(lambda: site.get("?x").text == "1", "the timer")
    site.edit("child.py", "value = 2\n")
    site.get("?begin")
    processes.wait_until(lambda: site.get("?x").text == "2", "the timer")
