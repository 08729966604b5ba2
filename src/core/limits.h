/* limits.h - how much of a form is taken, and how a parser says what it met.
 *
 * The parsers of forms take their maxima from the caller and answer 0, or a
 * fault: one of the constants below, or MP_FAULT_LIMIT(which) for the limit
 * that was exceeded. */
#ifndef MP_CORE_LIMITS_H
#define MP_CORE_LIMITS_H

#include <apr.h>

typedef enum {
    MP_LIMIT_FIELDS,      /* fields, of query string and body together */
    MP_LIMIT_FIELD_SIZE,  /* bytes of one field: its name and its value */
    MP_LIMIT_MEMORY,      /* bytes of all fields that are not files */
    MP_LIMIT_FILES,       /* files of a multipart body */
    MP_LIMIT_FILE_SIZE,   /* bytes of one file */
    MP_LIMIT_HEADERS,     /* headers of one part */
    MP_LIMIT_HEADER_SIZE, /* bytes of the headers of one part */
    MP_LIMIT_BODY,        /* bytes of a body */
    MP_LIMIT_COUNT
} mp_limit_t;

/* The maxima; 0 is none. */
typedef struct {
    apr_int64_t most[MP_LIMIT_COUNT];
} mp_limits_t;

typedef struct {
    const char *directive; /* that sets it */
    const char *option;    /* the same as a PythonOption */
    const char *what;      /* "fields" */
} mp_limit_row_t;

extern const mp_limit_row_t mp_limit_rows[MP_LIMIT_COUNT];

#define MP_FAULT_MEMORY (-1)    /* out of memory */
#define MP_FAULT_MALFORMED (-2) /* it is no form: the parser has the reason */
#define MP_FAULT_CALLER (-3)    /* for callbacks: the caller knows */
#define MP_FAULT_LIMIT(limit) ((int)(limit) + 1)

/* 0, or the fault when value is more than the limit allows. */
static inline int
mp_limits_check(const mp_limits_t *limits, mp_limit_t limit,
                apr_uint64_t value)
{
    const apr_int64_t most = limits->most[limit];
    return most && value > (apr_uint64_t)most ? MP_FAULT_LIMIT(limit) : 0;
}

/* When nobody says anything. */
extern const mp_limits_t mp_limits_default;

/* A number of bytes or things as it stands in a configuration: digits, and K,
 * M or G behind them for powers of 1024. 0, or -1 when it is none. */
int mp_limits_parse(const char *text, apr_int64_t *value);

#endif
