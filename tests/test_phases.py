"""The phases of a request: which run, in which order, with what effect."""

import base64

import pytest

from httpd import counted, page

# Directive -> default object, in the order in which they run.
PHASES = {
    "PythonInitHandler": "inithandler",
    "PythonPostReadRequestHandler": "postreadrequesthandler",
    "PythonTransHandler": "transhandler",
    "PythonHeaderParserHandler": "headerparserhandler",
    "PythonAccessHandler": "accesshandler",
    "PythonAuthenHandler": "authenhandler",
    "PythonAuthzHandler": "authzhandler",
    "PythonTypeHandler": "typehandler",
    "PythonFixupHandler": "fixuphandler",
    "PythonHandler": "handler",
    "PythonLogHandler": "loghandler",
    "PythonCleanupHandler": "cleanuphandler",
}
DIRECTORY_PHASES = [name for name in PHASES if name not in (
    "PythonPostReadRequestHandler", "PythonTransHandler")]

# A module with a function for every phase, which notes on the request and in
# the log that it ran.
RECORDER = """
    from mod_python import apache

    def record(name, result):
        def phase(req):
            if not hasattr(req, "seen"):
                req.seen = []
            req.seen.append(req.phase)
            req.log_error(f"ran {name} in {req.phase}", apache.APLOG_INFO)
            if name == "authenhandler":
                req.user = "spam"
            return result
        return phase

    OK = ["postreadrequesthandler", "inithandler", "headerparserhandler",
          "accesshandler", "authenhandler", "authzhandler", "fixuphandler",
          "loghandler", "cleanuphandler"]
    for name in OK:
        globals()[name] = record(name, apache.OK)
    for name in ["transhandler", "typehandler"]:
        globals()[name] = record(name, apache.DECLINED)

    def handler(req):
        record("handler", apache.OK)(req)
        req.write(" ".join(req.seen))
        return apache.OK
    """
AUTH = "AuthType Basic\nAuthName test\nRequire valid-user\n"


def ran(log):
    """The directives that ran since the test began, in order."""
    return [entry.text.rsplit(" ", 1)[1] for entry in log.matching("^ran ")]


def credentials(user, password):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def test_all_phases_of_a_server_run_in_order(own_server):
    lines = "".join(f"{name} ${{SITE}}/recorder.py\n" for name in PHASES)
    server = own_server(lines + f"<Location />\n{AUTH}"
                        "SetHandler mod_python\n</Location>\n",
                        files={"recorder.py": RECORDER})
    response = server.site.get("x")
    assert response.text.split() == [*PHASES][:10]
    assert ran(server.log) == [*PHASES]


def test_a_handler_module_serves_all_twelve_phases(own_server):
    server = own_server("PythonHandlerModule ${SITE}/recorder.py\n"
                        f"<Location />\n{AUTH}SetHandler mod_python\n"
                        "</Location>\n", files={"recorder.py": RECORDER})
    assert server.site.get("x").text.split() == [*PHASES][:10]
    assert ran(server.log) == [*PHASES]


def test_all_phases_of_a_directory_run_in_order(site):
    site.write({"recorder.py": RECORDER})
    site.htaccess(AUTH + "SetHandler mod_python\n" + "".join(
        f"{name} recorder\n" for name in DIRECTORY_PHASES))
    response = site.get("x")
    assert response.text.split() == DIRECTORY_PHASES[:-2]
    assert ran(site.log) == DIRECTORY_PHASES


@pytest.mark.parametrize("directive", DIRECTORY_PHASES)
def test_each_phase_runs_alone(site, directive):
    site.write({"recorder.py": RECORDER, "page.txt": "static"})
    more = AUTH if directive == "PythonAuthenHandler" else ""
    if directive == "PythonAuthzHandler":
        site.write({"user.py": """
            from mod_python import apache

            def authenhandler(req):
                req.user = "spam"
                return apache.OK
            """})
        more = AUTH + "PythonAuthenHandler user\n"
    if directive == "PythonHandler":
        more = "SetHandler mod_python\n"
    site.htaccess(more + f"{directive} recorder\n")
    response = site.get("page.txt")
    assert response.status == 200
    assert ran(site.log) == [directive]
    if directive != "PythonHandler":
        assert response.text == "static"


