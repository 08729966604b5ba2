"""Sessions: the one of a request, its secret, its application, its memory.
Locks are in test_session_locks.py, ids, times and cookies in
test_session_ids.py, where sessions are stored in test_session_stores.py."""

import ast
import os
import random
import re
import time

import pytest

from visitor import COUNT, FILES, Visitor, private_memory, with_sessions

SOAK = int(os.environ.get("MP_SOAK", "1"))
ID = "return req.get_session().id()"
IS_NEW = "return req.get_session().is_new()"


@pytest.fixture
def make(own_server):
    return with_sessions(own_server)


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
