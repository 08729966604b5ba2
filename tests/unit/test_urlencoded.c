/* test_urlencoded.c - core/urlencoded.c and core/fields.c: what pairs a text
 * gives, in one piece and cut anywhere; limits. */
#include "unit.h"

#include <stdlib.h>

#include "core/urlencoded.h"

#define FUZZ_REPLAY
#include "../fuzz/fuzz_urlencoded.c"

#define RANDOM_TEXTS 1000000

static mp_limits_t limits;
static mp_fields_t fields;
static char shown[4096];

/* "name=value;name=value", NUL shown as '0'. */
static const char *
show(void)
{
    char *out = shown;
    for (size_t i = 0; i < fields.count; i++) {
        const mp_field_t *row = &fields.rows[i];
        out += sprintf(out, "%s%.*s=%.*s", i ? ";" : "", (int)row->name_size,
                       fields.text + row->name, (int)row->value_size,
                       fields.text + row->value);
    }
    *out = '\0';
    return shown;
}

/* Feed the text in pieces of so many bytes, in memory of their size. */
static int
feed(const char *text, size_t size, size_t piece, int keep_blank)
{
    mp_urlencoded_t parser;
    int fault = 0;
    mp_fields_free(&fields);
    mp_fields_init(&fields, &limits);
    mp_urlencoded_init(&parser, &fields, keep_blank);
    for (size_t at = 0; at < size && !fault; at += piece) {
        const size_t length = size - at < piece ? size - at : piece;
        char *copy = malloc(length);
        memcpy(copy, text + at, length);
        fault = mp_urlencoded_feed(&parser, copy, length);
        free(copy);
    }
    return fault ? fault : mp_urlencoded_finish(&parser);
}

/* Whatever the pieces are, the text gives `want`. */
static void
check_pairs(const char *text, int keep_blank, const char *want)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        CHECK_INT(feed(text, strlen(text), piece, keep_blank), 0);
        CHECK_STR(show(), want);
    }
}

static void
splits_pairs(void)
{
    check_pairs("a=1&b=2&a=3", 0, "a=1;b=2;a=3");
    check_pairs("a=b=c", 0, "a=b=c");
    check_pairs("=x", 0, "=x");
    check_pairs("a=1;b=2", 0, "a=1;b=2"); /* ';' separates nothing */
    CHECK_INT(fields.count, 1);
}

static void
decodes(void)
{
    check_pairs("a%20b=c+d%2B%3d%26", 0, "a b=c d+=&");
    check_pairs("%e4%F6=%C3%a9", 0, "\xe4\xf6=\xc3\xa9");
}

static void
keeps_wrong_escapes(void)
{
    check_pairs("a=%&b=%4&c=%zz&d=%4x%%41%", 0, "a=%;b=%4;c=%zz;d=%4x%A%");
    check_pairs("a=%+1&%=%", 0, "a=% 1;%=%");
    check_pairs("a=%4", 0, "a=%4");
}

static void
keeps_nul(void)
{
    CHECK_INT(feed("a%00b=%00", 9, 2, 0), 0);
    CHECK_INT(fields.count, 1);
    CHECK_INT(fields.rows[0].name_size, 3);
    CHECK_INT(fields.rows[0].value_size, 1);
    CHECK(!memcmp(fields.text, "a\0b\0", 4));
}

static void
drops_blanks(void)
{
    check_pairs("a=&b&=&&c=1&", 0, "c=1");
    CHECK_INT(fields.size, 2); /* and does not keep their text */
    check_pairs("a=&b&=&&c=1&", 1, "a=;b=;=;c=1");
}

static void
reads_nothing(void)
{
    CHECK_INT(feed("", 0, 1, 1), 0);
    CHECK_INT(fields.count, 0);
    check_pairs("&", 1, "");
}

static void
limits_fields(void)
{
    limits.most[MP_LIMIT_FIELDS] = 2;
    CHECK_INT(feed("a=1&b=2", 7, 3, 0), 0);
    CHECK_INT(feed("a=1&b=2&c=3", 11, 3, 0), MP_FAULT_LIMIT(MP_LIMIT_FIELDS));
    CHECK_INT(feed("a=1&b=2&c=&d", 12, 3, 0), 0); /* dropped ones are none */
    limits = mp_limits_default;
}

