/* params.h - header values with parameters: Content-Type, Content-Disposition.
 *
 *     form-data; name="a;b"; filename=x
 *
 * Works in place, on a text that may be changed; nothing is copied. Quotes
 * are removed, and inside them the backslash in front of a quote or of another
 * backslash; others stay, because old browsers sent whole paths. */
#ifndef MP_CORE_PARAMS_H
#define MP_CORE_PARAMS_H

#include <stddef.h>

/* Not NUL-terminated. */
typedef struct {
    char *text;
    size_t size;
} mp_span_t;

typedef struct {
    char *at;        /* where the next parameter begins */
    char *end;
    mp_span_t first; /* what stands before the first ';': in lower case,
                        without white space round it */
    mp_span_t name;  /* of the parameter just read, in lower case */
    mp_span_t value;
} mp_params_t;

/* Begin: params->first is set. */
void mp_params_init(mp_params_t *params, char *text, size_t size);

/* Read the next parameter: 1, or 0 when there is none. What has no '=' is
 * passed over. */
int mp_params_next(mp_params_t *params);

/* Is this the text of the span? text in lower case. */
int mp_span_is(mp_span_t span, const char *text);

/* Decode an extended value (RFC 8187), UTF-8''na%C3%AFve, in place, to UTF-8.
 * 0, or -1 when it is none, or in a charset other than UTF-8 and ASCII. */
int mp_params_decode(mp_span_t *value);

#endif
