"""#python elements in pages of mod_include: api.md 7."""

import pytest

OPTIONS = ("Options +Includes\nAddOutputFilter INCLUDES .shtml\n"
           "AddType text/html .shtml\nSSIErrorMsg [error]\n")


@pytest.fixture
def page(site):
    """page(text, ...) saves a page and gives it."""
    site.htaccess(OPTIONS)

    def get(text, more="", name="page.shtml", files=None):
        site.write({name: text, **(files or {})})
        if more:
            site.htaccess(OPTIONS + more)
        return site.get(name).text
    return get


def test_eval_shows_a_value(page):
    assert page('<p><!--#python eval="6 * 7" --></p>') == "<p>42</p>"


def test_none_shows_nothing(page):
    assert page('(<!--#python eval="None" -->)') == "()"


def test_exec_writes_to_the_page(page):
    assert page('<!--#python exec="\nfor n in range(3):\n'
                '    filter.write(str(n))\nfilter.write(b\'!\')\n" -->.') \
        == "012!."
