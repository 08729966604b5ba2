/* test_pspscan.c - core/pspscan.c: the program of every kind of page, and
 * which line of which file each of its lines is. */
#include "unit.h"

#include "core/pspscan.h"

#include <stdlib.h>

/* The files that pages here may include. */
static const struct {
    const char *name, *bytes;
} files[] = {
    {"head", "<h1>\n</h1>\n"},
    {"word", "word"},
    {"code", "<%\nif x:\n%>"},
    {"outer", "a\n<%@ include file=\"inner\"%>\nb"},
    {"inner", "<%=\nx %>"},
    {"loop", "<%@ include file=\"loop\"%>"},
    {"bad", "fine\n<% x"},
    {"mark", "\xef\xbb\xbfmarked"},
    {NULL, NULL}
};

static int
include(void *baton, const char *name, size_t length, const char **bytes,
        size_t *size)
{
    for (int i = 0; files[i].name; i++) {
        if (strlen(files[i].name) == length
            && !memcmp(files[i].name, name, length)) {
            *bytes = files[i].bytes;
            *size = strlen(files[i].bytes);
            return 0;
        }
    }
    return -1;
}

static mp_pspscan_options_t options = {
    .style = &mp_pspscan_classic,
    .include = include,
    .most_depth = 8,
    .most_includes = 100,
    .most_bytes = 1000000,
};

/* The program of a page, or the error and its line. */
static const char *
scan_bytes(const char *page, size_t size)
{
    static char text[4096];
    mp_pspscan_result_t result;
    if (mp_pspscan(page, size, &options, &result) < 0) {
        snprintf(text, sizeof(text), "%s (%u:%u)",
                 result.error ? result.error : "not included",
                 result.where.file, result.where.line);
    }
    else {
        CHECK_INT(strlen(result.bytes), result.size);
        snprintf(text, sizeof(text), "%s", result.bytes);
    }
    mp_pspscan_free(&result);
    return text;
}

static const char *
scan(const char *page)
{
    return scan_bytes(page, strlen(page));
}

/* "0:1 1:1 1:2 ": file and line of each line of the program. */
static const char *
lines_of(const char *page)
{
    static char text[4096];
    size_t used = 0;
    mp_pspscan_result_t result;
    text[0] = '\0';
    CHECK_INT(mp_pspscan(page, strlen(page), &options, &result), 0);
    size_t newlines = 0;
    for (size_t i = 0; i < result.size; i++) {
        newlines += result.bytes[i] == '\n';
    }
    if (result.lines) {
        CHECK_INT(result.line_count, newlines);
    }
    for (size_t i = 0; i < result.line_count; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%u:%u ",
                                 result.lines[i].file, result.lines[i].line);
    }
    mp_pspscan_free(&result);
    return text;
}

#define W(text) "req.write(\"\"\"" text "\"\"\",0)"
#define V(value) "req.write(str(" value "),0)"

static void
text(void)
{
    CHECK_STR(scan(""), "");
    CHECK_STR(scan("hello"), W("hello") "\n");
    CHECK_STR(scan("a\nb\n"), W("a\nb\n") "\n");
    CHECK_STR(scan("a < b %> c <b>"), W("a < b %> c <b>") "\n");
    CHECK_STR(scan("<"), W("<") "\n");
    CHECK_STR(scan("\xc3\xa4"), W("\xc3\xa4") "\n");
    CHECK_STR(scan("\xef\xbb\xbfx"), W("x") "\n");
    CHECK_STR(scan_bytes("a\0b", 3), W("a\\x00b") "\n");
}

static void
quotes(void)
{
    CHECK_STR(scan("\"a\" '''"), W("\\\"a\\\" '''") "\n");
    CHECK_STR(scan("\"\"\""), W("\\\"\\\"\\\"") "\n");
    CHECK_STR(scan("\\\""), W("\\\\\\\"") "\n");
}

