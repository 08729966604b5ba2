"""Authentication and authorization: providers, and the handlers' rules."""

import base64
import hashlib
import urllib.request

import pytest

from httpd import counted

BASIC = ("auth_basic",)


def credentials(user, password):
    text = base64.b64encode(f"{user}:{password}".encode("latin-1")).decode()
    return {"Authorization": f"Basic {text}"}


SPAM = credentials("spam", "eggs")


def basic(more="", providers="python", require="valid-user",
          function="guard"):
    """The .htaccess of a site that asks a program for passwords."""
    return (f'AuthType Basic\nAuthName "a room"\n'
            f"AuthBasicProvider {providers}\n"
            f"PythonAuthnProvider {function}\nRequire {require}\n{more}\n")


def answering(expression, name="check_password"):
    """A module with a function whose answer is an expression."""
    return f"""
        from mod_python import apache

        def {name}(req, user, password):
            return {expression}
        """


@pytest.fixture
def guarded(own_server):
    """guarded(expression, more, ...): a server whose site is answered for by
    a program, and the status that right and wrong credentials get."""
    def make(text, htaccess=None, modules=BASIC, extra="", **choices):
        server = own_server(extra, modules=modules, start=False, **choices)
        server.site.write({"guard.py": text, "page.txt": "static\n"})
        server.site.htaccess(htaccess or basic())
        server.start()
        return server
    return make


def status(server, headers=None, path="page.txt"):
    return server.site.get(path, headers=headers or {}).status


# ---- passwords ----

def test_password_provider_lets_in_who_it_says(guarded):
    server = guarded(answering("(user, password) == ('spam', 'eggs')"))
    response = server.site.get("page.txt")
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="a room"'
    assert status(server, credentials("spam", "ham")) == 401
    response = server.site.get("page.txt", headers=SPAM)
    assert (response.status, response.text) == (200, "static\n")
    server.log.allow("AH01617")  # httpd's own line on a wrong password


ANSWERS = [
    ("True", 200), ("False", 401), ("None", 401), ("1", 200), ("0", 401),
    ("apache.AUTH_GRANTED", 200), ("apache.AUTH_DENIED", 401),
    ("apache.AUTH_USER_NOT_FOUND", 401), ("apache.AUTH_GENERAL_ERROR", 500),
]


@pytest.mark.parametrize("expression, expected", ANSWERS)
def test_each_answer_to_a_password_means_what_it_says(
        guarded, expression, expected):
    server = guarded(answering(expression))
    assert status(server, SPAM) == expected
    server.log.allow("AH0161[78]")
    server.log.refuse("MPY")


WRONG = ["b'eggs'", "object()", "200", "-1", "2", "10 ** 40", "1.0", "[]",
         "apache.AUTH_USER_FOUND", "apache.HTTP_UNAUTHORIZED", "apache.DONE"]


@pytest.mark.parametrize("expression", WRONG)
def test_an_answer_that_is_none_is_an_error_and_no_grant(guarded, expression):
    server = guarded(answering(expression))
    assert status(server, SPAM) == 500
    line = server.log.expect("MPY0420")
    assert "PythonAuthnProvider guard" in line.text
    assert "the answer is" in line.text


def test_an_exception_in_a_password_function_is_an_error_and_no_grant(guarded):
    server = guarded(answering("1 / 0"))
    assert status(server, SPAM) == 500
    line = server.log.expect("MPY0420")
    assert "ZeroDivisionError" in line.text


def test_server_return_from_a_password_function_is_its_answer(guarded):
    server = guarded("""
        from mod_python import apache

        def check_password(req, user, password):
            raise apache.SERVER_RETURN(password == "eggs")
        """)
    assert status(server, SPAM) == 200
    assert status(server, credentials("spam", "ham")) == 401
    server.log.allow("AH01617")


