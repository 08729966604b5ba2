"""Applications that are edited, that have equal names, that answer many
requests at the same time, and what responses leave behind (api.md 6.7)."""

import json

import pytest

from httpd import SAVES, together
from wsgi_site import option, serve


def numbered(number):
    return f"""
        import parts

        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"{number} " + parts.text]
        """


@pytest.mark.parametrize("how", SAVES)
def test_an_edited_application_is_new_at_the_next_request(site, how):
    site.write({"app.py": numbered(0), "parts.py": "text = b'0'\n"})
    site.serve("mod_python.wsgi", option("app"))
    assert site.texts() == {"0 0"}
    for number in range(1, 4):
        site.edit("app.py", numbered(number), how)
        assert site.texts() == {f"{number} {number - 1}"}
        site.edit("parts.py", f"text = b'{number}'\n", how)
        assert site.texts() == {f"{number} {number}"}


def test_while_an_application_does_not_load_the_last_one_goes_on(site):
    site.write({"app.py": numbered(1), "parts.py": "text = b'1'\n"})
    site.serve("mod_python.wsgi", option("app"))
    assert site.texts() == {"1 1"}
    site.edit("parts.py", "text = b'2\n")
    assert site.texts() == {"1 1"}
    site.log.expect("SyntaxError", count=1)
    site.edit("parts.py", "text = b'3'\n")
    assert site.texts() == {"1 3"}
    site.log.allow("MPY02")


def test_an_application_that_appears_later_is_found(site):
    site.serve("mod_python.wsgi", option("app"))
    assert site.get().status == 404
    site.log.expect("MPY0572", "warn")
    site.write({"parts.py": "text = b'1'\n", "app.py": numbered(1)})
    assert site.texts() == {"1 1"}
    site.remove("app.py")
    site.log.allow("MPY02|MPY0572")


def test_an_application_of_an_application_root_reloads(own_server):
    server = own_server(f"""
        PythonModulePath ${{SITE}}/library
        <Location /app>
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            {option("shop.site::start")}
        </Location>
        """, files={
            "library/shop/__init__.py": "",
            "library/shop/site.py": """
                from shop import views

                def start(environ, start_response):
                    start_response("200 OK", [])
                    return [__name__.encode(), b" ", views.text()]
                """,
            "library/shop/views.py": "def text():\n    return b'one'\n"})
    for text in ("one", "two", "three"):
        server.site.write({"library/shop/views.py":
                           f"def text():\n    return b'{text}'\n"})
        texts = {response.text for response
                 in server.get_from_each_child("/app/").values()}
        assert texts == {f"shop.site {text}"}


def test_a_name_that_a_program_gives_to_another_object_is_followed(site):
    serve(site, """
        def first(environ, start_response):
            global application
            application = second
            plain(start_response)
            return [b"first"]

        def second(environ, start_response):
            plain(start_response)
            return [b"second"]

        application = first
        """)
    with site.server.connect() as connection:
        assert [connection.get(site.url()).text for _ in range(3)] == [
            "first", "second", "second"]


def test_two_directories_have_applications_of_the_same_name(site):
    for name in ("one", "two"):
        site.write({f"{name}/app.py": f"""
            def application(environ, start_response):
                start_response("200 OK", [])
                return [b"{name}"]
            """})
        site.serve("mod_python.wsgi", option("app"), name)
    for name in ("one", "two", "one"):
        assert site.get(f"{name}/").text == name


def test_two_hosts_have_applications_of_the_same_name(own_server):
    host = """
        <VirtualHost *>
            ServerName {0}.example
            DocumentRoot ${{SITE}}/{0}
            <Location />
                SetHandler mod_python
                PythonHandler mod_python.wsgi
                PythonOption mod_python.wsgi.application app
            </Location>
        </VirtualHost>
        """
    server = own_server(host.format("one") + host.format("two"), files={
        f"{name}/app.py": f"""
            def application(environ, start_response):
                start_response("200 OK", [])
                return [b"{name}"]
            """ for name in ("one", "two")})
    for name in ("one", "two", "one"):
        assert server.request("/", headers={
            "Host": f"{name}.example"}).text == name


def test_requests_at_the_same_time_do_not_mix(site):
    serve(site, """
        def application(environ, start_response):
            name = environ["QUERY_STRING"]
            body = environ["wsgi.input"].read()
            start_response("200 " + name, [("X-Name", name)])
            for part in (name.encode(), environ["HTTP_X_NAME"].encode(), body):
                yield part + b" "
        """)

    def ask(number):
        for turn in range(20):
            name = f"n{number}-{turn}"
            response = site.post("?" + name, name.encode(),
                                 headers={"X-Name": name})
            assert response.text == f"{name} {name} {name} "
            assert (response.reason, response.headers["X-Name"]) == (name,
                                                                     name)

    together(ask, 8)


def test_responses_leave_nothing_behind(own_server):
    """Objects, after a thousand responses of every kind."""
    server = own_server(children=1)
    serve(server.site, """
        import gc
        import sys

        def application(environ, start_response):
            kind = environ["QUERY_STRING"]
            if kind == "count":
                gc.collect()
                plain(start_response)
                return [b"%d" % len(gc.get_objects())]
            write = plain(start_response, ("X-A", "b"))
            if kind == "cycle":
                environ["me"] = environ, start_response, write
            elif kind == "write":
                write(b"x")
            elif kind == "again":
                try:
                    raise ValueError
                except ValueError:
                    start_response("200 OK", [], sys.exc_info())
            elif kind == "raise":
                raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN)
            elif kind == "iterate":
                return iter([b"a", b"b"])
            return [b"x"]
        """)
    counts = []
    with server.connect() as connection:
        for turns in (50, 500):
            for _ in range(turns):
                for kind in ("list", "cycle", "write", "again", "raise",
                             "iterate"):
                    connection.get(server.site.url("?" + kind))
            counts.append(json.loads(
                connection.get(server.site.url("?count")).text))
    assert counts[1] - counts[0] < 20, counts
