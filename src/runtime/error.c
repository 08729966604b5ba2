/* error.c - exceptions become log lines here, and nowhere else; and statuses
 * of APR become exceptions. */
#include "runtime/python.h"

#include "runtime/error.h"

#include "runtime/text.h"
#include "runtime/thread.h"

#include <apr_strings.h>

PyObject *
mp_error_format(mp_state_t *state, PyObject *exc)
{
    PyObject *text = NULL, *lines = NULL, *empty = NULL;
    PyObject *module = PyImport_ImportModule("traceback");
    if (!module) {
        return NULL;
    }
    lines = PyObject_CallMethodOneArg(module, state->names.format_exception,
                                      exc);
    if (!lines) {
        goto done;
    }
    empty = PyUnicode_FromString("");
    if (!empty) {
        goto done;
    }
    text = PyUnicode_Join(empty, lines);
done:
    Py_XDECREF(empty);
    Py_XDECREF(lines);
    Py_DECREF(module);
    return text;
}

/* "ValueError: bad thing" for the header line; never fails. */
static PyObject *
summarize(PyObject *exc)
{
    PyObject *summary = PyUnicode_FromFormat("%s: %S", Py_TYPE(exc)->tp_name,
                                             exc);
    if (!summary) {
        PyErr_Clear(); /* a broken __str__ must not hide the exception */
        summary = PyUnicode_FromString(Py_TYPE(exc)->tp_name);
    }
    return summary;
}

void
mp_error_log(mp_state_t *state, mp_log_place_t place, const char *code,
             const char *what)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (!exc) {
        return;
    }
    mp_text_view_t header = {0}, trace = {0};
    PyObject *summary = summarize(exc);
    PyObject *text = mp_error_format(state, exc);
    if (!text) {
        PyErr_Clear(); /* the summary has to do */
    }
    if (!summary || mp_text_view(&header, summary, "summary") < 0) {
        PyErr_Clear();
    }
    if (text && mp_text_view(&trace, text, "traceback") < 0) {
        PyErr_Clear();
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    int first_line = header.bytes ? (int)strcspn(header.bytes, "\n") : 0;
    mp_log(place, APLOG_ERR, 0, code, "%s: %.*s", what, first_line,
           header.bytes ? header.bytes : "");
    if (trace.bytes) {
        mp_log_lines(place, APLOG_ERR, trace.bytes);
    }
    mp_thread_resume(held);
    mp_text_release(&header);
    mp_text_release(&trace);
    Py_XDECREF(summary);
    Py_XDECREF(text);
    Py_DECREF(exc);
}

PyObject *
mp_error_raise_os(const char *message, apr_status_t status)
{
    if (status == APR_SUCCESS) {
        PyErr_SetString(PyExc_OSError, message);
        return NULL;
    }
    char text[200];
    apr_strerror(status, text, sizeof(text));
    PyErr_Format(PyExc_OSError, "%s: %s", message, text);
    return NULL;
}