static void
backslashes(void)
{
    CHECK_STR(scan("a\\nb\\rc\\td"), W("a\\\\nb\\\\rc\\\\td") "\n");
    CHECK_STR(scan("\\\\n"), W("\\\\n") "\n");
    CHECK_STR(scan("\\x41\\u00e4\\N{DIGIT ONE}\\'\\101"),
              W("\\x41\\u00e4\\N{DIGIT ONE}\\'\\101") "\n");
    CHECK_STR(scan("\\d \\% \\8"), W("\\\\d \\\\% \\\\8") "\n");
    CHECK_STR(scan("a\\\nb"), W("a\\\nb") "\n");
    CHECK_STR(scan("a\\\r\nb"), W("a\\\nb") "\n");
}

static void
backslashes_at_edges(void)
{
    CHECK_STR(scan("a\\"), W("a\\\\") "\n");
    CHECK_STR(scan("\\<%=x%>"), W("\\\\") ";" V("x") "\n");
    CHECK_STR(scan("\\\\<%=x%>"), W("\\\\") ";" V("x") "\n");
    CHECK_STR(scan("\\<b"), W("\\\\<b") "\n");
    CHECK_STR(scan_bytes("\\\0", 2), W("\\\\\\x00") "\n");
}

static void
carriage_returns(void)
{
    CHECK_STR(scan("a\r\nb\rc\n\rd"), W("a\nb\nc\n\nd") "\n");
    CHECK_STR(scan("<%\r\nx = 1\ry = 2\r\n%>"), "\nx = 1\ny = 2\n");
    CHECK_STR(scan("<%=\r\nx\r%>"), V("\nx\n") "\n");
}

static void
values(void)
{
    CHECK_STR(scan("<%= x %>"), V(" x ") "\n");
    CHECK_STR(scan("a<%=x%>b"), W("a") ";" V("x") ";" W("b") "\n");
    CHECK_STR(scan("<%=x%><%=y%>"), V("x") ";" V("y") "\n");
    CHECK_STR(scan("<%=%>"), V("") "\n");
    CHECK_STR(scan("<%='%>'%>"), V("'") ";" W("'%>") "\n");
}

static void
code_on_a_line(void)
{
    CHECK_STR(scan("<%%>"), "");
    CHECK_STR(scan("a<%%>b<%  %>"), W("ab") "\n");
    CHECK_STR(scan("<% x = 1 %>"), "x = 1 \n");
    CHECK_STR(scan("a<% x = 1 %>b"), W("a") ";x = 1 ;" W("b") "\n");
    CHECK_STR(scan("<% x %><% y %>"), "x ;y \n");
    CHECK_STR(scan("a<% if x: %>b"), W("a") ";if x: ;" W("b") "\n");
}

static void
code_on_lines(void)
{
    CHECK_STR(scan("<%\nx = 1\n%>b"), "\nx = 1\n" W("b") "\n");
    CHECK_STR(scan("a<%\nx = 1\ny = 2%>b"),
              W("a") "\nx = 1\ny = 2;" W("b") "\n");
    CHECK_STR(scan("<%\nx = 1\n  %>b"), "\nx = 1\n" W("b") "\n");
    CHECK_STR(scan("<%\n%>"), "\n");
}

static void
indentation(void)
{
    CHECK_STR(scan("<%\nfor i in x:\n    # in it\n%>a\n<%=i%>b<%\n# end\n%>c"),
              "\nfor i in x:\n    # in it\n    " W("a\n") ";" V("i") ";"
              W("b") "\n# end\n" W("c") "\n");
    CHECK_STR(scan("<%\n    x = 1\n\n%>a"), "\n    x = 1\n\n    " W("a")
              "\n");
    CHECK_STR(scan("<%\n  x = 1\n%>a<% y %>b<%\n%>c"),
              "\n  x = 1\n  " W("a") ";y ;" W("b") "\n" W("c") "\n");
    CHECK_STR(scan("<%\n\tx = 1\n%>a"), "\n\tx = 1\n\t" W("a") "\n");
}

