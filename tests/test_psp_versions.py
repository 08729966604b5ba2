"""PSP pages that are edited, with what they include and import, and compiled
pages (api.md 6.4)."""

import os

import pytest

from psp_site import pages
from visitor import USER


@pytest.fixture
def psp(site):
    return pages(site)


def test_an_edited_page_is_new_at_the_next_request(psp):
    site = psp({"a.psp": "one"})
    assert set(site.texts("a.psp")) == {"one"}
    site.edit("a.psp", "two")
    assert set(site.texts("a.psp")) == {"two"}


def test_an_edited_include_is_new_at_the_next_request(psp):
    site = psp({"a.psp": 'a <%@ include file="b.inc"%> z',
                "b.inc": 'b <%@ include file="sub/c.inc"%>',
                "sub/c.inc": "one"})
    assert set(site.texts("a.psp")) == {"a b one z"}
    site.edit("sub/c.inc", "two")
    assert set(site.texts("a.psp")) == {"a b two z"}
    site.edit("b.inc", "B")
    assert set(site.texts("a.psp")) == {"a B z"}


def test_an_edited_import_is_new_at_the_next_request(psp):
    site = psp({"a.psp": "<% from lib import value %><%= value %>",
                "lib.py": "import deep\nvalue = deep.value\n",
                "deep.py": "value = 'one'\n"})
    assert set(site.texts("a.psp")) == {"one"}
    site.edit("deep.py", "value = 'two'\n")
    assert set(site.texts("a.psp")) == {"two"}


def test_pages_stay_as_they_are_where_nobody_looks(psp):
    site = psp({"a.psp": 'one <%@ include file="b.inc"%>', "b.inc": "one"},
               "PythonAutoReload Off\n")
    assert set(site.texts("a.psp")) == {"one one"}
    site.edit("a.psp", "two")
    site.edit("b.inc", "two")
    assert set(site.texts("a.psp")) == {"one one"}


def test_what_is_known_of_a_page_can_be_asked_for(psp):
    site = psp({"a.psp": """\
<%@ include file="b.inc"%><%
import lib
info = apache.module_info(__file__)
# end
%><%= info.file == __file__ %> <%= info.ctime > 1e9 %> <%=
[os.path.basename(path) for path in info.data] %> <%=
list(info.edges.values()) %>""", "b.inc": "", "lib.py": ""})
    assert site.get("a.psp").text == "True True ['b.inc'] ['late import']"


def test_an_include_that_was_missing_is_found(psp):
    site = psp({"a.psp": 'a <%@ include file="b.inc"%>'})
    assert site.get("a.psp").status == 500
    site.log.expect("FileNotFoundError")
    site.write({"b.inc": "b"})
    assert set(site.texts("a.psp")) == {"a b"}


def test_a_page_whose_include_breaks_goes_on_as_it_was(psp):
    site = psp({"a.psp": 'a <%@ include file="b.inc"%>', "b.inc": "one"})
    assert set(site.texts("a.psp")) == {"a one"}
    site.edit("b.inc", "<% x")
    assert set(site.texts("a.psp")) == {"a one"}
    site.log.allow("MPY0202")
    site.edit("b.inc", "two")
    assert set(site.texts("a.psp")) == {"a two"}


def test_a_page_whose_include_goes_away_goes_on_until_it_comes(psp):
    site = psp({"a.psp": 'a <%@ include file="b.inc"%>', "b.inc": "one"})
    assert set(site.texts("a.psp")) == {"a one"}
    site.remove("b.inc")
    assert set(site.texts("a.psp")) == {"a one"}
    site.log.allow("MPY0202")
    site.write({"b.inc": "two"})
    assert set(site.texts("a.psp")) == {"a two"}


def test_the_error_is_the_answer_where_that_is_wanted(psp):
    site = psp({"a.psp": "<% import lib %>one", "lib.py": ""},
               "PythonReloadFailure error\n")
    assert set(site.texts("a.psp")) == {"one"}
    site.edit("lib.py", "1 / 0\n")
    seen = site.get_from_each_child("a.psp").values()
    assert {response.status for response in seen} == {500}
    site.log.allow("MPY0202|MPY0401")
    site.edit("lib.py", "\n")
    assert set(site.texts("a.psp")) == {"one"}


def test_a_page_that_is_removed_is_gone(psp):
    site = psp({"a.psp": "text"})
    assert set(site.texts("a.psp")) == {"text"}
    site.remove("a.psp")
    seen = site.get_from_each_child("a.psp").values()
    assert {response.status for response in seen} == {404}


