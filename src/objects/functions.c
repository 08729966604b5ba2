/* functions.c - the functions of _apache that are about httpd as a whole.
 *
 * Module-level functions get the module, and with it the state, as self; they
 * may be called in threads that Python made, where nothing of ours has
 * entered. */
#include "importer/api.h"
#include "runtime/python.h"

#include "objects/functions.h"

#include "objects/finfo.h"
#include "objects/proxy.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"

#include <ap_mpm.h>
#include <apr_file_info.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_main.h>

#include <stdio.h>
#include <string.h>

/* ---- logging ---- */

PyObject *
mp_functions_log(mp_log_place_t place, PyObject *message, int level)
{
    if (level < 0 || level > APLOG_LEVELMASK) {
        PyErr_Format(PyExc_ValueError,
                     "level must be one of apache.APLOG_*, not %d", level);
        return NULL;
    }
    if (message == Py_None) {
        Py_RETURN_NONE;
    }
    mp_text_view_t text;
    if (mp_text_string(&text, message, MP_TEXT_PLAIN, "log message") < 0) {
        return NULL;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log_lines(place, level ? level : APLOG_ERR, text.bytes);
    mp_thread_resume(held);
    mp_text_release(&text);
    Py_RETURN_NONE;
}

/* The server_rec behind an mp_server, or NULL with TypeError. */
static server_rec *
server_ptr(mp_state_t *state, PyObject *object)
{
    if (!Py_IS_TYPE(object, state->types[MP_TYPE_SERVER])) {
        PyErr_Format(PyExc_TypeError,
                     "server must be a server object, not %.200s",
                     Py_TYPE(object)->tp_name);
        return NULL;
    }
    return mp_proxy_ptr(object);
}

PyDoc_STRVAR(log_error_doc,
             "log_error(message, level=3, server=None)\n--\n\n"
             "Write message (str, any number of lines) to the error log of "
             "server,\nor to the main one. level: one of APLOG_*; 0 means "
             "APLOG_ERR. None as\nmessage is ignored. ValueError for NUL in "
             "it (ap_log_error).");

static PyObject *
log_error(PyObject *module, PyObject *args, PyObject *kwargs)
{
    char *names[] = {"message", "level", "server", NULL};
    PyObject *message, *server = Py_None;
    int level = APLOG_ERR;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|iO:log_error", names,
                                     &message, &level, &server)) {
        return NULL;
    }
    server_rec *s = NULL;
    if (server != Py_None) {
        s = server_ptr(mp_state_of_module(module), server);
        if (!s) {
            return NULL;
        }
    }
    return mp_functions_log(MP_LOG_SERVER(s), message, level);
}

/* ---- the configuration ---- */

/* A directive and those after it, with their children. New list. */
static PyObject *
build_tree(const ap_directive_t *directive)
{
    PyObject *list = PyList_New(0);
    if (!list || Py_EnterRecursiveCall(" in config_tree()")) {
        Py_XDECREF(list);
        return NULL;
    }
    for (; directive && list; directive = directive->next) {
        PyObject *name = mp_text_from(directive->directive);
        PyObject *args = mp_text_from(directive->args);
        PyObject *pair = name && args ? PyTuple_Pack(2, name, args) : NULL;
        PyObject *children = NULL;
        if (!pair || PyList_Append(list, pair) < 0) {
            Py_CLEAR(list);
        }
        else if (directive->first_child) {
            children = build_tree(directive->first_child);
            if (!children || PyList_Append(list, children) < 0) {
                Py_CLEAR(list);
            }
        }
        Py_XDECREF(name);
        Py_XDECREF(args);
        Py_XDECREF(pair);
        Py_XDECREF(children);
    }
    Py_LeaveRecursiveCall();
    return list;
}

PyDoc_STRVAR(config_tree_doc,
             "config_tree()\n--\n\n"
             "The configuration files as httpd has read them: a list of\n"
             "(directive, arguments) tuples; the children of a section are a "
             "list\nof the same kind behind its tuple.");

