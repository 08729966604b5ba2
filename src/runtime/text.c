/* text.c - C strings of httpd to Python's str and back.
 *
 * Called by everything that hands text across. ASCII is by far the most
 * frequent and is never copied on the way in: the bytes of an ASCII str are
 * its UTF-8. */
#include "runtime/python.h"

#include "runtime/text.h"

#include <apr_strings.h>

#include <stdint.h>
#include <string.h>

static inline int
is_ascii(const char *text, Py_ssize_t size)
{
    const char *end = text + size;
    uint64_t word, high = 0;
    for (; end - text >= 8; text += 8) {
        memcpy(&word, text, sizeof(word));
        high |= word;
    }
    for (; text < end; text++) {
        high |= (unsigned char)*text;
    }
    return !(high & UINT64_C(0x8080808080808080));
}

PyObject *
mp_text_from_size(const char *text, Py_ssize_t size)
{
    if (!text) {
        Py_RETURN_NONE;
    }
    /* Python's decoder keeps the very short ones; the rest is faster here. */
    if (size > 1 && is_ascii(text, size)) {
        PyObject *str = PyUnicode_New(size, 0x7f);
        if (str) {
            memcpy(PyUnicode_1BYTE_DATA(str), text, (size_t)size);
        }
        return str;
    }
    return PyUnicode_DecodeUTF8(text, size, "surrogateescape");
}

PyObject *
mp_text_from(const char *text)
{
    return mp_text_from_size(text, text ? (Py_ssize_t)strlen(text) : 0);
}

PyObject *
mp_text_from_latin1(const char *text)
{
    if (!text) {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL);
}

/* Turn the UnicodeEncodeError in flight into a ValueError that names what,
 * with the first as its cause; leave any other exception alone. */
static void
raise_unencodable(const char *what, const char *encoding)
{
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        return;
    }
    PyObject *cause = PyErr_GetRaisedException();
    PyErr_Format(PyExc_ValueError,
                 "%s holds a character that has no form in %s", what,
                 encoding);
    PyObject *error = PyErr_GetRaisedException();
    PyException_SetCause(error, cause);
    PyErr_SetRaisedException(error);
}

/* The bytes of an ASCII str are its UTF-8, those of subclasses (values of
 * forms) too. */
static inline int
view_ascii(mp_text_view_t *view, PyObject *str)
{
    if (!PyUnicode_IS_ASCII(str)) {
        return 0;
    }
    view->bytes = (const char *)PyUnicode_1BYTE_DATA(str);
    view->size = PyUnicode_GET_LENGTH(str);
    view->owner = Py_NewRef(str);
    return 1;
}

/* Fill view with str. 0, or -1 with an exception. */
static int
view_str(mp_text_view_t *view, PyObject *str, int latin1, const char *what)
{
    if (view_ascii(view, str)) {
        return 0;
    }
    /* Not PyUnicode_AsUTF8: it would keep a second copy in the str. */
    view->owner = latin1 ? PyUnicode_AsLatin1String(str)
                         : PyUnicode_AsEncodedString(str, "utf-8",
                                                     "surrogateescape");
    if (!view->owner) {
        raise_unencodable(what, latin1 ? "Latin-1" : "UTF-8");
        return -1;
    }
    view->bytes = PyBytes_AS_STRING(view->owner);
    view->size = PyBytes_GET_SIZE(view->owner);
    return 0;
}

static void
view_bytes(mp_text_view_t *view, PyObject *bytes)
{
    view->owner = Py_NewRef(bytes);
    view->bytes = PyBytes_AS_STRING(bytes);
    view->size = PyBytes_GET_SIZE(bytes);
}

int
mp_text_view(mp_text_view_t *view, PyObject *object, const char *what)
{
    memset(view, 0, sizeof(*view));
    if (PyUnicode_Check(object)) {
        return view_str(view, object, 0, what);
    }
    if (PyBytes_Check(object)) {
        view_bytes(view, object);
        return 0;
    }
    if (!PyObject_CheckBuffer(object)) {
        PyErr_Format(PyExc_TypeError,
                     "%s must be str or a bytes-like object, not %.200s",
                     what, Py_TYPE(object)->tp_name);
        return -1;
    }
    if (PyObject_GetBuffer(object, &view->buffer, PyBUF_SIMPLE) != 0) {
        return -1;
    }
    view->bytes = view->buffer.buf;
    view->size = view->buffer.len;
    return 0;
}

void
mp_text_release(mp_text_view_t *view)
{
    Py_CLEAR(view->owner);
    if (view->buffer.obj) {
        PyBuffer_Release(&view->buffer);
    }
    view->bytes = NULL;
    view->size = 0;
}

/* 0 when the bytes obey rule, -1 with ValueError otherwise. */
static int
check_rule(const mp_text_view_t *view, mp_text_rule_t rule, const char *what)
{
    const size_t clean = rule == MP_TEXT_HEADER
        ? strcspn(view->bytes, "\r\n") : strlen(view->bytes);
    if (clean == (size_t)view->size) { /* it ends in NUL, as all of them */
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "%s must not contain %s", what,
                 view->bytes[clean] ? "CR or LF" : "NUL");
    return -1;
}

int
mp_text_string(mp_text_view_t *view, PyObject *object, mp_text_rule_t rule,
               const char *what)
{
    view->owner = NULL;
    view->buffer.obj = NULL;
    if (PyUnicode_Check(object)) {
        if (!view_ascii(view, object)
            && view_str(view, object, rule == MP_TEXT_LATIN1, what) < 0) {
            return -1;
        }
    }
    else if (PyBytes_Check(object)) {
        view_bytes(view, object);
    }
    else {
        PyErr_Format(PyExc_TypeError, "%s must be str or bytes, not %.200s",
                     what, Py_TYPE(object)->tp_name);
        return -1;
    }
    if (check_rule(view, rule, what) < 0) {
        mp_text_release(view);
        return -1;
    }
    return 0;
}

char *
mp_text_copy(apr_pool_t *pool, PyObject *object, mp_text_rule_t rule,
             const char *what)
{
    mp_text_view_t view;
    if (mp_text_string(&view, object, rule, what) < 0) {
        return NULL;
    }
    char *copy = apr_pstrmemdup(pool, view.bytes, (apr_size_t)view.size);
    mp_text_release(&view);
    return copy;
}
