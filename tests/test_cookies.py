"""Cookies: what they are made of, their signatures, and those of a request.

Signatures are compared with those that hmac of the standard library makes
here."""

import base64
import hashlib
import hmac
import marshal
import os
import random
import re
import string

import pytest

from inline import serve, value
from visitor import private_memory

SOAK = int(os.environ.get("MP_SOAK", "1"))
IMPORT = "from mod_python import Cookie\n"


def run(site, code, path="", **request):
    return value(site, IMPORT + code, path, **request)


def sign(secret, name, text):
    return hmac.new(secret.encode(), f"{name}={text}".encode(),
                    hashlib.sha256).hexdigest()


def old_sign(secret, name, text):
    return hmac.new(secret.encode(), (name + text).encode(),
                    hashlib.md5).hexdigest()


# Cookie: attributes

def test_cookie_is_written_with_its_attributes_in_order(site):
    assert run(site, """
c = Cookie.Cookie("a", "b", httponly=1, port="80", discard=True,
                  commentURL="u", samesite="Lax", max_age=60,
                  expires=0, comment="c", secure=1, domain="d.example",
                  path="/p", version=1)
return str(c)
""") == ("a=b; version=1; path=/p; domain=d.example; secure; comment=c; "
         "expires=Thu, 01-Jan-1970 00:00:00 GMT; Max-Age=60; SameSite=Lax; "
         "commentURL=u; discard; port=80; httponly")


def test_attributes_are_given_in_any_case(site):
    assert run(site, """
return [str(Cookie.Cookie("a", "b", **{name: True})) for name in (
            "Secure", "HttpOnly", "commentURL", "commenturl", "MAX_AGE")]
""") == ["a=b; secure", "a=b; httponly", "a=b; commentURL=True",
         "a=b; commentURL=True", "a=b; Max-Age=True"]


def test_any_other_attribute_is_refused(site):
    assert run(site, """
def set(name):
    setattr(Cookie.Cookie("a", "b"), name, 1)
class Mine(Cookie.Cookie):
    pass
return [kind(Cookie.Cookie, "a", "b", colour=1), kind(set, "colour"),
        kind(Mine, "a", "b", colour=1),
        kind(Cookie.SignedCookie, "a", "b", "s", Data=1),
        kind(Cookie.Cookie, "a", "b", secret="s")]
""") == ["AttributeError"] * 5


def test_attributes_are_read_changed_and_taken_away(site):
    assert run(site, """
c = Cookie.Cookie("a", "b", path="/")
seen = [c.name, c.value, c.path, kind(getattr, c, "domain")]
c.path = "/other"
c.domain = "d"
del c.domain
c.name, c.value, c.max_age = "n", "v", None
return seen + [str(c), kind(delattr, c, "domain"), kind(getattr, c, "domain")]
""") == ["a", "b", "/", "AttributeError", "n=v; path=/other",
         "AttributeError", "AttributeError"]


def test_flags_that_are_false_and_attributes_that_are_none_are_left_out(site):
    assert run(site, """
return str(Cookie.Cookie("a", "b", secure=False, httponly=0, discard="",
                         path=None, max_age=0))
""") == "a=b; Max-Age=0"


def test_data_is_a_dict_for_subclasses(site):
    assert run(site, """
class Mine(Cookie.Cookie):
    def __init__(self, name, value, note):
        Cookie.Cookie.__init__(self, name, value, path="/")
        self.__data__["note"] = note
    def __str__(self):
        return Cookie.Cookie.__str__(self) + "; note=" + self.__data__["note"]
first, second = Mine("a", "b", "one"), Mine("a", "b", "two")
return [str(first), str(second), Cookie.Cookie("a", "b").__data__]
""") == ["a=b; path=/; note=one", "a=b; path=/; note=two", {}]


@pytest.mark.parametrize("expires, stored", [
    ("0", "Thu, 01-Jan-1970 00:00:00 GMT"),
    ("1812536294.9", "Wed, 09-Jun-2027 10:18:14 GMT"),
    ("'Wed, 09-Jun-2027 10:18:14 GMT'", "Wed, 09-Jun-2027 10:18:14 GMT"),
    ("'Wed, 09 Jun 2027 10:18:14 GMT'", "Wed, 09 Jun 2027 10:18:14 GMT")])
def test_expires_takes_seconds_and_both_forms_of_dates(site, expires, stored):
    assert run(site, f"""
c = Cookie.Cookie("a", "b", expires={expires})
return [c.expires, str(c)]
""") == [stored, "a=b; expires=" + stored]


