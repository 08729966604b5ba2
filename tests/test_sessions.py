"""Sessions: the one of a request, its id, its cookie, its lock, its time.

Where sessions are stored is in test_session_stores.py."""

import ast
import os
import random
import re
import signal
import time

import pytest

from httpd import later
from httpd.processes import paused, wait_until
from test_tls import TLS, ask, start as start_tls
from visitor import FILES, SHMCB, Visitor, private_memory

SOAK = int(os.environ.get("MP_SOAK", "1"))
COUNT = """
s = req.get_session()
s["n"] = s.get("n", 0) + 1
s.save()
return s["n"]
"""
ID = "return req.get_session().id()"
IS_NEW = "return req.get_session().is_new()"


@pytest.fixture
def make(own_server):
    """make(options, ...): the site of a server with sessions."""
    def start(options="", extra="", files=None, **more):
        lines = "".join(f"PythonOption mod_python.session.{line}\n"
                        for line in options.splitlines() if line)
        server = own_server(lines + extra, files={**FILES, **(files or {})},
                            **{**SHMCB, **more})
        return server.site
    return start


@pytest.fixture
def visitor(make):
    return Visitor(make())


# A dict that lasts

def test_session_lasts_from_request_to_request(visitor):
    assert [visitor(COUNT) for _ in range(4)] == [1, 2, 3, 4]


def test_each_visitor_has_a_session_of_its_own(make):
    site = make()
    one, other = Visitor(site), Visitor(site)
    assert [one(COUNT), other(COUNT), one(COUNT), other(COUNT)] == [1, 1, 2, 2]


def test_what_is_not_saved_is_not_kept(visitor):
    visitor(COUNT)
    assert visitor("s = req.get_session(); s['n'] = 9; return s['n']") == 9
    assert visitor(COUNT) == 2


def test_session_keeps_whatever_pickle_takes(visitor):
    visitor("""
s = req.get_session()
s["a"] = {1: [2.5, ("x", b"y", None)], "s": {3}}
s["b"] = s["a"][1]
s.save()
""")
    assert visitor("""
s = req.get_session()
return [s["a"] == {1: [2.5, ("x", b"y", None)], "s": {3}},
        s["b"] is s["a"][1], sorted(s), len(s), isinstance(s, dict)]
""") == [True, True, ["a", "b"], 2, True]


def test_what_pickle_does_not_take_is_an_error_for_the_program(visitor):
    visitor(COUNT)
    assert visitor("""
s = req.get_session()
s["f"] = lambda: 1
return kind(s.save)
""") in ("PicklingError", "AttributeError")
    assert visitor(COUNT) == 2


def test_session_that_is_too_large_is_an_error_for_the_program(visitor):
    visitor(COUNT)
    assert visitor("""
s = req.get_session()
s["big"] = os.urandom(70000)
return outcome(s.save)
""").startswith("ValueError: the session does not fit into shared memory")
    assert visitor(COUNT) == 2


def test_methods_tell_about_the_session(visitor):
    before = time.time()
    visitor(COUNT)
    new, sid, created, accessed, timeout = visitor("""
s = req.get_session()
return [s.is_new(), s.id(), s.created(), s.last_accessed(), s.timeout()]
""")
    assert (new, timeout) == (False, 1800)
    assert re.fullmatch("[0-9a-f]{32}", sid)
    assert before <= created <= accessed <= time.time()
    assert visitor("s = req.get_session()\n"
                   "return [type(s.is_new()), type(s.load())] "
                   "== [bool, int]") is True


def test_delete_removes_what_is_stored(visitor):
    visitor(COUNT)
    assert visitor("s = req.get_session(); s.delete()\n"
                   "return [dict(s), s.load()]") == [{}, 0]
    old = visitor.cookies["pysid"]
    assert visitor(COUNT) == 1
    assert visitor.cookies["pysid"] != old


def test_invalidate_expires_the_cookie_and_blocks_save(visitor):
    visitor(COUNT)
    old = dict(visitor.cookies)
    assert visitor("""
s = req.get_session()
s.invalidate()
s["n"] = 9
return [s.save(), s._invalid]
""") == [None, True]
    cookie, = visitor.response.headers.get_all("Set-Cookie")
    assert "expires=Thu, 01-Jan-1970 00:00:00 GMT" in cookie
    assert visitor.cookies == {}
    again = Visitor(visitor.site, old)
    assert again(IS_NEW) is True