static PyObject *
config_tree(PyObject *module, PyObject *ignored)
{
    return build_tree(ap_conftree);
}

PyDoc_STRVAR(server_root_doc, "server_root()\n--\n\n"
                              "The directory of the directive ServerRoot.");

static PyObject *
server_root(PyObject *module, PyObject *ignored)
{
    return mp_text_from(ap_server_root);
}

PyDoc_STRVAR(exists_config_define_doc,
             "exists_config_define(name, /)\n--\n\n"
             "True when httpd was started with -D name, or its configuration "
             "says\nDefine name (ap_exists_config_define).");

static PyObject *
exists_config_define(PyObject *module, PyObject *name)
{
    mp_text_view_t text;
    if (mp_text_string(&text, name, MP_TEXT_PLAIN, "name") < 0) {
        return NULL;
    }
    int exists = ap_exists_config_define(text.bytes);
    mp_text_release(&text);
    return PyBool_FromLong(exists);
}

PyDoc_STRVAR(mpm_query_doc,
             "mpm_query(code, /)\n--\n\n"
             "What the multi-processing module says about itself, an int; "
             "code is\none of AP_MPMQ_* (ap_mpm_query). ValueError for a code "
             "that it does\nnot know.");

static PyObject *
mpm_query(PyObject *module, PyObject *args)
{
    int code;
    int result = 0;
    if (!PyArg_ParseTuple(args, "i:mpm_query", &code)) {
        return NULL;
    }
    if (ap_mpm_query(code, &result) != APR_SUCCESS) {
        PyErr_Format(PyExc_ValueError,
                     "the MPM knows no query %d; use one of apache.AP_MPMQ_*",
                     code);
        return NULL;
    }
    return PyLong_FromLong(result);
}

/* ---- files ---- */

PyDoc_STRVAR(stat_doc,
             "stat(fname, wanted, /)\n--\n\n"
             "What is known about a file, as mp_finfo (apr_stat). wanted: "
             "bits of\nAPR_FINFO_*; with APR_FINFO_LINK a symbolic link is "
             "looked at itself.\nA missing file has filetype APR_NOFILE; "
             "OSError for any other failure.");

static PyObject *
build_finfo(mp_state_t *state, apr_pool_t *pool, PyObject *path, int wanted)
{
    char *name = mp_text_copy(pool, path, MP_TEXT_PLAIN, "file name");
    if (!name) {
        return NULL;
    }
    apr_finfo_t finfo;
    memset(&finfo, 0, sizeof(finfo));
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status = apr_stat(&finfo, name, wanted, pool);
    mp_thread_resume(held);
    if (APR_STATUS_IS_ENOENT(status)) {
        memset(&finfo, 0, sizeof(finfo)); /* filetype is APR_NOFILE */
        finfo.fname = name;
    }
    else if (status != APR_SUCCESS && status != APR_INCOMPLETE) {
        return mp_error_raise_os(
            apr_pstrcat(pool, "cannot examine ", name, NULL), status);
    }
    return mp_finfo_from(state, &finfo);
}

static PyObject *
stat_file(PyObject *module, PyObject *args)
{
    PyObject *fname;
    int wanted;
    if (!PyArg_ParseTuple(args, "Oi:stat", &fname, &wanted)) {
        return NULL;
    }
    PyObject *path = PyOS_FSPath(fname);
    if (!path) {
        return NULL;
    }
    apr_pool_t *pool;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        Py_DECREF(path);
        return PyErr_NoMemory();
    }
    PyObject *result =
        build_finfo(mp_state_of_module(module), pool, path, wanted);
    apr_pool_destroy(pool);
    Py_DECREF(path);
    return result;
}

/* ---- cleanups ---- */

