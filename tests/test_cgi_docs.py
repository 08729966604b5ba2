"""The program of docs/cgi.md, as it stands there."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs/cgi.md"


def test_the_script_runs(site):
    files = dict(re.findall(r"^```\w+\n# /(\S+)\n(.*?)^```$",
                            PAGE.read_text("utf-8"),
                            flags=re.MULTILINE | re.DOTALL))
    assert sorted(files) == [".htaccess", "hello.cgi"]
    site.write(files)
    assert site.get("hello.cgi").text == "Hello, World\n"
    assert site.get("hello.cgi?you").text == "Hello, you\n"
