/* pspscan.c - from a PSP page to the Python program that writes it.
 *
 * Text becomes triple-quoted literals, so its newlines stay where they are;
 * statements on one line are joined with ";". The surprising rule: a newline
 * that the program must have, though the page's is in a comment, a directive
 * or at the edge of an included file, is written as a backslash and a newline
 * in a literal, which means nothing there. */
#include "core/pspscan.h"

#include <stdlib.h>
#include <string.h>

const mp_pspscan_style_t mp_pspscan_classic = {
    "req.write(\"\"\"", "\"\"\",0)", "req.write(str(", "),0)",
};
const mp_pspscan_style_t mp_pspscan_quick = {
    "_psp_[\"\"\"", "\"\"\"]", "_psp_(", ")",
};

/* A file that is being read. */
typedef struct {
    const char *at, *end;
    mp_pspscan_line_t where;
    size_t depth;
} input_t;

typedef struct {
    const mp_pspscan_options_t *options;
    mp_pspscan_result_t *result;
    size_t room;          /* of result->bytes */
    size_t line_room;     /* of result->lines */
    int in_text;          /* a literal is open */
    int at_start;         /* nothing is on this line of the program */
    int is_opened;        /* the line ends with a colon: no ";" after it */
    const char *indent;   /* in force at the start of a line: part of a page */
    size_t indent_size;
    size_t tabs;          /* and so many levels more */
    int failed;
} scan_t;

/* ---- writing the program ------------------------------------------------ */

static void
fail(scan_t *scan, const char *error, mp_pspscan_line_t where)
{
    if (!scan->failed) {
        scan->failed = 1;
        scan->result->error = error;
        scan->result->where = where;
    }
}

/* Room for more bytes, and a NUL after them. */
static int
make_room(scan_t *scan, size_t more, const input_t *in)
{
    mp_pspscan_result_t *result = scan->result;
    if (scan->failed) {
        return 0;
    }
    size_t needed = result->size + more + 1;
    if (needed > scan->options->most_bytes) {
        fail(scan, "the page is too long", in->where);
        return 0;
    }
    if (needed > scan->room) {
        size_t room = scan->room ? scan->room : 1024;
        while (room < needed) {
            room *= 2;
        }
        char *bytes = realloc(result->bytes, room);
        if (!bytes) {
            fail(scan, "out of memory", in->where);
            return 0;
        }
        result->bytes = bytes;
        scan->room = room;
    }
    return 1;
}

static void
put(scan_t *scan, const input_t *in, const char *bytes, size_t size)
{
    if (size > 0 && make_room(scan, size, in)) {
        memcpy(scan->result->bytes + scan->result->size, bytes, size);
        scan->result->size += size;
    }
}

static void
put_string(scan_t *scan, const input_t *in, const char *string)
{
    put(scan, in, string, strlen(string));
}

/* Remember where the line of the program that ends here comes from. */
static void
note_line(scan_t *scan, const input_t *in)
{
    mp_pspscan_result_t *result = scan->result;
    if (result->line_count == scan->line_room) {
        size_t room = scan->line_room ? 2 * scan->line_room : 64;
        mp_pspscan_line_t *lines = realloc(result->lines,
                                           room * sizeof(*lines));
        if (!lines) {
            fail(scan, "out of memory", in->where);
            return;
        }
        result->lines = lines;
        scan->line_room = room;
    }
    result->lines[result->line_count++] = in->where;
}

static void
put_newline(scan_t *scan, const input_t *in)
{
    put(scan, in, "\n", 1);
    note_line(scan, in);
}

/* What goes before a statement: the indentation, or what ends the one before
 * it on this line. */
static void
begin_statement(scan_t *scan, const input_t *in)
{
    if (scan->at_start) {
        put(scan, in, scan->indent, scan->indent_size);
        for (size_t i = 0; i < scan->tabs; i++) {
            put(scan, in, "\t", 1);
        }
    }
    else if (!scan->is_opened) {
        put(scan, in, ";", 1);
    }
    scan->at_start = 0;
    scan->is_opened = 0;
}