def test_attributes_can_be_set_on_a_session(visitor):
    assert visitor("""
s = req.get_session()
s.note = 1
return [s.note, s.__dict__, weakref.ref(s)() is s]
""") == [1, {"note": 1}, True]


# THE session of the request

def test_get_session_and_session_give_one_object(visitor):
    assert visitor("""
s = req.get_session()
return [req.get_session() is s, Session.Session(req) is s,
        Session.Session(req, sid=s.id()) is s,
        Session.Session(req, 0, None, 60, 1) is s,
        type(s) is Session.SharedSession, isinstance(s, Session.BaseSession)]
""") == [True] * 6
    assert len(visitor.response.headers.get_all("Set-Cookie")) == 1


PHASES = """
    from mod_python import apache, Session

    seen = []

    def note(req, who):
        session = req.get_session()
        session.setdefault("who", []).append(who)
        return session

    def accesshandler(req):
        note(req, "access")
        return apache.OK

    def authenhandler(req):
        req.user = "x"
        note(req, "authen")
        return apache.OK

    def fixuphandler(req):
        note(req, "fixup")
        return apache.OK

    def handler(req):
        note(req, "handler")
        req.write("text")
        return apache.OK

    def outputfilter(filter):
        text = filter.read()
        if text:
            session = note(filter.req, "filter")
            session.save()
            filter.write(repr((session["who"], session is
                               Session.Session(filter.req))))
        if text is None:
            filter.close()
    """


def test_phases_and_filters_share_the_session(make):
    site = make(extra="""
        PythonModulePath ${SITE}
        PythonOutputFilter phases::outputfilter MINE
        """, files={"phases.py": PHASES, ".htaccess": """
        SetHandler mod_python
        AuthType Basic
        AuthName x
        Require valid-user
        PythonAccessHandler phases
        PythonAuthenHandler phases
        PythonFixupHandler phases
        PythonHandler phases
        SetOutputFilter MINE
        """})
    response = site.get()
    assert ast.literal_eval(response.text) == (
        ["access", "authen", "fixup", "handler", "filter"], True)
    assert len(response.headers.get_all("Set-Cookie")) == 1


def test_sub_requests_share_the_session(make):
    site = make(files={
        "run.py": """
            from mod_python import apache

            def handler(req):
                session = req.get_session()
                session["n"] = session.get("n", 0) + 1
                session.save()
                req.write(f"{session['n']} {id(session)} ")
                return apache.OK
            """,
        "page.shtml": '<!--#include virtual="a.py" -->'
                      '<!--#include virtual="b.py" -->',
        ".htaccess": "Options +Includes\nAddHandler mod_python .py\n"
                     "PythonHandler run\nAddOutputFilter INCLUDES .shtml\n",
        "a.py": "", "b.py": ""})
    cookie = site.get("a.py").headers["Set-Cookie"].partition(";")[0]
    response = site.get("page.shtml", headers={"Cookie": cookie})
    first, one, second, other = response.text.split()
    assert (first, second) == ("2", "3") and one == other


def test_session_that_begins_when_the_response_has_is_in_the_log(visitor):
    assert visitor.request("""
req.write("some text")
req.get_session()
""").text == "some textNone"
    assert visitor.cookies == {}
    visitor.site.log.expect(
        "MPY0524: the cookie of the session comes too late", "warn")


REDIRECT = """
    from mod_python import apache

    def handler(req):
        session = req.get_session()
        if req.uri.endswith("/first"):
            session["from"] = "first"
            session.save()
            req.internal_redirect(req.uri[:-5] + "second")
            return apache.OK
        req.write(repr([session["from"], session.id(), session.is_new(),
                        session is req.prev.get_session()]))
        return apache.OK
    """


def test_redirected_request_has_the_session_of_the_first(make):
    site = make(files={"run.py": REDIRECT})
    response = site.get("first")
    origin, sid, new, same = ast.literal_eval(response.text)
    assert (origin, new, same) == ("first", True, True)
    cookie, = response.headers.get_all("Set-Cookie")
    assert cookie.startswith(f"pysid={sid}; path=/site/")
    # and it goes on
    again = site.get("first", headers={"Cookie": f"pysid={sid}"})
    assert ast.literal_eval(again.text) == ["first", sid, False, True]
    assert "Set-Cookie" not in again.headers


