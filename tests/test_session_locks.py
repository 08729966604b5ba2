"""Sessions: their locks, what works without one, and read-only sessions."""

import os
import signal
import time

import pytest

from httpd import later
from httpd.processes import paused, wait_until
from visitor import COUNT, Visitor, with_sessions

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