def test_a_function_that_is_missing_is_an_error_and_no_grant(guarded):
    server = guarded("", basic(function="guard::nothing"))
    assert status(server, SPAM) == 500
    assert "contains no 'nothing'" in server.log.expect("MPY0420").text


def test_provider_without_the_directive_is_an_error(guarded):
    server = guarded("", "AuthType Basic\nAuthName x\n"
                     "AuthBasicProvider python\nRequire valid-user\n")
    assert status(server, SPAM) == 500
    server.log.expect("MPY0421")


def test_user_and_password_come_as_latin1(guarded):
    server = guarded(answering(
        "(user, password) == ('sp\\xe4m', '\\xe9ggs\\xff') "
        "and req.user == user"))
    assert status(server, credentials("späm", "éggsÿ")) == 200


def test_any_byte_may_be_in_a_password(guarded):
    server = guarded(answering(
        "[ord(c) for c in password] == list(range(1, 256))"))
    raw = b"spam:" + bytes(range(1, 256))
    text = base64.b64encode(raw).decode()
    assert status(server, {"Authorization": f"Basic {text}"}) == 200


def test_named_function_and_method_are_asked(guarded):
    server = guarded("""
        def other(req, user, password):
            return user == "spam"

        class Guard:
            def __init__(self, req):
                self.uri = req.uri

            def check(self, req, user, password):
                return user == "spam" and req.uri == self.uri
        """, basic(function="guard::other"))
    assert status(server, SPAM) == 200
    assert status(server, credentials("ham", "")) == 401
    server.site.htaccess(basic(function="guard::Guard.check"))
    assert status(server, SPAM) == 200
    server.log.allow("AH01617")


def test_every_byte_of_a_user_reaches_the_provider_and_httpd(guarded):
    every = "".join(map(chr, range(0x80, 0x100)))
    server = guarded(answering(f"user == req.user == {every!r}"), basic(
        "Header set X-User expr=<%{REMOTE_USER}>"))
    response = server.site.get("page.txt", headers=credentials(every, "eggs"))
    assert response.status == 200
    assert response.headers["X-User"] == f"<{every}>"


def test_user_that_is_not_found_is_looked_for_by_the_next_provider(guarded):
    server = guarded(
        answering("None if user == 'ham' else password == 'eggs'"),
        basic('AuthUserFile "${SITE}/users"', "python file"))
    digest = base64.b64encode(hashlib.sha1(b"green").digest()).decode()
    server.site.write({"users": f"ham:{{SHA}}{digest}\n"
                                f"spam:{{SHA}}{digest}\n"})
    assert status(server, SPAM) == 200
    assert status(server, credentials("ham", "green")) == 200
    assert status(server, credentials("spam", "green")) == 401
    server.log.allow("AH01617")


def test_edited_password_function_is_asked_at_the_next_request(guarded):
    server = guarded(answering("password == 'eggs'"))
    assert status(server, SPAM) == 200
    server.site.edit("guard.py", answering("password == 'ham'"))
    assert status(server, SPAM) == 401
    assert status(server, credentials("spam", "ham")) == 200
    server.log.allow("AH01617")


def test_provider_and_handler_see_one_generation_and_one_request(guarded):
    server = guarded("""
        import shared

        def check_password(req, user, password):
            req.seen = shared.value
            return True
        """, basic("SetHandler mod_python\nPythonHandler page"))
    server.site.write({"shared.py": "value = 'one'\n", "page.py": """
        from mod_python import apache
        import shared

        def handler(req):
            req.write(f"{req.seen} {shared.value} {req.user}")
            return apache.OK
        """})
    assert server.site.get("x", headers=SPAM).text == "one one spam"
    server.site.edit("shared.py", "value = 'two'\n")
    assert server.site.get("x", headers=SPAM).text == "two two spam"


