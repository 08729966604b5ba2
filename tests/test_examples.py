"""The sites of examples/, as they stand there."""

import base64
import json
import re
import shutil
import tempfile
import urllib.parse
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def copy(site, name, *options):
    """The example, as a site of its own. options: more for its .htaccess."""
    shutil.copytree(EXAMPLES / name, site.directory, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__"))
    for path in [site.directory, *site.directory.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    if options:
        site.htaccess("\n".join([site.text(".htaccess"), *options, ""]))
    return site


def test_every_example_is_listed_and_tried():
    names = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    listed = set(re.findall(r"\]\(([a-z]+)\)", (
        EXAMPLES / "README.md").read_text("utf-8")))
    assert listed == names
    assert names == {"site", "guestbook", "flask", "authentication", "filter",
                     "psp"}


def test_the_first_site_answers(site):
    response = copy(site, "site").get("")
    assert response.status == 200
    assert "<html" in response.text


# the guest book

class Visitor:
    """Keeps its cookie, as a browser does."""

    def __init__(self, site):
        self.site = site
        self.cookie = ""

    def ask(self, path, method="GET", body=None, **headers):
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(body).encode()
        response = self.site.request(path, method=method, body=body, headers={
            "Cookie": self.cookie, **headers})
        for cookie in response.headers.get_all("Set-Cookie", []):
            self.cookie = cookie.partition(";")[0]
        return response

    def token(self):
        return re.search('name="token" value="([^"]+)"',
                         self.ask("").text).group(1)


@pytest.fixture
def book(site):
    """A guest book of its own, in a directory that httpd may write to."""
    directory = site.directory / "kept"
    copy(site, "guestbook", f"PythonOption guestbook.directory {directory}")
    directory.mkdir()
    directory.chmod(0o777)
    return site


def test_a_visitor_signs_the_guest_book(book):
    visitor = Visitor(book)
    response = visitor.ask("sign", "POST", {
        "token": visitor.token(), "name": "Ada", "text": "First\nof <all>"})
    assert response.status == 303
    assert response.headers["Location"] == book.url("")
    page = visitor.ask("").text
    assert "First<br>\nof &lt;all&gt;" in page
    assert 'name="name" value="Ada"' in page  # the session knows it
    other = Visitor(book).ask("").text
    assert "First<br>" in other
    assert 'value="Ada"' not in other


def test_entries_are_newest_first(book):
    visitor = Visitor(book)
    for text in ("one", "two", "three"):
        visitor.ask("sign", "POST", {"token": visitor.token(), "name": "x",
                                     "text": f"entry {text}"})
    assert re.findall("entry (\\w+)", visitor.ask("").text) == [
        "three", "two", "one"]


def test_an_entry_without_a_text_is_asked_for_again(book):
    visitor = Visitor(book)
    response = visitor.ask("sign", "POST", {"token": visitor.token(),
                                            "name": "<Ada>", "text": " "})
    assert response.status == 400
    assert "A name and a text are needed." in response.text
    assert 'value="&lt;Ada&gt;"' in response.text
    assert "<article>" not in visitor.ask("").text


def test_a_form_of_another_page_is_refused(book):
    visitor = Visitor(book)
    visitor.ask("")
    for token in ("", "wrong", Visitor(book).token()):
        assert visitor.ask("sign", "POST", {
            "token": token, "name": "x", "text": "x"}).status == 403
    assert visitor.ask("sign").status == 405


@pytest.fixture
def no_directory_left():
    """Nothing stays in the system's temporary directory."""
    def found():
        return set(Path(tempfile.gettempdir()).glob("guestbook-*"))
    before = found()
    yield
    for path in found() - before:
        shutil.rmtree(path)


def test_without_an_option_the_entries_are_in_a_directory_of_their_own(
        site, no_directory_left):
    visitor = Visitor(copy(site, "guestbook"))
    assert visitor.ask("").status == 200
    directory, = Path(tempfile.gettempdir()).glob("guestbook-*")
    assert directory.stat().st_mode & 0o777 == 0o700
    site.edit("pages.py", site.text("pages.py").replace(
        "<h1>Guest book</h1>", "<h1>Visitors</h1>"))
    assert "<h1>Visitors</h1>" in visitor.ask("").text


# Flask

def test_the_flask_application_answers_and_reloads(site):
    pytest.importorskip("flask")
    copy(site, "flask")
    # it believes to be at the root of its host, where ./run --dir has it
    site.htaccess(site.text(".htaccess") + "PythonOption "
                  f"mod_python.wsgi.base_uri {site.url('').rstrip('/')}\n")
    page = site.get("").text
    assert "Hello from Flask" in page
    assert f'href="{site.url("static/style.css")}"' in page
    assert "max-width" in site.get("static/style.css").text
    assert site.get("hello/J%C3%BCrgen").text == "Hello, J\xfcrgen"
    response = site.post("api/sum", b"[1, 2, 3]",
                         headers={"Content-Type": "application/json"})
    assert json.loads(response.text) == {"sum": 6, "count": 3,
                                         "here": site.url("api/sum")}
    site.replace("views.py", "Hello from", "Greetings from")
    assert {"Greetings from Flask" in text for text in site.texts("")} == {
        True}


# authentication

def authorization(user, password):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": "Basic " + text}


def test_members_are_let_in_and_others_are_not(own_server):
    site = copy(own_server(modules=("auth_basic",)).site, "authentication")
    assert "try ada" in site.get("").text
    response = site.get("members/page.py")
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="members"'
    response = site.get("members/page.py",
                        headers=authorization("ada", "lovelace"))
    assert (response.status, response.text) == (
        200, "<h1>Welcome, ada</h1>\n")
    for user, password in (("ada", "byron"), ("eve", "lovelace"), ("", "")):
        assert site.get("members/page.py", headers=authorization(
            user, password)).status == 401
    site.log.allow("AH01617|AH01618|AH01807")


def test_a_new_member_is_known_at_the_next_request(own_server):
    site = copy(own_server(modules=("auth_basic",)).site, "authentication")
    ask = {"headers": authorization("bob", "lovelace")}
    assert site.get("members/page.py", **ask).status == 401
    site.replace("accounts.py", '"ada":', '"bob":')
    assert site.get("members/page.py", **ask).status == 200
    site.log.allow("AH01617|AH01618|AH01807")


# the filter

def test_the_filter_frames_each_page(site):
    copy(site, "filter")
    assert "<nav><b>Home</b><a href=\"about.html\">About</a></nav>" in (
        site.get("index.html").text)
    page = site.get("about.html").text
    assert "<a href=\"index.html\">Home</a><b>About</b>" in page
    assert page.endswith("</html>\n")
    site.replace("menu.py", '"About"', '"About us"')
    assert {"<b>About us</b>" in text for text in site.texts("about.html")
            } == {True}


# PSP

def test_the_psp_site_shows_items_and_counts_visits(site):
    visitor = Visitor(copy(site, "psp"))
    page = visitor.ask("").text
    assert "1 times" in page
    assert "Bread &amp; butter" in page
    assert "Spam &lt;eggs&gt;" in page
    assert "2.50 EUR" in page
    assert "2 times" in visitor.ask("").text
    page = visitor.ask("item.psp?number=1").text
    assert "<h2>Tea</h2>" in page
    assert "It costs 1.80 EUR." in page
    for wrong in ("?number=9", "?number=-1", "?number=x", ""):
        assert visitor.ask("item.psp" + wrong).status == 404


@pytest.mark.parametrize("name, program", [
    ("psp", "catalogue.py"), ("filter", "frame.py"), ("flask", "board.py"),
    ("guestbook", "entries.py"), ("authentication", "accounts.py")])
def test_no_example_shows_its_programs(site, no_directory_left, name,
                                       program):
    response = copy(site, name).get(program)
    assert "import " not in response.text
    assert "MEMBERS" not in response.text
    site.log.allow("AH01630")


def test_pages_follow_what_they_are_made_of(site):
    copy(site, "psp")
    assert "2.50 EUR" in site.get("").text
    site.replace("catalogue.py", "EUR", "CHF")
    assert {"2.50 CHF" in text for text in site.texts("")} == {True}
    site.replace("head.psp", "Shop</a>", "Market</a>")
    assert {"Market</a>" in text for text in site.texts("")} == {True}