def test_authen_and_authz_do_not_run_where_nothing_is_required(site):
    site.write({"recorder.py": RECORDER, "page.txt": "static"})
    site.htaccess("PythonAuthenHandler recorder\nPythonAuthzHandler recorder")
    assert site.get("page.txt").text == "static"
    assert ran(site.log) == []


def test_handler_does_not_run_where_the_handler_is_another(site):
    site.write({"recorder.py": RECORDER, "page.txt": "static"})
    site.htaccess("PythonHandler recorder")
    assert site.get("page.txt").text == "static"
    assert ran(site.log) == []


def test_python_program_is_another_name_of_the_handler(site):
    site.write({"hello.py": page("'one'")})
    site.htaccess("SetHandler python-program\nPythonHandler hello")
    assert site.get().text == "one"


def test_add_handler_maps_an_extension(site):
    site.write({"hello.py": page("req.uri[-5:]"), "x.page": "", "x.txt": "t"})
    site.htaccess("AddHandler mod_python .page\nPythonHandler hello")
    assert site.get("x.page").text == ".page"
    assert site.get("x.txt").text == "t"


def test_phase_is_none_between_phases(site):
    site.write({"hello.py": """
        from mod_python import apache

        def after(req):
            req.log_error(f"phase {req.phase}", apache.APLOG_INFO)

        def handler(req):
            req.register_cleanup(after, req)
            return apache.OK
        """})
    site.serve("hello")
    site.get()
    site.log.expect("phase None")


def test_request_object_is_the_same_in_every_phase(site):
    site.write({
        "early.py": """
            from mod_python import apache

            def fixuphandler(req):
                req.me = req
                return apache.OK
            """,
        "hello.py": page("req.me is req")})
    site.serve("hello", "PythonFixupHandler early")
    assert site.get().text == "True"


# Post read, translate

def test_post_read_handler_may_answer_and_be_done(own_server):
    server = own_server(
        "PythonPostReadRequestHandler ${SITE}/early.py", files={"early.py": """
            from mod_python import apache

            def postreadrequesthandler(req):
                if req.uri == "/health.txt":
                    return apache.DECLINED
                req.write("early " + req.uri)
                return apache.DONE
            """})
    assert server.get("/anything").text == "early /anything"
    assert server.get("/health.txt").text == "healthy\n"


def test_post_read_handler_may_refuse(own_server):
    server = own_server(
        "PythonPostReadRequestHandler ${SITE}/early.py", files={"early.py": """
            from mod_python import apache

            def postreadrequesthandler(req):
                return apache.HTTP_FORBIDDEN
            """})
    assert server.get("/health.txt").status == 403


def test_trans_handler_maps_a_uri_to_a_file(own_server):
    server = own_server("PythonTransHandler ${SITE}/map.py", files={
        "map.py": """
            from mod_python import apache
            import os

            def transhandler(req):
                if req.uri == "/mapped":
                    req.filename = os.path.join(os.path.dirname(__file__),
                                                "far.txt")
                    return apache.OK
                return apache.DECLINED
            """,
        "far.txt": "far"})
    assert server.get("/mapped").text == "far"
    assert server.get("/health.txt").text == "healthy\n"


@pytest.mark.parametrize("directive", ["PythonPostReadRequestHandler",
                                       "PythonTransHandler"])
def test_first_phases_are_refused_in_a_directory(own_server, directive):
    server = own_server(f"<Directory />\n{directive} x\n</Directory>",
                        start=False)
    status, said = server.check()
    assert status != 0 and directive in said


