"""Sessions: their locks, what works without one, and read-only sessions."""

import glob
import os
import signal
import time

import pytest

from httpd import later
from httpd.processes import paused, wait_until
from visitor import COUNT, Visitor, temporary_folder, with_sessions

IS_NEW = "return req.get_session().is_new()"


@pytest.fixture
def make(own_server):
    return with_sessions(own_server)


@pytest.fixture
def visitor(make):
    return Visitor(make())


# Locks

def test_session_is_locked_to_the_end_of_the_request(make):
    site = make()
    visitor = Visitor(site)
    visitor(COUNT)
    holder = later(Visitor(site, visitor.cookies).request, """
s = req.get_session()
harness.wait(__file__, "in")
s["n"] += 10
s.save()
return s["n"]
""")
    site.wait_parked("in")
    waiting = later(Visitor(site, visitor.cookies), COUNT)
    assert Visitor(site)(COUNT) == 1  # somebody else does not wait
    assert not waiting.done()
    site.open_gate("in")
    assert holder.result(20).text == "11"
    assert waiting.result(20) == 12


def test_unlock_lets_others_in_early(make):
    site = make()
    visitor = Visitor(site)
    visitor(COUNT)
    holder = later(Visitor(site, visitor.cookies), """
s = req.get_session()
s.unlock()
harness.wait(__file__, "in")
return s._locked
""")
    site.wait_parked("in")
    assert visitor(COUNT) == 2
    site.open_gate("in")
    assert holder.result(20) is False


def test_lock_can_be_taken_again_and_twice(visitor):
    assert visitor("""
s = req.get_session()
seen = [s._locked, s.lock(), s._locked, s.unlock(), s._locked, s.unlock(),
        s.lock(), s._locked]
return seen
""") == [True, None, True, None, False, None, None, True]
    assert visitor(COUNT) == 1


def test_increments_at_the_same_time_are_not_lost(make):
    from httpd import together
    site = make()
    visitor = Visitor(site)
    visitor(COUNT)
    together(lambda number: [Visitor(site, visitor.cookies)(COUNT)
                             for _ in range(25)], 4)
    assert visitor(COUNT) == 102


BREAK = {
    "exception": "s = req.get_session(); raise KeyError('x')",
    "exception in save": "s = req.get_session(); s['f'] = lambda: 1; s.save()",
    "SERVER_RETURN": "s = req.get_session(); "
                     "raise apache.SERVER_RETURN(403)",
    "SystemExit": "s = req.get_session(); raise SystemExit",
    "cleanup": "s = req.get_session()\n"
               "req.register_cleanup(lambda data: 1 / 0)",
    "own unlock": "req.get_session().unlock()",
}


@pytest.mark.parametrize("how", BREAK)
def test_lock_is_released_whatever_happens(make, how):
    site = make("lock_timeout 3")
    visitor = Visitor(site)
    visitor(COUNT)
    site.log.allow("MPY0401|MPY0350|when serializing") # 3.14 adds a note
    Visitor(site, visitor.cookies).request(BREAK[how])
    assert visitor(COUNT) == 2


def test_lock_is_released_when_the_client_goes_away(make):
    site = make("lock_timeout 10")
    visitor = Visitor(site)
    visitor(COUNT)
    body = "    s = req.get_session()\n    for _ in range(2000):\n" \
           "        req.write('x' * 65536)\n"
    with site.server.connect() as connection:
        connection.send("/site/", "POST",
                        {"Cookie": visitor.header()}, body)
        connection.socket.recv(1000)
    assert visitor(COUNT) == 2


def test_child_that_is_killed_holds_nobody_up(make):
    site = make("lock_timeout 15")
    visitor = Visitor(site)
    visitor(COUNT)
    site.log.allow(r"AH00052|AH10\d+|exit signal Killed")
    children = site.server.children()
    holder = later(Visitor(site, visitor.cookies).request, """
s = req.get_session()
harness.wait(__file__, "in")
""")
    site.wait_parked("in")
    victim, = [pid for pid in children if is_parked(site, pid)]
    with paused([victim]): # so it is the other one that takes the request
        waiting = later(Visitor(site, visitor.cookies), COUNT)
        time.sleep(0.2)
        assert not waiting.done()
        os.kill(victim, signal.SIGKILL)
        assert waiting.result(20) == 2
    wait_until(lambda: len(site.server.children() - {victim})
               >= len(children), "a new child")
    with pytest.raises(Exception):
        holder.result(20)


