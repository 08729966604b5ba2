/* params.c - header values with parameters: Content-Type, Content-Disposition.
 *
 * Called for the headers of a form's parts, which strangers write: every text
 * has some reading. Owns nothing. */
#include "core/params.h"

#include <string.h>

static int
is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Without white space on either side. */
static mp_span_t
trim(char *from, char *to)
{
    while (from < to && is_space(*from)) {
        from++;
    }
    while (to > from && is_space(to[-1])) {
        to--;
    }
    return (mp_span_t){from, (size_t)(to - from)};
}

static void
lower(mp_span_t span)
{
    for (size_t i = 0; i < span.size; i++) {
        if (span.text[i] >= 'A' && span.text[i] <= 'Z') {
            span.text[i] |= 0x20;
        }
    }
}

/* The first of two bytes, or the end. */
static char *
find(char *at, char *end, char byte, char other)
{
    while (at < end && *at != byte && *at != other) {
        at++;
    }
    return at;
}

void
mp_params_init(mp_params_t *params, char *text, size_t size)
{
    params->end = text + size;
    params->at = find(text, params->end, ';', ';');
    params->first = trim(text, params->at);
    lower(params->first);
    params->name = params->value = (mp_span_t){params->end, 0};
}

/* A quoted value, from behind its opening quote. Answers where it ends. */
static char *
read_quoted(mp_params_t *params, char *at)
{
    char *out = at;
    params->value.text = at;
    while (at < params->end && *at != '"') {
        if (*at == '\\' && at + 1 < params->end
            && (at[1] == '"' || at[1] == '\\')) {
            at++;
        }
        *out++ = *at++;
    }
    params->value.size = (size_t)(out - params->value.text);
    return at;
}

int
mp_params_next(mp_params_t *params)
{
    char *end = params->end;
    while (params->at < end) {
        char *begin = params->at + 1; /* behind the ';' */
        char *equals = find(begin, end, '=', ';');
        if (equals == end || *equals == ';') {
            params->at = equals;
            continue;
        }
        params->name = trim(begin, equals);
        lower(params->name);
        char *at = equals + 1;
        while (at < end && is_space(*at)) {
            at++;
        }
        if (at < end && *at == '"') {
            params->at = find(read_quoted(params, at + 1), end, ';', ';');
        }
        else {
            params->at = find(at, end, ';', ';');
            params->value = trim(at, params->at);
        }
        return 1;
    }
    return 0;
}

int
mp_span_is(mp_span_t span, const char *text)
{
    return strlen(text) == span.size && !memcmp(span.text, text, span.size);
}

static int
digit(char byte)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = byte ? strchr(digits, byte) : NULL;
    return found ? (int)(found - digits) & 15 : -1;
}

int
mp_params_decode(mp_span_t *value)
{
    char *end = value->text + value->size;
    char *charset_end = memchr(value->text, '\'', value->size);
    char *at = charset_end
        ? memchr(charset_end + 1, '\'', (size_t)(end - charset_end - 1))
        : NULL;
    if (!at) {
        return -1;
    }
    mp_span_t charset = trim(value->text, charset_end);
    lower(charset);
    if (!mp_span_is(charset, "utf-8") && !mp_span_is(charset, "us-ascii")) {
        return -1;
    }
    char *out = ++at;
    value->text = at;
    while (at < end) {
        if (*at == '%' && end - at > 2 && digit(at[1]) >= 0
            && digit(at[2]) >= 0) {
            *out++ = (char)(digit(at[1]) << 4 | digit(at[2]));
            at += 3;
        }
        else {
            *out++ = *at++;
        }
    }
    value->size = (size_t)(out - value->text);
    return 0;
}
