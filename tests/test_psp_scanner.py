"""psp.parse() and psp.parsestring(): the program of a page, row by row of
api.md 6.4. The same in plain C, with more cases: unit/test_pspscan.c."""

import ast
import random

import pytest

HANDLER = """\
import ast
import base64
import json

from mod_python import apache, psp


def handler(req):
    said = []
    for kind, *args in json.loads(req.read()):
        try:
            if kind == "bytes":
                said.append(psp.parsestring(base64.b64decode(args[0])))
            elif kind == "parse":
                said.append(psp.parse(*args))
            else:
                said.append(psp.parsestring(*args))
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
    req.write(json.dumps(said))
    return apache.OK
"""


@pytest.fixture
def parse(site):
    """parse(("string", text), ("parse", file, dir), ...): the programs."""
    import json

    site.write({"scan.py": HANDLER})
    site.serve("scan")

    def run(*what):
        return site.post("", json.dumps(what).encode()).json()
    run.site = site
    return run


@pytest.fixture
def program(parse):
    return lambda text: parse(("string", text))[0]


def w(text):
    return f'req.write("""{text}""",0)'


def v(value):
    return f"req.write(str({value}),0)"


def test_text_is_written_unflushed(program):
    assert program("text") == w("text") + "\n"


def test_quotes_in_text_stand_for_themselves(program):
    text = 'a "b" \'c\' """ d'
    assert ast.literal_eval(program(text)[10:-4]) == text


def test_n_r_and_t_behind_backslashes_are_two_characters(program):
    assert ast.literal_eval(program(r"\n\r\t")[10:-4]) == r"\n\r\t"


def test_other_backslashes_are_python_s(program):
    assert ast.literal_eval(program(r"\\ \x41 \u00e4 \101 \'")[10:-4]) == \
        "\\ A \u00e4 A '"


def test_a_backslash_that_means_nothing_is_one(program):
    assert ast.literal_eval(program(r"\d \w \<")[10:-4]) == r"\d \w \<"


def test_values_are_written_as_str(program):
    assert program("<%= x %>") == v(" x ") + "\n"


def test_code_is_code(program):
    assert program("<%\nx = 1\n%>") == "\nx = 1\n"


def test_an_empty_statement_is_nothing(program):
    assert program("a<%%>b") == w("ab") + "\n"


def test_comments_are_dropped(program):
    assert program("a<%-- <% x %> <%= y %> --%>b") == w("ab") + "\n"


def test_directives_are_ignored(program):
    assert program('a<%@ page language="x" %>b') == w("ab") + "\n"


def test_the_end_mark_ends_code_in_a_python_string_too(program):
    assert program("<% x = '%>'") == "x = ';" + w("'") + "\n"


def test_cr_and_crlf_are_lf(program):
    assert program("a\rb\r\nc<%\r\nx\r\n%>") == w("a\nb\nc") + "\nx\n"


def test_an_empty_page_is_an_empty_program(program):
    assert program("") == ""


def test_code_on_one_line_is_joined_to_its_neighbours(program):
    assert program("a<% x = 1 %><% y = 2 %><%= z %>b") == ";".join(
        [w("a"), "x = 1 ", "y = 2 ", v(" z "), w("b")]) + "\n"


def test_a_block_opener_on_one_line_is_no_block(program):
    with pytest.raises(SyntaxError):
        compile(program("<% if x: %>a"), "page", "exec")


def test_the_last_line_s_white_space_stays_in_force(program):
    assert program("<%\nfor i in x:\n    # in it\n%>a<%= i %>\nb<%\n# end\n"
                   "%>c") == ("\nfor i in x:\n    # in it\n    " + w("a") + ";"
                              + v(" i ") + ";" + w("\nb") + "\n# end\n"
                              + w("c") + "\n")


def test_a_newline_in_code_resets_the_indentation(program):
    assert program("<%\n    x\n%>a<%\n%>b") == \
        "\n    x\n    " + w("a") + "\n" + w("b") + "\n"


def test_a_colon_at_the_end_adds_a_level(program):
    assert program("<%\nif x:\n%>a") == "\nif x:\n\t" + w("a") + "\n"