def test_interpreters_of_one_request_share_id_cookie_and_lock(make):
    site = make(files={
        "run.py": REDIRECT.replace("session is req.prev.get_session()",
                                   "req.interpreter"),
        "second/run.py": REDIRECT.replace("session is req.prev.get_session()",
                                          "req.interpreter"),
        "second/.htaccess": "PythonInterpreter other\n" + FILES[".htaccess"],
        "second/x": ""})
    site.replace("run.py", 'req.uri[:-5] + "second"',
                 'req.uri[:-5] + "second/x"')
    response = site.get("first")
    origin, sid, new, interpreter = ast.literal_eval(response.text)
    assert (origin, interpreter) == ("first", "other")
    cookie, = response.headers.get_all("Set-Cookie")
    assert cookie.startswith(f"pysid={sid}; ")


ERROR_PAGE = """
    from mod_python import apache

    def handler(req):
        session = req.get_session()
        if req.prev:
            req.write(repr([session["n"], session.is_new()]))
            return apache.OK
        session["n"] = 1
        session.save()
        return apache.HTTP_FORBIDDEN
    """


def test_error_page_has_the_session_of_the_request(make):
    site = make(files={"run.py": ERROR_PAGE, ".htaccess": """
        SetHandler mod_python
        PythonHandler run
        ErrorDocument 403 /site/sorry
        """})
    response = site.get()
    assert (response.status, response.text) == (403, "[1, True]")
    assert len(response.headers.get_all("Set-Cookie")) == 1


@pytest.mark.parametrize("status", [302, 403, 500])
def test_cookie_goes_with_redirects_and_errors(make, status):
    site = make(files={"run.py": f"""
        from mod_python import apache

        def handler(req):
            req.get_session().save()
            req.err_headers_out["Location"] = "http://localhost/"
            raise apache.SERVER_RETURN({status})
        """})
    response = site.get()
    assert response.status == status
    cookie, = response.headers.get_all("Set-Cookie")
    assert cookie.startswith("pysid=")


def test_second_session_by_its_id_is_another_object(make):
    site = make()
    one, other = Visitor(site), Visitor(site)
    other(COUNT)
    assert one(f"""
mine = req.get_session()
its = Session.Session(req, sid={other.cookies['pysid']!r})
its["n"] = 10
its.save()
return [its is mine, its.is_new(), req.get_session() is mine,
        its.id() == {other.cookies['pysid']!r}]
""") == [False, False, True, True]
    assert other(COUNT) == 11


def test_two_sessions_of_every_lock_in_one_request_do_not_deadlock(visitor):
    assert visitor("""
mine = req.get_session()
made = [Session.SharedSession(req) for _ in range(3)]
found = [Session.Session(req, sid=f"{n:032x}") for n in range(40)]
return [all(s._locked for s in [mine, *made, *found]),
        len({s.id() for s in found}), {s.id() for s in made} == {mine.id()}]
""") == [True, 40, True]
    assert visitor.response.headers.get_all("Set-Cookie").__len__() == 1
    assert visitor(COUNT) == 1


def test_other_secret_for_the_same_session_is_an_error(visitor):
    assert visitor("""
req.get_session()
return [kind(req.get_session, secret="x"),
        req.get_session(secret=None) is req.get_session()]
""") == ["ValueError", True]


# No reference keeps a request

def test_request_and_session_go_when_the_request_ends(make):
    site = make(children=1)
    visitor = Visitor(site)
    code = """
gc.disable()
s = req.session = req.get_session()
s.mine = s
del s.mine
s.req = req
del s.req
harness.refs = getattr(harness, "refs", [])
alive = [ref() is not None for ref in harness.refs]
harness.refs += [weakref.ref(req), weakref.ref(s)]
s.save()
return alive
"""
    visitor(code)
    for number in range(1, 4):
        assert visitor(code) == [False] * (2 * number)


def test_session_of_a_request_that_is_over_raises_expirederror(make):
    site = make(children=1)
    visitor = Visitor(site)
    visitor("harness.kept = req.get_session(); harness.kept['n'] = 5\n"
            "harness.kept.save()")
    assert visitor("""
s = harness.kept
del harness.kept
return [s["n"], s._req, len(s.id()), s.timeout(), s.unlock(), s._locked,
        kind(s.save), kind(s.load), kind(s.lock), kind(s.delete),
        kind(s.invalidate), kind(s.renew), kind(s.make_cookie),
        kind(s.cleanup)]
""") == [5, None, 32, 1800, None, False] + ["ExpiredError"] * 8


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