static void
colons(void)
{
    CHECK_STR(scan("<%\nif x:\n%>a"), "\nif x:\n\t" W("a") "\n");
    CHECK_STR(scan("<%\n  if x:\n  %>a"), "\n  if x:\n  \t" W("a") "\n");
    CHECK_STR(scan("<%\nif x: \n%>a"), "\nif x: \n" W("a") "\n");
    CHECK_STR(scan("<%\nif x: # no\n%>a"), "\nif x: # no\n" W("a") "\n");
    CHECK_STR(scan("<%\nif x:%>a<% y %>\n<%\n# end\n%>b"),
              "\nif x:" W("a") ";y ;" W("\n") "\n# end\n" W("b") "\n");
    CHECK_STR(scan("<% if x:\n%>a"), "if x:\n\t" W("a") "\n");
    CHECK_STR(scan("<%\nif x:\n%><% if y:\n%>a"),
              "\nif x:\n\tif y:\n\t\t" W("a") "\n");
    CHECK_STR(scan("<%\nif x:\n%><% y\n%>a"),
              "\nif x:\n\ty\n\t" W("a") "\n");
}

static void
empty_blocks(void)
{
    CHECK_STR(scan("<%\nif x:\n%>"), "\nif x:\n\tpass\n");
    CHECK_STR(scan("<%\nif x:\n%><%\nelse:\n%>a"),
              "\nif x:\n\tpass\nelse:\n\t" W("a") "\n");
    CHECK_STR(scan("<%\nfor i in x:\n    # in it\n%><%\n# end\n%>"),
              "\nfor i in x:\n    # in it\n    pass\n# end\n");
}

static void
comments(void)
{
    CHECK_STR(scan("a<%-- <% x %> --%>b"), W("ab") "\n");
    CHECK_STR(scan("a<%-- \n \r\n --%>b\nc"), W("a\\\n\\\nb\nc") "\n");
    CHECK_STR(scan("<%----%>"), "");
    CHECK_STR(scan("<%-- x %> --%>"), "");
    CHECK_STR(scan("<%\nif x:\n%><%--\n--%>a"),
              "\nif x:\n\t" W("\\\na") "\n");
}

static void
directives(void)
{
    CHECK_STR(scan("a<%@ page x=\"y\" %>b"), W("ab") "\n");
    CHECK_STR(scan("a<%@ included %>b"), W("ab") "\n");
    CHECK_STR(scan("<%@\n%>b"), W("\\\nb") "\n");
    CHECK_STR(scan("<%@%>"), "");
}

static void
includes(void)
{
    CHECK_STR(scan("<%@ include file=\"word\"%>"), W("word\\\n") "\n");
    CHECK_STR(scan("a<%@include file = \"word\" %>b"),
              W("a\\\nword\\\nb") "\n");
    CHECK_STR(scan("a<%@ include file=\"code\"%>b"),
              W("a\\\n") "\nif x:\n\t" W("b") "\n");
    CHECK_STR(scan("<%@ include file=\"mark\"%>"), W("marked\\\n") "\n");
}

static void
include_errors(void)
{
    CHECK_STR(scan("\n<%@ include file=\"none\"%>"), "not included (0:2)");
    CHECK_STR(scan("<%@ include file=\"loop\"%>"),
              "files include each other too deeply (8:1)");
    CHECK_STR(scan("<%@ include file=\"a b\"%>"),
              "an include directive has the form <%@ include file=\"name\" "
              "%>, without spaces in the name (0:1)");
    CHECK_STR(scan("\n\n<%@ include %>"),
              "an include directive has the form <%@ include file=\"name\" "
              "%>, without spaces in the name (0:3)");
    CHECK_STR(scan("<%@ include file=\"bad\"%>"), "'<%' without '%>' (1:2)");
}

static void
lines(void)
{
    CHECK_STR(lines_of("a\n<%\nx\n%>"), "");
    CHECK_STR(lines_of("a\nb<%@ include file=\"word\"%>c\nd"),
              "0:1 0:2 1:1 0:2 0:3 ");
    CHECK_STR(lines_of("<%@ include file=\"head\"%>\nd"),
              "1:1 1:2 1:3 0:1 0:2 ");
    CHECK_STR(lines_of("<%@ include file=\"outer\"%>x<%=y%>"),
              "1:1 1:2 2:1 2:2 1:2 1:3 0:1 ");
    CHECK_STR(lines_of("a<%@ include file=\"code\"%>b\nc"),
              "0:1 1:1 1:2 0:1 0:2 ");
    CHECK_STR(lines_of("<%@\n include\nfile=\"word\"\n%>"),
              "0:1 0:2 0:3 1:1 0:3 0:4 ");
}

