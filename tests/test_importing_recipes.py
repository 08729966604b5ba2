"""The recipes of docs/importing.md, as they stand there."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs/importing.md"

# heading: (URL, answer, file, what to edit, by what, answer after that)
RECIPES = {
    "A package from the distribution or from pip":
        ("", "Hello, world", "handler.py", "world", "you", "Hello, you"),
    "Handlers: modules beside the handler":
        ("", "<h1>Hello</h1>", "layout.py", "<h1>", "<h1>&gt;",
         "<h1>&gt;Hello</h1>"),
    "Handlers: a package beside the handler":
        ("", "3 EUR", "shop/__init__.py", "EUR", "CHF", "3 CHF"),
    "Pages: every file is one":
        ("hello.page", "== Hello ==", "layout.py", "==", "--",
         "-- Hello --"),
    "An application library outside the document tree":
        ("", "3 left", "library/shop/stock.py", "3", "2", "2 left"),
    "One library for several directories, without server configuration":
        ("", "Hello from the library", "lib/common.py", "Hello", "Greetings",
         "Greetings from the library"),
    "A framework":
        ("", "Hello", "views.py", '"Hello"', '"Good day"', "Good day"),
}
WITHOUT_CODE = {"Shared hosting", "Production without looking for changes"}


def read_recipes():
    """{heading: {file: text}}; a block says its file in its first line."""
    text = PAGE.read_text().split("\n## Recipes\n")[1]
    recipes = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        blocks = re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", body,
                            flags=re.MULTILINE | re.DOTALL)
        recipes[heading] = dict(blocks)
    return recipes


def test_every_recipe_is_tried():
    assert read_recipes().keys() == RECIPES.keys() | WITHOUT_CODE


@pytest.mark.parametrize("heading", RECIPES)
def test_recipe_works_and_reloads(own_server, heading):
    files = read_recipes()[heading]
    url, answer, name, old, new, after = RECIPES[heading]
    site = own_server(files.pop("httpd.conf", ""), files={
        path.removeprefix("/"): text for path, text in files.items()}).site
    for response in site.get_from_each_child(url).values():
        assert response.status == 200
        assert answer in response.text
    site.replace(name, old, new)
    for response in site.get_from_each_child(url).values():
        assert response.status == 200
        assert after in response.text


HANDED_OVER = {
    "One object for good.": "counter",
    "A hook.": "counter",
}


@pytest.mark.parametrize("heading", HANDED_OVER)
def test_example_of_handing_over_state_does_it(own_server, heading):
    part = PAGE.read_text().split(f"**{heading}**")[1]
    text = re.search(r"^```python\n(.*?)^```$", part,
                     re.MULTILINE | re.DOTALL).group(1)
    site = own_server(children=1).site
    site.write({"state.py": text, "page.py": """
        from mod_python import apache
        import state
        def handler(req):
            with state.lock:
                state.counter["hits"] += 1
                req.write(str(state.counter["hits"]))
            return apache.OK
        """})
    site.serve("page")
    assert site.get().text == "1"
    site.edit("state.py", text + "# edited\n")
    assert site.get().text == "2"


def test_example_of_a_thread_that_ends_with_its_version_does(own_server):
    part = PAGE.read_text().split("### Threads")[1]
    text = re.search(r"^```python\n(.*?)^```$", part,
                     re.MULTILINE | re.DOTALL).group(1)
    site = own_server(children=1).site
    site.write({"work.py": text, "page.py": """
        import threading
        from mod_python import apache
        import work
        def handler(req):
            threads = [t for t in threading.enumerate()
                       if "look_after_it" in t.name]
            req.write(str(len(threads)))
            return apache.OK
        """})
    site.serve("page")
    assert site.get().text == "1"
    for version in range(3):
        site.edit("work.py", text + f"# {version}\n")
        site.get()
    site.get()
    assert site.get().text == "1"