# Ids

def test_ids_are_hex_digits_that_do_not_repeat(visitor):
    ids = visitor("""
s = req.get_session(lock=0)
seen = {s.id()}
for _ in range(2000):
    seen.add(s.renew())
return sorted(seen)
""")
    assert len(ids) == 2001
    assert all(re.fullmatch("[0-9a-f]{32}", sid) for sid in ids)


BAD_IDS = ["x", "0" * 31, "0" * 33, "g" * 32, "A" * 32, "../" * 10 + "ab",
           "0" * 32 + "%0a", "0" * 32 + "\\n", '"' + "0" * 32 + '"', "",
           "\u00e9" * 16]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_id_that_is_none_gives_a_new_session(make, bad):
    visitor = Visitor(make())
    visitor.cookies["pysid"] = bad.encode().decode("latin-1")
    assert visitor(IS_NEW) is True
    assert re.fullmatch("[0-9a-f]{32}", visitor.cookies["pysid"])


def test_id_with_a_newline_is_refused(visitor):
    visitor(COUNT)
    sid = visitor.cookies["pysid"]
    assert visitor(f"""
req.headers_in["X"] = "y"
return [kind(Session.Session, req, sid={sid!r} + "\\n"),
        kind(Session.Session, req, sid={sid!r}.upper() + "\\n"),
        kind(Session.SharedSession, req, sid={sid!r} + "\\n"),
        Session.SharedSession(req, sid={sid!r})["n"]]
""") == ["ValueError"] * 3 + [1]


@pytest.mark.parametrize("bad", ["x", "0" * 31, "F" * 32, "../../etc/passwd",
                                 "0" * 32 + "\n"])
def test_id_of_a_program_that_is_none_is_valueerror(visitor, bad):
    assert visitor(f"return outcome(Session.Session, req, sid={bad!r})") == (
        f"ValueError: {bad!r} is no session id: that is 32 hex digits")
    assert visitor(COUNT) == 1


def test_unknown_id_is_not_taken_over(visitor):
    visitor.cookies["pysid"] = chosen = "0123456789abcdef" * 2
    assert visitor(COUNT) == 1
    assert visitor.cookies["pysid"] != chosen
    assert visitor(COUNT) == 2


def test_one_changed_digit_is_another_session(visitor):
    visitor(COUNT)
    sid = visitor.cookies["pysid"]
    for at in (0, 15, 31):
        other = sid[:at] + ("0" if sid[at] != "0" else "1") + sid[at + 1:]
        assert Visitor(visitor.site, {"pysid": other})(IS_NEW) is True
    assert visitor(COUNT) == 2


def test_last_good_id_of_several_counts(visitor):
    visitor(COUNT)
    sid = visitor.cookies["pysid"]
    site = visitor.site
    for header in (f"pysid=x; pysid={sid}", f"pysid={sid}; pysid=x",
                   f"pysid={'0' * 32}; pysid={sid}", f"mypysid=1;pysid={sid}"):
        response = site.post(body="    return req.get_session()['n']\n",
                             headers={"Cookie": header})
        assert response.text == "1", header


# Fixation

def test_renew_gives_the_session_a_new_id(visitor):
    visitor(COUNT)
    old = dict(visitor.cookies)
    assert visitor("""
s = req.get_session()
before = s.id()
after = s.renew()
return [before != after, after == s.id(), s["n"], s._locked]
""") == [True, True, 1, True]
    assert len(visitor.response.headers.get_all("Set-Cookie")) == 1
    assert visitor.cookies != old
    assert visitor(COUNT) == 2
    assert Visitor(visitor.site, old)(IS_NEW) is True


def test_renew_keeps_what_was_not_saved_yet(visitor):
    visitor("s = req.get_session(); s['user'] = 'x'; s.renew()")
    assert len(visitor.response.headers.get_all("Set-Cookie")) == 1
    assert visitor("return req.get_session()['user']") == "x"


def test_renew_keeps_the_time_of_the_beginning(visitor):
    created = visitor("s = req.get_session(); s.save(); return s.created()")
    visitor("s = req.get_session(); s.renew()")
    assert visitor("return req.get_session().created()") == created


