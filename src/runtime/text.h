/* text.h - C strings of httpd to Python's str and back.
 *
 * UTF-8 with surrogateescape both ways, so that whatever was read is written
 * back byte for byte and reading never raises. */
#ifndef MP_RUNTIME_TEXT_H
#define MP_RUNTIME_TEXT_H

#include <apr_pools.h>

#include "runtime/python.h"

/* New str, or None for NULL. NULL with an exception only when out of
 * memory. */
PyObject *mp_text_from(const char *text);
PyObject *mp_text_from_size(const char *text, Py_ssize_t size);
/* The same as Latin-1 (req.user and the like). */
PyObject *mp_text_from_latin1(const char *text);

typedef enum {
    MP_TEXT_PLAIN,   /* NUL is refused */
    MP_TEXT_HEADER,  /* NUL, CR and LF are refused */
    MP_TEXT_LATIN1   /* NUL is refused; characters up to U+00FF only */
} mp_text_rule_t;

/* A NUL-terminated copy in pool of a str, subclass of str, or bytes. NULL with
 * TypeError or ValueError naming `what` ("header value") otherwise. */
char *mp_text_copy(apr_pool_t *pool, PyObject *object, mp_text_rule_t rule,
                   const char *what);

/* The bytes of a str (surrogateescape), bytes, or any contiguous buffer,
 * without a copy where possible. Fill view, which must be released with
 * mp_text_release(). 0, or -1 with TypeError naming `what`. */
typedef struct {
    const char *bytes;
    Py_ssize_t size;
    PyObject *owner;   /* keeps bytes alive, or NULL */
    Py_buffer buffer;  /* obj NULL when unused */
} mp_text_view_t;
int mp_text_view(mp_text_view_t *view, PyObject *object, const char *what);
void mp_text_release(mp_text_view_t *view);

/* What mp_text_copy() accepts, as a view instead of a copy: view->bytes is a
 * C string. For keys, and for APR functions that copy by themselves. 0, or -1
 * with TypeError or ValueError naming `what`, and then nothing is to be
 * released. */
int mp_text_string(mp_text_view_t *view, PyObject *object,
                   mp_text_rule_t rule, const char *what);

#endif
