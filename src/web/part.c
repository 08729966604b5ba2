/* part.c - what came with one field of a multipart body.
 *
 * Called by the reader of the body, and by fields when a program asks for
 * what it wrote about itself. */
#include "runtime/python.h"

#include "web/part.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/text.h"
#include "runtime/thread.h"

mp_part_t *
mp_part_create(const char *headers, size_t size, const char *charset)
{
    mp_part_t *part = calloc(1, sizeof(*part));
    if (!part) {
        return NULL;
    }
    mp_spool_init(&part->spool);
    part->headers = malloc(size + 1);
    if (!part->headers) {
        free(part);
        return NULL;
    }
    memcpy(part->headers, headers, size);
    part->headers_size = size;
    strcpy(part->charset, charset);
    return part;
}

void
mp_part_destroy(mp_part_t *part)
{
    if (!part) {
        return;
    }
    if (part->spool.fd >= 0) { /* giving back the disk takes its time */
        mp_thread_suspended_t suspended = mp_thread_suspend();
        mp_spool_free(&part->spool);
        mp_thread_resume(suspended);
    }
    mp_spool_free(&part->spool);
    Py_XDECREF(part->file);
    free(part->headers);
    free(part);
}

const char *
mp_part_header(const char *headers, size_t size, const char *name)
{
    const char *end = headers + size;
    while (headers < end) {
        const char *value = headers + strlen(headers) + 1;
        if (!strcasecmp(headers, name)) {
            return value;
        }
        headers = value + strlen(value) + 1;
    }
    return NULL;
}

/* A str of bytes in a declared charset. NULL, without an exception when they
 * are not in that one either. */
static PyObject *
decode_as(const char *text, size_t size, const char *charset)
{
    PyObject *str = PyUnicode_Decode(text, (Py_ssize_t)size, charset,
                                     "surrogateescape");
    if (!str && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
    }
    return str;
}

PyObject *
mp_part_decode(const char *text, size_t size, const char *charset)
{
    if (!size) {
        return PyUnicode_New(0, 0); /* there may be no text at all */
    }
    if (*charset) {
        PyObject *str = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, NULL);
        if (!str && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            PyErr_Clear(); /* it is in the other charset, then */
            str = decode_as(text, size, charset);
        }
        if (str || PyErr_Occurred()) {
            return str;
        }
    }
    return mp_text_from_size(text, (Py_ssize_t)size);
}

int
mp_part_disposition(char *text, mp_span_t *name, mp_span_t *filename)
{
    mp_params_t params;
    int found = 0, is_extended = 0;
    if (name) {
        *name = (mp_span_t){NULL, 0};
    }
    mp_params_init(&params, text, strlen(text));
    while (mp_params_next(&params)) {
        if (name && mp_span_is(params.name, "name")) {
            *name = params.value;
        }
        else if (mp_span_is(params.name, "filename") && !is_extended) {
            *filename = params.value;
            found = 1;
        }
        else if (mp_span_is(params.name, "filename*")
                 && mp_params_decode(&params.value) == 0) {
            *filename = params.value;
            found = is_extended = 1;
        }
    }
    return found;
}

PyObject *
mp_part_directory(void)
{
    PyObject *tempfile = PyImport_ImportModule("tempfile");
    PyObject *name = tempfile ? PyObject_CallMethod(tempfile, "gettempdir",
                                                    NULL) : NULL;
    Py_XDECREF(tempfile);
    return name;
}