# Time

def test_session_that_nobody_used_is_over(make):
    visitor = Visitor(make())
    visitor("s = req.get_session(timeout=0.3); s['n'] = 5; s.save()")
    old = visitor.cookies["pysid"]
    wait_until(lambda: Visitor(visitor.site, {"pysid": old})(IS_NEW),
               "the end of the session")
    assert visitor(COUNT) == 1
    assert visitor.cookies["pysid"] != old


def test_only_save_renews_the_time_of_last_use(visitor):
    visitor("s = req.get_session(); s.save()")
    read = "s = req.get_session(lock=0); s.load(); return s.last_accessed()"
    first = visitor(read)
    assert visitor(read) == first
    visitor("req.get_session().save()")
    assert visitor(read) > first


def test_timeout_is_stored_with_the_session(visitor):
    assert visitor("s = req.get_session(timeout=60); s.save()\n"
                   "return s.timeout()") == 60
    assert visitor("s = req.get_session(timeout=99); s.set_timeout(120.5)\n"
                   "seen = s.timeout(); s.save(); return seen") == 120.5
    assert visitor("return req.get_session().timeout()") == 120.5


def test_option_sets_the_timeout(make):
    visitor = Visitor(make("timeout 77"))
    assert visitor("return req.get_session().timeout()") == 77


def test_absolute_timeout_ends_a_session_however_busy(make):
    visitor = Visitor(make("absolute_timeout 1.5"))
    visitor(COUNT)
    old = visitor.cookies["pysid"]
    count = [1]

    def is_over():
        count.append(visitor(COUNT))
        return visitor.cookies["pysid"] != old
    wait_until(is_over, "the end of the session")
    assert count[-1] == 1 and len(count) > 3
    assert count[:-1] == list(range(1, len(count)))


def test_constants_are_where_they_were(visitor):
    assert visitor("""
return [Session.COOKIE_NAME, Session.DFT_TIMEOUT, Session.DFT_LOCK,
        Session.CLEANUP_CHANCE, Session.DFT_FAST_CLEANUP,
        Session.DFT_VERIFY_CLEANUP, Session.DFT_GRACE_PERIOD,
        Session.DFT_CLEANUP_TIME_LIMIT]
""") == ["pysid", 1800, True, 1000, True, True, 240, 2]


# The cookie

def attributes(visitor):
    cookie, = visitor.response.headers.get_all("Set-Cookie")
    return cookie.split("; ")[1:]


def test_cookie_is_for_this_site_and_no_script(visitor):
    visitor(COUNT)
    assert attributes(visitor) == ["path=/site/", "SameSite=Lax", "httponly"]
    assert visitor.response.headers["Cache-Control"] == \
        'no-cache="set-cookie"'
    visitor(COUNT)
    assert "Set-Cookie" not in visitor.response.headers


@pytest.mark.parametrize("options, expected", [
    ("cookie_name mine\n", ["mine", "path=/site/", "SameSite=Lax",
                            "httponly"]),
    ("application_domain .example.com",
     ["pysid", "path=/site/", "domain=.example.com", "SameSite=Lax",
      "httponly"]),
    ("application_path /", ["pysid", "path=/", "SameSite=Lax", "httponly"]),
    ("cookie_secure On", ["pysid", "path=/site/", "secure", "SameSite=Lax",
                          "httponly"]),
    ("cookie_httponly no", ["pysid", "path=/site/", "SameSite=Lax"]),
    ("cookie_samesite strict", ["pysid", "path=/site/", "SameSite=Strict",
                                "httponly"]),
    ("cookie_samesite Off", ["pysid", "path=/site/", "httponly"]),
    ("cookie_name __Host-id\ncookie_secure 1\napplication_path /",
     ["__Host-id", "path=/", "secure", "SameSite=Lax", "httponly"])])
def test_options_change_the_cookie(make, options, expected):
    visitor = Visitor(make(options))
    assert visitor(COUNT) == 1
    name = visitor.response.headers["Set-Cookie"].partition("=")[0]
    assert [name, *attributes(visitor)] == expected
    assert visitor(COUNT) == 2


@pytest.mark.parametrize("options, expected", [
    ("session_cookie_name old", "old=.*; path=/site/; "),
    ("ApplicationPath /site", "pysid=.*; path=/site; "),
    ("session_cookie_name old\n"
     "PythonOption mod_python.session.cookie_name new", "new=")])
