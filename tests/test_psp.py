"""PSP pages, as requests see them (api.md 6.4). Edits are in
test_psp_versions.py, errors in test_psp_errors.py."""

import pytest

from psp_site import inside, pages


@pytest.fixture
def psp(site):
    return pages(site)


# The handler

def test_a_page_is_served_as_html(psp):
    site = psp({"a.psp": "<p><%= 1 + 1 %></p>\n"})
    response = site.get("a.psp")
    assert response.text == "<p>2</p>\n"
    assert response.headers["Content-Type"] == "text/html"


def test_a_page_that_is_missing_is_not_found(psp):
    site = psp({"a.psp": ""})
    assert site.get("b.psp").status == 404


def test_an_empty_page_is_empty(psp):
    site = psp({"a.psp": ""})
    response = site.get("a.psp")
    assert (response.status, response.body) == (200, b"")


def test_head_of_a_page_has_no_body(psp):
    site = psp({"a.psp": "text"})
    response = site.request("a.psp", method="HEAD")
    assert (response.status, response.body) == (200, b"")


def test_a_page_may_set_its_content_type(psp):
    site = psp({"a.psp": "<% req.content_type = 'text/x-mine' %>x"})
    assert site.get("a.psp").headers["Content-Type"] == "text/x-mine"


def test_a_page_runs_without_frames_of_ours(psp):
    site = psp({"a.psp": "<%= sys._getframe().f_back %>"})
    assert site.get("a.psp").text == "None"


# What pages are given

def test_pages_have_the_names_of_the_module(psp):
    names = ("os", "sys", "apache", "util", "Session", "escape", "PSP",
             "PSPInterface", "parse", "parsestring", "handler")
    site = psp({"a.psp": "".join(f"<%= '{name}' in globals() %> "
                                 for name in names)})
    assert site.get("a.psp").text == "True " * len(names)


def test_pages_have_req_psp_and_their_file(psp):
    site = psp({"a.psp": "<%= req.method %> <%= type(psp).__name__ %> "
                         "<%= __file__ %> <%= psp.filename %>"})
    assert site.get("a.psp").text == "GET PSPInterface {0} {0}".format(
        site.path("a.psp"))


def test_the_form_is_made_when_a_page_uses_it(psp):
    site = psp({"uses.psp": "<%= form['a'].value %> <%= req.form is form %>",
                "does_not.psp": "<%= hasattr(req, 'form') %>"})
    assert site.get("uses.psp?a=1").text == "1 True"
    assert site.get("does_not.psp?a=1").text == "False"


def test_the_form_keeps_blank_values(psp):
    site = psp({"a.psp": "<%= form['a'].value == '' %>"})
    assert site.get("a.psp?a=").text == "True"


def test_a_form_that_was_read_before_is_used(psp):
    site = psp({
        "a.psp": "<%= form['a'].value %>",
        "early.py": """\
            from mod_python import apache, util
            def fixuphandler(req):
                req.form = util.FieldStorage(req)
                req.form["a"] = "early"
                return apache.OK
            """}, "PythonFixupHandler early\n")
    assert site.get("a.psp?a=late").text == "early"


def test_globals_of_one_run_are_not_seen_by_the_next(psp):
    site = psp({"a.psp": "<%= 'x' in globals() %><% x = 1 %>"})
    for _ in range(3):
        assert set(site.texts("a.psp")) == {"False"}


def test_functions_of_a_page_write_text(psp):
    site = psp({"a.psp": """\
        <%
        def row(x):
        %><td><%= x %></td><%
        # end
        for i in range(3):
            row(i)
        # end
        %>
        """})
    assert site.get("a.psp").text.strip() == \
        "<td>0</td><td>1</td><td>2</td>"


# Sessions

VISITS = "<% session['n'] = session.get('n', 0) + 1 %><%= session['n'] %>"


def cookie(response):
    return {"Cookie": response.headers["Set-Cookie"].partition(";")[0]}


def test_a_session_lasts_from_page_to_page(psp):
    site = psp({"a.psp": VISITS})
    first = site.get("a.psp")
    again = [site.get("a.psp", headers=cookie(first)).text
             for _ in range(3)]
    assert [first.text, *again] == ["1", "2", "3", "4"]


def test_a_page_that_does_not_use_the_session_has_none(psp):
    site = psp({"a.psp": "text <%\ndef f():\n    session\n# end\n%>"})
    assert "Set-Cookie" not in site.get("a.psp").headers


def test_a_session_made_for_the_page_goes_with_it(site):
    site.write({"a.psp": "<%= req.session is session %> ", "test.py": inside(
        """\
psp.PSP(req, "a.psp").run()
req.write(str(hasattr(req, "session")))
""")})
    site.serve("test")
    assert site.get("").text == "True False"


