"""The programs of docs/wsgi.md, as they stand there."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs/wsgi.md"

# heading: (module that must be installed, URL, answer, file, what to edit, by
# what, answer after that)
PROGRAMS = {
    "## The smallest one": ("wsgiref", "/site/", "Hello, World!\n",
                            "hello.py", "World", "Moon", "Hello, Moon!\n"),
    "## Flask": ("flask", "/app/", "Welcome to /app/",
                 "library/shop/views.py", "Welcome", "Come",
                 "Come to /app/"),
    "### Django": ("django", "/app/", "Hello from Django",
                   "library/mysite/views.py", "Hello", "Greetings",
                   "Greetings from Django"),
}


def files_below(heading):
    """{file: text}; a block says its file in its first line."""
    part = re.split(r"^##", PAGE.read_text("utf-8").split(
        f"\n{heading}\n")[1], flags=re.MULTILINE)[0]
    return dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", part,
                           flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("heading", PROGRAMS)
def test_program_runs_and_reloads(own_server, heading):
    needed, url, answer, name, old, new, after = PROGRAMS[heading]
    pytest.importorskip(needed)
    files = files_below(heading)
    server = own_server(files.pop("httpd.conf", ""), files={
        path.removeprefix("/"): text for path, text in files.items()})
    for response in server.get_from_each_child(url).values():
        assert (response.status, response.text) == (200, answer)
    server.site.replace(name, old, new)
    for response in server.get_from_each_child(url).values():
        assert (response.status, response.text) == (200, after)