def test_old_names_of_options_count_where_the_new_ones_are_not_given(
        make, options, expected):
    visitor = Visitor(make(extra=f"PythonOption {options}\n"))
    visitor(COUNT)
    assert re.match(expected, visitor.response.headers["Set-Cookie"])


@pytest.mark.parametrize("option, wanted", [
    ("cookie_secure maybe", "On or Off"),
    ("cookie_samesite Any", "Lax, Strict, None or Off"),
    ("timeout soon", "a number of seconds"),
    ("absolute_timeout -1", "a number of seconds"),
    ("lock_timeout 5s", "a number of seconds")])
def test_wrong_option_is_an_error_that_names_it(make, option, wanted):
    name, given = option.split()
    assert Visitor(make(option))("return outcome(req.get_session)") == (
        f"ValueError: PythonOption mod_python.session.{name} must be "
        f"{wanted}, not '{given}'")


def test_cookie_is_secure_over_https(own_server):
    server = start_tls(own_server, TLS)
    assert ask(server, """
s = req.get_session()
return [str(s.make_cookie()).partition("; ")[2]]
""") == ["path=/site/; secure; SameSite=Lax; httponly"]


def test_program_may_set_options(visitor):
    assert visitor("""
req.get_options()["mod_python.session.cookie_name"] = "mine"
req.get_session().save()
""") is None
    assert list(visitor.cookies) == ["mine"]


def test_path_is_that_of_the_directory_of_the_handler(make):
    site = make(files={"my app/sub/x.txt": "", "my app/run.py": FILES[
        "run.py"], "my app/.htaccess": FILES[".htaccess"]})
    visitor = Visitor(site)
    visitor(COUNT, "my%20app/sub/x")
    assert attributes(visitor)[0] == "path=/site/my%20app/"


@pytest.mark.parametrize("extra", [
    """<Location /loc>
        SetHandler mod_python
        PythonHandler /${SITE}/run.py
    </Location>""",
    """Alias /loc ${SITE}/
    <Directory ${SITE}>
        SetHandler mod_python
        PythonHandler run
    </Directory>"""], ids=["location", "alias"])
def test_path_is_the_root_where_the_uri_is_not_below_the_directory(
        make, extra):
    site = make(extra=extra.replace("/${SITE}", "${SITE}"),
                files={".htaccess": ""})
    visitor = Visitor(site)
    assert visitor(COUNT, "/loc/x") == 1
    assert attributes(visitor)[0] == "path=/"
    assert visitor(COUNT, "/loc/x") == 2


def test_make_cookie_can_be_had(visitor):
    assert visitor("""
s = req.get_session()
c = s.make_cookie()
return [type(c) is Cookie.Cookie, c.name, c.value == s.id(), c.path,
        c.httponly]
""") == [True, "pysid", True, "/site/", True]


# With a secret

def test_signed_session_goes_on_with_its_secret_only(make):
    visitor = Visitor(make())
    code = "s = req.get_session(secret='secret')\n" + COUNT.partition("\n")[2]
    code = code.replace("s = req.get_session()\n", "")
    assert [visitor(code), visitor(code)] == [1, 2]
    value = visitor.cookies["pysid"]
    assert re.fullmatch("[0-9a-f]{96}", value)
    site = visitor.site
    other = code.replace("'secret'", "'other'")
    assert Visitor(site, visitor.cookies)(other) == 1
    # plain is refused where signed is expected
    assert Visitor(site, {"pysid": value[64:]})(code) == 1
    # and the other way round
    assert Visitor(site, visitor.cookies)(IS_NEW) is True
    # one changed digit of the signature or the id
    for at in (0, 63, 64, 95):
        changed = value[:at] + ("0" if value[at] != "0" else "1") + \
            value[at + 1:]
        assert Visitor(site, {"pysid": changed})(code) == 1
    assert visitor(code) == 3


def test_secret_of_a_session_can_be_changed(make):
    visitor = Visitor(make())
    count = "s = Session.Session(req, secret=%s)\ns['n'] = s.get('n', 0) + 1" \
            "\ns.save()\nreturn s['n']"
    assert visitor(count % "'old'") == 1
    assert visitor(count % "['new', 'old']") == 2
    visitor("s = req.get_session(secret=['new', 'old']); s.renew()")
    assert visitor(count % "['new']") == 3