@pytest.mark.parametrize("expires", [
    "'tomorrow'", "''", "'Wed, 09-Jun-27 10:18:14 GMT'",
    "'Wed, 32-Jun-2027 10:18:14 GMT'", "'Wed, 09-Jun-2027 10:18:14'",
    "1e30", "float('nan')", "float('inf')", "-1e12"])
def test_expires_that_is_no_date_is_refused(site, expires):
    assert run(site, f"return kind(Cookie.Cookie, 'a', 'b', "
                     f"expires={expires})") == "ValueError"


def test_expires_does_not_depend_on_the_locale(own_server):
    server = own_server(children=1)
    assert value(server.site, IMPORT + """
import locale
before = locale.setlocale(locale.LC_TIME)
names = [name for name in ("de_DE.UTF-8", "C.UTF-8", "POSIX")
         if kind(locale.setlocale, locale.LC_TIME, name) != "Error"]
os.environ["TZ"] = "Asia/Tokyo"
import time
time.tzset()
return [bool(names), str(Cookie.Cookie("a", "b", expires=0))]
""") == [True, "a=b; expires=Thu, 01-Jan-1970 00:00:00 GMT"]


# Cookie: what must not go out

@pytest.mark.parametrize("bad", ["\r", "\n", "\r\nSet-Cookie: x=y", ";",
                                 "\x00", "\t", "\x7f", "\x1f"])
def test_injection_is_an_error_in_every_part(site, bad):
    seen = run(site, f"""
bad = "x" + {bad!r} + "y"
def render(name="a", value="b", **attributes):
    str(Cookie.Cookie(name, value, **attributes))
names = ("version", "path", "domain", "comment", "max_age", "commentURL",
         "port", "samesite")
return [kind(render, name=bad), kind(render, value=bad),
        *(kind(render, **{{name: bad}}) for name in names),
        kind(str, Cookie.SignedCookie("a", bad, "secret")),
        kind(str, Cookie.SignedCookie("a", "b", "secret", path=bad)),
        kind(str, Cookie.MarshalCookie(bad, 1, "secret"))]
""")
    assert seen == ["ValueError"] * 13


def test_injection_by_a_class_of_the_program_is_an_error(site):
    assert run(site, """
class Mine(Cookie.Cookie):
    def __str__(self):
        return "a=b\\r\\nX-Injected: 1"
return [kind(Cookie.add_cookie, req, Mine("a", "b")),
        req.headers_out.get("Set-Cookie")]
""") == ["ValueError", None]


@pytest.mark.parametrize("name", ["", " ", "a b", "a=b", "a,b"])
def test_name_that_would_be_read_otherwise_is_an_error(site, name):
    assert run(site, f"return kind(str, Cookie.Cookie({name!r}, 'b'))"
               ) == "ValueError"


def test_cookie_that_browsers_ignore_is_an_error(site):
    assert run(site, """
def render(name="a", **attributes):
    return str(Cookie.Cookie(name, "b", **attributes))
return [kind(render, "__Host-a"), kind(render, "__Host-a", secure=1),
        kind(render, "__host-a", secure=1, path="/x"),
        kind(render, "__Host-a", secure=1, path="/", domain="d"),
        render("__Host-a", secure=1, path="/"),
        kind(render, "__Secure-a"), render("__Secure-a", secure=1),
        kind(render, samesite="None"), render(samesite="none", secure=1),
        kind(render, samesite="Sometimes")]
""") == ["ValueError", "ValueError", "ValueError", "ValueError",
         "__Host-a=b; path=/; secure", "ValueError", "__Secure-a=b; secure",
         "ValueError", "a=b; secure; SameSite=none", "ValueError"]


def test_text_of_any_kind_goes_out_as_it_is(site):
    serve(site, IMPORT + """
Cookie.add_cookie(req, "a", "\\u20ac \\udcff\\"q\\", x")
Cookie.add_cookie(req, Cookie.Cookie("b", b"\\xff"))
Cookie.add_cookie(req, "c", 5)
""")
    cookies = site.get().headers.get_all("Set-Cookie")
    assert [text.encode("latin-1") for text in cookies] == [
        b'a=\xe2\x82\xac \xff"q", x', b"b=\xff", b"c=5"]


# Cookie.parse

