"""The programs of README.md, as they stand there."""

import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def block(language, number=0):
    """The text of a block of code."""
    text = README.read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)[number]


def test_the_first_handler_answers_and_reloads(site):
    site.htaccess(block("apache"))
    site.write({"hello.py": block("python"),
                "words.py": "HELLO = 'Good morning'\n"})
    response = site.get("any.py")
    assert response.text.startswith("<h1>Good morning</h1><p>You asked for ")
    assert response.headers["Cache-Control"] == "no-store"
    assert site.post("any.py").status == 405
    site.edit("words.py", "HELLO = 'Good night'\n")
    assert site.get("any.py").text.startswith("<h1>Good night</h1>")


def test_the_published_function_counts_visits(site):
    site.htaccess("SetHandler mod_python\n"
                  "PythonHandler mod_python.publisher\n")
    site.write({"guests.py": block("python", 1)})
    first = site.get("guests/hello?name=Ann")
    assert first.text == "Hello, Ann! This is visit 1."
    cookie = first.headers["Set-Cookie"].split(";")[0]
    again = site.get("guests/hello?name=Ann", headers={"Cookie": cookie})
    assert again.text == "Hello, Ann! This is visit 2."


def test_links_of_the_documentation_lead_somewhere():
    for page in [README, *README.parent.glob("docs/**/*.md"),
                 *README.parent.glob("examples/*.md")]:
        for target in re.findall(r"\]\(([\w./-]+)(?:#[^)]*)?\)",
                                 page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"