static void
open_text(scan_t *scan, const input_t *in)
{
    if (!scan->in_text) {
        begin_statement(scan, in);
        put_string(scan, in, scan->options->style->text_begin);
        scan->in_text = 1;
    }
}

static void
close_text(scan_t *scan, const input_t *in)
{
    if (scan->in_text) {
        put_string(scan, in, scan->options->style->text_end);
        scan->in_text = 0;
    }
}

/* A block whose body is to stand here, and does not, has an empty one. */
static void
fill_block(scan_t *scan, const input_t *in)
{
    if (scan->at_start && scan->indent_size + scan->tabs > 0) {
        begin_statement(scan, in);
        put_string(scan, in, "pass");
    }
}

/* A line of the program ends, though the page has nothing to say. */
static void
put_mute_newline(scan_t *scan, const input_t *in)
{
    open_text(scan, in);
    put(scan, in, "\\", 1);
    put_newline(scan, in);
}

/* ---- lines -------------------------------------------------------------- */

/* The line that begins at `at`: where it ends, and where the next begins;
 * NULL: it is the last. */
static const char *
end_of_line(const char *at, const char *end, const char **next)
{
    while (at < end && *at != '\n' && *at != '\r') {
        at++;
    }
    *next = at == end ? NULL
            : at + 1 < end && at[0] == '\r' && at[1] == '\n' ? at + 2
                                                             : at + 1;
    return at;
}

static const char *
skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\f')) {
        at++;
    }
    return at;
}

/* What is between `at` and end is not in the program, but for its lines. */
static void
drop(scan_t *scan, input_t *in, const char *at, const char *end)
{
    const char *next;
    for (end_of_line(at, end, &next); next; end_of_line(next, end, &next)) {
        put_mute_newline(scan, in);
        in->where.line++;
    }
}

/* The same for what is. */
static void
copy(scan_t *scan, input_t *in, const char *at, const char *end)
{
    const char *next, *stop;
    do {
        stop = end_of_line(at, end, &next);
        put(scan, in, at, (size_t)(stop - at));
        if (next) {
            put_newline(scan, in);
            in->where.line++;
        }
        at = next;
    } while (at);
}

/* ---- code --------------------------------------------------------------- */

/* The lines after the first: each decides how the text after it is indented.
 */
static void
put_lines(scan_t *scan, input_t *in, const char *at, const char *end)
{
    const char *next = at;
    while (next) {
        at = next;
        const char *stop = end_of_line(at, end, &next);
        const char *word = skip_blanks(at, stop);
        if (word < stop) {
            put(scan, in, at, (size_t)(stop - at));
            scan->indent = at;
            scan->indent_size = (size_t)(word - at);
            scan->tabs = stop[-1] == ':';
        }
        if (next) {
            put_newline(scan, in);
            in->where.line++;
        }
        else {
            scan->at_start = word == stop;
            scan->is_opened = word < stop && stop[-1] == ':';
        }
    }
}

/* <% code %> */
static void
scan_code(scan_t *scan, input_t *in, const char *at, const char *end)
{
    const char *next;
    const char *stop = end_of_line(at, end, &next);
    const char *word = skip_blanks(at, stop);
    if (word == stop && !next) {
        return;
    }
    close_text(scan, in);
    if (word < stop) {
        begin_statement(scan, in);
        put(scan, in, word, (size_t)(stop - word));
    }
    else {
        fill_block(scan, in);
    }
    if (!next) {
        return;
    }
    if (word < stop) { /* it has the indentation that was in force */
        scan->tabs += stop[-1] == ':';
    }
    else {
        scan->indent_size = 0;
        scan->tabs = 0;
    }
    put_newline(scan, in);
    in->where.line++;
    put_lines(scan, in, next, end);
}

/* <%= value %> */
static void
scan_value(scan_t *scan, input_t *in, const char *at, const char *end)
{
    close_text(scan, in);
    begin_statement(scan, in);
    put_string(scan, in, scan->options->style->value_begin);
    copy(scan, in, at, end);
    put_string(scan, in, scan->options->style->value_end);
}