def test_parse_gives_a_dict_of_cookies(site):
    assert run(site, """
found = Cookie.Cookie.parse("a=1; b=two words;c=\\"q; r\\"; $Path=/; e; "
                            "path=/x; a=2")
return {name: (type(c) is Cookie.Cookie, c.name, c.value)
        for name, c in found.items()}
""") == {"a": (True, "a", "2"), "b": (True, "b", "two words"),
         "c": (True, "c", '"q; r"'), "e": (True, "e", ""),
         "path": (True, "path", "/x")}


def test_names_restrict_what_is_parsed(site):
    assert run(site, """
text = "a=1; ab=2; b=3"
parse = Cookie.Cookie.parse
return [sorted(parse(text, names)) for names in (
            None, "ab", "a", "", ["a", "b"], {"b"}, ())]
""") == [["a", "ab", "b"], ["ab"], ["a"], [], ["a", "b"], ["b"], []]


def test_parse_makes_objects_of_the_class_it_is_called_on(site):
    assert run(site, """
class Mine(Cookie.Cookie):
    def __init__(self, name, value, **attributes):
        Cookie.Cookie.__init__(self, name, value.upper(), **attributes)
found = Mine.parse("a=x")["a"]
return [type(found) is Mine, found.value]
""") == [True, "X"]


# The words of the release before, so that what it read is read the same.
OLD = re.compile(r"""[,\ ]*([^;\ =]+)\ *(?:=\ *)?("(?:[^\\"]|\\.)*"|[^;]*)"""
                 r"\s*;?")


def test_parse_reads_what_the_classic_module_read(site):
    chance = random.Random(7)
    headers = ["".join(chance.choice('ab=; "\\,$x') for _ in range(
        chance.randrange(1, 24))) for _ in range(3000)]
    # It took a comma or semicolon that nothing follows for a name.
    headers = [text for text in headers if not re.search(
        r'[,; ]+(;|$)|^[ ,]*[;=,]|[;"] *[,;="]', text)]
    assert len(headers) > 300
    expected = [{match.group(1): match.group(2).rstrip()
                 for match in OLD.finditer(text)
                 if not match.group(1).startswith("$")} for text in headers]
    seen = run(site, "import ast\nreturn [{n: c.value for n, c in "
                     "Cookie.Cookie.parse(t).items()} for t in "
                     "ast.literal_eval(req.read().decode())]",
               method="POST", body=repr(headers))
    for text, one, other in zip(headers, seen, expected, strict=True):
        assert one == other, text


# SignedCookie

def test_signed_cookie_carries_hmac_sha256_of_its_name_and_value(site):
    assert run(site, """
c = Cookie.SignedCookie("name", "value", "secret", path="/")
return [str(c), c.value, c.hexdigest("other")]
""") == [f"name={sign('secret', 'name', 'value')}value; path=/", "value",
         sign("secret", "name", "other")]


@pytest.mark.parametrize("secret", ["'secret'", "b'secret'", "'\u20ac'",
                                    "b'\\xff'", "'x' * 1000"])
def test_signed_cookie_comes_back(site, secret):
    assert run(site, f"""
c = Cookie.SignedCookie("a", "\u20ac=b c", {secret})
back = Cookie.SignedCookie.parse(str(c), {secret})["a"]
return [type(back) is Cookie.SignedCookie, back.value, str(back) == str(c)]
""") == [True, "\u20ac=b c", True]


def test_signed_cookie_without_a_secret_is_cookieerror(site):
    assert run(site, """
make = Cookie.SignedCookie
return [kind(str, make("a", "b")), kind(str, make("a", "b", "")),
        kind(str, make("a", "b", [])), kind(make("a", "b").hexdigest, "x"),
        kind(make.parse, "a=b", ""), kind(make.parse, "a=b", None),
        kind(make("a", "b").unsign, None), kind(str, make("a", "b", 5))]
""") == ["CookieError"] * 7 + ["TypeError"]


@pytest.mark.parametrize("name", ["SignedCookie", "MarshalCookie"])
def test_one_changed_bit_anywhere_is_refused(site, name):
    good, is_signed, taken = run(site, f"""
class_ = Cookie.{name}
good = str(class_("a", "value", "secret"))
changed = {{"b" + good[1:], good[:-1], good + "x", good[:2] + good[3:], "a=",
           "a=value", "a=" + good[2:66]}}
for at in range(2, len(good)):
    changed |= {{good[:at] + to + good[at + 1:] for to in (
        good[at].swapcase(), "0",
        *(chr(ord(good[at]) ^ 1 << bit) for bit in range(8)))}}
changed.discard(good)
def is_signed(text):
    return bool(class_.parse(text, "secret", Cookie.IGNORE))
return [good, is_signed(good), [t for t in changed if is_signed(t)]]
""")
    assert re.match("a=[0-9a-f]{64}", good)
    assert (is_signed, taken) == (True, [])


