"""PSP pages that fail: what is told of it, redirects and error pages (api.md
6.4)."""

import http.client
import re

import pytest

from psp_site import pages


@pytest.fixture
def psp(site):
    return pages(site)


def expect(site, *texts):
    """Lines of the traceback in the log."""
    site.log.expect("MPY0401")
    for text in texts:
        site.log.expect(re.escape(str(text)))


def test_a_traceback_shows_the_page_s_own_line(psp):
    site = psp({"a.psp": "one\n<% x = 0 %>two\n\nbad <%= 1 / x %> here\n"})
    assert site.get("a.psp").status == 500
    expect(site, f'File "{site.path("a.psp")}", line 4',
           "bad <%= 1 / x %> here", "ZeroDivisionError: division")
    site.log.refuse("_psp_")


def test_a_traceback_shows_an_included_file_s_own_line(psp):
    site = psp({"a.psp": 'one\n<%@ include file="b.inc"%>\nthree\n<%= 1 %>',
                "b.inc": "1\n2\n<%= x %>\n"})
    assert site.get("a.psp").status == 500
    expect(site, f'File "{site.path("b.inc")}", line 3', "<%= x %>")


def test_lines_after_an_include_are_the_page_s(psp):
    site = psp({"a.psp": '<%@ include file="b.inc"%>\ntwo\n<%= x %>',
                "b.inc": "1\n2\n3\n"})
    assert site.get("a.psp").status == 500
    expect(site, f'File "{site.path("a.psp")}", line 3')


def test_functions_of_an_included_file_are_shown_as_its(psp):
    site = psp({"a.psp": '<%@ include file="b.inc"%>\n<% f() %>',
                "b.inc": "1\n<%\ndef f():\n    return 1 / 0\n# end\n%>"})
    assert site.get("a.psp").status == 500
    expect(site, f'File "{site.path("a.psp")}", line 2',
           f'File "{site.path("b.inc")}", line 4, in f')


@pytest.mark.parametrize("page, line, said", [
    ("one\n\n<% for for %>", 3, "invalid syntax"),
    ("one\n<%= (1 %>", 2, "("),
    ("one\n<% x", 2, "'<%' without '%>'"),
    ("a\n<%\nreturn 1\n%>", 3, "outside function"),
    ("\\N{no such}", 1, "unicode")])
def test_a_syntax_error_names_the_page_s_line(psp, page, line, said):
    site = psp({"a.psp": page})
    assert site.get("a.psp").status == 500
    expect(site, f'File "{site.path("a.psp")}", line {line}', said,
           "SyntaxError: ")
    site.log.refuse("req.write|_psp_")


def test_a_syntax_error_of_an_included_file_names_that(psp):
    site = psp({"a.psp": '1\n2\n<%@ include file="b.inc"%>',
                "b.inc": "1\n<% for for %>\n"})
    assert site.get("a.psp").status == 500
    expect(site, f'File "{site.path("b.inc")}", line 2')


def test_pages_in_other_encodings_say_so(psp):
    site = psp({"a.psp": "<%\n# coding: latin-1\n%>gr\u00fcn".encode(
        "latin-1")})
    assert site.get("a.psp").body == "\u00fcn".join(["gr", ""]).encode()


def test_a_page_that_is_no_utf_8_is_reported_as_such(psp):
    site = psp({"a.psp": "one\ngr\u00fcn".encode("latin-1")})
    assert site.get("a.psp").status == 500
    expect(site, "UnicodeDecodeError", f"in {site.path('a.psp')}, line 2")


def test_a_byte_order_mark_is_no_text(psp):
    site = psp({"a.psp": b"\xef\xbb\xbftext"})
    assert site.get("a.psp").body == b"text"


def test_a_page_that_fails_leaves_nothing_of_itself(psp):
    site = psp({"a.psp": "part of the page<%\n1 / 0\n%>"},
               "PythonDebug On\n")
    response = site.get("a.psp")
    assert response.status == 500
    assert "part of the page" not in response.text
    assert "ZeroDivisionError" in response.text
    assert f"{site.path('a.psp')}&quot;, line 2" in response.text
    site.log.expect("MPY0401")


def test_a_long_page_that_fails_is_broken_off(psp):
    site = psp({"a.psp": "xxxxxxxxx\n" * 10000 + "<% req.flush(); 1 / 0 %>"})
    with pytest.raises(http.client.IncompleteRead):
        site.get("a.psp")
    site.log.expect("MPY0401")