# Applications

def test_id_of_another_application_gives_a_new_session(make):
    site = make("application shop", files={
        "other/run.py": FILES["run.py"],
        "other/.htaccess": FILES[".htaccess"]
        + "PythonOption mod_python.session.application blog\n"})
    visitor = Visitor(site)
    assert visitor(COUNT) == 1
    foreign = Visitor(site, visitor.cookies)
    assert foreign(COUNT, "other/x") == 1
    assert foreign.cookies != visitor.cookies
    assert visitor(COUNT) == 2


# Bad input

@pytest.mark.seconds(60 + 5 * SOAK)
def test_fuzzed_ids_give_new_sessions(make):
    """100,000 of them by hand: MP_SOAK=200."""
    site = make(children=1)
    chance = random.Random(3)
    letters = "0123456789abcdef" * 3 + 'ABC;,= "\\$\xff\xe9/.%\t'
    body = "    return req.get_session().is_new()\n"
    child, = site.server.children()
    memory = []
    with site.server.connect() as connection:
        for number in range(500 * SOAK):
            text = "".join(chance.choice(letters)
                           for _ in range(chance.choice((32, 32, 96, 5, 33))))
            response = connection.request("/site/", "POST", {
                "Cookie": "pysid=" + text.strip()}, body)
            assert (response.status, response.text) == (200, "True"), text
            if number % (50 * SOAK) == 0:
                memory.append(private_memory(child))
    assert site.server.children() == {child}
    assert memory[-1] - memory[2] < (
        1000 if "MP_PRELOAD" not in os.environ else 1e6), memory


def test_unreadable_record_gives_a_new_session_and_a_line_in_the_log(make):
    visitor = Visitor(make(files={"shop.py": "class Cart:\n    n = 5\n"},
                           children=1))
    assert visitor("""
shop = apache.import_module("shop")
s = req.get_session()
s["cart"] = shop.Cart()
s.save()
""") is None
    assert visitor("return req.get_session()['cart'].n") == 5
    visitor.site.edit("shop.py", "class Basket:\n    n = 5\n")
    assert visitor("""
apache.import_module("shop")
return req.get_session().is_new()
""") is True
    visitor.site.log.expect("MPY0521: a session cannot be read; a new one "
                            "takes its place: AttributeError")


# Hot classes

HOT = {"shop.py": "class Cart:\n    word = 'old'\n"
                  "    def __init__(self):\n        self.things = [1]\n",
       "lib/deep.py": "class Deep:\n    word = 'old'\n"}


def test_instances_of_reloaded_classes_are_of_the_newest_version(make):
    visitor = Visitor(make(files=HOT))
    visitor("""
shop = apache.import_module("shop")
s = req.get_session()
s["cart"] = shop.Cart()
s.save()
""")
    visitor.site.replace("shop.py", "'old'", "'new'")
    assert visitor("""
shop = apache.import_module("shop")
cart = req.get_session()["cart"]
req.get_session().save()
return [cart.word, cart.things, type(cart) is shop.Cart]
""") == ["new", [1], True]
    assert visitor("return req.get_session()['cart'].word") == "new"


# Memory

@pytest.mark.seconds(120)
def test_memory_is_flat_over_many_sessions(make):
    site = make(mpm="prefork", children=1)
    visitor = Visitor(site)
    used = """
req.session = req.get_session()
req.session["n"] = req.session.get("n", 0) + 1
req.session.save()
if not req.session["n"] % 7:
    req.session.renew()
"""
    measure = """
gc.collect()
with open("/proc/self/status") as file:  # without the memory of the store
    kilobytes = int(file.read().split("RssAnon:")[1].split()[0])
return [kilobytes, len(gc.get_objects())]
"""

    def run(count):
        with site.server.connect() as connection:
            for number in range(count):
                headers = {"Cookie": visitor.header()} if number % 3 else {}
                body = "".join(f"    {line}\n" for line in
                               used.strip().splitlines())
                response = connection.request("/site/", "POST", headers, body)
                assert response.status == 200
                visitor.keep(response)
    run(600)
    before = visitor(measure)
    run(1500)
    after = visitor(measure)
    assert after[1] - before[1] < 100
    assert after[0] - before[0] < 300  # KiB