/* ---- directives --------------------------------------------------------- */

static void scan_file(scan_t *scan, input_t *in);

static const char *
skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'
                        || *at == '\n')) {
        at++;
    }
    return at;
}

/* Past the word, if it is there; else NULL. */
static const char *
skip_word(const char *at, const char *end, const char *word)
{
    size_t size = strlen(word);
    at = skip_space(at, end);
    return (size_t)(end - at) >= size && !memcmp(at, word, size)
               ? at + size : NULL;
}

/* file="name": the name and its length; NULL: it is something else. */
static const char *
find_name(const char *at, const char *end, size_t *length)
{
    const char *name = skip_word(at, end, "file");
    name = name ? skip_word(name, end, "=") : NULL;
    name = name ? skip_word(name, end, "\"") : NULL;
    const char *stop = name ? memchr(name, '"', (size_t)(end - name)) : NULL;
    if (!stop || stop == name || skip_space(stop + 1, end) != end) {
        return NULL;
    }
    *length = (size_t)(stop - name);
    for (const char *c = name; c < stop; c++) {
        if (!*c || skip_space(c, stop) > c) {
            return NULL;
        }
    }
    return name;
}

/* A line of the program begins, unless it has nothing yet. */
static void
break_line(scan_t *scan, const input_t *in)
{
    if (!scan->at_start) {
        put_mute_newline(scan, in);
    }
}

static void
include(scan_t *scan, input_t *in, const char *name, size_t length)
{
    const mp_pspscan_options_t *options = scan->options;
    const char *bytes = NULL;
    size_t size = 0;
    if (!options->include) {
        fail(scan, "this page cannot include files", in->where);
        return;
    }
    if (in->depth == options->most_depth) {
        fail(scan, "files include each other too deeply", in->where);
        return;
    }
    if (scan->result->include_count == options->most_includes) {
        fail(scan, "too many files are included", in->where);
        return;
    }
    scan->result->include_count++;
    if (options->include(options->baton, name, length, &bytes, &size)) {
        fail(scan, NULL, in->where);
        return;
    }
    input_t inner = {
        .at = bytes, .end = bytes + size, .depth = in->depth + 1,
        .where = {(unsigned)scan->result->include_count, 1},
    };
    break_line(scan, in);
    scan_file(scan, &inner);
    break_line(scan, &inner);
}

/* <%@ directive %> */
static void
scan_directive(scan_t *scan, input_t *in, const char *at, const char *end)
{
    const char *rest = skip_word(at, end, "include");
    if (!rest || (rest < end && rest == skip_space(rest, end))) {
        drop(scan, in, at, end);
        return;
    }
    size_t length = 0;
    const char *name = find_name(rest, end, &length);
    if (!name) {
        fail(scan, "an include directive has the form "
                   "<%@ include file=\"name\" %>, without spaces in the name",
             in->where);
        return;
    }
    drop(scan, in, at, name);
    include(scan, in, name, length);
    drop(scan, in, name, end);
}

/* ---- text --------------------------------------------------------------- */

/* A backslash: `\n`, `\r`, `\t` and what means nothing in Python are two
 * characters; the other escapes are Python's. */
static void
scan_backslash(scan_t *scan, input_t *in)
{
    const char *next = in->at + 1;
    int is_last = next == in->end
                  || (in->end - next >= 2 && !memcmp(next, "<%", 2));
    if (is_last || !*next) {
        put(scan, in, "\\\\", 2);
        in->at++;
    }
    else if (*next == '\n' || *next == '\r') {
        put(scan, in, "\\", 1); /* the newline comes next */
        in->at++;
    }
    else if (*next == '"') {
        put(scan, in, "\\\\\\\"", 4);
        in->at += 2;
    }
    else if (strchr("\\'abfvxuUN01234567", *next)) {
        put(scan, in, in->at, 2);
        in->at += 2;
    }
    else {
        put(scan, in, "\\\\", 2);
        in->at++;
    }
}