def test_first_phases_reload_too(own_server):
    server = own_server("PythonTransHandler ${SITE}/map.py", files={
        "map.py": counted("""
            from mod_python import apache
            import target

            def transhandler(req):
                if req.uri.startswith("/health"):
                    return apache.DECLINED
                req.filename = target.name
                return apache.OK
            """),
        "one.txt": "one", "two.txt": "two"}, start=False)
    site = server.site
    site.write({"target.py": f"name = {str(site.path('one.txt'))!r}\n"})
    server.start()
    assert site.texts() == {"one"}
    site.replace("target.py", "one", "two")
    assert site.texts() == {"two"}


# Init

def test_init_handlers_of_server_and_directory_run_once_each(own_server):
    server = own_server("PythonInitHandler ${SITE}/outer.py", files={
        "outer.py": RECORDER.replace("ran {name}", "ran outer"),
        "recorder.py": RECORDER,
        ".htaccess": "SetHandler mod_python\nPythonHandler recorder\n"
                     "PythonInitHandler recorder\n"})
    assert server.site.get().text.split() == [
        "PythonInitHandler", "PythonInitHandler", "PythonHandler"]
    entries = server.log.matching("^ran ")
    assert [entry.text.split()[1] for entry in entries] == [
        "outer", "inithandler", "handler"]


def test_init_handler_that_fails_ends_the_phase(site):
    site.write({"recorder.py": RECORDER, "init.py": """
        from mod_python import apache

        def inithandler(req):
            return apache.HTTP_FORBIDDEN
        """})
    site.htaccess("PythonInitHandler init\n"
                  "PythonHeaderParserHandler recorder")
    assert site.get("x").status == 403
    assert ran(site.log) == []


# Authentication

GUARD = """
    from mod_python import apache

    def authenhandler(req):
        password = req.get_basic_auth_pw()
        if (req.user, password) == ("spam", "eggs"):
            return apache.OK
        return apache.HTTP_UNAUTHORIZED

    def handler(req):
        req.write(f"{req.user} {req.ap_auth_type}")
        return apache.OK
    """


def test_authen_handler_lets_the_right_user_in(site):
    site.write({"guard.py": GUARD})
    site.serve("guard", AUTH + "PythonAuthenHandler guard\n")
    response = site.get(headers=credentials("spam", "eggs"))
    assert (response.status, response.text) == (200, "spam Basic")


@pytest.mark.parametrize("headers", [{}, credentials("spam", "wrong")])
def test_authen_handler_that_refuses_asks_for_a_password(site, headers):
    site.write({"guard.py": GUARD})
    site.serve("guard", AUTH + "PythonAuthenHandler guard\n")
    response = site.get(headers=headers)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="test"'


def test_authen_handler_that_sets_no_user_is_an_error(site):
    site.write({"guard.py": """
        from mod_python import apache

        def authenhandler(req):
            return apache.OK
        """})
    site.htaccess(AUTH + "PythonAuthenHandler guard")
    assert site.get("x").status == 500
    site.log.expect(r"MPY\d{4}.*req\.user")


def test_authz_handler_may_refuse_a_known_user(site):
    site.write({"guard.py": GUARD + """
    def authzhandler(req):
        return apache.HTTP_FORBIDDEN if req.args == "no" else apache.OK
    """})
    site.serve("guard", AUTH + "PythonAuthenHandler guard\n"
               "PythonAuthzHandler guard\n")
    headers = credentials("spam", "eggs")
    assert site.get("?yes", headers=headers).status == 200
    assert site.get("?no", headers=headers).status == 403


def test_access_handler_may_refuse_a_static_file(site):
    site.write({"door.py": """
        from mod_python import apache

        def accesshandler(req):
            return apache.HTTP_FORBIDDEN if req.args == "no" else apache.OK
        """, "page.txt": "static"})
    site.htaccess("PythonAccessHandler door")
    assert site.get("page.txt").text == "static"
    assert site.get("page.txt?no").status == 403


# Type, fixup, content

def test_type_handler_sets_the_content_type_of_a_static_file(site):
    site.write({"kind.py": """
        from mod_python import apache

        def typehandler(req):
            req.content_type = "text/x-odd"
            return apache.OK
        """, "page.dat": "static"})
    site.htaccess("PythonTypeHandler kind")
    response = site.get("page.dat")
    assert response.text == "static"
    assert response.headers["Content-Type"] == "text/x-odd"