def test_mismatch_says_what_a_badly_signed_cookie_becomes(site):
    assert run(site, """
class_ = Cookie.SignedCookie
bad = "a=nonsense; b=" + str(class_("b", "good", "secret"))[2:]
found = class_.parse(bad, "secret")
return [Cookie.Cookie.DOWNGRADE, Cookie.Cookie.IGNORE,
        Cookie.Cookie.EXCEPTION,
        type(found["a"]) is Cookie.Cookie, found["a"].value,
        type(found["b"]) is class_,
        sorted(class_.parse(bad, "secret", Cookie.Cookie.DOWNGRADE)),
        sorted(class_.parse(bad, "secret", mismatch=Cookie.Cookie.IGNORE)),
        kind(class_.parse, bad, "secret", Cookie.Cookie.EXCEPTION),
        kind(class_.parse, bad, "secret", 2),
        sorted(class_.parse(bad, "secret", names="b"))]
""") == [0, 1, 3, True, "nonsense", True, ["a", "b"], ["b"], "CookieError",
         "ValueError", ["b"]]


def test_code_of_a_secret_runs_without_a_pending_exception(site):
    assert run(site, """
begun, ended = [], []
class Secret(str):
    def __len__(self):
        begun.append(1)
        ended.append(1)
        return 6
found = Cookie.SignedCookie.parse("a=badly signed", Secret("secret"))
return [type(found["a"]).__name__, len(begun) == len(ended) > 0]
""") == ["Cookie", True]


def test_unsign_takes_the_signature_off(site):
    assert run(site, f"""
c = Cookie.SignedCookie("a", {sign('secret', 'a', 'b') + 'b'!r})
failed = kind(c.unsign, "other")
c.unsign("secret")
return [failed, c.value, c.__data__["secret"], kind(c.unsign, "secret"),
        Cookie.SignedCookie.parse(str(c), "secret")["a"].value]
""") == ["CookieError", "b", "secret", "CookieError", "b"]


def test_keys_are_changed_without_losing_cookies(site):
    assert run(site, """
make = Cookie.SignedCookie
old, new = str(make("a", "b", "old")), str(make("a", "b", ["new", "old"]))
def good(text, secret):
    return "a" in make.parse(text, secret, Cookie.IGNORE)
return [new == str(make("a", "b", "new")), good(old, ["new", "old"]),
        good(new, ("new", b"old")), good(old, ["new"]), good(old, "new")]
""") == [True, True, True, False, False]


def test_old_signatures_hold_only_when_they_are_asked_for(site):
    old = "a=" + old_sign("secret", "a", "b") + "b"
    marshalled = base64.b64encode(marshal.dumps([1, "x"], 2)).decode()
    data = "m=" + old_sign("secret", "m", marshalled) + marshalled
    assert run(site, f"""
signed, marshal = Cookie.SignedCookie.parse, Cookie.MarshalCookie.parse
class Mine(Cookie.SignedCookie):
    pass
found = signed({old!r}, "secret", md5=True)["a"]
return [signed({old!r}, "secret", Cookie.IGNORE), found.value,
        Mine.parse({old!r}, "secret", md5=True)["a"].value,
        str(found),
        signed({old[:-1] + 'c'!r}, "secret", Cookie.IGNORE, md5=True),
        marshal({data!r}, "secret", Cookie.IGNORE),
        marshal({data!r}, "secret", md5=True)["m"].value]
""") == [{}, "b", "b", "a=" + sign("secret", "a", "b") + "b", {}, {},
         [1, "x"]]


def test_subclass_of_signed_cookie_unsigns_by_its_own_method(site):
    assert run(site, """
class Mine(Cookie.SignedCookie):
    def unsign(self, secret):
        Cookie.SignedCookie.unsign(self, secret)
        self.value = self.value.upper()
found = Mine.parse(str(Mine("a", "b", "secret")), "secret")["a"]
return [type(found) is Mine, found.value]
""") == [True, "B"]