static int
is_plain(const input_t *in)
{
    switch (*in->at) {
    case '\0':
    case '"':
    case '\\':
    case '\r':
    case '\n':
        return 0;
    case '<':
        return in->end - in->at < 2 || in->at[1] != '%';
    default:
        return 1;
    }
}

/* One character that is not copied as it is. */
static void
scan_special(scan_t *scan, input_t *in)
{
    const char *next;
    switch (*in->at) {
    case '\\':
        scan_backslash(scan, in);
        return;
    case '"':
        put(scan, in, "\\\"", 2);
        in->at++;
        return;
    case '\0':
        put(scan, in, "\\x00", 4);
        in->at++;
        return;
    default:
        end_of_line(in->at, in->end, &next);
        put_newline(scan, in);
        in->where.line++;
        in->at = next;
    }
}

/* Up to the next "<%", or the end. */
static void
scan_text(scan_t *scan, input_t *in)
{
    open_text(scan, in);
    while (in->at < in->end && !scan->failed) {
        const char *begin = in->at;
        while (in->at < in->end && is_plain(in)) {
            in->at++;
        }
        put(scan, in, begin, (size_t)(in->at - begin));
        if (in->at == in->end || *in->at == '<') {
            return;
        }
        scan_special(scan, in);
    }
}

/* ---- elements ----------------------------------------------------------- */

typedef struct {
    const char *begin, *end;
    void (*scan)(scan_t *scan, input_t *in, const char *at, const char *end);
    const char *error; /* when the end is missing */
} element_t;

/* The first that fits. */
static const element_t elements[] = {
    {"<%--", "--%>", drop, "'<%--' without '--%>'"},
    {"<%=", "%>", scan_value, "'<%=' without '%>'"},
    {"<%@", "%>", scan_directive, "'<%@' without '%>'"},
    {"<%", "%>", scan_code, "'<%' without '%>'"},
};

static const char *
find(const char *at, const char *end, const char *word)
{
    size_t size = strlen(word);
    while ((at = memchr(at, *word, (size_t)(end - at)))
           && (size_t)(end - at) >= size) {
        if (!memcmp(at, word, size)) {
            return at;
        }
        at++;
    }
    return NULL;
}

static void
scan_element(scan_t *scan, input_t *in)
{
    const element_t *element = elements;
    while (!skip_word(in->at, in->end, element->begin)) {
        element++;
    }
    const char *at = in->at + strlen(element->begin);
    const char *end = find(at, in->end, element->end);
    if (!end) {
        fail(scan, element->error, in->where);
        return;
    }
    element->scan(scan, in, at, end);
    in->at = end + strlen(element->end);
}

static void
scan_file(scan_t *scan, input_t *in)
{
    if (in->end - in->at >= 3 && !memcmp(in->at, "\xef\xbb\xbf", 3)) {
        in->at += 3; /* a byte order mark, which says UTF-8 */
    }
    while (in->at < in->end && !scan->failed) {
        if (is_plain(in) || *in->at != '<') {
            scan_text(scan, in);
        }
        else {
            scan_element(scan, in);
        }
    }
}

int
mp_pspscan(const char *page, size_t size,
           const mp_pspscan_options_t *options, mp_pspscan_result_t *result)
{
    scan_t scan = {
        .options = options, .result = result, .at_start = 1, .indent = "",
    };
    input_t in = {.at = page, .end = page + size, .where = {0, 1}};
    memset(result, 0, sizeof(*result));
    scan_file(&scan, &in);
    close_text(&scan, &in);
    fill_block(&scan, &in);
    if (!scan.at_start) {
        put_newline(&scan, &in);
    }
    if (make_room(&scan, 0, &in)) {
        result->bytes[result->size] = '\0';
    }
    if (result->include_count == 0 && !scan.failed) {
        free(result->lines);
        result->lines = NULL;
        result->line_count = 0;
    }
    return scan.failed ? -1 : 0;
}

void
mp_pspscan_free(mp_pspscan_result_t *result)
{
    free(result->bytes);
    free(result->lines);
    memset(result, 0, sizeof(*result));
}
