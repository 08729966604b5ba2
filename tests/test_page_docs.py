"""The programs of docs/publisher.md and docs/psp.md, as they stand there."""

import base64
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


def files_of(page):
    """{file: text}; a block says its file in its first line."""
    return {name.removeprefix("/"): text for name, text in re.findall(
        r"^```\w+\n# (/\S+)\n(.*?)^```$", (DOCS / page).read_text("utf-8"),
        flags=re.MULTILINE | re.DOTALL)}


def basic(user, password):
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": "Basic " + token}


@pytest.fixture
def publisher(site):
    site.write(files_of("publisher.md"))
    return site


@pytest.fixture
def psp(site):
    site.write(files_of("psp.md"))
    return site


@pytest.mark.parametrize("path, text", [
    ("guests/hello?name=Ann", "Hello, Ann!\n"),
    ("guests/hello", "Hello, stranger!\n"),
    ("tree/root/fruit/apple", "an apple\n"),
    ("tree/root", "everything\n"),
    ("far", "Hello, from afar!\n")])
def test_published_objects_answer_as_they_are_said_to(publisher, path, text):
    assert publisher.get(path).text == text


def test_the_index_of_a_page_is_html(publisher):
    assert publisher.get("guests").headers["Content-Type"] == "text/html"


@pytest.mark.parametrize("path, statuses", [
    ("closed", [401, 200, 200, 401]), ("closed/safe", [401, 200, 403, 401]),
    ("closed/vault", [401, 401, 200, 401])])
def test_closed_pages_admit_whom_they_are_said_to(publisher, path, statuses):
    assert [publisher.get(path, headers=headers).status for headers in (
        {}, basic("ann", "secret"), basic("bob", "hidden"),
        basic("bob", "secret"))] == statuses
    assert publisher.get(path).headers["WWW-Authenticate"] == \
        'Basic realm="The back room"'


def test_the_page_greets(psp):
    text = psp.get("hello.psp?name=%3CAnn%3E").text
    assert "Hello, &lt;Ann&gt;!" in text
    assert re.findall(r"<li>(.*)</li>", text) == [
        "number 0", "number 1", "number 2"]


def test_the_template_is_filled(psp):
    assert psp.get("shop/").text == "<p>apples: 3</p>\n"