def test_what_a_provider_adds_lives_in_its_directory(guarded):
    server = guarded("""
        def check_password(req, user, password):
            req.add_handler("PythonFixupHandler", "other")
            return (req.hlist.directory or "").endswith("/site/")
        """)
    server.site.write({"other.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.headers_out["X-Other"] = "ran"
            return apache.OK
        """})
    assert server.site.get("page.txt", headers=SPAM).headers["X-Other"] == (
        "ran")


def test_provider_directive_of_an_inner_section_wins(guarded):
    server = guarded(answering("True"))
    server.site.write({"inner/guard.py": answering("False"),
                       "inner/page.txt": "inner",
                       "inner/.htaccess": "PythonAuthnProvider guard\n"})
    assert status(server, SPAM) == 200
    assert status(server, SPAM, "inner/page.txt") == 401
    server.log.allow("AH01617")


def test_provider_is_given_at_server_level_by_path(guarded):
    server = guarded(answering("password == 'eggs'"), """
        AuthType Basic
        AuthName x
        AuthBasicProvider python
        Require valid-user
        """, extra="PythonAuthnProvider ${SITE}/guard.py")
    assert status(server, SPAM) == 200


@pytest.mark.parametrize("arguments, said", [
    ("", "no handler"),
    ("a b c", "more than two functions"),
    ("guard::", "names no object"),
    ("guard | .txt", "does not accept"),
])
def test_wrong_provider_directive_is_a_configuration_error(
        own_server, arguments, said):
    server = own_server(f"PythonAuthnProvider {arguments}", start=False)
    code, text = server.check()
    assert code != 0
    assert said in text and "PythonAuthnProvider" in text


# ---- hashes and the cache ----

SHA = "{SHA}" + base64.b64encode(hashlib.sha1(b"eggs").digest()).decode()
APR1 = "$apr1$abcdefgh$"


def test_a_str_is_the_hash_that_httpd_compares(guarded):
    server = guarded(answering(repr(SHA)))
    assert status(server, SPAM) == 200
    assert status(server, credentials("spam", "ham")) == 401
    server.log.allow("AH01617")


@pytest.mark.parametrize("text", ["", "eggs", "*0", "x", "$", "$apr1$",
                                  "{SHA}", "$2y$", "\udcff", "ab"])
def test_a_str_that_is_no_hash_lets_nobody_in(guarded, text):
    server = guarded(answering(ascii(text)))
    assert status(server, SPAM) == 401
    server.log.allow("AH01617")


CACHE = ("auth_basic", "authn_socache", "socache_shmcb")
CACHED = basic("AuthnCacheProvideFor python\n"
               "AuthnCacheTimeout 60", "socache python")


def test_a_hash_is_cached_and_the_program_is_not_asked_again(guarded):
    server = guarded(f"""
        import harness

        def check_password(req, user, password):
            harness.note(__file__)
            return {SHA!r}
        """, CACHED, CACHE, "AuthnCacheSOCache shmcb\nAuthnCacheEnable")
    for _ in range(3):
        assert status(server, SPAM) == 200
    assert status(server, credentials("spam", "ham")) == 401
    assert len(server.site.executions()) == 1
    server.log.allow("AH01617")


def test_true_is_not_cached(guarded):
    server = guarded("""
        import harness

        def check_password(req, user, password):
            harness.note(__file__)
            return True
        """, CACHED, CACHE, "AuthnCacheSOCache shmcb\nAuthnCacheEnable")
    for _ in range(2):
        assert status(server, SPAM) == 200
    assert len(server.site.executions()) == 2


# ---- aliases ----

def test_aliases_of_providers_have_programs_of_their_own(guarded):
    server = guarded("", basic(providers="first second", function="nobody"),
                     extra="""
        <AuthnProviderAlias python first>
            PythonAuthnProvider ${SITE}/guards.py::first
        </AuthnProviderAlias>
        <AuthnProviderAlias python second>
            PythonAuthnProvider ${SITE}/guards.py::second
        </AuthnProviderAlias>
        """)
    server.site.write({"guards.py": """
        def first(req, user, password):
            return password == "one" if user == "spam" else None

        def second(req, user, password):
            return password == "two"
        """})
    assert status(server, credentials("spam", "one")) == 200
    assert status(server, credentials("spam", "two")) == 401
    assert status(server, credentials("ham", "two")) == 200
    server.log.allow("AH01617")


def test_aliases_of_requirements_have_arguments_of_their_own(guarded):
    server = guarded("", "Require small", modules=(), extra="""
        <AuthzProviderAlias python small "${SITE}/limit.py::below 10">
        </AuthzProviderAlias>
        """)
    server.site.write({"limit.py": """
        def below(req, limit):
            return int(req.args) < int(limit)
        """})
    assert status(server, path="page.txt?9") == 200
    assert status(server, path="page.txt?10") == 403
    server.log.allow("AH01630")


# ---- Digest ----

def digest_get(server, user, password):
    """The status of a request with Digest authentication."""
    url = f"http://127.0.0.1:{server.port}/site/page.txt"
    manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    manager.add_password(None, url, user, password)
    opener = urllib.request.build_opener(
        urllib.request.HTTPDigestAuthHandler(manager))
    try:
        with opener.open(url, timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except ValueError:  # it tried, and was refused
        return 401


DIGEST = ("auth_digest",)


def digest(function="guard"):
    return ("AuthType Digest\nAuthName room\nAuthDigestProvider python\n"
            f"PythonAuthnProvider {function}\nRequire valid-user\n")


HASHING = """
    import hashlib

    def get_realm_hash(req, user, realm):
        if user == "spam":
            text = f"{user}:{realm}:eggs"
            return hashlib.md5(text.encode()).hexdigest()

    other = get_realm_hash

    def check_password(req, user, password):
        return user == "basic"
    """


@pytest.mark.parametrize("function", ["guard", "guard::check_password",
                                      "guard guard::other"])
def test_digest_is_checked_with_the_hash_of_a_program(guarded, function):
    server = guarded(HASHING, digest(function), DIGEST)
    assert digest_get(server, "spam", "eggs") == 200
    assert digest_get(server, "spam", "ham") == 401
    assert digest_get(server, "ham", "eggs") == 401
    server.log.allow("AH017(90|94|92)")


@pytest.mark.parametrize("answer", ["True", "1 / 0", "b''", "1"])
def test_no_hash_for_digest_is_an_error_and_no_grant(guarded, answer):
    server = guarded(f"def get_realm_hash(req, user, realm):\n"
                     f"    return {answer}\n", digest(), DIGEST)
    assert digest_get(server, "spam", "eggs") == 500
    server.log.expect("MPY0420")


# ---- requirements ----

def test_require_asks_a_function_with_its_arguments(site):
    site.write({"page.txt": "static", "gate.py": """
        def check(req, *words):
            return words == ("one", "two words", "|", "")
        """})
    site.htaccess('Require python gate::check one "two words" | ""')
    assert site.get("page.txt").status == 200
    site.htaccess("Require python gate::check one")
    assert site.get("page.txt").status == 403
    site.log.allow("AH01630")


def test_require_without_a_function_asks_check_authorization(site):
    site.write({"page.txt": "static", "gate.py": """
        def check_authorization(req):
            return req.args == "in"
        """})
    site.htaccess("Require python gate")
    assert site.get("page.txt?in").status == 200
    assert site.get("page.txt").status == 403
    site.log.allow("AH01630")


@pytest.mark.parametrize("answer, expected", [
    ("True", 200), ("False", 403), ("apache.AUTHZ_GRANTED", 200),
    ("apache.AUTHZ_DENIED", 403), ("apache.AUTHZ_NEUTRAL", 403),
    ("apache.AUTHZ_GENERAL_ERROR", 500),
])
def test_each_answer_to_a_requirement_means_what_it_says(
        site, answer, expected):
    site.write({"page.txt": "static", "gate.py": f"""
        from mod_python import apache

        def check_authorization(req):
            return {answer}
        """})
    site.htaccess("Require python gate")
    assert site.get("page.txt").status == expected
    site.log.allow("AH01630")


@pytest.mark.parametrize("line", ["python gate", "not python gate"])
@pytest.mark.parametrize("answer", ["None", "'yes'", "5", "1 / 0", "-1"])
def test_no_answer_to_a_requirement_is_an_error_and_no_grant(
        site, answer, line):
    site.write({"page.txt": "static", "gate.py": f"""
        def check_authorization(req):
            return {answer}
        """})
    site.htaccess(f"<RequireAll>\nRequire all granted\nRequire {line}\n"
                  "</RequireAll>")
    assert site.get("page.txt").status == 500
    line = site.log.expect("MPY0420")
    assert "Require python gate" in line.text


def test_requirements_are_part_of_sections(site):
    site.write({"page.txt": "static", "gate.py": """
        def has(req, word):
            return word in (req.args or "")
        """})
    site.htaccess("""
        <RequireAll>
            <RequireAny>
                Require python gate::has a
                Require python gate::has b
            </RequireAny>
            <RequireNone>
                Require python gate::has c
            </RequireNone>
            Require not python gate::has d
        </RequireAll>
        """)
    for query, expected in {"a": 200, "b": 200, "x": 403, "ac": 403,
                            "bd": 403, "ab": 200}.items():
        assert site.get(f"page.txt?{query}").status == expected, query
    site.log.allow("AH01630")


def test_denied_without_a_user_asks_for_a_password(guarded):
    server = guarded("""
        from mod_python import apache

        def check_password(req, user, password):
            return password == "eggs"

        def named(req, name):
            if req.user is None:
                return apache.AUTHZ_DENIED_NO_USER
            return req.user == name
        """, basic(require="python guard::named spam"))
    response = server.site.get("page.txt")
    assert response.status == 401
    assert "WWW-Authenticate" in response.headers
    assert status(server, SPAM) == 200
    assert status(server, credentials("ham", "eggs")) == 401
    server.log.allow("AH01631")


def test_denied_without_a_user_where_nobody_can_be_asked_is_refused(site):
    site.write({"page.txt": "static", "gate.py": """
        from mod_python import apache

        def check_authorization(req):
            return apache.AUTHZ_DENIED_NO_USER
        """})
    site.htaccess("Require python gate")
    assert site.get("page.txt").status == 500
    site.log.expect("AH00027")


def test_edited_requirement_is_asked_at_the_next_request(site):
    site.write({"page.txt": "static", "gate.py": counted("""
        def check_authorization(req):
            return True
        """)})
    site.htaccess("Require python gate")
    assert site.get("page.txt").status == 200
    site.replace("gate.py", "True", "False")
    assert site.get("page.txt").status == 403
    site.log.allow("AH01630")


INCLUDING = {"gate.py": """
    def check_authorization(req):
        return "secret" not in req.uri
    """, "secret.txt": "eggs", "open.txt": "spam", "sub/secret.txt": "deep",
    "page.shtml": '<!--#include virtual="open.txt" -->'
                  '<!--#include virtual="secret.txt" -->'
                  '<!--#include virtual="sub/secret.txt" -->'}


def test_each_url_of_a_location_is_asked_for_also_in_sub_requests(own_server):
    server = own_server("AddOutputFilter INCLUDES .shtml\n<Location /site>\n"
                        "Require python ${SITE}/gate.py\n</Location>",
                        files=INCLUDING)
    response = server.site.get("page.shtml")
    assert response.status == 200
    assert response.text.startswith("spam[an error occurred")
    assert "eggs" not in response.text and "deep" not in response.text
    server.log.expect("AH01630", count=2)
    server.log.expect("unable to include", count=2)


def test_each_directory_is_asked_for_also_in_sub_requests(own_server):
    """But not each file of one: httpd has its answer from the page."""
    server = own_server("AddOutputFilter INCLUDES .shtml\n"
                        "<Directory ${SITE}>\n"
                        "Require python ${SITE}/gate.py\n</Directory>",
                        files=INCLUDING)
    response = server.site.get("page.shtml")
    assert response.text.startswith("spameggs[an error occurred")
    assert "deep" not in response.text
    server.log.expect("AH01630")
    server.log.expect("unable to include")


@pytest.mark.parametrize("line, said", [
    ("", "no function"),
    ("gate::", "names no object"),
    ("::check", "names no module"),
    ('"gate', "close every quote"),
])
def test_wrong_requirement_is_a_configuration_error(own_server, line, said):
    server = own_server(f"<Location />\nRequire python {line}\n</Location>",
                        start=False)
    code, text = server.check()
    assert code != 0
    assert said in text


@pytest.mark.parametrize("allowed, expected", [
    ("AllowOverrideList Require", 500),
    ("AllowOverrideList Require PythonAuthzHandler", 200),
    ("AllowOverride AuthConfig", 200),
])
def test_require_alone_in_a_list_of_overrides_runs_no_programs(
        own_server, allowed, expected):
    server = own_server("<Directory ${SITE}>\nAllowOverride None\n"
                        f"{allowed}\n</Directory>",
                        files={"page.txt": "static", "gate.py": """
        def check_authorization(req):
            return True
        """})
    server.site.htaccess("Require python gate")
    assert status(server) == expected
    if expected == 500:
        server.log.expect("Require python: not allowed here")


# ---- the handlers' rules ----

def test_authen_handler_needs_no_mod_auth_basic_for_its_challenge(site):
    site.write({"page.txt": "static", "guard.py": """
        from mod_python import apache

        def authenhandler(req):
            if req.get_basic_auth_pw() == "eggs" and req.user == "spam":
                return apache.OK
            return apache.HTTP_UNAUTHORIZED
        """})
    site.htaccess('AuthType Basic\nAuthName "a \\"room\\""\n'
                  "Require valid-user\nPythonAuthenHandler guard\n")
    response = site.get("page.txt")
    assert response.status == 401
    assert response.headers.get_all("WWW-Authenticate") == [
        'Basic realm="a \\"room\\""']
    assert site.get("page.txt", headers=SPAM).text == "static"


def test_authen_handler_that_sets_no_user_is_an_error(site):
    site.write({"page.txt": "static", "guard.py": """
        from mod_python import apache

        def authenhandler(req):
            return apache.OK
        """})
    site.htaccess("AuthType Basic\nAuthName x\nRequire valid-user\n"
                  "PythonAuthenHandler guard\n")
    assert site.get("page.txt").status == 500
    site.log.expect("MPY0406")


def test_basic_auth_pw_without_what_it_needs_is_none(site):
    site.write({"page.py": """
        from mod_python import apache

        def handler(req):
            req.write(repr((req.get_basic_auth_pw(), req.user)))
            return apache.OK
        """})
    site.serve("page")
    assert site.get("x", headers=SPAM).text == "(None, None)"
    site.serve("page", "AuthType Basic\nAuthName x\n")
    assert site.get("x").text == "(None, None)"
    assert site.get("x", headers={"Authorization": "Bearer x"}).text == (
        "(None, None)")
    assert site.get("x", headers=credentials("späm", "é")).text == (
        "('é', 'späm')")


def test_handlers_see_the_header_authorization(guarded):
    server = guarded("""
        from mod_python import apache

        def check_password(req, user, password):
            return "Authorization" in req.headers_in

        def handler(req):
            req.write(req.headers_in["Authorization"])
            return apache.OK
        """, basic("SetHandler mod_python\nPythonHandler guard"))
    assert server.site.get("x", headers=SPAM).text == SPAM["Authorization"]
