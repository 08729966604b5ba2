/* scope.c - from what a directive or a call says to a module. */
#include "runtime/python.h"

#include "importer/scope.h"

#include "importer/import_hook.h"
#include "importer/search.h"
#include "importer/source.h"
#include "runtime/path.h"
#include "server/config.h"

#include <http_core.h>
#include <stdlib.h>
#include <string.h>

void
mp_scope_clear(mp_scope_t *scope)
{
    Py_CLEAR(scope->directory);
    Py_CLEAR(scope->handler_root);
    Py_CLEAR(scope->path);
}

PyObject *
mp_scope_directory(const char *dir)
{
    if (!dir) {
        return Py_NewRef(Py_None);
    }
    size_t length = strlen(dir);
    if (length > 1 && dir[length - 1] == '/') {
        length--;
    }
    return PyUnicode_DecodeFSDefaultAndSize(dir, (Py_ssize_t)length);
}

/* PythonOption mod_python.importer.path "['/a', '~/b']" in scope of r, or
 * of the main server. New list. */
static PyObject *
configured_path(const server_rec *server, request_rec *r)
{
    const mp_dir_config_t *config = r
        ? mp_config_of_request(r) : mp_config_of_server_defaults(server);
    const char *text = config->options
        ? apr_table_get(config->options, "mod_python.importer.path") : NULL;
    if (!text || !*text) {
        return PyList_New(0);
    }
    PyObject *ast = PyImport_ImportModule("ast");
    PyObject *value = ast ? PyObject_CallMethod(ast, "literal_eval", "s", text)
                          : NULL;
    PyObject *list = value
        ? mp_path_list(value, "mod_python.importer.path") : NULL;
    Py_XDECREF(value);
    Py_XDECREF(ast);
    return list;
}

int
mp_scope_expand_home(PyObject *list, PyObject *handler_root)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *item = PyList_GET_ITEM(list, i);
        if (!PyUnicode_Check(item)) {
            PyErr_SetString(PyExc_TypeError,
                            "directories to search must be str");
            return -1;
        }
        Py_ssize_t length = PyUnicode_GET_LENGTH(item);
        if (length == 0 || PyUnicode_READ_CHAR(item, 0) != '~'
            || handler_root == Py_None) {
            continue;
        }
        PyObject *rest = PyUnicode_Substring(item, 1, length);
        PyObject *full = rest ? PyUnicode_Concat(handler_root, rest) : NULL;
        Py_XDECREF(rest);
        if (!full) {
            return -1;
        }
        PyList_SetItem(list, i, full);
    }
    return 0;
}

/* What loaded modules search after their own root: handler root, configured
 * path. New tuple. */
static PyObject *
make_search(mp_scope_t *scope, request_rec *r)
{
    if (scope->importing) {
        return Py_NewRef(scope->importing->search);
    }
    PyObject *list = configured_path(
        scope->importer->state->interp->server, r);
    PyObject *search = NULL;
    if (list && mp_scope_expand_home(list, scope->handler_root) == 0
        && (scope->handler_root == Py_None
            || PyList_Insert(list, 0, scope->handler_root) == 0)) {
        search = PyList_AsTuple(list);
    }
    Py_XDECREF(list);
    return search;
}

/* path + what the calling code searches. New list. */
static PyObject *
make_dirs(mp_scope_t *scope, PyObject *search)
{
    PyObject *rest = scope->importing
        ? mp_search_list(scope->importer, scope->importing)
        : PySequence_List(search);
    PyObject *apps = scope->importing ? PyList_New(0)
                                      : mp_search_applications(
                                            scope->importer);
    PyObject *some = rest && apps ? PySequence_Concat(rest, apps) : NULL;
    PyObject *dirs = some ? PySequence_Concat(scope->path, some) : NULL;
    Py_XDECREF(some);
    Py_XDECREF(apps);
    Py_XDECREF(rest);
    return dirs;
}

/* One spelling for each path, by its text alone. Takes over path, which may be
 * NULL after an exception. */
static PyObject *
normalize(PyObject *path)
{
    PyObject *os_path = path ? PyImport_ImportModule("os.path") : NULL;
    PyObject *normal = os_path ? PyObject_CallMethod(os_path, "normpath", "O",
                                                     path) : NULL;
    Py_XDECREF(os_path);
    Py_XDECREF(path);
    return normal;
}