static void
ends(void)
{
    CHECK_STR(scan("\n<% x"), "'<%' without '%>' (0:2)");
    CHECK_STR(scan("<%= x"), "'<%=' without '%>' (0:1)");
    CHECK_STR(scan("<%-- x %>"), "'<%--' without '--%>' (0:1)");
    CHECK_STR(scan("<%@ x"), "'<%@' without '%>' (0:1)");
    CHECK_STR(scan("<%"), "'<%' without '%>' (0:1)");
    CHECK_STR(scan("<%%"), "'<%' without '%>' (0:1)");
}

static void
limits(void)
{
    mp_pspscan_options_t before = options;
    options.most_bytes = 30;
    CHECK_STR(scan("a\nbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
              "the page is too long (0:2)");
    options = before;
    options.most_includes = 1;
    CHECK_STR(scan("<%@ include file=\"word\"%>\n<%@ include file=\"word\"%>"),
              "too many files are included (0:2)");
    options = before;
    options.include = NULL;
    CHECK_STR(scan("<%@ include file=\"word\"%>"),
              "this page cannot include files (0:1)");
    options = before;
}

static void
quick(void)
{
    options.style = &mp_pspscan_quick;
    CHECK_STR(scan("a\"\n<%=x%>"), "_psp_[\"\"\"a\\\"\n\"\"\"];_psp_(x)\n");
    options.style = &mp_pspscan_classic;
}

/* Pages put together at random: no crash, and as many lines as the page. */
static void
random_pages(void)
{
    static const char *const pieces[] = {
        "<%", "%>", "<%=", "<%@", "<%--", "--%>", "\n", "\r\n", "\r", "\\",
        "\"", " ", "\t", ":", "x", "if x:", "include file=\"word\"", "#",
        "<%@ include file=\"head\"%>", "<%\n", "\n%>", "\"\"\"", "\\n",
    };
    const size_t count = sizeof(pieces) / sizeof(*pieces);
    srand(1);
    for (int i = 0; i < 100000; i++) {
        char page[1024] = "";
        mp_pspscan_result_t result;
        int length = rand() % 20;
        for (int j = 0; j < length; j++) {
            strcat(page, pieces[(size_t)rand() % count]);
        }
        int failed = mp_pspscan(page, strlen(page), &options, &result);
        size_t newlines = 0, lines_in = 0;
        for (size_t j = 0; !failed && j < result.size; j++) {
            newlines += result.bytes[j] == '\n';
        }
        for (const char *c = page; *c; c++) {
            lines_in += *c == '\n' || (*c == '\r' && c[1] != '\n');
        }
        if (!failed && !result.include_count) {
            CHECK(newlines == lines_in || newlines == lines_in + 1);
        }
        else if (!failed) {
            CHECK_INT(result.line_count, newlines);
        }
        mp_pspscan_free(&result);
        if (unit_failures) {
            printf("the page: %s\n", page);
            return;
        }
    }
}

int
main(void)
{
    RUN(text, "text is a literal with its own newlines");
    RUN(quotes, "quotes in text stand for themselves");
    RUN(backslashes, "backslashes are Python's, but for \\n, \\r and \\t");
    RUN(backslashes_at_edges, "a backslash before code or at the end is one");
    RUN(carriage_returns, "CR and CRLF are newlines");
    RUN(values, "values are written as str");
    RUN(code_on_a_line, "code on one line is joined to its neighbours");
    RUN(code_on_lines, "code with newlines stands on its own lines");
    RUN(indentation, "the last line of code indents what follows");
    RUN(colons, "a colon at the end of code indents by one level more");
    RUN(empty_blocks, "a block without text has an empty body");
    RUN(comments, "comments leave nothing but their lines");
    RUN(directives, "other directives leave nothing but their lines");
    RUN(includes, "an included file is spliced in");
    RUN(include_errors, "an include that cannot be is an error in its place");
    RUN(lines, "each line of the program knows its file and line");
    RUN(ends, "an element without an end is an error where it begins");
    RUN(limits, "limits are kept, and named");
    RUN(quick, "the quick style differs in spelling only");
    RUN(random_pages, "random pages keep their lines");
    return unit_report();
}
