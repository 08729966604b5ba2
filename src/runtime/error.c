/* error.c - exceptions become log lines here, and nowhere else; and statuses
 * of APR become exceptions. */
#include "runtime/python.h"

#include "runtime/error.h"

#include "runtime/thread.h"

#include <apr_strings.h>
#include <string.h>

PyObject *
mp_error_format(mp_state_t *state, PyObject *exc)
{
    PyObject *text = NULL, *lines = NULL, *empty = NULL;
    PyObject *module = PyImport_ImportModule("mod_python.tracebacks");
    if (!module) {
        PyErr_Clear(); /* the package is not there: Python's own has to do */
        module = PyImport_ImportModule("traceback");
    }
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

/* Text as bytes for the log: what UTF-8 cannot hold is escaped, NUL shown as
 * "?". Takes over text; new bytes, NULL when text is NULL or memory is out. */
static PyObject *
printable(PyObject *text)
{
    PyObject *bytes = text ? PyUnicode_AsEncodedString(text, "utf-8",
                                                       "backslashreplace")
                           : NULL;
    Py_ssize_t size = bytes ? PyBytes_GET_SIZE(bytes) : 0;
    char *end = bytes ? PyBytes_AS_STRING(bytes) + size : NULL;
    for (char *c = end - size; c < end; c++) {
        *c = *c ? *c : '?';
    }
    Py_XDECREF(text);
    return bytes;
}

void
mp_error_log(mp_state_t *state, mp_log_place_t place, const char *code,
             const char *what)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (!exc) {
        return;
    }
    PyObject *summary = printable(summarize(exc));
    PyObject *trace = printable(mp_error_format(state, exc));
    PyErr_Clear(); /* memory ran out: what there is has to do */
    const char *header = summary ? PyBytes_AS_STRING(summary) : "";
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(place, APLOG_ERR, 0, code, "%s: %.*s", what,
           (int)strcspn(header, "\n"), header);
    if (trace) {
        mp_log_lines(place, APLOG_ERR, PyBytes_AS_STRING(trace));
    }
    mp_thread_resume(held);
    Py_XDECREF(summary);
    Py_XDECREF(trace);
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
