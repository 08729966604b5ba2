"""PSP pages, as requests see them (api.md 6.4)."""

import pytest


@pytest.fixture
def psp(site):
    """A site whose files are pages: psp({name: text}) writes them."""
    def write(files, *lines):
        site.write(files)
        site.serve("mod_python.psp", *lines)
        return site
    return write


def test_text_and_values_are_written(psp):
    site = psp({"a.psp": "<p><%= 1 + 1 %></p>\n"})
    assert site.get("a.psp").text == "<p>2</p>\n"


def test_code_with_lines_runs(psp):
    site = psp({"a.psp": """\
        <%
        for i in range(3):
            # in the loop
        %>
        <li><%= i %></li>
        <%
        # after it
        %>
        end
        """})
    assert site.get("a.psp").text == (
        "\n<li>0</li>\n\n<li>1</li>\n\n<li>2</li>\n\nend\n")
