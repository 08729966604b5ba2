/* multipart.h - push parser for multipart bodies (RFC 2046, RFC 7578).
 *
 * Feed it bytes as they arrive, cut anywhere; it calls back once for the
 * headers of a part, once for each run of its data, once at its end. Data are
 * passed on from where they were fed, never copied and never held back, but
 * for what may be the beginning of a boundary.
 *
 * Read with tolerance: lines may end in LF only, headers may be folded, a line
 * without a colon is passed over, nothing has to follow the last boundary.
 * Knows neither httpd nor Python, so it can be fuzzed. */
#ifndef MP_CORE_MULTIPART_H
#define MP_CORE_MULTIPART_H

#include <stddef.h>

#include "core/limits.h"

#define MP_MULTIPART_MAX_BOUNDARY 200 /* RFC 2046 allows 70 */

/* Each answers 0, or a fault, with which the parser stops. */
typedef struct {
    /* headers: name NUL value NUL ..., without white space round them, in the
     * parser's buffer until the function returns. */
    int (*begin)(void *caller, char *headers, size_t size);
    int (*data)(void *caller, const char *bytes, size_t size);
    int (*end)(void *caller);
} mp_multipart_events_t;

typedef enum {
    MP_MULTIPART_BODY,    /* data of a part, or what stands before the first */
    MP_MULTIPART_TAIL,    /* a boundary, perhaps: its line has not ended */
    MP_MULTIPART_HEADERS,
    MP_MULTIPART_EPILOGUE /* the last boundary was seen */
} mp_multipart_state_t;

typedef struct {
    const mp_multipart_events_t *events;
    void *caller;
    const mp_limits_t *limits;
    const char *reason;  /* after MP_FAULT_MALFORMED: a static text */
    mp_multipart_state_t state;
    int in_part;         /* data belong to a part */
    int is_fed;
    /* CR LF "--" boundary */
    char delimiter[4 + MP_MULTIPART_MAX_BOUNDARY];
    size_t delimiter_size;
    size_t held;         /* bytes of it that were seen last */
    size_t from;         /* 1 when they began without CR */
    char tail[16];       /* what was seen behind it */
    size_t tail_size;
    char *headers;       /* malloc; of the part that begins */
    size_t size;
    size_t room;
    size_t line;         /* where its last line begins */
} mp_multipart_t;

/* events and limits are borrowed. To be given back with mp_multipart_free(),
 * also after a fault. 0, or MP_FAULT_MALFORMED for what is no boundary. */
int mp_multipart_init(mp_multipart_t *parser, const char *boundary,
                      size_t size, const mp_multipart_events_t *events,
                      void *caller, const mp_limits_t *limits);
void mp_multipart_free(mp_multipart_t *parser);

/* The next bytes. 0 or a fault, and then nothing more is to be fed. */
int mp_multipart_feed(mp_multipart_t *parser, const char *bytes, size_t size);

/* There are no more. 0 or a fault: an empty body is fine, one that does not
 * end in its last boundary is not. */
int mp_multipart_finish(mp_multipart_t *parser);

#endif
