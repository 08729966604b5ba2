"""#python elements in pages of mod_include: api.md 7."""

import pytest

OPTIONS = ("Options +Includes\nAddOutputFilter INCLUDES .shtml\n"
           "AddType text/html .shtml\nSSIErrorMsg [error]\n")


@pytest.fixture
def page(site):
    """page(text, ...) saves a page and gives it."""
    def get(text, more="", files=None):
        site.write({"page.shtml": text, **(files or {})})
        site.htaccess(OPTIONS + more)
        return site.get("page.shtml").text
    return get


# Programs

@pytest.mark.parametrize("program, shown", [
    ("6 * 7", "42"), (" \n 6 * 7 \n", "42"), ("None", ""), ("''", ""),
    ("'<b>'", "<b>"), ("'\u20ac'", "\u20ac"), ("b'x'", "b'x'"),
    ("&quot;a&quot; &lt; &quot;b&quot;", "True"), ("[1,\r\n2]", "[1, 2]"),
    ("(lambda: __file__.rpartition('/')[2])()", "page.shtml"),
    ("filter.write('a') or 'b'", "ab"),
    ("filter.req.uri.rpartition('/')[2]", "page.shtml"),
])
def test_eval_shows_a_value(page, program, shown):
    assert page(f'<p><!--#python eval="{program}" --></p>') \
        == f"<p>{shown}</p>"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_exec_runs_a_program(page, end):
    program = end.join([
        "", "def three():", "    for n in range(3):", "        yield str(n)",
        "", "for text in three():", "    filter.write(text)",
        "filter.write(b'!')", "class Named: pass", ""])
    assert page(f'(<!--#python exec="{program}" -->)') == "(012!)"


def test_elements_share_their_globals(page):
    assert page('<!--#python exec="n = 1" --><!--#python exec="n += 1" -->'
                '<!--#python eval="n" -->') == "2"


def test_globals_end_with_their_request(page, site):
    assert page('<!--#python eval="globals().setdefault(\'x\', filter) '
                'is filter" -->') == "True"
    assert site.get("page.shtml").text == "True"


def test_a_handler_may_fill_the_globals(page):
    assert page('<!--#python eval="given" -->',
                "PythonFixupHandler fill::fill\n", {"fill.py": """
        def fill(req):
            req.ssi_globals = {"given": "by the handler"}
            return 0
        """}) == "by the handler"


def test_globals_must_be_a_dict(page, site):
    assert page('<!--#python eval="1" -->', "PythonFixupHandler fill::fill\n",
                {"fill.py": "def fill(req):\n    req.ssi_globals = []\n"
                            "    return 0\n"}) == "[error]"
    site.log.expect("MPY0432: .*ssi_globals must be a dict, not list")


def test_the_filter_is_gone_after_its_element(page):
    assert page("""<!--#python exec="
from mod_python import apache
kept = filter" --><!--#python exec="
try:
    kept.write('x')
except apache.ExpiredError:
    seen = 'expired'
def later():
    return filter" --><!--#python eval="seen" -->,"""
                """<!--#python eval="str(type(filter))" -->""") \
        == "expired,<class 'mp_filter'>"


def test_after_a_page_the_filter_is_none(page):
    assert page('<!--#python exec="pass" -->', "PythonLogHandler log::log\n", {
        "log.py": """
            def log(req):
                assert req.ssi_globals["filter"] is None
                return 0
            """}) == ""


def test_the_filter_of_a_page(page):
    assert page("""<!--#python exec="
seen = [filter.read(), filter.readline(3), filter.is_input, filter.closed,
        filter.handler, filter.dir, filter.parent, filter.name]
filter.flush()
filter.pass_on()
filter.disable()
filter.write(repr(seen))
filter.close()
try:
    filter.write('x')
except ValueError as error:
    pass
else:
    1 / 0
" -->.<!--#python eval="'next'" -->""") == (
        "[None, None, 0, 0, None, None, None, 'includes'].next")


def test_large_output_stays_in_order(page):
    text = page('a<!--#python exec="\nfor n in range(100):\n'
                '    filter.write(str(n % 10) * 20000)\n" -->b')
    assert text == "a" + "".join(str(n % 10) * 20000
                                 for n in range(100)) + "b"


def test_elements_in_a_branch_that_is_not_taken_do_not_run(page):
    assert page('<!--#if expr="false" --><!--#python exec="1 / 0" -->'
                '<!--#python wrong="x" --><!--#else -->else<!--#endif -->') \
        == "else"


def test_an_included_page_has_globals_of_its_own(page):
    assert page('<!--#python exec="n = 1" -->'
                '<!--#include virtual="inner.shtml" -->'
                '<!--#python eval="n" -->', files={
                    "inner.shtml": '<!--#python eval="\'n\' in globals(), '
                                   'filter.req.main is not None" -->'}) \
        == "(False, True)1"


# Imports

def test_imports_are_relative_to_the_page_and_reload(page, site):
    assert page('<!--#python exec="import part" -->'
                '<!--#python eval="part.text" -->',
                files={"part.py": "from leaf import text\n",
                       "leaf.py": "text = 'one'\n"}) == "one"
    site.edit("leaf.py", "text = 'two'\n")
    assert site.get("page.shtml").text == "two"


def test_pages_of_two_directories_have_modules_of_their_own(page, site):
    text = '<!--#python exec="import part; filter.write(part.text)" -->'
    page(text, files={"a/page.shtml": text, "b/page.shtml": text,
                      "a/part.py": "text = 'a'\n",
                      "b/part.py": "text = 'b'\n",
                      "part.py": "text = 'outer'\n"})
    assert [site.get(f"{name}/page.shtml").text for name in "abab"] \
        == ["a", "b", "a", "b"]