def test_secret_is_not_in_the_repr(site):
    assert run(site, """
return [repr(Cookie.SignedCookie("a", "b", "secret")),
        repr(Cookie.Cookie("a", "b\\n")), repr(Cookie.MarshalCookie("a", 1))]
""") == ["<SignedCookie: a='b'>", "<Cookie: a='b\\n'>", "<MarshalCookie: a=1>"]


# MarshalCookie

@pytest.mark.parametrize("data", [
    "None", "5", "'text \u20ac'", "b'\\x00\\xff'", "[1, (2.5, 'x')]",
    "{'a': {1, 2}, 'b': [None, True]}", "'x' * 3000"])
def test_marshal_cookie_comes_back(site, data):
    assert run(site, f"""
text = str(Cookie.MarshalCookie("a", {data}, "secret"))
back = Cookie.MarshalCookie.parse(text, "secret")["a"]
return ["\\n" in text, type(back) is Cookie.MarshalCookie,
        back.value == {data}]
""") == [False, True, True]


def test_marshal_cookie_is_signed_base64(site):
    text = run(site, "return str(Cookie.MarshalCookie('a', [1], 'secret'))")
    signature, encoded = text[2:66], text[66:]
    assert marshal.loads(base64.b64decode(encoded, validate=True)) == [1]
    assert signature == sign("secret", "a", encoded)


def test_marshal_cookie_is_not_unmarshalled_unless_its_signature_holds(site):
    bomb = base64.b64encode(b"\xe9" + b"\xff" * 20).decode()
    good = base64.b64encode(marshal.dumps(1)).decode()
    assert run(site, f"""
parse = Cookie.MarshalCookie.parse
found = parse("a=" + "0" * 64 + {good!r}, "secret")["a"]
return [type(found) is Cookie.Cookie, found.value[:3],
        outcome(parse, "a=" + "0" * 64 + {bomb!r}, "secret", 3)]
""") == [True, "000", "CookieError: the signature of the cookie 'a' does not "
                      "hold"]


@pytest.mark.parametrize("encoded", [
    "", "!!!", base64.b64encode(b"nonsense").decode(),
    base64.b64encode(marshal.dumps("x" * 50)[:-5]).decode()])
def test_signed_data_that_is_not_marshalled_is_cookieerror(site, encoded):
    text = f"a={sign('secret', 'a', encoded)}{encoded}"
    assert run(site, f"""
return outcome(Cookie.MarshalCookie.parse, {text!r}, "secret", 3)
""") == ("CookieError: the value of the cookie 'a' is signed, but it is not "
         "marshalled data")


def test_value_that_marshal_does_not_take_is_an_error(site):
    assert run(site, "return kind(str, Cookie.MarshalCookie('a', object(), "
                     "'secret'))") == "ValueError"


def test_signed_and_marshal_cookies_go_side_by_side(site):
    assert run(site, """
header = "; ".join(map(str, (Cookie.Cookie("p", "plain"),
                             Cookie.SignedCookie("s", "signed", "secret"),
                             Cookie.MarshalCookie("m", {1: 2}, "secret"))))
signed = Cookie.SignedCookie.parse(header, "secret", names=["p", "s"])
marshal = Cookie.MarshalCookie.parse(header, "secret", Cookie.IGNORE)
return [signed["p"].value, signed["s"].value, sorted(marshal),
        kind(Cookie.MarshalCookie.parse, header, "secret", 3, ["m", "s"])]
""") == ["plain", "signed", ["m"], "CookieError"]


# The cookies of a request

def test_add_cookie_appends_to_the_headers(site):
    serve(site, IMPORT + """
Cookie.add_cookie(req, Cookie.Cookie("a", "1", path="/"))
Cookie.add_cookie(req, "b", "2", Path="/x", secure=True)
Cookie.add_cookie(req, "c")
Cookie.add_cookie(req, "d", value="4")
""")
    headers = site.get().headers
    assert headers.get_all("Set-Cookie") == [
        "a=1; path=/", "b=2; path=/x; secure", "c=", "d=4"]
    assert headers.get_all("Cache-Control") == ['no-cache="set-cookie"']


def test_add_cookie_keeps_what_the_program_says_of_caching(site):
    serve(site, IMPORT + """
req.headers_out["Cache-Control"] = "private"
Cookie.add_cookie(req, "a", "1")
""")
    assert site.get().headers.get_all("Cache-Control") == [
        "private", 'no-cache="set-cookie"']


