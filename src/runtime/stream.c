/* stream.c - the raw end of sys.stdout and sys.stderr.
 *
 * Python's own io.TextIOWrapper sits on top of it and gives programs the
 * whole text API; what arrives here is bytes. A line goes to the log when it
 * is complete; its beginning waits in the stream. */
#include "runtime/python.h"

#include "runtime/stream.h"

#include "runtime/text.h"
#include "runtime/thread.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    int level;
    char *partial;   /* an unfinished line, or NULL */
    size_t size;
} stream_t;

#define LONGEST_PARTIAL 65536

/* Take everything up to the last line end out of the stream; the caller frees
 * it. NULL: no complete line yet, or out of memory (then *failed). */
static char *
take_lines(stream_t *stream, const char *bytes, size_t size, int *failed)
{
    char *all = malloc(stream->size + size + 1);
    if (!all) {
        *failed = 1;
        return NULL;
    }
    memcpy(all, stream->partial ? stream->partial : "", stream->size);
    memcpy(all + stream->size, bytes, size);
    size_t total = stream->size + size;
    size_t end = total;
    while (end > 0 && all[end - 1] != '\n') {
        end--;
    }
    if (end == 0 && total > LONGEST_PARTIAL) {
        end = total;
    }
    free(stream->partial);
    stream->partial = NULL;
    stream->size = total - end;
    if (stream->size > 0) {
        stream->partial = malloc(stream->size);
        if (!stream->partial) {
            end = total; /* better split than lost */
            stream->size = 0;
        }
        else {
            memcpy(stream->partial, all + end, stream->size);
        }
    }
    if (end == 0) {
        free(all);
        return NULL;
    }
    for (size_t i = 0; i < end; i++) {
        all[i] = all[i] ? all[i] : '?'; /* NUL would end the text early */
    }
    all[end] = '\0';
    return all;
}

/* The log that the running phase belongs to, else the server's. */
static mp_log_place_t
place_here(void)
{
    mp_log_place_t place = mp_thread_place();
    if (!place.r && !place.c && !place.s && mp_thread_interp()) {
        place.s = mp_thread_interp()->server;
    }
    return place;
}

static void
log_here(int level, const char *text)
{
    mp_log_place_t place = place_here();
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log_lines(place, level, text);
    mp_thread_resume(held);
}

PyDoc_STRVAR(write_doc, "write(bytes)\n--\n\nAdd bytes; complete lines go to "
             "the error log. Returns the number of bytes.");

static PyObject *
stream_write(PyObject *self, PyObject *object)
{
    stream_t *stream = (stream_t *)self;
    mp_text_view_t view;
    int failed = 0;
    if (mp_text_view(&view, object, "data") < 0) {
        return NULL;
    }
    char *lines = take_lines(stream, view.bytes, (size_t)view.size, &failed);
    if (lines) {
        log_here(stream->level, lines);
        free(lines);
    }
    Py_ssize_t size = view.size;
    mp_text_release(&view);
    return failed ? PyErr_NoMemory() : PyLong_FromSsize_t(size);
}

static PyObject *
answer_true(PyObject *self, PyObject *unused)
{
    Py_RETURN_TRUE;
}

static PyObject *
answer_false(PyObject *self, PyObject *unused)
{
    Py_RETURN_FALSE;
}

static PyObject *
answer_none(PyObject *self, PyObject *unused)
{
    Py_RETURN_NONE;
}

/* As io.StringIO does: from Python 3.13 on, _colorize asks every file whether
 * it is a terminal, and knows only this exception. */
static PyObject *
refuse_fileno(PyObject *self, PyObject *unused)
{
    PyObject *io = PyImport_ImportModule("io");
    PyObject *type = io ? PyObject_GetAttrString(io, "UnsupportedOperation")
                        : NULL;
    if (type) {
        PyErr_SetString(type, "fileno");
    }
    Py_XDECREF(type);
    Py_XDECREF(io);
    return NULL;
}