def test_a_page_never_mixes_versions_with_what_it_uses(psp):
    site = psp({
        "a.psp": """\
<% import lib %>page one, include <%@ include file="b.inc"%>, lib <%=
lib.value %><% import harness; harness.wait(__file__, "on")
%>, late <% import late %><%= late.value %>""",
        "warm.psp": "<% import late %>",
        "b.inc": "one", "lib.py": "value = 'one'\n",
        "late.py": "value = 'one'\n"})
    site.texts("warm.psp")
    parked = site.later("a.psp")
    site.wait_parked("on")
    site.replace("a.psp", "page one", "page two")
    for name in ("b.inc", "lib.py", "late.py"):
        site.replace(name, "one", "two")
    site.open_gate("on")
    assert parked.result(20).text == \
        "page one, include one, lib one, late one"
    assert set(site.texts("a.psp")) == {
        "page two, include two, lib two, late two"}


def test_an_unchanged_page_is_not_translated_again(psp):
    site = psp({"a.psp": "<% import lib %><%= lib.value %> "
                         "<%= id(sys._getframe().f_code) %>",
                "lib.py": "value = 'one'\n"})
    before = {text.split()[1] for text in site.texts("a.psp")}
    site.edit("lib.py", "value = 'two'\n")
    after = site.texts("a.psp")
    assert {text.split()[0] for text in after} == {"two"}
    assert {text.split()[1] for text in after} == before


def test_the_file_s_own_module_is_nobody_s_import(psp):
    site = psp({"lib.psp": "text",
                "a.psp": "<%\ntry:\n    import lib\n    found = lib\n"
                         "except ImportError:\n    found = 'none'\n%>"
                         "<%= found %>"})
    assert site.get("lib.psp").text == "text"
    assert site.get("a.psp").text == "none"


def test_equal_names_in_different_directories_coexist(psp):
    site = psp({"x/a.psp": "<% import lib %>x <%= lib.value %>",
                "x/lib.py": "value = 'x'\n",
                "y/a.psp": "<% import lib %>y <%= lib.value %>",
                "y/lib.py": "value = 'y'\n"})
    assert site.get("x/a.psp").text == "x x"
    assert site.get("y/a.psp").text == "y y"


def test_relative_imports_are_those_of_the_page_s_directory(psp):
    site = psp({"a.psp": "<% from . import lib %><%= lib.value %>",
                "lib.py": "value = 'yes'\n"})
    assert site.get("a.psp").text == "yes"


# Compiled pages

def test_no_compiled_file_beside_a_page_is_read(psp):
    import marshal
    evil = marshal.dumps(compile("req.write('evil')", "x", "exec"))
    site = psp({"a.psp": "good", "a.psc": evil, "a.psp.psc": evil,
                "a.pyc": evil, "__pycache__/a.cpython-311.pyc": evil})
    assert site.get("a.psp").text == "good"


def test_the_dbm_cache_keeps_what_is_compiled(site):
    site.make_directory(site.path("cache"))
    site.path("cache").chmod(0o700)
    os.chown(site.path("cache"), USER, -1)
    site.write({"a.psp": "one <%= 1 %>"})
    site.serve("mod_python.psp", "PythonOption "
               "mod_python.psp.cache_database_filename "
               f"{site.path('cache/pages')}\n")
    assert set(site.texts("a.psp")) == {"one 1"}
    assert any(site.path("cache").iterdir())
    site.edit("a.psp", "two <%= 2 %>")
    assert set(site.texts("a.psp")) == {"two 2"}


def test_the_dbm_cache_saves_the_next_process_the_work(own_server):
    """What is in it is what runs: words of it are changed on the disk."""
    server = own_server(files={"a.psp": "one <%= 1 %>"}, children=1)
    site = server.site
    cache = site.path("cache")
    site.make_directory(cache)
    cache.chmod(0o755)
    os.chown(cache, USER, -1)
    site.serve("mod_python.psp", "PythonOption "
               f"mod_python.psp.cache_database_filename {cache}/pages\n")
    assert site.get("a.psp").text == "one 1"
    for file in cache.iterdir():
        with open(file, "r+b") as opened:
            text = opened.read()
            assert b"one " in text
            opened.seek(0)
            opened.write(text.replace(b"one ", b"two "))
    server.restart()
    assert site.get("a.psp").text == "two 1"


def test_a_dbm_cache_that_others_can_write_to_is_not_used(site):
    site.make_directory(site.path("cache"))
    site.path("cache").chmod(0o777)
    site.write({"a.psp": "one"})
    site.serve("mod_python.psp", "PythonOption PSPDbmCache "
               f"{site.path('cache/pages')}\n")
    assert set(site.texts("a.psp")) == {"one"}
    assert not any(site.path("cache").iterdir())
    site.log.expect("MPY0561")


def test_a_dbm_cache_that_is_broken_is_done_without(site):
    site.make_directory(site.path("cache"))
    site.path("cache").chmod(0o755)
    site.write({"a.psp": "one", "cache/pages": "this is no database"})
    site.serve("mod_python.psp", "PythonOption PSPDbmCache "
               f"{site.path('cache/pages')}\n")
    assert set(site.texts("a.psp")) == {"one"}
    site.log.expect("MPY0560")