def test_an_edited_page_runs_its_new_program(page, site):
    assert page('<!--#python eval="1" -->') == "1"
    site.edit("page.shtml", '<!--#python eval="2" -->')
    assert site.get("page.shtml").text == "2"


# Failures

def test_an_exception_leaves_the_rest_of_the_page(page, site):
    """D10."""
    assert page('1<!--#python exec="filter.write(\'2\'); 1 / 0" -->'
                '<!--#python eval="3" --><!--#python eval="4" -->') \
        == "12[error]34"
    site.log.expect("MPY0432: #python in .*page.shtml .* ZeroDivisionError")


def test_with_python_debug_the_page_shows_the_traceback(page, site):
    text = page('1<!--#python exec="raise KeyError(\'<x>\')" -->2',
                "PythonDebug On\n")
    assert "KeyError: &#39;&lt;x&gt;&#39;" in text.replace("'", "&#39;")
    assert text.startswith("1<pre>")
    assert text.endswith("</pre>\n[error]2")
    site.log.expect("MPY0432: .*KeyError")


@pytest.mark.parametrize("program, said", [
    ("exec='1 +'", "SyntaxError"), ("eval='a = 1'", "SyntaxError"),
    ("eval='1; 2'", "SyntaxError"), ("exec='  1'", "IndentationError"),
    ("exec='import nowhere'", "ModuleNotFoundError"),
    ("exec='raise SystemExit'", "SystemExit"),
])
def test_what_cannot_run_is_reported(page, site, program, said):
    assert page(f"1<!--#python {program} -->2") == "1[error]2"
    site.log.expect(f"MPY0432: .*{said}")


def test_server_return_ends_the_element(page):
    assert page("1<!--#python exec=\"\nfrom mod_python import apache\n"
                "filter.write('2')\n"
                "raise apache.SERVER_RETURN(apache.OK)\n\" -->3") == "123"


@pytest.mark.parametrize("parameters, said", [
    ("", "no program"), ('eval=""', "no program"), ('exec=" \n"', "no prog"),
    ('eval="1" eval="2"', "more than one"),
    ('eval="1" exec="2"', "more than one"),
    ('other="1"', "unknown parameter 'other'"),
    ('eval="1" other="2"', "unknown parameter 'other'"),
])
def test_wrong_parameters_give_the_error_text(page, site, parameters, said):
    """D9."""
    assert page(f'1<!--#python {parameters} -->2') == "1[error]2"
    site.log.expect(f"MPY0434: .*{said}")


def test_includes_noexec_is_respected(page, site):
    assert page('1<!--#python eval="2" -->3',
                "Options -Includes +IncludesNOEXEC\n") == "1[error]3"
    site.log.expect("MPY0433: .*IncludesNOEXEC")


def test_a_program_must_not_write_through_its_request(page, site):
    assert page('1<!--#python exec="filter.req.write(\'2\')" -->3') \
        == "1[error]3"
    site.log.expect("RuntimeError: an output filter must not write")


def test_without_mod_include_the_server_starts(own_server):
    server = own_server(without=("include",))
    assert server.get("/").status in (200, 403, 404)


@pytest.mark.parametrize("failing", [
    "1 / 0", "filter.disable(); 1 / 0", "filter.close(); 1 / 0",
    "raise SystemExit", "filter.write('x' * 50000); filter.flush(); 1 / 0"])
def test_elements_that_fail_use_no_memory_that_pools_gave_back(own_server,
                                                               failing):
    """D10. MaxMemFree 1 gives pools' memory back at once, so that with a
    sanitizer a stale pointer would be seen."""
    server = own_server("MaxMemFree 1\nLogLevel crit\n", children=1)
    server.site.htaccess(OPTIONS)
    server.site.write({"page.shtml": "".join(
        f'<!--#python exec="{program}" -->' for program in (
            failing, "filter.write('two')", "filter.write('three')"))})
    children = server.children()
    with server.connect() as connection:
        for _ in range(100):
            text = connection.get("/site/page.shtml").text
            assert text.lstrip("x") == "[error]twothree"
    assert server.children() == children


@pytest.mark.seconds(120)
def test_memory_stays_flat_over_many_pages(own_server):
    """D9 and D10: pages of which half the elements fail, and more programs
    than are kept compiled."""
    server = own_server("LogLevel crit\n", children=1)
    server.site.htaccess(OPTIONS)
    elements = ('<!--#python eval="1" --><!--#python -->'
                '<!--#python eval="" --><!--#python eval="1" eval="2" -->'
                '<!--#python other="1" -->'
                '<!--#python exec="1 / 0" -->'
                '<!--#python exec="def f(): return globals()\n'
                'g = filter.req" -->')
    server.site.write({"page.shtml": elements})

    def anonymous():
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file
                        if line.startswith("RssAnon"))

    with server.connect() as connection:
        for _ in range(1500):
            connection.get("/site/page.shtml")
        pid = connection.child()
        before = anonymous()
        for number in range(10_000):
            assert connection.get("/site/page.shtml").text \
                == "1" + "[error]" * 5
            if not number % 100:
                assert connection.get("/health.txt").text == "healthy\n"
        assert anonymous() - before < 600
        for turn in range(3):
            server.site.write({"page.shtml": "".join(
                f'<!--#python eval="{turn}, {n}" -->' for n in range(800))})
            assert connection.get("/site/page.shtml").text.count("(") == 800
