"""The session of mod_session: req.session_get() and req.session_set()."""

from inline import serve, value

MODULES = ("session", "session_cookie")
ON = "Session On\nSessionCookieName room path=/"
CODE = """
    if req.args:
        key, _, text = req.args.partition("=")
        req.session_set(key, text or None)
    return req.session_get("name")
    """


def cookie(response):
    return response.headers["Set-Cookie"].split(";")[0]


def test_what_is_set_is_there_at_the_next_request(own_server):
    server = own_server(modules=MODULES)
    serve(server.site, CODE, ON)
    response = server.site.get("x?name=spam")
    assert response.text == "'spam'"
    kept = {"Cookie": cookie(response)}
    assert server.site.get("x", headers=kept).text == "'spam'"
    assert server.site.get("x").text == ""


def test_none_removes_a_key(own_server):
    server = own_server(modules=MODULES)
    serve(server.site, CODE, ON)
    kept = {"Cookie": cookie(server.site.get("x?name=spam"))}
    response = server.site.get("x?name", headers=kept)
    assert response.text == ""
    kept = {"Cookie": cookie(response)}
    assert server.site.get("x", headers=kept).text == ""


def test_any_text_survives_in_a_session(own_server):
    server = own_server(modules=MODULES)
    serve(server.site, """
        text = "é \\udcff =&;%\\r\\n"
        if req.args:
            req.session_set("a key & more", text)
        return req.session_get("a key & more") == text
        """, ON)
    response = server.site.get("x?set")
    assert response.text == "True"
    kept = {"Cookie": cookie(response)}
    assert server.site.get("x", headers=kept).text == "True"


def test_other_modules_see_what_is_set(own_server):
    """SessionEnv gives the session to CGI programs."""
    server = own_server(modules=MODULES)
    site = server.site
    site.write({"early.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.session_set("name", "spam")
            return apache.OK
        """})
    serve(site, "return req.session_get('name')",
          ON + "\nPythonFixupHandler early")
    assert site.get("x").text == "'spam'"
    assert cookie(site.get("x")).startswith("room=name=spam")


def test_without_session_on_it_is_a_clear_error(own_server):
    server = own_server(modules=MODULES)
    assert value(server.site, """
        return [outcome(req.session_get, "a"),
                outcome(req.session_set, "a", "b")]
        """) == ["RuntimeError: there is no session here: Session On is not "
                 "in force for this request"] * 2


def test_without_mod_session_it_is_a_clear_error(site):
    answers = value(site, """
        return [outcome(req.session_get, "a"),
                outcome(req.session_set, "a", "b")]
        """)
    assert all(answer.startswith("RuntimeError: mod_session is not loaded")
               for answer in answers)


def test_nothing_is_set_after_the_response_began(own_server):
    server = own_server(modules=MODULES)
    serve(server.site, """
        req.write("a")
        req.write(outcome(req.session_set, "a", "b"))
        """, ON)
    assert "RuntimeError: the response has begun" in server.site.get("x").text


def test_only_text_is_stored(own_server):
    server = own_server(modules=MODULES)
    assert value(server.site, """
        return [kind(req.session_set, 5, "a"), kind(req.session_set, "a", 5),
                kind(req.session_set, "a", "b\\0"),
                kind(req.session_get, None), kind(req.session_set, "a")]
        """, more=ON) == ["TypeError", "TypeError", "ValueError", "TypeError",
                          "TypeError"]
