"""_apache._global_lock and its like: one owner among all processes and
threads, no deadlock of a request with itself, nothing left behind."""

import itertools
import os
import pathlib
import signal

import pytest

from httpd import later
from httpd.processes import wait_until
from inline import value
from visitor import private_memory

# A handler that does what its query says, one word after the other.
STEPS = """
    import os
    import threading

    import _apache
    import harness
    from mod_python import apache

    def call(function, req, *words):
        key, index = words[0], int(words[1]) if words[1:] else -1
        try:
            return function(req.server, key, index)
        except ValueError as error:
            return f"ValueError: {error}"

    def handler(req):
        for step in req.args.split(";"):
            verb, *words = step.split(",")
            if verb == "park":
                harness.wait(__file__, words[0])
                continue
            function = getattr(_apache, "_global_" + verb)
            req.write(f"{call(function, req, *words)} ")
        return apache.OK
    """
FILES = {"steps.py": STEPS,
         ".htaccess": "SetHandler mod_python\nPythonHandler steps\n"}
NUMBERS = itertools.count()


@pytest.fixture
def steps(site):
    site.write(FILES)
    return site


def number_of(site, key):
    """The lock of this key: the one that cannot be had while it is held."""
    gate = f"found{next(NUMBERS)}"
    holder = site.later(f"?lock,{key};park,{gate};unlock,{key}")
    site.wait_parked(gate)
    text = site.get("?" + ";".join(
        f"trylock,x,{index}" for index in range(8))).text
    site.open_gate(gate)
    assert holder.result(20).text == "None None "
    assert text.split().count("False") == 1, text
    return text.split().index("False")


def elsewhere(site, path):
    """The texts that other children answer while one is busy. A prefork child
    that is busy answers nobody; of another kind each is asked."""
    if site.server.config.mpm == "prefork":
        return {site.get(path).text}
    return site.texts(path)


# One owner

def test_lock_keeps_out_every_other_request_of_every_child(steps):
    holder = steps.later("?lock,a;park,in;unlock,a")
    steps.wait_parked("in")
    others = elsewhere(steps, "?trylock,a")
    waiting = steps.later("?lock,a;unlock,a")
    assert others == {"False "}
    assert not waiting.done()
    steps.open_gate("in")
    assert holder.result(20).text == "None None "
    assert waiting.result(20).text == "None None "
    assert steps.get("?trylock,a;unlock,a").text == "True None "


def test_counter_under_a_lock_loses_no_increment(site):
    site.write({"count.py": """
        import _apache
        import os
        from mod_python import apache

        NAME = os.path.dirname(__file__) + "/count/number"

        def handler(req):
            for _ in range(20):
                _apache._global_lock(req.server, "count")
                with open(NAME, "r+") as file:
                    number = int(file.read()) + 1
                    file.seek(0)
                    file.write(str(number))
                _apache._global_unlock(req.server, "count")
            return apache.OK
        """, "count/number": "0"})
    os.chmod(site.path("count/number"), 0o666)
    site.serve("count")
    requests = [site.later() for _ in range(24)]
    assert {request.result(40).status for request in requests} == {200}
    assert site.text("count/number") == "480"


def test_other_threads_run_while_one_waits(own_server):
    server = own_server(mpm="event", children=1, threads=4, files=FILES)
    holder = server.site.later("?lock,a;park,in;unlock,a")
    server.site.wait_parked("in")
    waiting = server.site.later("?lock,a;unlock,a")
    assert {server.site.get("?trylock,a").text for _ in range(10)} == {
        "False "}
    server.site.open_gate("in")
    assert (holder.result(20).text, waiting.result(20).text) == (
        ("None None ",) * 2)


# Which lock

def test_key_has_the_same_lock_in_every_child(site):
    site.write(FILES)
    numbers = {key: {number_of(site, key) for _ in range(6)}
               for key in ("a", "key")}
    assert all(len(found) == 1 for found in numbers.values()), numbers


def test_keys_are_spread_over_all_locks_but_the_first(steps):
    numbers = {number_of(steps, f"key{number}") for number in range(40)}
    assert numbers == {1, 2, 3, 4, 5, 6, 7}


def test_equal_keys_have_the_same_lock_whatever_object_they_are(site):
    held = value(site, """
        import _apache

        def elsewhere(key):
            # A thread of the program is another owner.
            found = []
            thread = threading.Thread(target=lambda: found.append(
                _apache._global_trylock(server, key)))
            thread.start()
            thread.join()
            return found[0]

        class Text(str):
            pass
        server = req.server
        keys = [("k\\udc80\\xe9", Text("k\\udc80\\xe9")), (b"k", bytes(b"k")),
                (1, True), (10 ** 40, 10 ** 39 * 10), (None, None),
                ((1, "a"), (1, "a"))]
        result = []
        for one, other in keys:
            _apache._global_lock(server, one)
            result.append(elsewhere(other))
            _apache._global_unlock(server, other)
        return result
        """)
    assert held == [False] * 6