static PyMethodDef stream_methods[] = {
    {"write", stream_write, METH_O, write_doc},
    {"flush", answer_none, METH_NOARGS, "flush()\n--\n\nDoes nothing."},
    {"close", answer_none, METH_NOARGS, "close()\n--\n\nDoes nothing."},
    {"writable", answer_true, METH_NOARGS, "writable()\n--\n\nTrue."},
    {"readable", answer_false, METH_NOARGS, "readable()\n--\n\nFalse."},
    {"seekable", answer_false, METH_NOARGS, "seekable()\n--\n\nFalse."},
    {"isatty", answer_false, METH_NOARGS, "isatty()\n--\n\nFalse."},
    {"fileno", refuse_fileno, METH_NOARGS,
     "fileno()\n--\n\nRaises io.UnsupportedOperation."},
    {NULL, NULL, 0, NULL}
};

static PyObject *
get_closed(PyObject *self, void *unused)
{
    Py_RETURN_FALSE;
}

static PyGetSetDef stream_attributes[] = {
    {"closed", get_closed, NULL, "Always False.", NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

static PyMemberDef stream_members[] = {
    {"level", T_INT, offsetof(stream_t, level), READONLY,
     "The level that lines are logged at (APLOG_*)."},
    {NULL, 0, 0, 0, NULL}
};

static void
stream_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    free(((stream_t *)self)->partial);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot stream_slots[] = {
    {Py_tp_doc, "The error log as a raw binary stream."},
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_methods, stream_methods},
    {Py_tp_getset, stream_attributes},
    {Py_tp_members, stream_members},
    {0, NULL}
};

PyType_Spec mp_stream_spec = {
    .name = "builtins.mp_stream",
    .basicsize = sizeof(stream_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = stream_slots,
};

PyDoc_STRVAR(log_here_doc,
"log_here(message, level=3, /)\n--\n\n"
"Write message to the error log of the request, connection or server that\n"
"this thread works for (ap_log_rerror and the like). level: APLOG_*.");

static PyObject *
function_log_here(PyObject *module, PyObject *args)
{
    PyObject *message;
    int level = APLOG_ERR;
    mp_text_view_t view;
    if (!PyArg_ParseTuple(args, "O|i:log_here", &message, &level)
        || mp_text_view(&view, message, "message") < 0) {
        return NULL;
    }
    log_here(level, view.bytes);
    mp_text_release(&view);
    Py_RETURN_NONE;
}

PyMethodDef mp_stream_functions[] = {
    {"log_here", function_log_here, METH_VARARGS, log_here_doc},
    {NULL, NULL, 0, NULL}
};

/* io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True,
 * write_through=True): nothing waits in the wrapper. */
static int
install_one(mp_state_t *state, PyObject *io, const char *name, int level,
            PyObject **place)
{
    PyObject *wrapper = NULL;
    int failed = -1;
    PyTypeObject *type = state->types[MP_TYPE_STREAM];
    stream_t *raw = (stream_t *)type->tp_alloc(type, 0);
    if (!raw) {
        return -1;
    }
    raw->level = level;
    wrapper = PyObject_CallMethod(io, "TextIOWrapper", "OssOii", raw, "utf-8",
                                  "backslashreplace", Py_None, 1, 1);
    if (wrapper) {
        failed = PySys_SetObject(name, wrapper);
    }
    Py_XDECREF(wrapper);
    Py_XSETREF(*place, (PyObject *)raw);
    return failed;
}

int
mp_stream_install(mp_state_t *state)
{
    PyObject *io = PyImport_ImportModule("io");
    if (!io) {
        return -1;
    }
    int failed = install_one(state, io, "stdout", APLOG_NOTICE,
                             &state->streams[0]) < 0
                 || install_one(state, io, "stderr", APLOG_ERR,
                                &state->streams[1]) < 0;
    Py_DECREF(io);
    return failed ? -1 : 0;
}

void
mp_stream_end_lines(mp_state_t *state)
{
    for (int i = 0; i < 2; i++) {
        stream_t *stream = (stream_t *)state->streams[i];
        int failed = 0;
        char *line = stream && stream->size
                         ? take_lines(stream, "\n", 1, &failed) : NULL;
        if (line) {
            log_here(stream->level, line);
            free(line);
        }
    }
}