@pytest.mark.parametrize("phase", ["fixup", "type"])
def test_early_phase_may_choose_the_content_handler(site, phase):
    site.write({"router.py": f"""
        from mod_python import apache

        def content(req):
            req.write("routed")
            return apache.OK

        def {phase}handler(req):
            req.handler = "mod_python"
            req.add_handler("PythonHandler", content)
            return apache.OK
        """})
    site.htaccess(f"Python{phase.capitalize()}Handler router")
    assert site.get("x").text == "routed"


def test_declined_content_goes_to_httpds_default_handler(site):
    site.write({"hello.py": """
        from mod_python import apache

        def handler(req):
            return apache.DECLINED
        """, "page.txt": "static"})
    site.serve("hello")
    assert site.get("page.txt").text == "static"
    assert site.get("nothing.txt").status == 404


@pytest.mark.parametrize("directive", [
    name for name in DIRECTORY_PHASES if name != "PythonHandler"])
def test_other_handlers_of_a_location_leave_mapping_and_access_alone(
        own_server, directive):
    server = own_server(f"""
        Alias /alias ${{SITE}}/far
        <Directory ${{SITE}}/secret>
            Require all denied
        </Directory>
        <Location />
            {AUTH if "Auth" in directive else ""}
            {"PythonAuthenHandler ${SITE}/recorder.py"
             if directive == "PythonAuthzHandler" else ""}
            {directive} ${{SITE}}/recorder.py
        </Location>
        """, files={"recorder.py": RECORDER, "page.txt": "static",
                    "far/page.txt": "far", "secret/page.txt": "secret"})
    server.log.allow("AH01630")
    assert server.site.get("page.txt").text == "static"
    assert server.get("/alias/page.txt").text == "far"
    if "Auth" not in directive:  # Require of the Location wins over that
        assert server.site.get("secret/page.txt").status == 403
    assert directive in ran(server.log)


def test_content_handler_in_a_location_answers_for_any_uri(own_server):
    server = own_server("""
        <Location /app>
            SetHandler mod_python
            PythonHandler ${SITE}/hello.py
        </Location>
        """, files={"hello.py": page("req.uri")})
    assert server.get("/app/deep/down").text == "/app/deep/down"
    assert server.get("/health.txt").text == "healthy\n"


@pytest.mark.parametrize("directive", ["PythonHandler",
                                       "PythonHandlerModule"])
def test_only_a_content_handler_of_a_location_needs_no_file(own_server,
                                                            directive):
    server = own_server(f"""
        <Location /app>
            SetHandler mod_python
            {directive} ${{SITE}}/hello.py
        </Location>
        """, files={"hello.py": page("req.filename")})
    assert server.get("/app/deep/down").text == "/app/deep/down"


@pytest.mark.parametrize("more, status", [
    ("", 200), ("SetHandler mod_python", 404)])
def test_handler_module_of_a_location_maps_files_unless_it_is_the_handler(
        own_server, more, status):
    server = own_server(f"""
        <Location />
            PythonHandlerModule ${{SITE}}/early.py
            {more}
        </Location>
        """, files={"page.txt": "static", "early.py": """
            from mod_python import apache

            def fixuphandler(req):
                req.log_error("early", apache.APLOG_INFO)
                return apache.OK
            """})
    assert server.site.get("page.txt").status == status
    server.log.expect("^early$")


# Log and cleanup

def test_log_handler_sees_what_was_sent(site):
    site.write({"hello.py": page("'12345'"), "log.py": """
        from mod_python import apache

        def loghandler(req):
            req.log_error(f"sent {req.bytes_sent} as {req.status}",
                          apache.APLOG_INFO)
            return apache.OK
        """})
    site.serve("hello", "PythonLogHandler log")
    site.get()
    site.log.expect("sent 5 as 200")


