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

/* ---- modules of one interpreter ---------------------------------------- */

#define MAX_CAUSES 20

/* What extension modules say that refuse further interpreters; the list of
 * docs/errors.md. */
static const char *const refusals[] = {
    "does not support loading in subinterpreters",         /* CPython */
    "can only be loaded into one interpreter per process", /* Cython */
    "may only be initialized once per interpreter process", /* PyO3 */
    "do not yet support subinterpreters",                  /* PyO3 */
    "cannot load module more than once per process",       /* numpy */
    NULL
};

static int
is_refusal(PyObject *exc)
{
    int found = 0;
    if (!PyErr_GivenExceptionMatches(exc, PyExc_ImportError)) {
        return 0;
    }
    PyObject *text = printable(PyObject_Str(exc));
    PyErr_Clear(); /* a broken __str__ is no refusal */
    for (const char *const *refusal = refusals; text && *refusal; refusal++) {
        found |= strstr(PyBytes_AS_STRING(text), *refusal) != NULL;
    }
    Py_XDECREF(text);
    return found;
}

/* What to do about exc when it, or what led to it, is such a refusal: words
 * for the header line, mostly "". Runs Python, leaves no exception. */
static const char *
remedy(PyObject *exc)
{
    int found = 0;
    PyObject *link = Py_NewRef(exc);
    for (int depth = 0; link && !found && depth < MAX_CAUSES; depth++) {
        found = is_refusal(link);
        PyObject *cause = PyException_GetCause(link);
        Py_SETREF(link, cause ? cause : PyException_GetContext(link));
    }
    Py_XDECREF(link);
    /* Another interpreter may have been the first: then the main one is
     * refused. Where it is alone, thus also the newest, this is no remedy. */
    return found && PyInterpreterState_Head() != PyInterpreterState_Main()
               ? " (remedy: PythonInterpreter main_interpreter for all that "
                 "import it)"
               : "";
}

/* ---- log lines --------------------------------------------------------- */

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
    const char *advice = remedy(exc);
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(place, APLOG_ERR, 0, code, "%s: %.*s%s", what,
           (int)strcspn(header, "\n"), header, advice);
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