def test_wrong_arguments_raise(site):
    seen = value(site, """
        import _apache
        lock = _apache._global_lock
        return [outcome(lock, None, "a"), outcome(lock, req, "a"),
                kind(lock, req.server), kind(lock),
                outcome(lock, req.server, "a", 8),
                outcome(lock, req.server, "a", -2),
                kind(lock, req.server, "a", "1"),
                outcome(lock, req.server, object())]
        """)
    assert seen == [
        "TypeError: first argument must be a server object, not NoneType",
        "TypeError: first argument must be a server object, not mp_request",
        "TypeError", "TypeError",
        "ValueError: index must be from -1 to 7, not 8; PythonOption "
        "mod_python.mutex_locks says how many locks there are",
        "ValueError: index must be from -1 to 7, not -2; PythonOption "
        "mod_python.mutex_locks says how many locks there are",
        "TypeError",
        "TypeError: a object has no repr of its own, only an address, which "
        "is another one in each process; use a str as key"]


def test_arguments_may_be_named(site):
    assert value(site, """
        import _apache
        _apache._global_lock(server=req.server, key="a", index=0)
        return [_apache._global_unlock(req.server, key=None, index=0)]
        """) == [None]


@pytest.mark.parametrize("said, count", [(None, 8), (1, 2), (2, 2), (8, 8),
                                         (31, 31)])
def test_option_says_how_many_locks_there_are(own_server, said, count):
    option = f"PythonOption mod_python.mutex_locks {said}\n" if said else ""
    server = own_server(option, children=1, files=FILES)
    for key in ("a", "b", "c"):
        assert server.site.get(f"?lock,{key};unlock,{key}").text == (
            "None None ")
    assert server.site.get(f"?trylock,x,{count - 1}").text == "True "
    assert f"from -1 to {count - 1}, not {count}" in server.site.get(
        f"?trylock,x,{count}").text


@pytest.mark.parametrize("name", ["mutex_locks", "mutex_timeout"])
@pytest.mark.parametrize("text", ["0", "-1", "many", "100000000"])
def test_option_that_is_no_number_is_a_mistake_in_the_configuration(
        own_server, name, text):
    server = own_server(f"PythonOption mod_python.{name} {text}", start=False)
    status, said = server.check()
    assert status != 0
    assert f"MPY0604: PythonOption mod_python.{name}: '{text}' is not a" in (
        said)


# A request and itself

def test_request_takes_two_keys_of_one_lock_without_deadlock(steps):
    assert steps.get("?lock,a,3;lock,b,3;unlock,a,3;unlock,b,3").text == (
        "None None None None ")


def test_lock_taken_twice_is_free_when_it_is_unlocked_twice(steps):
    holder = steps.later("?lock,a;lock,a;unlock,a;park,in;unlock,a;park,out")
    steps.wait_parked("in")
    assert steps.get("?trylock,a").text == "False "
    steps.open_gate("in")
    steps.wait_parked("out")
    assert steps.get("?trylock,a").text == "True "
    steps.open_gate("out")
    assert holder.result(20).text == "None None None None "


def test_subrequest_and_redirect_share_the_locks_of_the_request(site):
    site.write({"first.py": """
        import _apache
        from mod_python import apache

        def handler(req):
            if req.prev:
                _apache._global_lock(req.server, "a")
                _apache._global_unlock(req.server, "a")
                _apache._global_unlock(req.server, "a")
                req.write("shared")
            else:
                _apache._global_lock(req.server, "a")
                req.internal_redirect(req.uri + "again")
            return apache.OK
        """})
    site.serve("first")
    assert site.get("x").text == "shared"
    assert site.get("x").text == "shared"


def test_unlock_of_what_is_not_held_is_an_error(steps):
    text = "ValueError: global lock 3 cannot be unlocked: this request or " \
           "thread does not hold it "
    assert steps.get("?unlock,a,3").text == text
    assert steps.get("?lock,a,3;unlock,a,3;unlock,a,3").text == (
        "None None " + text)
    steps.log.expect("MPY0603: global lock 3 cannot be unlocked", count=2)