def test_every_exception_leaves_a_page_unchanged(psp):
    """Those of Python, those of ours, and classes of programs."""
    site = psp({"a.psp": "text<% raise error %>", "test.py": """\
        import builtins

        from mod_python import apache, psp

        class Mine(Exception):
            def __init__(self, one, two):
                self.both = one, two

        MADE = {
            "BaseExceptionGroup": lambda kind: kind("x", [ValueError("y")]),
            "ExceptionGroup": lambda kind: kind("x", [ValueError("y")]),
            "UnicodeDecodeError": lambda kind: kind("x", b"y", 0, 1, "z"),
            "UnicodeEncodeError": lambda kind: kind("x", "y", 0, 1, "z"),
            "UnicodeTranslateError": lambda kind: kind("y", 0, 1, "z"),
            "Mine": lambda kind: kind(1, 2)}

        def handler(req):
            kinds = [kind for kind in vars(builtins).values()
                     if isinstance(kind, type)
                     and issubclass(kind, BaseException)]
            kinds += [Mine, apache.SERVER_RETURN, apache.ExpiredError]
            wrong = []
            for kind in kinds:
                error = MADE.get(kind.__name__, lambda k: k("this"))(kind)
                told = error.args, dict(vars(error))
                try:
                    psp.PSP(req, "a.psp", vars={"error": error}).run()
                except BaseException as caught:
                    if (caught is not error or caught.__context__
                            or (caught.args, vars(caught)) != told):
                        wrong.append(kind.__name__)
                else:
                    wrong.append(kind.__name__)
            req.write(f"|{len(kinds) > 60} {wrong}")
            return apache.OK
        """})
    site.serve("test")
    assert site.get("").text.rpartition("|")[2] == "True []"


def test_server_return_ends_a_page(psp):
    site = psp({"a.psp": "<% raise apache.SERVER_RETURN(apache.HTTP_GONE) %>"
                })
    assert site.get("a.psp").status == 410


# psp.redirect(), psp.apply_data(), psp.set_error_page()

def test_redirect_redirects(psp):
    site = psp({"a.psp": "text <% psp.redirect('/elsewhere') %> more",
                "b.psp": "<% psp.redirect('/for/ever', 1) %>"})
    response = site.get("a.psp")
    assert (response.status, response.headers["Location"]) == (
        302, "/elsewhere")
    assert site.get("b.psp").status == 301


def test_apply_data_calls_with_the_form(psp):
    site = psp({"a.psp": """\
<%
def hello(name, greeting, req=None):
    return f"{greeting}, {name}: {req is psp.req}"
# end
%><%= psp.apply_data(hello, greeting="Hi") %>"""})
    assert site.get("a.psp?name=Ann&x=y").text.strip() == "Hi, Ann: True"


ERROR = "<%= exception[0].__name__ %>: <%= exception[1] %> " \
        "<%= exception[2].tb_lineno %>"


@pytest.mark.parametrize("name, where", [
    ("e.psp", "e.psp"), ("sub/e.psp", "sub/e.psp")])
def test_the_error_page_gets_the_exception(psp, name, where):
    site = psp({"a.psp": f"<% psp.set_error_page('{name}') %>\n"
                         "before <% raise ValueError('this') %>",
                where: ERROR})
    assert site.get("a.psp").text == "\nbefore ValueError: this 2"


def test_an_error_page_with_a_slash_is_below_documentroot(psp):
    site = psp({"a.psp": "<% psp.set_error_page(form['page'].value) %>"
                         "<% 1 / 0 %>", "e.psp": ERROR})
    path = site.url("e.psp")
    assert site.get(f"a.psp?page={path}").text.startswith(
        "ZeroDivisionError")


def test_the_error_page_has_the_same_form(psp):
    site = psp({"a.psp": "<% psp.set_error_page('e.psp'); form['a'] = 'new' "
                         "%><% 1 / 0 %>",
                "e.psp": "<%= form['a'] %> <%= req.form is form %>"})
    assert site.get("a.psp?a=old").text == "new True"


@pytest.mark.parametrize("ending, status", [
    ("psp.redirect('/x')", 302),
    ("raise apache.SERVER_RETURN(apache.HTTP_GONE)", 410)])
def test_the_error_page_does_not_run_for_what_is_no_error(psp, ending,
                                                          status):
    site = psp({"a.psp": f"<% psp.set_error_page('e.psp') %><% {ending} %>",
                "e.psp": "the error page"})
    response = site.get("a.psp")
    assert response.status == status
    assert "the error page" not in response.text


def test_an_error_page_that_fails_is_an_error(psp):
    site = psp({"a.psp": "<% psp.set_error_page('e.psp') %><% 1 / 0 %>",
                "e.psp": "<% raise KeyError('in e') %>"})
    assert site.get("a.psp").status == 500
    expect(site, "KeyError: 'in e'", "ZeroDivisionError")


def test_an_error_page_that_is_missing_is_not_found(psp):
    site = psp({"a.psp": "<% psp.set_error_page('none.psp') %>"})
    assert site.get("a.psp").status == 404