int
mp_functions_add_cleanup(mp_state_t *state, PyObject *callable,
                         PyObject *data)
{
    if (!PyCallable_Check(callable)) {
        PyErr_Format(PyExc_ValueError,
                     "a cleanup must be callable, %.200s is not",
                     Py_TYPE(callable)->tp_name);
        return -1;
    }
    /* What a module's body registers goes with that version of the module. */
    PyObject *body = mp_importer_running_body(state);
    PyObject *pair = PyTuple_Pack(3, callable, data, body ? body : Py_None);
    if (!pair) {
        return -1;
    }
    int result = PyList_Append(state->cleanups, pair);
    Py_DECREF(pair);
    return result;
}

PyDoc_STRVAR(
    register_cleanup_doc,
    "register_cleanup(interpreter, server, callable, data=None)\n--\n\n"
    "Call callable(data) when this child process ends, in this interpreter,\n"
    "whose name interpreter must be; last registered first. Programs use\n"
    "apache.register_cleanup(). ValueError for a wrong interpreter, server "
    "or\ncallable.");

static PyObject *
register_cleanup(PyObject *module, PyObject *args)
{
    mp_state_t *state = mp_state_of_module(module);
    PyObject *name, *server, *callable, *data = Py_None;
    if (!PyArg_ParseTuple(args, "UOO|O:register_cleanup", &name, &server,
                          &callable, &data)) {
        return NULL;
    }
    PyObject *ours = mp_text_from(state->interp->name);
    if (!ours) {
        return NULL;
    }
    int is_ours = PyUnicode_Compare(name, ours) == 0;
    Py_DECREF(ours);
    if (!is_ours) {
        PyErr_Format(PyExc_ValueError,
                     "a cleanup can only be registered for the interpreter "
                     "that registers it, %s, not for %R",
                     state->interp->name, name);
        return NULL;
    }
    if (!Py_IS_TYPE(server, state->types[MP_TYPE_SERVER])) {
        PyErr_Format(PyExc_ValueError,
                     "server must be a server object, not %.200s",
                     Py_TYPE(server)->tp_name);
        return NULL;
    }
    if (mp_functions_add_cleanup(state, callable, data) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Take the last (callable, data, body) off the list and call it. 0, or -1 with
 * an exception of one or the other. */
static int
run_last(PyObject *cleanups)
{
    Py_ssize_t last = PyList_GET_SIZE(cleanups) - 1;
    PyObject *pair = PyList_GetItemRef(cleanups, last);
    PyObject *result = NULL;
    if (pair && PyList_SetSlice(cleanups, last, last + 1, NULL) == 0) {
        result = PyObject_CallOneArg(PyTuple_GET_ITEM(pair, 0),
                                     PyTuple_GET_ITEM(pair, 1));
    }
    int ok = result != NULL;
    Py_XDECREF(result);
    Py_XDECREF(pair);
    return ok ? 0 : -1;
}

void
mp_functions_run_cleanups(mp_state_t *state)
{
    char what[256];
    snprintf(what, sizeof(what),
             "cleanup at the end of the process, in interpreter %s, failed",
             state->interp->name);
    while (PyList_GET_SIZE(state->cleanups) > 0) {
        if (run_last(state->cleanups) < 0) {
            mp_error_log(state, MP_LOG_SERVER(state->interp->server),
                         "MPY0301", what);
        }
    }
}

/* METH_KEYWORDS functions have three arguments; the table has room for two. */
#define WITH_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function))

PyMethodDef mp_functions[] = {
    {"config_tree", config_tree, METH_NOARGS, config_tree_doc},
    {"exists_config_define", exists_config_define, METH_O,
     exists_config_define_doc},
    {"log_error", WITH_KEYWORDS(log_error), METH_VARARGS | METH_KEYWORDS,
     log_error_doc},
    {"mpm_query", mpm_query, METH_VARARGS, mpm_query_doc},
    {"register_cleanup", register_cleanup, METH_VARARGS,
     register_cleanup_doc},
    {"server_root", server_root, METH_NOARGS, server_root_doc},
    {"stat", stat_file, METH_VARARGS, stat_doc},
    {NULL, NULL, 0, NULL},
};
