/* multipart.c - push parser for multipart bodies.
 *
 * Called by the reader of forms with each piece of a body. Owns the buffer of
 * the headers of one part.
 *
 * A boundary holds neither CR nor LF, so what turns out to be none can only
 * be followed by the next one, never overlap it: looking for LF finds all of
 * them, and no byte is looked at more than twice, whatever is sent. */
#include "core/multipart.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 512

int
mp_multipart_init(mp_multipart_t *parser, const char *boundary, size_t size,
                  const mp_multipart_events_t *events, void *caller,
                  const mp_limits_t *limits)
{
    memset(parser, 0, sizeof(*parser));
    parser->events = events;
    parser->caller = caller;
    parser->limits = limits;
    if (size == 0 || size > MP_MULTIPART_MAX_BOUNDARY
        || memchr(boundary, '\r', size) || memchr(boundary, '\n', size)) {
        parser->reason = "the content type has no usable boundary";
        return MP_FAULT_MALFORMED;
    }
    memcpy(parser->delimiter, "\r\n--", 4);
    memcpy(parser->delimiter + 4, boundary, size);
    parser->delimiter_size = 4 + size;
    parser->held = parser->from = 2; /* the first needs no line before it */
    return 0;
}

void
mp_multipart_free(mp_multipart_t *parser)
{
    free(parser->headers);
    parser->headers = NULL;
}

/* ---- data ---- */

static int
emit(mp_multipart_t *parser, const char *bytes, size_t size)
{
    return parser->in_part && size
               ? parser->events->data(parser->caller, bytes, size) : 0;
}

/* What was held back is no boundary. */
static int
emit_held(mp_multipart_t *parser)
{
    int fault = emit(parser, parser->delimiter + parser->from,
                     parser->held - parser->from);
    if (!fault) {
        fault = emit(parser, parser->tail, parser->tail_size);
    }
    parser->held = parser->from = parser->tail_size = 0;
    return fault;
}

/* Pass on data up to what may be a boundary, of which the part that is here
 * is then in parser->held. Answers where to go on. */
static const char *
find_delimiter(mp_multipart_t *parser, const char *at, const char *end,
               int *fault)
{
    const char *begin = at;
    const size_t rest = parser->delimiter_size - 2; /* behind CR LF */
    for (;;) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (!line) {
            parser->held = end[-1] == '\r';
            *fault = emit(parser, begin, (size_t)(end - begin) - parser->held);
            return end;
        }
        at = line + 1;
        const size_t left = (size_t)(end - at);
        const size_t seen = left < rest ? left : rest;
        if (seen && *at != '-') {
            continue;
        }
        if (!memcmp(at, parser->delimiter + 2, seen)) {
            parser->from = line == begin || line[-1] != '\r';
            *fault = emit(parser, begin, (size_t)(line - begin)
                                             - (1 - parser->from));
            parser->held = 2 + seen;
            return at + seen;
        }
    }
}

static const char *
feed_body(mp_multipart_t *parser, const char *at, const char *end, int *fault)
{
    if (!parser->held) {
        at = find_delimiter(parser, at, end, fault);
    }
    else {
        while (at < end && parser->held < parser->delimiter_size
               && *at == parser->delimiter[parser->held]) {
            at++;
            parser->held++;
        }
        if (at < end && parser->held < parser->delimiter_size) {
            *fault = emit_held(parser);
        }
    }
    if (parser->held == parser->delimiter_size) {
        parser->state = MP_MULTIPART_TAIL;
    }
    return at;
}

/* ---- the line of a boundary ---- */

typedef enum { LINE_GOES_ON, LINE_IS_NONE, LINE_IS_NEXT, LINE_IS_LAST } line_t;

/* What a byte behind a boundary makes of the line: "--" is the end, blanks
 * are allowed before the end of the line, anything else is data that happen
 * to begin like a boundary. */
static line_t
judge_tail(const mp_multipart_t *parser, char byte)
{
    const char last = parser->tail_size ? parser->tail[parser->tail_size - 1]
                                        : '\0';
    if (last == '-') {
        return byte == '-' ? LINE_IS_LAST : LINE_IS_NONE;
    }
    if (byte == '\n') {
        return LINE_IS_NEXT;
    }
    if (last == '\r' || parser->tail_size == sizeof(parser->tail)) {
        return LINE_IS_NONE;
    }
    if (byte == '\r' || byte == ' ' || byte == '\t'
        || (byte == '-' && !parser->tail_size)) {
        return LINE_GOES_ON;
    }
    return LINE_IS_NONE;
}

static int
end_part(mp_multipart_t *parser, mp_multipart_state_t state)
{
    const int fault = parser->in_part ? parser->events->end(parser->caller)
                                      : 0;
    parser->in_part = 0;
    parser->held = parser->from = parser->tail_size = 0;
    parser->size = parser->line = 0;
    parser->state = state;
    return fault;
}