def test_the_session_of_the_request_is_the_page_s(site):
    site.write({"a.psp": VISITS, "test.py": inside("""\
session = req.get_session()
psp.PSP(req, "a.psp").run()
session["n"] += 10
psp.PSP(req, string="<%= session['n'] %>").run()
req.session = session
psp.PSP(req, "a.psp").run()
req.write(str(req.session is session))
""")})
    site.serve("test")
    assert site.get("").text == "11112True"


COUNTING = """\
from mod_python import Session, apache, psp

unlocked = []

class Counting(Session.MemorySession):
    def unlock(self):
        unlocked.append(1)
        return Session.MemorySession.unlock(self)

def handler(req):
    if req.args == "own":
        req.get_session()
    del unlocked[:]
    psp.PSP(req, string="<%= len(session) %>").run()
    req.write(f" {len(unlocked)}")
    return apache.OK
"""


def test_only_a_session_made_for_the_page_is_unlocked(site):
    site.write({"test.py": COUNTING})
    site.serve("test", "PythonOption mod_python.session.session_type "
               "test::Counting\n")
    assert site.get("").text == "0 1"
    assert site.get("?own").text == "0 0"


def test_a_session_is_saved_whoever_made_it(site):
    site.write({"test.py": inside("""\
session = req.get_session()
if req.args == "run":
    psp.PSP(req, string="<% session['x'] = 'saved' %>").run()
req.write(str(session.get("x")))
""")})
    site.serve("test")
    first = site.get("?run")
    assert site.get("", headers=cookie(first)).text == "saved"


def test_the_session_is_saved_when_the_page_redirects(psp):
    site = psp({"a.psp": "<% session['x'] = 'kept'; psp.redirect('/') %>",
                "b.psp": "<%= session.get('x') %>"})
    first = site.get("a.psp")
    assert first.status == 302
    assert site.get("b.psp", headers=cookie(first)).text == "kept"


def test_the_error_page_has_the_same_session(psp):
    site = psp({"a.psp": "<% psp.set_error_page('e.psp'); session['x'] = 1 "
                         "%><% 1 / 0 %>", "e.psp": "<%= session['x'] %>"})
    assert site.get("a.psp").text == "1"


def test_a_session_of_a_page_that_fails_is_free(psp):
    site = psp({"a.psp": VISITS + "<%\nif form.getfirst('bad'):\n"
                         "    1 / 0\n# end\n%>"})
    first = site.get("a.psp")
    assert site.get("a.psp?bad=1", headers=cookie(first)).status == 500
    site.log.expect("MPY0401")
    assert site.get("a.psp", headers=cookie(first)).text == "2"


# Writing

def test_blocks_repeat_their_text(psp):
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


@pytest.mark.parametrize("text, written", [
    ("gr\u00fcn", "gr\u00fcn"), ("\U0001f600", "\U0001f600"),
    ('a "quoted" \'one\'', 'a "quoted" \'one\''), ('"""', '"""'),
    ("\\n\\r\\t", "\\n\\r\\t"), ("\\\\", "\\"), ("\\x41", "A"),
    ("a\\", "a\\"), ("\\<%= 1 %>", "\\1"), ("a\r\nb\rc", "a\nb\nc"),
    ("x\0y", "x\0y"), ("%> < % <", "%> < % <"), ("{x} %s", "{x} %s")])
def test_text_is_written(psp, text, written):
    site = psp({"a.psp": text.encode()})
    assert site.get("a.psp").body == written.encode()


@pytest.mark.parametrize("value, written", [
    ("'gr\\u00fcn'", "gr\u00fcn"), ("17", "17"), ("None", "None"),
    ("b'x'", "b'x'"), ("[1]", "[1]"), ("", ""), ("b'abc', 'ascii'", "abc"),
    ("x for x in ()", "<generator"), ("'%'", "%"), ("'a' # c\n", "a"),
    ("'\\udcff'", b"\xff"), ("lambda: 1", "<function")])
def test_values_are_written_as_str(psp, value, written):
    site = psp({"a.psp": f"<%={value}%>".encode("utf-8")})
    if isinstance(written, str):
        written = written.encode()
    assert site.get("a.psp").body.startswith(written)


def test_text_and_other_writing_keep_their_order(psp):
    site = psp({"a.psp": "a<% req.write('b') %>c<% req.write('d', 0) %>e"
                         "<%= req.write('f', 0) or 'g' %>h"})
    assert site.get("a.psp").text == "abcdefgh"


def test_a_page_within_a_page_keeps_its_place(psp):
    site = psp({"a.psp": "a<% PSP(req, 'b.psp').run() %>c",
                "b.psp": "[<% PSP(req, string='<%= 1 %' + '>').run() %>]"})
    assert site.get("a.psp").text == "a[1]c"