def test_get_cookies_reads_the_header(site):
    assert run(site, """
return {name: c.value for name, c in Cookie.get_cookies(req).items()}
""", headers={"Cookie": "a=1; b=\u00e9".encode("utf-8").decode("latin-1")}
    ) == {"a": "1", "b": "\u00e9"}


def test_several_cookie_headers_are_joined(site):
    assert run(site, """
req.headers_in["Cookie"] = "a=1"
req.headers_in.add("cookie", "b=2")
req.headers_in.add("COOKIE", "c=3")
return {name: c.value for name, c in Cookie.get_cookies(req).items()}
""") == {"a": "1", "b": "2", "c": "3"}


def test_get_cookies_takes_a_class_and_its_arguments(site):
    text = f"a={sign('secret', 'a', 'x')}x; b=y"
    assert run(site, """
class Mine(Cookie.Cookie):
    @classmethod
    def parse(cls, header, shout=0):
        return {"header": header.upper() if shout else header}
get = Cookie.get_cookies
signed = get(req, Cookie.SignedCookie, secret="secret",
             mismatch=Cookie.IGNORE)
return [{name: c.value for name, c in signed.items()},
        sorted(get(req, Class=Cookie.SignedCookie, secret="secret")),
        get(req, Mine, shout=1)["header"][:4], kind(get, req, shout=1),
        kind(get, req, Cookie.SignedCookie), sorted(get(req, names=["b"]))]
""", headers={"Cookie": text}) == [
        {"a": "x"}, ["a", "b"], text.upper()[:4], "TypeError", "TypeError",
        ["b"]]


def test_get_cookie_gives_one_or_none(site):
    text = f"a={sign('secret', 'a', 'x')}x; b=y; ab=z"
    assert run(site, """
get = Cookie.get_cookie
signed = get(req, "a", Cookie.SignedCookie, secret="secret")
return [get(req, "b").value, get(req, "none"), signed.value,
        get(req, "b", Cookie.SignedCookie, secret="secret",
            mismatch=Cookie.IGNORE),
        get(req, "ab", Class=Cookie.Cookie).value]
""", headers={"Cookie": text}) == ["y", None, "x", None, "z"]


def test_request_without_cookies_has_none(site):
    assert run(site, """
return [Cookie.get_cookies(req), Cookie.get_cookie(req, "a"),
        Cookie.get_cookies(req, Cookie.SignedCookie, secret="s")]
""") == [{}, None, {}]


def test_what_is_no_request_is_typeerror(site):
    assert run(site, """
return [kind(Cookie.get_cookies, None), kind(Cookie.get_cookie, "x", "a"),
        kind(Cookie.add_cookie, req.server, "a", "b")]
""") == ["TypeError"] * 3


def test_every_byte_of_a_cookie_is_read_and_written_back(site):
    serve(site, IMPORT + """
c = Cookie.get_cookie(req, "a")
Cookie.add_cookie(req, c)
""")
    raw = bytes(byte for byte in range(0x21, 0x100)
                if byte not in b';"\x7f')
    response = site.get(headers={"Cookie": "a=" + raw.decode("latin-1")})
    assert response.status == 200
    assert response.headers["Set-Cookie"].encode("latin-1") == b"a=" + raw


@pytest.mark.seconds(60 + 5 * SOAK)
def test_fuzzed_cookies_are_read_without_an_error(own_server):
    """100,000 of them by hand: MP_SOAK=200."""
    server = own_server(children=1)
    serve(server.site, IMPORT + """
found = Cookie.get_cookies(req)
for class_ in (Cookie.SignedCookie, Cookie.MarshalCookie):
    Cookie.get_cookies(req, class_, secret="secret")
    Cookie.get_cookies(req, class_, secret="secret", mismatch=Cookie.IGNORE)
return len(found)
""")
    chance = random.Random(11)
    letters = string.printable[:95] + "\xff\xc3\xa9" + '=;"\\ $,' * 8
    child, = server.children()
    memory = []
    with server.connect() as connection:
        for number in range(500 * SOAK):
            text = "".join(chance.choice(letters)
                           for _ in range(chance.randrange(200)))
            response = connection.get(server.site.url(), headers={
                "Cookie": text.strip() or "a"})
            assert response.status == 200, text
            if number % (50 * SOAK) == 0:
                memory.append(private_memory(child))
    assert server.children() == {child}
    assert memory[-1] - memory[2] < (
        1000 if "MP_PRELOAD" not in os.environ else 1e6), memory