def is_parked(site, pid):
    return any(site.server.gates.glob(f"{site.name}.in.{pid}-*.parked"))


def test_children_of_before_a_graceful_restart_keep_their_locks(make):
    site = make("lock_timeout 20")
    visitor = Visitor(site)
    visitor(COUNT)
    before = site.server.children()
    holder = later(Visitor(site, visitor.cookies), """
s = req.get_session()
harness.wait(__file__, "in")
s["n"] = 10
s.save()
""")
    site.wait_parked("in")
    os.kill(site.server.pid, signal.SIGUSR1)
    # a new child, which has shared memory of its own, and the old lock
    wait_until(lambda: Visitor(site)("return os.getpid()") not in before,
               "an answer of a new child")
    assert Visitor(site, visitor.cookies)(
        "import _web\n"
        "return _web._hold_session(%r)" % visitor.cookies["pysid"]) is None
    site.open_gate("in")
    assert holder.result(20) is None
    wait_until(lambda: not before & site.server.children()
               and len(site.server.children()) >= len(before),
               "new children in place of the old ones")


def test_wait_for_a_lock_has_a_limit_and_is_logged(make):
    site = make("lock_timeout 0.6")
    visitor = Visitor(site)
    visitor(COUNT)
    holder = later(Visitor(site, visitor.cookies), """
req.get_session()
harness.wait(__file__, "in")
""")
    site.wait_parked("in")
    assert Visitor(site, visitor.cookies)(
        "return outcome(req.get_session)") == (
        "TimeoutError: the session cannot be locked: another request kept it "
        "for more than 0.6 s")
    assert Visitor(site, visitor.cookies)(
        "return [kind(req.get_session), req.get_session(lock=0)['n']]"
        ) == ["TimeoutError", 1]
    site.open_gate("in")
    holder.result(20)
    site.log.expect("MPY0520: the session cannot be locked: another request "
                    r"kept it for more than 0\.6 s", count=2)
    assert visitor(COUNT) == 2


def test_other_threads_run_while_one_waits_for_a_session(make):
    site = make(mpm="event", children=1, threads=4)
    visitor = Visitor(site)
    visitor(COUNT)
    holder = later(Visitor(site, visitor.cookies), """
req.get_session()
harness.wait(__file__, "in")
""")
    site.wait_parked("in")
    waiting = later(Visitor(site, visitor.cookies), COUNT)
    assert [Visitor(site)(COUNT) for _ in range(5)] == [1] * 5
    site.open_gate("in")
    holder.result(20)
    assert waiting.result(20) == 2


# Steps of a store that fail: a profile function raises in the place of the
# call of that number, of all calls that the classes of the stores make. Those
# that give something up are left out: nothing can be done when they fail.
STEPS = """
import sys
import _apache
OURS = ("/Session.py", "/session_files.py")
RELEASES = {{"__exit__", "_global_unlock", "close", "unlink"}}
calls = []
def profile(frame, event, argument):
    if event == "c_call":
        name, caller = argument.__name__, frame
    elif event == "call" and "/contextlib" not in frame.f_code.co_filename:
        name, caller = frame.f_code.co_name, frame.f_back
    else:
        return
    if caller is None or not caller.f_code.co_filename.endswith(OURS) \\
            or name in RELEASES:
        return
    calls.append(name)
    if len(calls) == {number}:
        raise OSError("injected")
class Mine(Session.{kind}):
    def _after(self, function):
        function()
if {kind!r} == "FileSession": # a clean-up looks at this part, and no more
    with open({folder!r} + "/mp_sess/fs_status.txt", "w") as file:
        file.write(str(int({sid!r}[:2], 16)))
def use():
    s = Mine(req, sid={sid!r})
    s["n"] = s.get("n", 0) + 1
    s.save()
    s.cleanup()
    s.delete()
    s.save()
sys.setprofile(profile)
try:
    raised = outcome(use)
finally:
    sys.setprofile(None)
found = []
server = req.server
def look():
    found.append(_apache._global_trylock(server, None, 0))
    if found[0]:
        _apache._global_unlock(server, None, 0)
thread = threading.Thread(target=look)
thread.start()
thread.join()
return [len(calls) == {number}, calls[-1], raised, found[0]]
"""