def test_a_page_may_send_a_file(psp):
    site = psp({"a.psp": "a<% req.sendfile(__file__[:-5] + 'b.txt') %>c",
                "b.txt": "[file]"})
    assert site.get("a.psp").text == "a[file]c"


def test_functions_that_outlive_the_page_write_no_more(psp):
    site = psp({"a.psp": """\
<%
def late(data):
    try:
        %>text<%= 1 %><%
    except Exception as error:
        apache.log_error("late: " + type(error).__name__,
                         apache.APLOG_NOTICE)
req.register_cleanup(late)
%>page"""})
    assert site.get("a.psp").text == "page"
    site.log.expect("late: RuntimeError")


def test_long_pages_are_whole(psp):
    text = "".join(f"line {i}\n<%= {i} %>" for i in range(20000))
    site = psp({"a.psp": text})
    assert site.get("a.psp").text == "".join(f"line {i}\n{i}"
                                             for i in range(20000))


@pytest.mark.parametrize("page", [
    "<% req = Mine() %>a<%= 1 %>b",
    "<%\ndef change():\n    global req\n    req = Mine()\nchange()\n%>"
    "a<%= 1 %>b"])
def test_a_page_may_give_req_another_meaning(psp, page):
    site = psp({"a.psp": """\
<%
class Mine:
    def write(self, text, flush=1):
        psp.req.write(f"[{text}|{flush}]")
# end
%>""" + page})
    assert site.get("a.psp").text == "[a|0][1|0][b|0]"


def test_a_page_may_give_str_another_meaning(psp):
    site = psp({"a.psp": "<% str = repr %>a<%= 'x' %>b"})
    assert site.get("a.psp").text == "a'x'b"


# Autoescape

AUTOESCAPE = "PythonOption mod_python.psp.autoescape On\n"


def test_values_are_escaped_where_that_is_wanted(psp):
    page = """<p><%= '<b>&"\\'' %></p>"""
    site = psp({"a.psp": page, "off/a.psp": page}, AUTOESCAPE)
    site.serve("mod_python.psp", "PythonOption mod_python.psp.autoescape "
               "Off\n", "off")
    assert site.get("a.psp").text == "<p>&lt;b&gt;&amp;&quot;&#x27;</p>"
    assert site.get("off/a.psp").text == "<p><b>&\"'</p>"


def test_values_are_not_escaped_by_default(psp):
    site = psp({"a.psp": "<%= '<b>' %>"})
    assert site.get("a.psp").text == "<b>"


def test_what_knows_its_own_html_is_not_escaped(psp):
    site = psp({"a.psp": """\
<%
class Html(str):
    def __html__(self):
        return self
# end
%><%= Html('<b>') %><%= 1 %>"""}, AUTOESCAPE)
    assert site.get("a.psp").text.strip() == "<b>1"


def test_values_are_escaped_where_a_page_changes_req(psp):
    site = psp({"a.psp": "<% req = req %><%= '<b>' %>"}, AUTOESCAPE)
    assert site.get("a.psp").text == "&lt;b&gt;"


# PSP()

def test_psp_without_a_name_is_the_page_of_the_request(site):
    site.write({"a.psp": "the page", "test.py": inside(
        "psp.PSP(req).run()")})
    site.serve("test")
    assert site.get("a.psp").text == "the page"


def test_the_url_of_a_location_names_no_page(own_server):
    server = own_server(
        '<Location "/">\nSetHandler mod_python\n'
        "PythonHandler ${SITE}/test.py\n</Location>",
        files={"test.py": inside("psp.PSP(req).run()")})
    assert server.request("/etc/passwd").status == 404
    server.log.expect("MPY0552")


def test_psp_takes_files_and_strings(site):
    site.write({"a.psp": "file <%= x %>", "sub/b.psp": "b",
                "test.py": inside("""\
psp.PSP(req, filename="a.psp", vars={"x": 1}).run()
psp.PSP(req, "sub/b.psp").run()
psp.PSP(req, __file__.replace("test.py", "sub/b.psp")).run()
psp.PSP(req, string="str <%= x %>", vars={"x": 2}).run()
psp.PSP(req, string=b"bytes \\xc3\\xa4").run()
""")})
    site.serve("test")
    assert site.get("").text == "file 1bbstr 2bytes ä"


def test_psp_refuses_a_file_and_a_string(site):
    site.write({"test.py": inside("""\
try:
    psp.PSP(req, "a.psp", "text")
except ValueError as error:
    req.write(str(error))
""")})
    site.serve("test")
    assert "not both" in site.get("").text