/* "./x.py" and the like as an absolute path; NULL without an exception: text
 * is a name. */
static PyObject *
absolute_path(mp_scope_t *scope, const char *text)
{
    PyObject *base = NULL;
    if (text[0] == '/') {
        text += strspn(text, "/") - 1;
        return normalize(PyUnicode_DecodeFSDefault(text));
    }
    if (!strncmp(text, "~/", 2)) {
        base = scope->handler_root;
        text += 2;
    }
    else if (!strncmp(text, "./", 2) || !strncmp(text, "../", 3)) {
        base = scope->directory;
    }
    else {
        return NULL;
    }
    if (base == Py_None) {
        PyErr_Format(PyExc_ImportError, "no directory that '%s' could be "
                     "relative to: the caller is not a reloadable module",
                     text);
        return NULL;
    }
    PyObject *rest = PyUnicode_DecodeFSDefault(text);
    PyObject *joined = rest ? PyUnicode_FromFormat("%U/%U", base, rest) : NULL;
    Py_XDECREF(rest);
    return normalize(joined);
}

/* "dir/name": below one of the directories; its file, or NULL. */
static PyObject *
slashed_path(PyObject *dirs, const char *text)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(dirs); i++) {
        PyObject *path = PyUnicode_FromFormat("%U/%s.py",
                                              PyList_GET_ITEM(dirs, i), text);
        char *name = path ? mp_source_path(path) : NULL;
        mp_stamp_t stamp;
        int exists = name && mp_source_stamp(name, &stamp) == 0;
        free(name);
        if (exists || PyErr_Occurred()) {
            return path;
        }
        Py_XDECREF(path);
    }
    return NULL;
}

/* The module of an instance that was asked for by a call. */
static PyObject *
hand_out(mp_import_request_t *request, mp_instance_t *instance)
{
    return mp_import_note_use(request, instance, NULL, 0) < 0
               ? NULL : Py_NewRef(instance->module);
}

static PyObject *
import_file(mp_import_request_t *request, PyObject *path, PyObject *own_path)
{
    mp_instance_t *instance = mp_import_file(request, path, own_path);
    return instance ? hand_out(request, instance) : NULL;
}

static PyObject *
import_name(mp_import_request_t *request, PyObject *name)
{
    mp_instance_t *instance = mp_import_dotted(request, name, NULL);
    if (instance) {
        return hand_out(request, instance);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    PyObject *importlib = PyImport_ImportModule("importlib");
    PyObject *module = importlib
        ? PyObject_CallMethod(importlib, "import_module", "O", name) : NULL;
    Py_XDECREF(importlib);
    return module;
}

PyObject *
mp_scope_import(mp_scope_t *scope, const char *text, request_rec *r)
{
    PyObject *module = NULL, *path = NULL, *name = NULL;
    mp_import_request_t request = {
        .importer = scope->importer,
        .generation = scope->generation,
        .importing = scope->importing,
        .probes = scope->probes,
        .language = scope->language,
        .is_entry = !scope->importing,
    };
    request.search = make_search(scope, r);
    request.dirs = request.search ? make_dirs(scope, request.search) : NULL;
    if (!request.dirs) {
        goto done;
    }
    path = absolute_path(scope, text);
    if (!path && !PyErr_Occurred() && strchr(text, '/')) {
        path = slashed_path(request.dirs, text);
        if (!path && !PyErr_Occurred()) {
            PyErr_Format(PyExc_ImportError, "no module '%s'", text);
        }
    }
    if (PyErr_Occurred()) {
        goto done;
    }
    if (path) {
        module = import_file(&request, path,
                             scope->importing ? scope->path : NULL);
        goto done;
    }
    name = PyUnicode_DecodeFSDefault(text);
    module = name ? import_name(&request, name) : NULL;
done:
    Py_XDECREF(name);
    Py_XDECREF(path);
    Py_XDECREF(request.dirs);
    Py_XDECREF(request.search);
    return module;
}

PyObject *
mp_scope_handler_root(const mp_handler_t *handler, request_rec *r)
{
    while (handler && handler->parent) {
        handler = handler->parent;
    }
    if (handler && !handler->is_location && !handler->is_server) {
        const char *dir = r ? mp_handlers_directory(handler, r)
                            : handler->directory;
        if (dir) {
            return mp_scope_directory(dir);
        }
    }
    return mp_scope_directory(r ? ap_document_root(r) : NULL);
}
