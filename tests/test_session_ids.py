"""Sessions: ids, who gets a new one, how long they are good, and the cookie
that carries them."""

import re

import pytest

from httpd.processes import wait_until
from test_tls import TLS, ask, start as start_tls
from visitor import COUNT, FILES, Visitor, with_sessions

ID = "return req.get_session().id()"
IS_NEW = "return req.get_session().is_new()"


@pytest.fixture
def make(own_server):
    return with_sessions(own_server)


@pytest.fixture
def visitor(make):
    return Visitor(make())


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