@pytest.mark.parametrize("after", [" ", " # comment", "\t"])
def test_anything_after_the_colon_cancels_that(program, after):
    assert program(f"<%\nif x:{after}\n%>a") == \
        f"\nif x:{after}\n" + w("a") + "\n"


@pytest.mark.parametrize("page, text", [("a\\", "a\\"), ("\\<%%>b", "\\b")])
def test_a_backslash_before_code_or_at_the_end_is_one(program, page, text):
    source = program(page)
    written = []

    class Req:
        def write(self, piece, flush):
            written.append(piece)
    exec(source, {"req": Req()})
    assert "".join(written) == text


# Files

def test_include_splices_a_file_in(parse):
    parse.site.write({"a.psp": 'a<%@ include file="b.inc"%>c',
                      "b.inc": '<%= x %><%@ include file="sub/d.inc" %>',
                      "sub/d.inc": "d"})
    path = str(parse.site.path("a.psp"))
    source, = parse(("parse", path))
    written = []

    class Req:
        def write(self, piece, flush):
            written.append(piece)
    exec(source, {"req": Req(), "x": "b"})
    assert "".join(written) == "abdc"


def test_include_names_files_by_the_dir_argument(parse):
    parse.site.write({"a.psp": '<%@ include file="b.inc"%>', "b.inc": "near",
                      "sub/b.inc": "below"})
    here = f"{parse.site.path()}/"
    near, below = parse(("parse", "a.psp", here), ("parse", "../a.psp",
                                                   here + "sub/"))
    assert "near" in near and "below" in below


def test_include_takes_absolute_names(parse):
    parse.site.write({"b.inc": "b"})
    path = parse.site.path("b.inc")
    assert "b" in parse(("string", f'<%@ include file="{path}"%>'))[0]


def test_an_include_that_is_missing_is_filenotfounderror(parse):
    parse.site.write({"a.psp": '<%@ include file="none.inc"%>'})
    said, = parse(("parse", str(parse.site.path("a.psp"))))
    assert said.startswith("FileNotFoundError") and "none.inc" in said


def test_files_that_include_each_other_are_an_error(parse):
    parse.site.write({"a.psp": '<%@ include file="b.psp"%>',
                      "b.psp": '<%@ include file="a.psp"%>'})
    said, = parse(("parse", str(parse.site.path("a.psp"))))
    assert said.startswith("SyntaxError: files include each other too deeply")


def test_parse_of_a_missing_file_is_filenotfounderror(parse):
    assert parse(("parse", "/none/such.psp"))[0].startswith(
        "FileNotFoundError")


def test_parsestring_takes_str_and_bytes(parse):
    import base64
    coded = base64.b64encode("gr\u00fcn".encode()).decode()
    assert parse(("string", "gr\u00fcn"), ("bytes", coded)) == [
        w("gr\u00fcn") + "\n"] * 2


def test_a_coding_line_is_honoured(parse):
    import base64
    page = "<%\n# coding: latin-1\n%>gr\u00fcn".encode("latin-1")
    said, = parse(("bytes", base64.b64encode(page).decode()))
    assert w("gr\u00fcn") in said


def test_bytes_that_are_no_utf_8_are_reported_as_such(parse):
    import base64
    said, = parse(("bytes", base64.b64encode(b"gr\xfcn").decode()))
    assert said.startswith("UnicodeDecodeError")


# Lines

PIECES = ["text", "\n", "\r\n", "<%= x %>", "<%\n", "x = 1\n", "if x:\n",
          "%>", "<%", "<%-- \n --%>", "<%@ page\n%>", '"', "\\", "    # in\n"]


@pytest.mark.seconds(120)
def test_programs_have_the_lines_of_their_pages(parse):
    choose = random.Random(1)
    pages = ["".join(choose.choices(PIECES, k=choose.randrange(1, 25)))
             for _ in range(2000)]
    programs = parse(*(("string", page) for page in pages))
    for page, source in zip(pages, programs):
        if source.startswith("SyntaxError:"):
            assert "without" in source
            continue
        lines = page.replace("\r\n", "\n").replace("\r", "\n").count("\n")
        assert source.count("\n") in (lines, lines + 1), page