def test_psp_of_a_missing_file_is_not_found(site):
    site.write({"test.py": inside('psp.PSP(req, "none.psp")')})
    site.serve("test")
    assert site.get("").status == 404


def test_vars_of_run_win_over_those_of_the_constructor(site):
    site.write({"test.py": inside("""\
page = psp.PSP(req, string="<%= x %><%= y %>", vars={"x": 1, "y": 1})
page.run({"y": 2})
page.run()
""")})
    site.serve("test")
    assert site.get("").text == "1211"


def test_vars_win_over_everything(site):
    site.write({"test.py": inside("""\
page = psp.PSP(req, string="<%= form %><%= os %><%= psp %>")
page.run({"form": 1, "os": 2, "psp": 3})
""")})
    site.serve("test")
    assert site.get("").text == "123"


def test_vars_may_replace_req(site):
    site.write({"test.py": inside("""\
written = []
class Mine:
    def write(self, text, flush=1):
        written.append(text)
psp.PSP(req, string="a<%= 1 %>b", vars={"req": Mine()}).run()
req.write(repr(written))
""")})
    site.serve("test")
    assert site.get("").text == "['a', '1', 'b']"


def test_str_of_psp_runs_the_page_and_is_empty(site):
    site.write({"test.py": inside("""\
page = psp.PSP(req, string="page")
req.write("[" + str(page) + "]")
""")})
    site.serve("test")
    response = site.get("")
    assert response.text == "page[]"
    assert response.headers["Content-Type"] == "text/html"


def test_strings_include_from_the_directory_of_the_request(site):
    site.write({"b.inc": "one", "test.py": inside("""\
psp.PSP(req, string='<%@ include file="b.inc"%><%= x() %>',
        vars={"x": lambda: 1}).run()
""")})
    site.serve("test")
    assert set(site.texts("")) == {"one1"}
    site.edit("b.inc", "two")
    assert set(site.texts("")) == {"two1"}


def test_strings_import_from_the_directory_of_the_request(site):
    site.write({"lib.py": "value = 'one'\n", "test.py": inside("""\
psp.PSP(req, string="<% import lib %><%= lib.value %>").run()
""")})
    site.serve("test")
    assert set(site.texts("")) == {"one"}
    site.edit("lib.py", "value = 'two'\n")
    assert set(site.texts("")) == {"two"}


def test_strings_are_compiled_once_and_not_kept_for_ever(site):
    site.write({"test.py": inside("""\
text = "<%= 1 %>"
first = psp.PSP(req, string=text).code
for i in range(10):
    psp.PSP(req, string=text)
for i in range(2000):
    psp.PSP(req, string=f"page {i}")
again = psp.PSP(req, string=text).code
req.write(f"{first is again} {len(psp._strings) <= 512}")
""")})
    site.serve("test")
    assert site.get("").text == "True True"


def test_flush_sends_what_a_page_wrote(site):
    site.write({"test.py": inside("""\
before = req.bytes_sent
psp.PSP(req, string="x" * 100).run(flush=1)
req.write(str(req.bytes_sent > before))
""")})
    site.serve("test")
    assert site.get("").text == "x" * 100 + "True"


# The listing

def test_a_listing_is_shown_under_pythondebug(psp):
    site = psp({"a.psp": "<b>text</b>\n<%= 1 %>"}, "PythonDebug On\n")
    response = site.get("a.psp_")
    assert response.status == 200
    assert "&lt;b&gt;text" in response.text
    assert "req.write(str( 1 ),0)" in response.text


def test_a_listing_is_not_shown_without_pythondebug(psp):
    site = psp({"a.psp": "secret"})
    assert site.get("a.psp_").status == 404


def test_a_listing_of_what_is_no_page_is_not_shown(site):
    site.write({"a.psp": "page", "lib.py": "secret = 1\n",
                "data/x.psp": "secret", "closed.psp": "secret"})
    site.htaccess("""\
PythonDebug On
<FilesMatch "\\.psp_?$|_$">
    SetHandler mod_python
    PythonHandler mod_python.psp
</FilesMatch>
<Files "closed.psp">
    Require all denied
</Files>
""")
    assert site.get("a.psp_").status == 200
    assert site.get("lib.py_").status == 404
    assert site.get("closed.psp_").status == 404
    site.log.expect("client denied by server configuration")
    assert site.get("none.psp_").status == 404
    assert site.get("a.psp__").status == 404


def test_display_code_lists_strings_too(site):
    site.write({"test.py": inside("""\
psp.PSP(req, string="a & b\\n<%= 1 %>").display_code()
""")})
    site.serve("test")
    text = site.get("").text
    assert "a &amp; b" in text and "req.write(str( 1 ),0)" in text