def test_cleanup_handler_runs_after_registered_cleanups(site):
    site.write({"hello.py": """
        from mod_python import apache

        def say(text):
            apache.log_error("cleanup " + text, apache.APLOG_INFO)

        def handler(req):
            req.register_cleanup(say, "first registered")
            req.register_cleanup(say, "last registered")
            return apache.OK

        def cleanuphandler(req):
            say("handler of " + req.uri)
            req.log_error("cleanup still logs", apache.APLOG_INFO)
            return apache.HTTP_FORBIDDEN
        """})
    site.serve("hello", "PythonCleanupHandler hello")
    assert site.get().status == 200
    assert [entry.text for entry in site.log.matching("^cleanup ")] == [
        "cleanup last registered", "cleanup first registered",
        f"cleanup handler of {site.url()}", "cleanup still logs"]


def test_cleanup_handler_runs_without_any_other_python_phase(site):
    site.write({"recorder.py": RECORDER, "page.txt": "static"})
    site.htaccess("PythonCleanupHandler recorder")
    assert site.get("page.txt").text == "static"
    assert ran(site.log) == ["PythonCleanupHandler"]


def test_exception_in_a_cleanup_is_logged_and_the_next_one_runs(site):
    site.write({"hello.py": """
        from mod_python import apache

        def fail(data):
            raise ValueError(data)

        def handler(req):
            req.register_cleanup(fail, "one")
            req.register_cleanup(fail, "two")
            req.write("sent")
            return apache.OK

        def cleanuphandler(req):
            raise ValueError("three")
        """})
    site.serve("hello", "PythonCleanupHandler hello\nPythonDebug On")
    assert site.get().text == "sent"
    for text in ("one", "two", "three"):
        site.log.expect(f"ValueError: {text}", level="error")


# Sub-requests and redirects

def test_handlers_run_in_sub_requests_but_for_the_first_phases(site):
    site.write({
        "recorder.py": RECORDER,
        "outer.shtml": '[<!--#include virtual="inner.page" -->]',
        "inner.page": ""})
    site.htaccess("""
        Options +Includes
        AddHandler mod_python .page
        AddOutputFilter INCLUDES .shtml
        AddType text/html .shtml
        """ + "\n".join(f"{name} recorder" for name in DIRECTORY_PHASES
                        if name != "PythonLogHandler"))
    response = site.get("outer.shtml")
    inner = response.text.strip("[]").split()
    assert "PythonHandler" in inner and "PythonFixupHandler" in inner
    assert "PythonHeaderParserHandler" not in inner
    assert "PythonInitHandler" not in inner


def test_internal_redirect_runs_all_phases_on_a_new_request(site):
    site.write({"recorder.py": RECORDER, "hello.py": """
        from mod_python import apache

        def handler(req):
            req.mine = "of the first"
            req.internal_redirect(req.uri + "target")
            return apache.OK

        def target(req):
            req.write(f"{req.prev.mine} {req.seen} {req is req.prev}")
            return apache.OK
        """})
    site.htaccess("""
        SetHandler mod_python
        PythonHandler hello
        PythonFixupHandler recorder
        <Files target>
            PythonHandler hello::target
        </Files>
        """)
    assert site.get().text == "of the first ['PythonFixupHandler'] False"


def test_error_document_runs_handlers(site):
    site.write({"hello.py": page("(req.prev.status, req.status)")})
    site.htaccess(f"""
        ErrorDocument 404 {site.url('oops')}
        <Files oops>
            SetHandler mod_python
            PythonHandler hello
        </Files>
        """)
    response = site.get("nothing")
    assert response.status == 404
    assert response.text.startswith("(404,")


# HEAD, keep-alive

def test_head_sends_no_body(site):
    site.write({"hello.py": page("(req.method, req.header_only)")})
    site.serve("hello")
    response = site.request(method="HEAD")
    assert (response.status, response.body) == (200, b"")


def test_hundred_requests_on_one_connection(site):
    site.write({"hello.py": page("req.args")})
    site.serve("hello")
    with site.server.connect() as connection:
        for number in range(100):
            assert connection.get(site.url(f"?{number}")).text == str(number)
