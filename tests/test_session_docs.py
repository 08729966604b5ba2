"""The programs of docs/cookies.md and docs/sessions.md, as they stand there."""

import re
from pathlib import Path

import pytest

from visitor import SHMCB, Visitor

DOCS = Path(__file__).resolve().parent.parent / "docs"


def program(site, page, name, more="", handler=None):
    """Serve the block that says this file name in its first line."""
    text, = re.findall(rf"^```python\n# /({name}\.py\n.*?)^```$",
                       (DOCS / page).read_text("utf-8"),
                       re.MULTILINE | re.DOTALL)
    site.write({f"{name}.py": "# " + text})
    site.serve(handler or name, more)


def texts(site, *paths):
    """What one visitor is answered."""
    visitor, seen = Visitor(site), []
    for path in paths:
        response = site.get(path, headers={"Cookie": visitor.header()})
        visitor.keep(response)
        seen.append(response.text)
    return seen


def test_plain_cookie_remembers_a_language(site):
    program(site, "cookies.md", "handler")
    assert texts(site, "", "") == ["Welcome.", "Your language is en."]


def test_signed_cookie_remembers_a_user_and_only_that(site):
    program(site, "cookies.md", "signed")
    assert texts(site, "", "") == ["Hello.", "Hello, ada."]
    assert site.get(headers={"Cookie": "user=ada"}).text == "Hello."


@pytest.fixture
def shared(own_server):
    return own_server(**SHMCB).site


def test_session_counts_visits(shared):
    program(shared, "sessions.md", "handler")
    assert texts(shared, "", "", "") == [
        f"You were here {number} times." for number in (1, 2, 3)]


def test_session_knows_who_logged_in(shared):
    program(shared, "sessions.md", "login")
    assert texts(shared, "", "?login", "", "?logout", "") == [
        "user: None", "user: ada", "user: ada", "user: None", "user: None"]


def test_class_of_the_program_stores_sessions(own_server):
    site = own_server(children=1).site
    program(site, "sessions.md", "handler")
    program(site, "sessions.md", "store",
            "PythonOption mod_python.session.session_type store::Mine",
            "handler")
    assert texts(site, "", "") == ["You were here 1 times.",
                                   "You were here 2 times."]


def test_every_option_of_the_page_is_known_to_the_code():
    text = (DOCS / "sessions.md").read_text("utf-8")
    code = "".join(path.read_text("utf-8") for path in (
        *(DOCS.parent / "src/web").glob("session*.c"),
        *(DOCS.parent / "python/mod_python").glob("*ession*.py")))
    rows = re.findall(r"^\| (`.*?) \|.*\|.*\|$", text.partition(
        "## Options")[2], re.MULTILINE)
    names = {name.rpartition(".")[2] for row in rows
             for name in re.findall(r"`([\w.]+)`", row)}
    assert len(names) > 20
    assert not {name for name in names if f"{name}\"" not in code}
