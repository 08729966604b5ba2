/* cookie.h - Cookie: one cookie, and the header Cookie as a dict of them.
 *
 * The type is the base of SignedCookie and MarshalCookie (signed_cookie.h) and
 * of what programs derive. cookie_jar.h brings cookies to and from
 * requests. */
#ifndef MP_WEB_COOKIE_H
#define MP_WEB_COOKIE_H

#include "core/cookie.h"
#include "runtime/state.h"

extern PyType_Spec mp_cookie_spec;

/* By rank in Set-Cookie. */
typedef enum {
    MP_COOKIE_VERSION,
    MP_COOKIE_PATH,
    MP_COOKIE_DOMAIN,
    MP_COOKIE_SECURE,
    MP_COOKIE_COMMENT,
    MP_COOKIE_EXPIRES,
    MP_COOKIE_MAX_AGE,
    MP_COOKIE_SAMESITE,
    MP_COOKIE_COMMENT_URL,
    MP_COOKIE_DISCARD,
    MP_COOKIE_PORT,
    MP_COOKIE_HTTPONLY,
    MP_COOKIE_ATTRIBUTES
} mp_cookie_attribute_t;

typedef struct {
    PyObject_HEAD
    mp_state_t *state;
    PyObject *name;   /* NULL until __init__() */
    PyObject *value;
    PyObject *secret; /* of signed ones, or NULL */
    PyObject *data;   /* __data__: made when it is asked for */
    PyObject *attributes[MP_COOKIE_ATTRIBUTES]; /* NULL: not set */
} mp_cookie_t;

/* What a wrongly signed cookie becomes. */
enum {
    MP_COOKIE_DOWNGRADE = 0, /* a plain Cookie, signature and all */
    MP_COOKIE_IGNORE = 1,
    MP_COOKIE_EXCEPTION = 3
};

/* How a header is to be read; objects are borrowed. */
typedef struct {
    PyObject *names;  /* a str, an iterable of str, or NULL: all */
    PyObject *secret; /* of signed ones */
    int mismatch;
    int md5;          /* are signatures of old releases good? */
} mp_cookie_choice_t;

/* Is this a cookie of ours, or of a class derived from it? */
static inline int
mp_cookie_check(mp_state_t *state, PyObject *object)
{
    return PyObject_TypeCheck(object, state->types[MP_TYPE_COOKIE]);
}

/* A cookie of one of our own types, without __init__(). New reference; NULL
 * with an exception. */
PyObject *mp_cookie_create(mp_state_t *state, mp_type_id_t type,
                           PyObject *name, PyObject *value);

/* c.<attribute> = value. 0, or -1 with an exception. */
int mp_cookie_set(PyObject *self, mp_cookie_attribute_t attribute,
                  PyObject *value);

/* What __init__() does; takes_secret: of signed cookies. */
int mp_cookie_init(PyObject *self, PyObject *args, PyObject *keywords,
                   int takes_secret);

/* Text that grows; begin with {0}, end with mp_cookie_text_free(). */
typedef struct {
    char *bytes;
    size_t size;
    size_t room;
} mp_cookie_text_t;
int mp_cookie_text_add(mp_cookie_text_t *text, const char *bytes,
                       size_t size);
void mp_cookie_text_free(mp_cookie_text_t *text);

/* A signature and what it signs, as it goes out. */
typedef struct {
    const char *signature;
    size_t signature_size;
    const char *value;
    size_t size;
} mp_cookie_signed_t;

/* "name=", what is signed or, if that is NULL, the value that self has, and
 * its attributes. 0, or -1 with ValueError for what must not be sent. */
int mp_cookie_render(PyObject *self, mp_cookie_text_t *text,
                     const mp_cookie_signed_t *opened);

/* The str that was rendered. Frees text. */
PyObject *mp_cookie_text_take(mp_cookie_text_t *text);

/* Called for each cookie that is chosen: a new reference to what the dict is
 * to have, NULL without an exception for none. */
typedef PyObject *mp_cookie_make_fn(PyTypeObject *type, PyObject *name,
                                    const mp_cookie_pair_t *pair,
                                    const mp_cookie_choice_t *choice);

/* The cookies of a header as a dict; type is that of the objects, the state
 * that of the running interpreter. New reference; NULL with an exception. */
PyObject *mp_cookie_parse(PyTypeObject *type, const char *bytes, size_t size,
                          const mp_cookie_choice_t *choice,
                          mp_cookie_make_fn *make);

/* For plain cookies. */
PyObject *mp_cookie_make(PyTypeObject *type, PyObject *name,
                         const mp_cookie_pair_t *pair,
                         const mp_cookie_choice_t *choice);

#endif
