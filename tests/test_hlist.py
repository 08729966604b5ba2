"""req.hlist: the handlers of the running phase, and where each came from."""

import pytest

from inline import parsed, value

NAMES = ("handler", "silent", "is_location", "directory", "location",
         "parent", "object")
SHOW = f"""
    from mod_python import apache

    def handler(req):
        at = req.hlist
        req.write(repr([getattr(at, name) for name in {NAMES}]))
        return apache.OK
    """


def shown(server, path):
    response = server.get(path)
    assert response.status == 200, response.text
    return parsed(response.text)


def test_entry_of_a_directory_knows_it(site):
    site.write({"show.py": SHOW})
    site.serve("show")
    assert parsed(site.get("a/b").text) == [
        "show", 0, 0, f"{site.directory}/", None, None, None]


@pytest.mark.parametrize("section, path, directory, location", [
    ('Location "/app"', "/app/x", "/app", "/app"),
    ('Location "/app/"', "/app/x", "/app/", "/app/"),
    ('Location "/a*"', "/app", "/a*", "/app"),
    ('LocationMatch "^/a[a-z]+/"', "/app/x", "^/a[a-z]+/", "/app/"),
])
def test_entry_of_a_location_knows_url_and_what_matched(
        own_server, section, path, directory, location):
    server = own_server(f"""
        <{section}>
            SetHandler mod_python
            PythonHandler ${{SITE}}/show.py
        </{section.split()[0]}>
        """, files={"show.py": SHOW})
    assert shown(server, path) == [
        f"{server.site.directory}/show.py", 0, 1, directory, location, None,
        None]


def test_entry_at_server_level_has_no_directory(own_server):
    server = own_server("SetHandler mod_python\n"
                        "PythonHandler ${SITE}/show.py\n",
                        files={"show.py": SHOW})
    assert shown(server, "/x")[1:] == [0, 0, None, None, None, None]


def test_entry_of_a_handler_module_is_silent(site):
    site.write({"show.py": SHOW})
    site.htaccess("SetHandler mod_python\nPythonHandlerModule show\n")
    assert parsed(site.get().text)[:2] == ["show", 1]


def test_added_callable_is_handler_and_object(site):
    site.write({"first.py": """
        from mod_python import apache

        def show(req):
            at = req.hlist
            req.write(repr([at.handler is show, at.object is show,
                            at.parent.handler, at.parent.object, at.silent,
                            at.directory == at.parent.directory]))
            return apache.OK

        def handler(req):
            req.add_handler("PythonHandler", show)
            return apache.OK
        """})
    site.serve("first")
    assert parsed(site.get().text) == [True, True, "first", None, 0, True]


def test_next_looks_ahead_and_is_harmless_past_the_end(site):
    site.write({"first.py": f"""
        from mod_python import apache

        def handler(req):
            at = req.hlist
            req.seen = [at.handler, repr(at) != ""]
            for _ in range(2):
                at.next()
                req.seen.append(at.handler)
            req.seen.append([getattr(at, name) for name in {NAMES}])
            req.seen.append(repr(at) != "")
            req.seen.append([at.next(), at.next(), at.handler])
            return apache.OK

        def other(req):
            req.write(repr([*req.seen, req.hlist.handler]))
            return apache.OK
        """})
    site.serve("first first::other")
    assert parsed(site.get().text) == [
        "first", True, "first::other", None, [None] * 7, True,
        [None, None, None], "first::other"]


def test_its_attributes_are_read_only_and_there_are_no_others(site):
    assert value(site, f"""
        at = req.hlist
        return (str(type(at)),
                {{kind(setattr, at, name, None) for name in {NAMES}}},
                {{kind(delattr, at, name) for name in {NAMES}}},
                kind(setattr, at, "other", 1), kind(lambda: at.other),
                kind(type(at)))
        """) == ("<class 'mp_hlist'>", {"AttributeError"}, {"AttributeError"},
                 "AttributeError", "AttributeError", "TypeError")