def test_unlock_by_another_request_is_an_error_and_changes_nothing(steps):
    holder = steps.later("?lock,a,3;park,in;unlock,a,3")
    steps.wait_parked("in")
    for _ in range(4):
        assert "does not hold it" in steps.get("?unlock,a,3").text
        assert elsewhere(steps, "?trylock,a,3") == {"False "}
    steps.open_gate("in")
    assert holder.result(20).text == "None None "
    steps.log.expect("MPY0603", count=4)


# What is left

def test_locks_that_a_request_leaves_are_free_after_it(steps):
    assert steps.get("?lock,a,0;lock,a,1;lock,b,1;lock,c,7").text == (
        "None " * 4)
    steps.log.expect("^3 global lock.s. that a request or connection")
    assert steps.get("?trylock,a,0;trylock,a,1;trylock,a,7").text == (
        "True True True ")


def test_lock_of_a_handler_that_raises_is_free_after_it(site):
    site.write({"bad.py": """
        import _apache
        from mod_python import apache

        def handler(req):
            if req.args:
                req.write(str(_apache._global_trylock(req.server, "a")))
                return apache.OK
            _apache._global_lock(req.server, "a")
            raise ValueError("on purpose")
        """})
    site.serve("bad")
    assert site.get().status == 500
    site.log.expect("MPY0401")
    site.log.expect("^1 global lock.s. that a request or connection")
    assert site.get("?again").text == "True"


def test_cleanup_of_a_request_unlocks_what_the_handler_locked(site):
    site.write({"good.py": """
        import _apache
        from mod_python import apache

        def handler(req):
            _apache._global_lock(req.server, "a")
            req.register_cleanup(_apache_unlock, req.server)
            return apache.OK

        def _apache_unlock(server):
            _apache._global_unlock(server, "a")
            print("unlocked")
        """})
    site.serve("good")
    for _ in range(10):
        site.get()
    site.log.expect("^unlocked$", count=10)
    assert not site.log.matching("global lock")


def test_lock_of_a_thread_that_ends_is_free_after_it(site):
    code = """
        import _apache
        server = req.server
        thread = threading.Thread(
            target=lambda: _apache._global_lock(server, "a"))
        thread.start()
        thread.join()
        _apache._global_lock(server, "a")
        return "free"
        """
    assert value(site, code) == "free"


@pytest.mark.parametrize("mechanism", ["default", "sysvsem", "flock", "fcntl",
                                       "pthread"])
def test_lock_of_a_killed_child_is_free(own_server, mechanism):
    server = own_server(f"Mutex {mechanism} python-lock", children=2,
                        files=FILES)
    holder = later(server.raw, b"GET /site/?lock,a;park,in HTTP/1.0\r\n\r\n")
    server.site.wait_parked("in")
    parked = next(server.gates.glob("site.in.*.parked"))
    pid = int(parked.name.split(".")[2].split("-")[0])
    waiting = []
    while len(waiting) < 3:  # those that another child serves
        request = server.site.later("?lock,a;unlock,a")
        waiting.append(request)
    os.kill(pid, signal.SIGKILL)
    holder.result(20)
    results = []
    for request in waiting:
        try:
            results.append(request.result(20).text)
        except OSError:
            results.append("killed")  # it was served by the same child
    assert set(results) <= {"None None ", "killed"}, results
    wait_until(lambda: len(server.children() - {pid}) >= 2, "another child")
    assert server.site.get("?lock,a;unlock,a").text == "None None "
    server.log.allow("exit signal Killed")


@pytest.mark.parametrize("mechanism", ["sysvsem", "flock", "fcntl", "pthread",
                                       "posixsem"])
def test_every_mechanism_keeps_requests_apart(own_server, mechanism):
    server = own_server(f"Mutex {mechanism} default", files=FILES)
    holder = server.site.later("?lock,a;park,in;unlock,a")
    server.site.wait_parked("in")
    waiting = server.site.later("?lock,a;unlock,a")
    assert elsewhere(server.site, "?trylock,a") == {"False "}
    server.site.open_gate("in")
    assert (holder.result(20).text, waiting.result(20).text) == (
        ("None None ",) * 2)


def test_old_and_new_children_share_the_locks_over_a_graceful_restart(
        own_server):
    server = own_server(files=FILES)
    holder = server.site.later("?lock,a;park,in;unlock,a;lock,b;unlock,b")
    server.site.wait_parked("in")
    restart = later(server.graceful)
    server.log.expect("(Graceful restart requested|SIGUSR1 received)")
    server.log.expect("resuming normal operations", count=2)
    assert server.site.get("?trylock,a").text == "False "
    server.site.open_gate("in")
    assert holder.result(20).text == "None None None None "
    restart.result(30)
    assert server.site.get("?trylock,a;unlock,a").text == "True None "


