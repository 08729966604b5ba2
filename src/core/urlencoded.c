/* urlencoded.c - push parser for application/x-www-form-urlencoded.
 *
 * Fed with a query string at once, or with a body as it arrives; appends to
 * an mp_fields_t. What it writes is never longer than what it was fed, so one
 * reservation for each piece is enough. Owns nothing. */
#include "core/urlencoded.h"

#include <string.h>

/* 1 for the bytes that mean something. */
static const char special[256] = {
    ['%'] = 1, ['&'] = 1, ['+'] = 1, ['='] = 1,
};

static int
digit(unsigned char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    const unsigned char lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

void
mp_urlencoded_init(mp_urlencoded_t *parser, mp_fields_t *fields,
                   int keep_blank)
{
    memset(parser, 0, sizeof(*parser));
    parser->fields = fields;
    parser->start = fields->size;
    parser->keep_blank = keep_blank != 0;
}

/* The pair that is being read ends here: make a row of it. 0 or a fault. */
static int
end_pair(mp_urlencoded_t *parser)
{
    mp_fields_t *fields = parser->fields;
    const size_t start = parser->start, size = fields->size;
    const size_t value = parser->has_value ? parser->value : size;
    int fault = 0;
    if (value < size
        || (parser->keep_blank && (size > start || parser->has_value))) {
        fault = mp_limits_check(fields->limits, MP_LIMIT_FIELD_SIZE,
                                size - start);
        mp_field_t *row = fault ? NULL : mp_fields_add(fields, &fault);
        if (row) {
            row->name = (uint32_t)start;
            row->name_size = (uint32_t)(value - start);
            row->value = (uint32_t)value;
            row->value_size = (uint32_t)(size - value);
        }
    }
    else {
        fields->size = start;
    }
    parser->start = fields->size;
    parser->has_value = 0;
    return fault;
}

/* At '%': write what it stands for. Answers where to go on; `end` when more
 * has to come first. */
static const char *
read_escape(mp_urlencoded_t *parser, const char *at, const char *end,
            char **out)
{
    const size_t left = (size_t)(end - at);
    const int high = left > 1 ? digit((unsigned char)at[1]) : 0;
    if (high >= 0 && left < 3) {
        memcpy(parser->escape, at, left);
        parser->escape_size = left & 3;
        return end;
    }
    const int low = high >= 0 ? digit((unsigned char)at[2]) : -1;
    if (low < 0) {
        *(*out)++ = '%';
        return at + 1;
    }
    *(*out)++ = (char)(high << 4 | low);
    return at + 3;
}

static int
read_bytes(mp_urlencoded_t *parser, const char *at, const char *end)
{
    mp_fields_t *fields = parser->fields;
    char *out = fields->text + fields->size;
    int fault = 0;
    while (at < end) {
        const unsigned char byte = (unsigned char)*at;
        if (!special[byte]) {
            *out++ = *at++;
        }
        else if (byte == '%') {
            at = read_escape(parser, at, end, &out);
        }
        else if (byte == '&') {
            at++;
            fields->size = (size_t)(out - fields->text);
            fault = end_pair(parser);
            if (fault) {
                return fault;
            }
            out = fields->text + fields->size;
        }
        else if (byte == '=' && !parser->has_value) {
            at++;
            parser->has_value = 1;
            parser->value = (size_t)(out - fields->text);
        }
        else {
            *out++ = byte == '+' ? ' ' : '=';
            at++;
        }
    }
    fields->size = (size_t)(out - fields->text);
    return 0;
}

/* Complete the escape that the last piece has begun, with as few bytes of
 * this one as it takes. */
static int
end_escape(mp_urlencoded_t *parser, const char **at, const char *end)
{
    char bytes[3];
    size_t size = parser->escape_size;
    memcpy(bytes, parser->escape, size);
    while (size < sizeof(bytes) && *at < end
           && digit((unsigned char)**at) >= 0) {
        bytes[size++] = *(*at)++;
    }
    parser->escape_size = 0;
    int fault = 0;
    if (size < sizeof(bytes) && *at < end) { /* it is none */
        fault = mp_fields_write(parser->fields, bytes, size);
        size = 0;
    }
    return fault ? fault : read_bytes(parser, bytes, bytes + size);
}

int
mp_urlencoded_feed(mp_urlencoded_t *parser, const char *bytes, size_t size)
{
    mp_fields_t *fields = parser->fields;
    const char *end = bytes + size;
    int fault = mp_fields_reserve(fields, size + sizeof(parser->escape));
    if (!fault && parser->escape_size && size) {
        fault = end_escape(parser, &bytes, end);
    }
    if (!fault) {
        fault = read_bytes(parser, bytes, end);
    }
    if (!fault) {
        fault = mp_limits_check(fields->limits, MP_LIMIT_FIELD_SIZE,
                                fields->size - parser->start);
    }
    if (!fault) {
        fault = mp_limits_check(fields->limits, MP_LIMIT_MEMORY,
                                fields->size);
    }
    return fault;
}

int
mp_urlencoded_finish(mp_urlencoded_t *parser)
{
    const int fault = mp_fields_write(parser->fields, parser->escape,
                                      parser->escape_size);
    parser->escape_size = 0;
    return fault ? fault : end_pair(parser);
}
