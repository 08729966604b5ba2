"""The publisher: from URLs to objects of pages (api.md 6.5)."""

import pytest


@pytest.fixture
def published(site):
    """published({"page.py": text}): a site that the publisher serves."""
    def write(files, *lines):
        site.write(files)
        site.serve("mod_python.publisher", *lines)
        return site
    return write


def test_a_function_is_called_with_the_fields_it_accepts(published):
    site = published({"page.py": """\
        def add(req, a, b="2"):
            return f"{a}+{b} {req.method}"
        """})
    assert site.get("page/add?a=1&b=5&c=3").text == "1+5 GET"
    assert site.get("page/add?a=1").text == "1+2 GET"
    assert site.get("page.py/add?a=x").text == "x+2 GET"
