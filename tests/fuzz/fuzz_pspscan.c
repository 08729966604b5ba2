/* fuzz_pspscan.c - core/pspscan.c: a program has the lines of its page, and no
 * text gets out of its literal.
 *
 * The input is the page. It includes itself as "self" and its second half as
 * "half"; there are no other files. */
#include "fuzz.h"

#include "core/pspscan.h"

typedef struct {
    const char *page;
    size_t size;
} page_t;

static int
fuzz_include(void *baton, const char *name, size_t length, const char **bytes,
             size_t *size)
{
    const page_t *page = baton;
    const size_t half = page->size / 2;
    if (length == 4 && !memcmp(name, "self", 4)) {
        *bytes = page->page;
        *size = page->size;
        return 0;
    }
    if (length == 4 && !memcmp(name, "half", 4)) {
        *bytes = page->page + half;
        *size = page->size - half;
        return 0;
    }
    return -1;
}

/* A page without elements is one literal, which ends where the program does:
 * with its three quotes, "]" and a newline. */
static void
check_literal(const char *program, size_t size)
{
    const size_t begin = strlen(mp_pspscan_quick.text_begin);
    const size_t tail = strlen(mp_pspscan_quick.text_end) + 1;
    FUZZ_CHECK(size >= begin + tail);
    FUZZ_CHECK(!memcmp(program, mp_pspscan_quick.text_begin, begin));
    for (size_t i = begin; i < size - tail; i++) {
        FUZZ_CHECK(program[i] != '"');
        if (program[i] == '\\') {
            FUZZ_CHECK(++i < size - tail);
        }
    }
    FUZZ_CHECK(!memcmp(program + size - tail, mp_pspscan_quick.text_end,
                       tail - 1));
}

/* Newlines of any kind. */
static size_t
count_lines(const char *page, size_t size)
{
    size_t lines = 0;
    for (size_t i = 0; i < size; i++) {
        lines += page[i] == '\n'
                 || (page[i] == '\r' && (i + 1 == size
                                         || page[i + 1] != '\n'));
    }
    return lines;
}

static void
check_program(const page_t *page, const mp_pspscan_result_t *result)
{
    const size_t lines = count_lines(page->page, page->size);
    const size_t made = count_lines(result->bytes, result->size);
    FUZZ_CHECK(result->bytes[result->size] == '\0');
    FUZZ_CHECK(!result->size || result->bytes[result->size - 1] == '\n');
    if (result->include_count) {
        FUZZ_CHECK(result->line_count == made);
        for (size_t i = 0; i < made; i++) {
            FUZZ_CHECK(result->lines[i].file <= result->include_count);
            FUZZ_CHECK(result->lines[i].line >= 1
                       && result->lines[i].line <= lines + 1);
        }
    }
    else {
        FUZZ_CHECK(!result->lines && !result->line_count);
        FUZZ_CHECK(made == lines || made == lines + 1);
    }
}

static int
has_element(const page_t *page)
{
    for (size_t i = 0; i + 1 < page->size; i++) {
        if (page->page[i] == '<' && page->page[i + 1] == '%') {
            return 1;
        }
    }
    return 0;
}

FUZZ(pspscan)
{
    page_t page = {malloc(size ? size : 1), size};
    const mp_pspscan_options_t options = {
        .style = &mp_pspscan_quick,
        .include = fuzz_include,
        .baton = &page,
        .most_depth = 4,
        .most_includes = 20,
        .most_bytes = 1 << 20,
    };
    mp_pspscan_result_t result;
    if (size) {
        memcpy((char *)page.page, data, size);
    }
    if (mp_pspscan(page.page, size, &options, &result) == 0) {
        check_program(&page, &result);
        if (!has_element(&page) && result.size) {
            check_literal(result.bytes, result.size);
        }
    }
    else {
        FUZZ_CHECK(result.where.line >= 1);
        FUZZ_CHECK(result.where.file <= result.include_count);
    }
    mp_pspscan_free(&result);
    free((char *)page.page);
    return 0;
}