def test_lock_that_a_child_leaves_at_its_end_is_free(own_server):
    server = own_server("""
        PythonImport ${SITE}/start.py main_interpreter
        MaxConnectionsPerChild 8
        """, children=1, mpm="prefork", files={**FILES, "start.py": """
        import _apache
        from mod_python import apache

        print("taken", _apache._global_trylock(apache.main_server, "a"))
        """})
    server.log.expect("^taken True$")
    (first,) = server.children()
    while server.children() <= {first}:
        server.site.get("?trylock,x,0")
    server.log.expect("^taken True$", count=2)


# Waiting has a limit

def test_wait_has_a_limit_which_is_logged(own_server):
    server = own_server("PythonOption mod_python.mutex_timeout 1",
                        files=FILES)
    holder = server.site.later("?lock,a,3;park,in;unlock,a,3")
    server.site.wait_parked("in")
    assert server.site.get("?lock,a,3").text == (
        "ValueError: global lock 3 cannot be locked: another held it for more "
        "than 1.0 s ")
    server.site.open_gate("in")
    assert holder.result(20).text == "None None "
    server.log.expect("MPY0602: python-lock 3 is held by another for more "
                      "than 0.5 s")
    server.log.expect("MPY0603: global lock 3 cannot be locked")
    assert server.site.get("?trylock,a,3").text == "True "


def test_process_that_a_handler_forks_cannot_take_or_drop_locks(site):
    seen = value(site, """
        import _apache
        _apache._global_lock(req.server, "a", 3)
        r, w = os.pipe()
        if not os.fork():
            text = (outcome(_apache._global_unlock, req.server, "a", 3)
                    + outcome(_apache._global_lock, req.server, "a", 3))
            os.write(w, text.encode())
            os._exit(0)
        os.close(w)
        with open(r) as file:
            text = file.read()
        os.wait()
        _apache._global_unlock(req.server, "a", 3)
        return text
        """)
    cause = "a process that a program forked cannot use the locks"
    assert seen == (f"ValueError: global lock 3 cannot be unlocked: {cause}"
                    f"ValueError: global lock 3 cannot be locked: {cause}")
    site.log.expect("MPY0603", count=2)


# Where files go

def test_default_mechanism_leaves_no_file(own_server):
    server = own_server("Mutex pthread default", files=FILES)
    assert server.site.get("?lock,a;unlock,a").text == "None None "
    server.log.expect("Mutex: python-lock 0 does not use pthread")
    assert not list(server.root.glob("*python-lock*"))


@pytest.mark.parametrize("mechanism", ["flock", "fcntl"])
def test_files_are_in_the_runtime_directory_or_the_one_of_the_option(
        own_server, mechanism, tmp_path):
    before = set(os.listdir("/tmp"))
    server = own_server(f"Mutex {mechanism} default", files=FILES)
    assert server.site.get("?lock,a;unlock,a").text == "None None "
    assert not [name for name in set(os.listdir("/tmp")) - before
                if "python-lock" in name]
    pathlib.Path(server.root, "locks").mkdir()
    other = own_server(f"Mutex {mechanism} default\n"
                       "PythonOption mod_python.mutex_directory "
                       f"{server.root}/locks", files=FILES)
    assert other.site.get("?lock,a;unlock,a").text == "None None "
    if mechanism == "flock":  # the other deletes them at once
        assert list(server.root.glob("python-lock*"))
        assert list(server.root.glob("locks/python-lock*"))
        assert not list(other.root.glob("python-lock*"))


def test_locks_can_be_used_at_the_start_of_a_child(own_server):
    server = own_server("PythonImport ${SITE}/start.py main_interpreter",
                        files={**FILES, "start.py": """
        import _apache
        from mod_python import apache

        _apache._global_lock(apache.main_server, "a")
        _apache._global_unlock(apache.main_server, "a")
        print("had it")
        """})
    server.log.expect("^had it$", count=server.config.children)


# The parent

def test_restarts_leave_nothing_of_locks_and_dictionaries_in_the_parent(
        own_server):
    server = own_server(
        "PythonOption mod_python.mutex_locks 256\n" + "".join(
            f"PythonSharedDict a-dictionary-with-a-long-name-{number:02}"
            f" shmcb:dictionary-{number}(65536)\n" for number in range(100)),
        mpm="prefork", children=1, modules=("socache_shmcb",))
    for _ in range(2):
        server.restart()
    before = private_memory(server.pid)
    for _ in range(8):
        server.restart()
    # One name and one seed of each, eight times, would be 200 kB.
    assert private_memory(server.pid) - before < 64