static const char *
feed_tail(mp_multipart_t *parser, const char *at, const char *end, int *fault)
{
    for (; at < end; at++) {
        switch (judge_tail(parser, *at)) {
        case LINE_GOES_ON:
            parser->tail[parser->tail_size++] = *at;
            break;
        case LINE_IS_NONE:
            *fault = emit_held(parser);
            parser->state = MP_MULTIPART_BODY;
            return at;
        case LINE_IS_NEXT:
            *fault = end_part(parser, MP_MULTIPART_HEADERS);
            return at + 1;
        case LINE_IS_LAST:
            *fault = end_part(parser, MP_MULTIPART_EPILOGUE);
            return at + 1;
        }
    }
    return at;
}

/* ---- headers ---- */

/* Append to the buffer. 0 or a fault. */
static int
keep(mp_multipart_t *parser, const char *bytes, size_t size)
{
    int fault = mp_limits_check(parser->limits, MP_LIMIT_HEADER_SIZE,
                                parser->size + size);
    if (!fault) { /* their caller counts them when the part begins */
        fault = mp_limits_check(parser->limits, MP_LIMIT_MEMORY,
                                parser->size + size);
    }
    if (!fault && parser->size + size > parser->room) {
        size_t room = parser->room ? 2 * parser->room : FIRST_ROOM;
        if (room < parser->size + size) {
            room = parser->size + size;
        }
        char *headers = realloc(parser->headers, room);
        if (!headers) {
            return MP_FAULT_MEMORY;
        }
        parser->headers = headers;
        parser->room = room;
    }
    if (!fault) {
        memcpy(parser->headers + parser->size, bytes, size);
        parser->size += size;
    }
    return fault;
}

static int
is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\0';
}

/* Copy a piece of a header without the blanks round it to out; NUL becomes a
 * blank, since it ends names and values. Answers the end. */
static char *
copy_trimmed(char *out, const char *from, const char *to)
{
    while (from < to && is_blank(*from)) {
        from++;
    }
    while (to > from && is_blank(to[-1])) {
        to--;
    }
    for (; from < to; from++) {
        *out++ = *from ? *from : ' ';
    }
    return out;
}

/* Make name NUL value NUL of the lines, in place: neither form is longer than
 * its line. 0 or a fault. */
static int
split_headers(mp_multipart_t *parser)
{
    char *out = parser->headers;
    const char *end = parser->headers + parser->size;
    apr_uint64_t count = 0;
    int is_kept = 0; /* the header that a folded line would continue */
    for (const char *at = parser->headers; at < end;) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        const char *colon = memchr(at, ':', (size_t)(next - at));
        const int is_folded = *at == ' ' || *at == '\t';
        if (is_folded && is_kept) {
            out--;
            if (out[-1]) { /* not the first of its value */
                *out++ = ' ';
            }
            out = copy_trimmed(out, at, next);
            *out++ = '\0';
        }
        else if (!is_folded) {
            is_kept = colon && colon != at;
            if (is_kept) {
                out = copy_trimmed(out, at, colon);
                *out++ = '\0';
                out = copy_trimmed(out, colon + 1, next);
                *out++ = '\0';
                count++;
            }
        }
        at = next + 1;
    }
    parser->size = (size_t)(out - parser->headers);
    return mp_limits_check(parser->limits, MP_LIMIT_HEADERS, count);
}

static int
begin_part(mp_multipart_t *parser)
{
    int fault = split_headers(parser);
    if (!fault) {
        fault = parser->events->begin(parser->caller, parser->headers,
                                      parser->size);
    }
    parser->in_part = 1;
    parser->held = parser->from = 2; /* a part without data needs no line */
    parser->state = MP_MULTIPART_BODY;
    return fault;
}

static const char *
feed_headers(mp_multipart_t *parser, const char *at, const char *end,
             int *fault)
{
    while (at < end && !*fault) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        const char *next = line ? line + 1 : end;
        *fault = keep(parser, at, (size_t)(next - at));
        at = next;
        if (!line || *fault) {
            continue;
        }
        const char *begin = parser->headers + parser->line;
        const size_t size = parser->size - parser->line;
        if (size == 1 || (size == 2 && *begin == '\r')) {
            parser->size = parser->line; /* the empty line is not one */
            *fault = begin_part(parser);
            break;
        }
        parser->line = parser->size;
    }
    return at;
}

/* ---- the parser ---- */

int
mp_multipart_feed(mp_multipart_t *parser, const char *bytes, size_t size)
{
    const char *at = bytes, *end = bytes + size;
    int fault = 0;
    parser->is_fed |= size > 0;
    while (at < end && !fault) {
        switch (parser->state) {
        case MP_MULTIPART_BODY:
            at = feed_body(parser, at, end, &fault);
            break;
        case MP_MULTIPART_TAIL:
            at = feed_tail(parser, at, end, &fault);
            break;
        case MP_MULTIPART_HEADERS:
            at = feed_headers(parser, at, end, &fault);
            break;
        case MP_MULTIPART_EPILOGUE:
            return 0;
        }
    }
    return fault;
}

int
mp_multipart_finish(mp_multipart_t *parser)
{
    if (!parser->is_fed || parser->state == MP_MULTIPART_EPILOGUE) {
        return 0;
    }
    if (parser->state == MP_MULTIPART_HEADERS) {
        parser->reason = "the body ends in the headers of a part";
    }
    else {
        parser->reason = parser->in_part
                             ? "the body ends before its last boundary"
                             : "the boundary is not in the body";
    }
    return MP_FAULT_MALFORMED;
}