@pytest.mark.parametrize("kind, calls", [
    ("FileSession", {"open", "dumps", "rename", "read", "listdir", "fstat"}),
    ("DbmSession", {"open", "_global_lock", "dumps", "encode", "keys"}),
    ("SqliteSession", {"connect", "execute", "dumps", "fetchone"}),
    ("MemorySession", {"get", "dumps", "items", "pop"})])
def test_an_error_at_any_step_of_a_store_leaves_no_lock(make, kind, calls):
    with temporary_folder() as folder:
        site = make(f"session_type {kind}\ndatabase_directory {folder}",
                    "PythonOption mod_python.file_session."
                    "cleanup_time_limit 0.000001\n"
                    "PythonOption mod_python.file_session."
                    "enable_fast_cleanup No\n", children=1)
        visitor = Visitor(site)
        visitor(COUNT)
        sid, number, failed = visitor.cookies["pysid"], 0, set()
        is_injected, seen = True, set()
        while is_injected:
            number += 1
            is_injected, name, raised, is_free = Visitor(site)(
                STEPS.format(number=number, kind=kind, sid=sid,
                             folder=folder))
            failed.add(name)
            seen.add(raised)
            assert is_free, name
            assert not glob.glob(f"{folder}/*/.mp_sess.lck"), name
            assert Visitor(site)(
                f"return __import__('_web')._hold_session({sid!r}) is None"
            ) is False, name
        assert calls <= failed, failed
        # some have another way, as with what pickle does not take
        assert seen == {None, "OSError: injected"}


# Without a lock, and read-only

def test_session_without_a_lock_waits_for_nobody(make):
    site = make()
    visitor = Visitor(site)
    visitor(COUNT)
    holder = later(Visitor(site, visitor.cookies), """
req.get_session()
harness.wait(__file__, "in")
""")
    site.wait_parked("in")
    assert Visitor(site, visitor.cookies)("""
s = req.get_session(lock=0)
return [s["n"], s._locked, s.lock(), s._locked, Session.Session(req) is s]
""") == [1, False, None, False, True]
    assert Visitor(site, visitor.cookies)("""
s = req.get_session(readonly=1)
return [s["n"], s._locked, s._readonly]
""") == [1, False, True]
    site.open_gate("in")
    holder.result(20)


def test_read_only_session_cannot_be_changed_for_good(visitor):
    visitor(COUNT)
    assert visitor("""
s = req.get_session(readonly=1)
s["n"] = 9
return [kind(s.save), kind(s.delete), kind(s.invalidate), kind(s.renew)]
""") == ["RuntimeError"] * 4
    assert visitor(COUNT) == 2


def test_read_only_session_that_does_not_exist_makes_none(visitor):
    assert visitor("""
s = req.get_session(readonly=1)
return [s.is_new(), s.id(), dict(s), kind(s.save)]
""") == [True, None, {}, "RuntimeError"]
    assert "Set-Cookie" not in visitor.response.headers


def test_read_only_session_is_loaded_again_for_whoever_writes(make):
    site = make()
    visitor = Visitor(site)
    visitor(COUNT)
    changed = later(Visitor(site, visitor.cookies), """
s = req.get_session(readonly=1)
seen = [s["n"]]
harness.wait(__file__, "in")
w = req.get_session()
seen += [w is s, s["n"], s._locked, s._readonly]
s["n"] += 1
s.save()
return seen
""")
    site.wait_parked("in")
    assert visitor(COUNT) == 2
    site.open_gate("in")
    assert changed.result(20) == [1, True, 2, True, False]
    assert visitor(COUNT) == 4


def test_read_only_session_becomes_a_new_one_for_whoever_writes(visitor):
    assert visitor("""
s = req.get_session(readonly=1)
w = req.get_session()
w.save()
return [s is w, s.is_new(), len(s.id()), s._locked]
""") == [True, True, 32, True]
    assert visitor(IS_NEW) is False