static void
limits_field_size(void)
{
    limits.most[MP_LIMIT_FIELD_SIZE] = 4;
    CHECK_INT(feed("abc=d&a=bcd", 11, 3, 0), 0);
    CHECK_INT(feed("%41%42=%43%44%45", 16, 16, 0),
              MP_FAULT_LIMIT(MP_LIMIT_FIELD_SIZE));
    CHECK_INT(feed("abcdefgh", 8, 1, 0),
              MP_FAULT_LIMIT(MP_LIMIT_FIELD_SIZE));
    CHECK(fields.size <= 5); /* and is found at once */
    limits = mp_limits_default;
}

static void
limits_memory(void)
{
    limits.most[MP_LIMIT_MEMORY] = 6;
    CHECK_INT(feed("a=1&b=2&c=3", 11, 1, 0), 0);
    CHECK_INT(feed("a=1&b=2&c=34", 12, 1, 0),
              MP_FAULT_LIMIT(MP_LIMIT_MEMORY));
    limits.most[MP_LIMIT_MEMORY] = 0; /* none */
    CHECK_INT(feed("a=1&b=2&c=34", 12, 1, 0), 0);
    limits = mp_limits_default;
}

static void
begins_in_lent_memory(void)
{
    static const char long_text[] = "abc=1&def=2&ghi=3&jkl=4";
    char text[12];
    mp_field_t rows[2];
    for (size_t size = 5; size < sizeof(long_text); size += 6) {
        mp_urlencoded_t parser;
        mp_fields_free(&fields);
        mp_fields_init(&fields, &limits);
        mp_fields_lend(&fields, text, sizeof(text), rows, 2);
        mp_urlencoded_init(&parser, &fields, 0);
        CHECK_INT(mp_urlencoded_feed(&parser, long_text, size), 0);
        CHECK_INT(mp_urlencoded_finish(&parser), 0);
        CHECK_INT(fields.text == text, size + 2 <= sizeof(text));
        CHECK_INT(fields.rows == rows, size <= 11);
        CHECK_INT(fields.count, (size + 1) / 6);
        CHECK(!strncmp(show(), "abc=1;def=2;ghi=3;jkl=4", size));
    }
}

/* D2. The harness aborts when anything is wrong; a sanitizer does. */
static void
takes_any_bytes(void)
{
    static const char meant[] = "%&=+;%00%fF%4zaZ09";
    uint64_t state = 88172645463325252u;
    uint8_t text[48];
    for (int i = 0; i < RANDOM_TEXTS; i++) {
        size_t size = 0;
        do {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            /* Half of the bytes are any, half mean something. */
            text[size++] = state & 1u << 20
                ? (uint8_t)(state >> 32)
                : (uint8_t)meant[(state >> 32) % (sizeof(meant) - 1)];
        } while (size < sizeof(text) && (state >> 40) % 16);
        uint8_t *copy = malloc(size);
        memcpy(copy, text, size);
        fuzz_urlencoded(copy, size);
        free(copy);
    }
}

int
main(void)
{
    limits = mp_limits_default;
    mp_fields_init(&fields, &limits);
    RUN(splits_pairs, "pairs are separated by & only, at the first =");
    RUN(decodes, "+ and %XX are decoded wherever the text is cut");
    RUN(keeps_wrong_escapes, "a percent sign without two digits stays");
    RUN(keeps_nul, "%00 is data");
    RUN(drops_blanks, "blank values are dropped, or kept when asked for");
    RUN(reads_nothing, "an empty text has no fields");
    RUN(limits_fields, "more fields than the limit are a fault");
    RUN(limits_field_size, "a field longer than the limit is a fault");
    RUN(limits_memory, "more text than the limit is a fault");
    RUN(begins_in_lent_memory, "what does not fit into lent memory moves");
    RUN(takes_any_bytes, "a million random texts parse, cut or whole");
    mp_fields_free(&fields);
    return unit_report();
}
