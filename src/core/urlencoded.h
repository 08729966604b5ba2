/* urlencoded.h - push parser for application/x-www-form-urlencoded: query
 * strings and bodies.
 *
 * Pairs are separated by '&' only. '+' is a space and %XX a byte, %00 too; a
 * percent sign that no two hexadecimal digits follow is itself. Every input
 * is a form: only limits are faults. */
#ifndef MP_CORE_URLENCODED_H
#define MP_CORE_URLENCODED_H

#include "core/fields.h"

typedef struct {
    mp_fields_t *fields;    /* borrowed: where the pairs go */
    size_t start;           /* of the pair that is being read, in the text */
    size_t value;           /* of its value, if has_value */
    char escape[2];         /* "%" or "%4" at the end of the last piece */
    unsigned escape_size : 2;
    unsigned has_value : 1; /* '=' was seen */
    unsigned keep_blank : 1;
} mp_urlencoded_t;

/* keep_blank: names without '=' and empty values are kept, else dropped. */
void mp_urlencoded_init(mp_urlencoded_t *parser, mp_fields_t *fields,
                        int keep_blank);

/* The next bytes, as many as have arrived. 0 or a fault (core/limits.h), and
 * then nothing more is to be fed. */
int mp_urlencoded_feed(mp_urlencoded_t *parser, const char *bytes,
                       size_t size);

/* There are no more. 0 or a fault. */
int mp_urlencoded_finish(mp_urlencoded_t *parser);

#endif
