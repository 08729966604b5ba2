/* fuzz_multipart.c - core/multipart.c: pieces give what the whole gives.
 *
 * The first line of the input is the boundary, the rest the body. */
#include "fuzz.h"

#include "core/multipart.h"

/* What the parser said: parts between markers that no data hold, because each
 * run of data is preceded by nothing and each event by its kind and size. */
typedef struct {
    char *text;
    size_t size;
    size_t room;
    size_t data;   /* bytes of the part */
    int in_part;
} heard_t;

static void
hear(heard_t *heard, const char *bytes, size_t size)
{
    if (heard->size + size > heard->room) {
        heard->room = 2 * (heard->size + size);
        heard->text = realloc(heard->text, heard->room);
    }
    if (size) {
        memcpy(heard->text + heard->size, bytes, size);
        heard->size += size;
    }
}

static int
begin_part(void *caller, char *headers, size_t size)
{
    heard_t *heard = caller;
    size_t ends = 0;
    FUZZ_CHECK(!heard->in_part);
    for (size_t i = 0; i < size; i++) {
        ends += headers[i] == '\0';
    }
    FUZZ_CHECK(ends % 2 == 0 && (!size || !headers[size - 1]));
    heard->in_part = 1;
    heard->data = 0;
    hear(heard, "<begin>", 7);
    hear(heard, headers, size);
    hear(heard, "<data>", 6);
    return 0;
}

static int
add_data(void *caller, const char *bytes, size_t size)
{
    heard_t *heard = caller;
    FUZZ_CHECK(heard->in_part && size > 0);
    heard->data += size;
    hear(heard, bytes, size);
    return 0;
}

static int
end_part(void *caller)
{
    heard_t *heard = caller;
    FUZZ_CHECK(heard->in_part);
    heard->in_part = 0;
    hear(heard, "<end>", 5);
    hear(heard, (const char *)&heard->data, sizeof(heard->data));
    return 0;
}

static const mp_multipart_events_t events = {begin_part, add_data, end_part};

static int
listen_to(heard_t *heard, const char *boundary, size_t boundary_size,
          const char *body, size_t size, int in_pieces)
{
    mp_multipart_t parser;
    mp_limits_t limits;
    uint32_t seed = (uint32_t)size;
    limits = mp_limits_default;
    memset(heard, 0, sizeof(*heard));
    int fault = mp_multipart_init(&parser, boundary, boundary_size, &events,
                                  heard, &limits);
    while (size && !fault) {
        const size_t piece = in_pieces ? fuzz_piece(&seed, size) : size;
        char *copy = malloc(piece); /* so that no byte more is looked at */
        memcpy(copy, body, piece);
        fault = mp_multipart_feed(&parser, copy, piece);
        free(copy);
        body += piece;
        size -= piece;
    }
    if (!fault) {
        fault = mp_multipart_finish(&parser);
    }
    FUZZ_CHECK(fault != MP_FAULT_MALFORMED || parser.reason);
    mp_multipart_free(&parser);
    return fault;
}

FUZZ(multipart)
{
    const char *boundary = (const char *)data;
    const char *end = size ? memchr(boundary, '\n', size) : NULL;
    if (!end) {
        return 0;
    }
    const size_t boundary_size = (size_t)(end - boundary);
    const size_t body_size = size - boundary_size - 1;
    heard_t one, other;
    const int fault = listen_to(&one, boundary, boundary_size, end + 1,
                                body_size, 0);
    FUZZ_CHECK(listen_to(&other, boundary, boundary_size, end + 1, body_size,
                         1) == fault);
    FUZZ_CHECK(fault > 0 || one.size == other.size);
    FUZZ_CHECK(fault > 0 || !one.size
               || !memcmp(one.text, other.text, one.size));
    free(one.text);
    free(other.text);
    return 0;
}
