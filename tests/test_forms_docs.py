"""The programs of docs/forms.md, as they stand there."""

import re
from pathlib import Path

from bodies import file_part, posted, uploaded

PAGE = Path(__file__).resolve().parent.parent / "docs/forms.md"


def program(site, name):
    """Serve the block that says this file name in its first line."""
    text, = re.findall(rf"^```python\n# /({name}\.py\n.*?)^```$",
                       PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    site.write({f"{name}.py": "# " + text})
    site.serve(name)


def test_the_first_program_greets(site):
    program(site, "hello")
    assert site.get("?name=Ada").text == "Hello, Ada"
    assert site.get().text == "Hello, stranger"


def test_the_program_for_uploads_stores_a_file(own_server):
    server = own_server("DocumentRoot ${SITE}")
    server.site.directory.chmod(0o777)
    program(server.site, "upload")
    data = bytes(range(256)) * 1000
    response = server.site.request("", **uploaded(file_part(
        data, "a.bin", "upload", "Content-Type: x/y")))
    assert (response.status, response.text) == (200, "a.bin: x/y")
    assert server.site.path("upload.data").read_bytes() == data
    assert server.site.request("", **posted(b"upload=x")).status == 400


def test_the_program_with_a_callback_stores_a_file(site):
    program(site, "store")
    site.directory.chmod(0o777)
    data = bytes(100_000)
    assert site.request(**uploaded(file_part(data, name="upload"))
                        ).text == "100000 bytes"
    assert site.path("stored.data").read_bytes() == data


def test_the_program_with_a_limit_takes_more_fields(site):
    program(site, "large")
    assert site.request(**posted(b"a=1&" * 4000)).text == "4000 fields"
