/* api.c - the importer's face: pins and handlers for the hooks,
 * import_module() and the rest for programs, and the importer's beginning. */
#include "runtime/python.h"

#include "importer/api.h"

#include "importer/background.h"
#include "importer/finder.h"
#include "importer/generation.h"
#include "importer/import_hook.h"
#include "importer/importer.h"
#include "importer/loader.h"
#include "importer/handover.h"
#include "importer/refresh.h"
#include "importer/retire.h"
#include "importer/root.h"
#include "importer/search.h"
#include "importer/stage.h"
#include "runtime/thread.h"
#include "server/config.h"

#include <http_core.h>
#include <stdlib.h>
#include <string.h>

static mp_watch_t *server_watch; /* set in child_init, before interpreters */

/* ---- beginning --------------------------------------------------------- */

void
mp_importer_set_watch(mp_watch_t *watch)
{
    server_watch = watch;
}

static int
init_lock(mp_importer_t *importer)
{
    pthread_condattr_t attributes;
    if (pthread_mutex_init(&importer->lock, NULL)
        || pthread_condattr_init(&attributes)) {
        return -1;
    }
    int failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
                 || pthread_cond_init(&importer->released, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed ? -1 : 0;
}

static const char *
server_interpreter(const server_rec *server)
{
    const mp_dir_config_t *config = mp_config_of_server_defaults(server);
    if (config->interpreter) {
        return config->interpreter;
    }
    return server->server_hostname ? server->server_hostname : "";
}

/* The application roots of all servers whose requests come here by their
 * server's own settings, in the order of the configuration. */
static int
add_configured_roots(mp_importer_t *importer)
{
    mp_interp_t *interp = importer->state->interp;
    for (server_rec *server = interp->server; server; server = server->next) {
        if (!strcmp(server_interpreter(server), interp->name)
            && mp_importer_add_applications(importer, server) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
intern_objects(mp_importer_t *importer)
{
    for (int phase = 0; phase < MP_PHASE_ROWS; phase++) {
        const char *object = mp_phases[phase].default_object;
        importer->objects[phase] = PyUnicode_InternFromString(object);
        if (!importer->objects[phase]) {
            return -1;
        }
    }
    return 0;
}

int
mp_importer_start(mp_state_t *state)
{
    mp_importer_t *importer = calloc(1, sizeof(*importer));
    if (!importer || init_lock(importer) < 0) {
        free(importer);
        PyErr_NoMemory();
        return -1;
    }
    const mp_server_config_t *config = mp_config_of_server(
        state->interp->server);
    importer->state = state;
    importer->make_hook = mp_import_hook_create;
    importer->timeout_ms = 1000 * (config->reload_timeout > 0
                                       ? config->reload_timeout
                                       : MP_RELOAD_TIMEOUT_DEFAULT);
    state->importer = importer; /* from here on the state owns it */
    importer->view = server_watch ? mp_watch_view_create(server_watch) : NULL;
    PyObject *builtins = PyImport_ImportModule("builtins");
    if (builtins) {
        importer->builtins = Py_NewRef(PyModule_GetDict(builtins));
        Py_DECREF(builtins);
    }
    importer->bodies = PyList_New(0);
    importer->history = PyList_New(0);
    importer->elders = PyList_New(0);
    importer->retired = PyList_New(0);
    importer->changed = PySet_New(NULL);
    importer->moved = PyList_New(0);
    importer->writing = PySet_New(NULL);
    importer->polled = PyDict_New();
    importer->pending = PySet_New(NULL);
    importer->touched = PySet_New(NULL);
    importer->failed = PyDict_New();
    importer->current = (PyObject *)mp_generation_create(importer, NULL);
    if (!importer->builtins || !importer->bodies || !importer->history
        || !importer->elders || !importer->retired || !importer->changed || !importer->moved || !importer->writing
        || !importer->polled || !importer->pending || !importer->touched
        || !importer->failed || !importer->current) {
        return -1;
    }
    if (intern_objects(importer) < 0 || mp_loader_prepare(importer) < 0
        || add_configured_roots(importer) < 0) {
        return -1;
    }
    return mp_finder_install(importer);
}

int
mp_importer_traverse(mp_state_t *state, visitproc visit, void *arg)
{
    mp_importer_t *importer = state->importer;
    Py_VISIT(importer->current);
    Py_VISIT(importer->bodies);
    Py_VISIT(importer->history);
    Py_VISIT(importer->elders);
    Py_VISIT(importer->retired);
    Py_VISIT(importer->changed);
    Py_VISIT(importer->moved);
    Py_VISIT(importer->writing);
    Py_VISIT(importer->reading);
    Py_VISIT(importer->polled);
    Py_VISIT(importer->pending);
    Py_VISIT(importer->touched);
    Py_VISIT(importer->told);
    Py_VISIT(importer->failed);
    Py_VISIT(importer->loader);
    Py_VISIT(importer->builtins);
    for (mp_root_t *root = importer->roots; root; root = root->next) {
        Py_VISIT(root->builtins);
    }
    return 0;
}

int
mp_importer_add_applications(mp_importer_t *importer, const server_rec *server)
{
    const apr_array_header_t *paths = mp_config_of_server(server)->module_path;
    for (int i = 0; paths && i < paths->nelts; i++) {
        if (mp_root_add_application(importer,
                                    APR_ARRAY_IDX(paths, i, const char *))
            < 0) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

/* ---- pins -------------------------------------------------------------- */

void
mp_importer_look_in_background(mp_importer_t *importer)
{
    mp_background_ensure(importer);
}

void
mp_importer_stop(mp_state_t *state)
{
    mp_background_stop(state->importer);
    mp_retire_all(state->importer);
}

int
mp_importer_is_stale(mp_importer_t *importer)
{
    return mp_refresh_is_due(importer);
}

PyObject *
mp_importer_pin(mp_importer_t *importer, int is_stale)
{
    if (is_stale) {
        mp_refresh_run(importer);
    }
    if (mp_root_sync_builtins(importer, 1) < 0) {
        PyErr_Clear(); /* out of memory: the copies stay as they are */
    }
    mp_retire_pin((mp_generation_t *)importer->current);
    return Py_NewRef(importer->current);
}

void
mp_importer_unpin(PyObject *pin)
{
    if (pin) {
        mp_retire_unpin((mp_generation_t *)pin);
        Py_DECREF(pin);
    }
}

/* ---- what names mean in a directive or a call -------------------------- */

/* Where a name is looked up from. */
typedef struct {
    mp_importer_t *importer;
    mp_generation_t *generation;
    mp_instance_t *importing; /* the calling module, or NULL */
    PyObject *directory;      /* str: "./" means this; or None */
    PyObject *handler_root;   /* str: "~" means this; or None */
    PyObject *path;           /* list of str, searched first */
} scope_t;

static void
clear_scope(scope_t *scope)
{
    Py_CLEAR(scope->directory);
    Py_CLEAR(scope->handler_root);
    Py_CLEAR(scope->path);
}

/* A directory of the configuration as str without its trailing slash. */
static PyObject *
directory_text(const char *dir)
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

/* PythonOption mod_python.importer.path "['/a', '~/b']" in scope of r. New
 * list. */
static PyObject *
configured_path(request_rec *r)
{
    const char *text = NULL;
    if (r) {
        text = apr_table_get(mp_config_of_request(r)->options,
                             "mod_python.importer.path");
    }
    if (!text || !*text) {
        return PyList_New(0);
    }
    PyObject *ast = PyImport_ImportModule("ast");
    PyObject *value = ast ? PyObject_CallMethod(ast, "literal_eval", "s", text)
                          : NULL;
    PyObject *list = value ? PySequence_List(value) : NULL;
    Py_XDECREF(value);
    Py_XDECREF(ast);
    return list;
}

/* "~" and "~/x" of a list of directories mean the handler root. In place. */
static int
expand_home(PyObject *list, PyObject *handler_root)
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
make_search(scope_t *scope, request_rec *r)
{
    if (scope->importing) {
        return Py_NewRef(scope->importing->search);
    }
    PyObject *list = configured_path(r);
    PyObject *search = NULL;
    if (list && expand_home(list, scope->handler_root) == 0
        && (scope->handler_root == Py_None
            || PyList_Insert(list, 0, scope->handler_root) == 0)) {
        search = PyList_AsTuple(list);
    }
    Py_XDECREF(list);
    return search;
}

/* path + what the calling code searches. New list. */
static PyObject *
make_dirs(scope_t *scope, PyObject *search)
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

/* "./x.py" and the like as an absolute path; NULL without an exception: text
 * is a name. */
static PyObject *
absolute_path(scope_t *scope, const char *text)
{
    PyObject *base = NULL;
    if (text[0] == '/') {
        return PyUnicode_DecodeFSDefault(text);
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
    PyObject *os_path = joined ? PyImport_ImportModule("os.path") : NULL;
    PyObject *path = os_path ? PyObject_CallMethod(os_path, "normpath", "O",
                                                   joined) : NULL;
    Py_XDECREF(os_path);
    Py_XDECREF(joined);
    Py_XDECREF(rest);
    return path;
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
import_file(mp_import_request_t *request, PyObject *path)
{
    mp_instance_t *instance = mp_import_file(request, path);
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

/* Import what text names, seen from scope: a path, a name with slashes, a
 * dotted name. New reference to the module. */
static PyObject *
import_text(scope_t *scope, const char *text, request_rec *r)
{
    PyObject *module = NULL, *path = NULL, *name = NULL;
    mp_import_request_t request = {
        .importer = scope->importer,
        .generation = scope->generation,
        .importing = scope->importing,
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
        module = import_file(&request, path);
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

/* ---- handlers ---------------------------------------------------------- */

/* The directory that "~" means for a handler: its directive's, or the document
 * root where that is not a directory. New str or None. */
static PyObject *
handler_root(const mp_handler_t *handler, request_rec *r)
{
    while (handler && handler->parent) {
        handler = handler->parent;
    }
    if (handler && !handler->is_location && !handler->is_server) {
        const char *dir = r ? mp_handlers_directory(handler, r)
                            : handler->directory;
        if (dir) {
            return directory_text(dir);
        }
    }
    return directory_text(r ? ap_document_root(r) : NULL);
}

static int
fill_handler_scope(scope_t *scope, const mp_handler_t *handler,
                   request_rec *r)
{
    const char *dir = NULL;
    if (!handler->is_location) {
        dir = r ? mp_handlers_directory(handler, r) : handler->directory;
    }
    scope->directory = directory_text(dir);
    scope->handler_root = scope->directory ? handler_root(handler, r) : NULL;
    scope->path = scope->handler_root ? PyList_New(0) : NULL;
    if (!scope->path) {
        return -1;
    }
    return scope->directory == Py_None
               ? 0 : PyList_Append(scope->path, scope->directory);
}

/* The module of a handler as the generation has it. New reference. */
static PyObject *
import_handler(mp_importer_t *importer, mp_generation_t *generation,
               const mp_handler_t *handler, request_rec *r)
{
    scope_t scope = {.importer = importer, .generation = generation};
    PyObject *module = NULL;
    if (fill_handler_scope(&scope, handler, r) == 0) {
        module = import_text(&scope, handler->module, r);
    }
    clear_scope(&scope);
    return module;
}

/* What the search for a handler's module depends on besides the directive:
 * nothing where that has a directory, else the document root. */
static const char *
handler_base(const mp_handler_t *handler, request_rec *r)
{
    return r && (handler->is_location || handler->is_server)
               ? ap_document_root(r) : "";
}

/* Handlers made for one request, and those whose directory is known by the
 * request only: by what they say and where they stand. */
static PyObject *
remembered_by_key(mp_importer_t *importer, mp_generation_t *generation,
                  const mp_handler_t *handler, request_rec *r)
{
    PyObject *module = NULL;
    const char *dir = r ? mp_handlers_directory(handler, r)
                        : handler->directory;
    PyObject *key = Py_BuildValue("(yyy)", handler->module, dir ? dir : "",
                                  handler_base(handler, r));
    if (!key) {
        return NULL;
    }
    if (PyDict_GetItemRef(generation->handlers, key, &module) == 0) {
        module = import_handler(importer, generation, handler, r);
        if (module
            && PyDict_SetItem(generation->handlers, key, module) < 0) {
            Py_CLEAR(module);
        }
    }
    Py_DECREF(key);
    return module;
}

/* The others have a slot; it serves the document root it was filled for. */
static PyObject *
remembered_by_slot(mp_importer_t *importer, mp_generation_t *generation,
                   const mp_handler_t *handler, request_rec *r)
{
    const char *base = handler_base(handler, r);
    mp_handler_memory_t *memory = mp_generation_slot(generation,
                                                     handler->slot);
    if (memory && memory->module) {
        return strcmp(memory->root, base)
                   ? remembered_by_key(importer, generation, handler, r)
                   : Py_NewRef(memory->module);
    }
    PyObject *module = import_handler(importer, generation, handler, r);
    char *root = strdup(base);
    /* The slots may have moved, or been filled, while it was imported. */
    memory = mp_generation_slot(generation, handler->slot);
    if (module && root && memory && !memory->module) {
        memory->module = Py_NewRef(module);
        memory->root = root;
        root = NULL;
    }
    free(root);
    return module;
}

static PyObject *
handler_module(mp_importer_t *importer, mp_generation_t *generation,
               const mp_handler_t *handler, request_rec *r)
{
    int by_request = !handler->is_location
                     && (handler->wildcard || handler->regex);
    return handler->slot < 0 || by_request
               ? remembered_by_key(importer, generation, handler, r)
               : remembered_by_slot(importer, generation, handler, r);
}

/* PythonReloadFailure error: the newest files of this module, or of one that
 * it depends on, do not load; that is the answer. */
static int
raise_failure(mp_importer_t *importer, mp_generation_t *generation,
              PyObject *module, request_rec *r)
{
    if (PyDict_GET_SIZE(generation->failures) == 0 || !r
        || mp_config_reload_failure(mp_config_of_request(r))
               != MP_FAILURE_ERROR
        || !PyModule_Check(module)) {
        return 0;
    }
    mp_instance_t *instance = mp_instance_of_globals(
        importer->state, PyModule_GetDict(module));
    PyObject *exc = instance
        ? PyDict_GetItemWithError(generation->failures, instance->name)
        : NULL;
    if (exc) {
        PyErr_SetRaisedException(Py_NewRef(exc));
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
raise_no_object(PyObject *module, const char *object)
{
    PyObject *file = NULL;
    if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* said better below */
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    file = PyObject_GetAttrString(module, "__file__");
    if (!file) {
        PyErr_Clear(); /* built in */
        file = PyObject_Repr(module);
    }
    if (file) {
        PyErr_Format(PyExc_AttributeError, "module '%S' contains no '%s'",
                     file, object);
        Py_DECREF(file);
    }
    return NULL;
}

/* "Class.method": a class on the way is made with the argument. New ref. */
static PyObject *
walk_dotted(PyObject *module, const char *object, PyObject *argument)
{
    PyObject *value = Py_NewRef(module);
    const char *rest = object;
    while (value && *rest) {
        size_t length = strcspn(rest, ".");
        PyObject *name = PyUnicode_FromStringAndSize(rest,
                                                     (Py_ssize_t)length);
        PyObject *next = name ? PyObject_GetAttr(value, name) : NULL;
        Py_XDECREF(name);
        rest += length + (rest[length] == '.');
        if (next && *rest && PyType_Check(next)) {
            Py_SETREF(next, argument ? PyObject_CallOneArg(next, argument)
                                     : PyObject_CallNoArgs(next));
            if (!next) {
                Py_DECREF(value);
                return NULL; /* its own exception, not a missing name */
            }
        }
        Py_SETREF(value, next);
    }
    return value ? value : raise_no_object(module, object);
}

/* The str for a plain object name, interned, because that is what makes
 * look-ups fast; remembered for handlers with a slot. New reference. */
static PyObject *
object_name(mp_importer_t *importer, mp_generation_t *generation,
            const mp_handler_t *handler, mp_phase_t phase)
{
    if (!handler->object) {
        return Py_NewRef(importer->objects[phase]);
    }
    mp_handler_memory_t *memory = handler->slot < 0
        ? NULL : mp_generation_slot(generation, handler->slot);
    if (memory && memory->object) {
        return Py_NewRef(memory->object);
    }
    PyObject *name = PyUnicode_InternFromString(handler->object);
    if (memory) {
        memory->object = Py_XNewRef(name);
    }
    return name;
}

/* One look-up, each time, because a program may give the name another
 * meaning. New reference. */
static PyObject *
find_plain(PyObject *module, PyObject *name)
{
    PyObject *value = NULL;
    if (PyModule_CheckExact(module)
        && PyDict_GetItemRef(PyModule_GetDict(module), name, &value) != 0) {
        return value;
    }
    if (PyObject_GetOptionalAttr(module, name, &value) == 0) {
        raise_no_object(module, PyUnicode_AsUTF8(name));
    }
    return value;
}

static PyObject *
find_object(mp_importer_t *importer, mp_generation_t *generation,
            PyObject *module, const mp_handler_t *handler, mp_phase_t phase,
            PyObject *argument)
{
    if (handler->object && strchr(handler->object, '.')) {
        return walk_dotted(module, handler->object, argument);
    }
    PyObject *name = object_name(importer, generation, handler, phase);
    PyObject *value = name ? find_plain(module, name) : NULL;
    Py_XDECREF(name);
    return value;
}

PyObject *
mp_importer_resolve(mp_importer_t *importer, PyObject *pin,
                    const mp_handler_t *handler, mp_phase_t phase,
                    request_rec *r, PyObject *argument)
{
    mp_generation_t *generation = (mp_generation_t *)pin;
    if (handler->callable) {
        return Py_NewRef((PyObject *)handler->callable);
    }
    PyObject *module = handler_module(importer, generation, handler, r);
    if (!module || raise_failure(importer, generation, module, r) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    PyObject *value = find_object(importer, generation, module, handler,
                                  phase, argument);
    Py_DECREF(module);
    if (!value && handler->silent
        && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* PythonHandlerModule: no such phase in it */
    }
    if (value && !PyCallable_Check(value)) {
        PyErr_Format(PyExc_TypeError, "'%s' in '%s' is not callable",
                     handler->object ? handler->object
                                     : mp_phases[phase].default_object,
                     handler->module);
        Py_CLEAR(value);
    }
    return value;
}

/* ---- PythonImport ------------------------------------------------------ */

int
mp_importer_import(mp_importer_t *importer, const char *module,
                   const char *function)
{
    scope_t scope = {
        .importer = importer,
        .generation = (mp_generation_t *)Py_NewRef(importer->current),
        .directory = Py_NewRef(Py_None),
        .handler_root = Py_NewRef(Py_None),
        .path = PyList_New(0),
    };
    PyObject *imported = scope.path ? import_text(&scope, module, NULL) : NULL;
    PyObject *result = NULL;
    if (imported && !function) {
        result = Py_NewRef(Py_None);
    }
    else if (imported) {
        PyObject *callable = walk_dotted(imported, function, NULL);
        result = callable ? PyObject_CallNoArgs(callable) : NULL;
        Py_XDECREF(callable);
    }
    Py_XDECREF(imported);
    Py_DECREF(scope.generation);
    clear_scope(&scope);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* ---- for Python programs ----------------------------------------------- */

/* The scope of a call from Python code. 0 or -1. */
static int
fill_caller_scope(scope_t *scope, PyObject *path)
{
    mp_state_t *state = mp_state_current();
    PyObject *globals = PyEval_GetGlobals();
    request_rec *r = (request_rec *)mp_thread_place().r;
    mp_request_t *request = r ? mp_context_find(r) : NULL;
    const mp_handler_t *running = NULL;
    if (request && request->running
        && request->running_index < request->running->nelts) {
        running = APR_ARRAY_IDX(request->running, request->running_index,
                                const mp_handler_t *);
    }
    scope->importer = state->importer;
    scope->importing = mp_instance_of_globals(state, globals);
    scope->generation = mp_generation_here(state->importer, globals);
    scope->directory = Py_NewRef(Py_None);
    if (scope->importing && scope->importing->file != Py_None) {
        PyObject *file = scope->importing->file;
        Py_ssize_t slash = PyUnicode_FindChar(
            file, '/', 0, PyUnicode_GET_LENGTH(file), -1);
        Py_SETREF(scope->directory, PyUnicode_Substring(file, 0, slash));
    }
    if (!running && scope->importing
        && PyTuple_GET_SIZE(scope->importing->search) > 0) {
        /* A body that runs again in a refresh, before any handler does. */
        scope->handler_root = Py_NewRef(
            PyTuple_GET_ITEM(scope->importing->search, 0));
    }
    else {
        scope->handler_root = handler_root(running, r);
    }
    scope->path = path && path != Py_None ? PySequence_List(path)
                                          : PyList_New(0);
    if (!scope->directory || !scope->handler_root || !scope->path) {
        return -1;
    }
    return expand_home(scope->path, scope->handler_root);
}

PyDoc_STRVAR(import_module_doc,
"import_module(module_name, autoreload=None, log=None, path=None)\n--\n\n"
"Import a module by name ('a', 'a.b', 'dir/a') or by the path of its file\n"
"('/x/a.py'; './a.py' relative to the caller; '~/a.py' relative to the\n"
"handler root) and return it. path: directories (list of str) searched\n"
"first. autoreload and log are those of mod_python 3: within a request every\n"
"import sees the request's one generation, whatever they say. Raises\n"
"ImportError, or what the module's body raises.");

static PyObject *
function_import_module(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"module_name", "autoreload", "log", "path", NULL};
    PyObject *name, *autoreload = NULL, *log = NULL, *path = NULL;
    PyObject *result = NULL;
    scope_t scope = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "U|OOO:import_module",
                                     names, &name, &autoreload, &log, &path)) {
        return NULL;
    }
    char *text = mp_source_path(name);
    if (!text) {
        return NULL;
    }
    if (fill_caller_scope(&scope, path) == 0) {
        Py_INCREF(scope.generation);
        result = import_text(&scope, text,
                             (request_rec *)mp_thread_place().r);
        Py_DECREF(scope.generation);
    }
    clear_scope(&scope);
    free(text);
    return result;
}

PyDoc_STRVAR(keep_doc,
"keep(name, factory)\n--\n\n"
"The object that the calling module keeps under this name (str): made by\n"
"factory() when there is none yet, and the same one in every later version\n"
"of the module. Locks, pools and caches that are to outlive a reload belong\n"
"here; objects of reloadable classes do not. RuntimeError if the caller is\n"
"not a reloadable module; what factory raises.");

static PyObject *
function_keep(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"name", "factory", NULL};
    mp_state_t *state = mp_state_current();
    PyObject *name, *factory;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "UO:keep", names, &name,
                                     &factory)) {
        return NULL;
    }
    mp_instance_t *caller = mp_instance_of_globals(state,
                                                   PyEval_GetGlobals());
    if (!caller) {
        PyErr_SetString(PyExc_RuntimeError, "keep() is for reloadable "
                        "modules; the caller is none");
        return NULL;
    }
    return mp_handover_keep(state->importer, caller, name, factory);
}

PyDoc_STRVAR(freeze_modules_doc,
"freeze_modules()\n--\n\n"
"No more reloading in this interpreter for the life of this process. There\n"
"is no way back.");

static PyObject *
function_freeze_modules(PyObject *module, PyObject *unused)
{
    mp_state_current()->importer->is_frozen = 1;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(get_handler_root_doc,
"get_handler_root()\n--\n\n"
"The directory of the handler directive in force (str); the document root\n"
"for handlers of a Location or of the server; None outside a request.");

static PyObject *
function_get_handler_root(PyObject *module, PyObject *unused)
{
    scope_t scope = {0};
    PyObject *root = NULL;
    if (fill_caller_scope(&scope, NULL) == 0) {
        root = Py_NewRef(scope.handler_root);
    }
    clear_scope(&scope);
    return root;
}

PyMethodDef mp_importer_functions[] = {
    {"import_module", (PyCFunction)(void (*)(void))function_import_module,
     METH_VARARGS | METH_KEYWORDS, import_module_doc},
    {"keep", (PyCFunction)(void (*)(void))function_keep,
     METH_VARARGS | METH_KEYWORDS, keep_doc},
    {"freeze_modules", function_freeze_modules, METH_NOARGS,
     freeze_modules_doc},
    {"get_handler_root", function_get_handler_root, METH_NOARGS,
     get_handler_root_doc},
    {NULL, NULL, 0, NULL}
};
