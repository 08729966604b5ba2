/* fuzz_urlencoded.c - core/urlencoded.c: pieces give what the whole gives. */
#include "fuzz.h"

#include "core/urlencoded.h"

static int
parse_whole(mp_fields_t *fields, const char *bytes, size_t size, int blank)
{
    mp_urlencoded_t parser;
    mp_urlencoded_init(&parser, fields, blank);
    const int fault = mp_urlencoded_feed(&parser, bytes, size);
    return fault ? fault : mp_urlencoded_finish(&parser);
}

static int
parse_pieces(mp_fields_t *fields, const char *bytes, size_t size, int blank)
{
    mp_urlencoded_t parser;
    uint32_t seed = (uint32_t)size;
    int fault = 0;
    mp_urlencoded_init(&parser, fields, blank);
    while (size && !fault) {
        const size_t piece = fuzz_piece(&seed, size);
        char *copy = malloc(piece); /* so that no byte more is looked at */
        memcpy(copy, bytes, piece);
        fault = mp_urlencoded_feed(&parser, copy, piece);
        free(copy);
        bytes += piece;
        size -= piece;
    }
    return fault ? fault : mp_urlencoded_finish(&parser);
}

FUZZ(urlencoded)
{
    mp_limits_t limits;
    mp_fields_t one, other;
    const int blank = size > 0 && data[0] & 1;
    limits = mp_limits_default;
    mp_fields_init(&one, &limits);
    mp_fields_init(&other, &limits);
    const int fault = parse_whole(&one, (const char *)data, size, blank);
    FUZZ_CHECK(parse_pieces(&other, (const char *)data, size, blank)
               == fault);
    FUZZ_CHECK(one.count == other.count);
    FUZZ_CHECK(one.size <= size + 2 && one.count <= 1000);
    for (size_t i = 0; !fault && i < one.count; i++) {
        const mp_field_t *row = &one.rows[i];
        FUZZ_CHECK(!memcmp(row, &other.rows[i], sizeof(*row)));
        FUZZ_CHECK(row->name + row->name_size == row->value);
        FUZZ_CHECK(row->value + row->value_size <= one.size);
    }
    FUZZ_CHECK(fault || one.size == other.size);
    FUZZ_CHECK(fault || !one.size
               || !memcmp(one.text, other.text, one.size));
    mp_fields_free(&one);
    mp_fields_free(&other);
    return 0;
}
