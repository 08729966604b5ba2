/* import_hook.c - what `import` means in a hot module.
 *
 * The way of a name: bindings of the importing instance (what this import
 * meant last time) -> table of the generation in sight -> done, two dictionary
 * look-ups. Only the first time is there more to do: search, load, record the
 * edge and the binding. What is found under no root is Python's to import. */
#include "runtime/python.h"

#include "importer/import_hook.h"

#include "importer/effects/effects.h"
#include "importer/lock.h"
#include "importer/portal.h"
#include "importer/root.h"
#include "importer/search.h"
#include "importer/stage.h"
#include "runtime/thread.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    mp_importer_t *importer;
    mp_root_t *root;
} import_hook_t;

/* ---- names ------------------------------------------------------------- */

static PyObject *
first_component(PyObject *name)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, 1);
    return dot < 0 ? Py_NewRef(name) : PyUnicode_Substring(name, 0, dot);
}

int
mp_import_is_reserved(PyObject *first)
{
    if (PyUnicode_CompareWithASCIIString(first, "mod_python") == 0) {
        return 1;
    }
    PyObject *builtin = PySys_GetObject("builtin_module_names");
    return builtin ? PySequence_Contains(builtin, first) : 0;
}

void *
mp_import_raise_missing(PyObject *full, mp_instance_t *parent)
{
    PyObject *message = parent && !parent->is_package
        ? PyUnicode_FromFormat("No module named %R; %R is not a package",
                               full, parent->name)
        : PyUnicode_FromFormat("No module named %R", full);
    if (message) {
        PyObject *args = PyTuple_Pack(1, message);
        PyObject *keywords = Py_BuildValue("{sO}", "name", full);
        PyObject *exc = args && keywords
            ? PyObject_Call(PyExc_ModuleNotFoundError, args, keywords) : NULL;
        if (exc) {
            PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        }
        Py_XDECREF(exc);
        Py_XDECREF(keywords);
        Py_XDECREF(args);
        Py_DECREF(message);
    }
    return NULL;
}

/* ---- edges ------------------------------------------------------------- */

/* Who an import made now belongs to: the importing module, or the module
 * whose body runs, when the code has no module of its own (exec). */
static mp_instance_t *
edge_holder(const mp_import_request_t *request)
{
    mp_importer_t *importer = request->importer;
    if (request->importing || !mp_lock_is_mine(importer)) {
        return request->importing;
    }
    Py_ssize_t depth = PyList_GET_SIZE(importer->bodies);
    return depth ? (mp_instance_t *)PyList_GET_ITEM(importer->bodies,
                                                    depth - 1) : NULL;
}

/* What gets the places where a search looks, or NULL. */
static PyObject *
probes_of(const mp_import_request_t *request)
{
    mp_instance_t *holder = edge_holder(request);
    return holder ? holder->probes : request->probes;
}

int
mp_import_record_edge(const mp_import_request_t *request,
                      mp_instance_t *target)
{
    mp_instance_t *holder = edge_holder(request);
    if (!holder || holder == target) {
        return 0;
    }
    return mp_instance_add_edge(holder, target->name,
                                holder->is_executing ? MP_EDGE_IMPORT
                                                     : MP_EDGE_LATE);
}

/* ---- loading by name --------------------------------------------------- */

/* What is loaded needs no lock. During a refresh its own thread has to see
 * whether it is still the right one. */
static mp_instance_t *
find_loaded(const mp_import_request_t *request, const mp_location_t *location)
{
    mp_importer_t *importer = request->importer;
    mp_instance_t *instance = mp_generation_find(request->generation,
                                                 location->name);
    if (!instance || instance->is_executing
        || (importer->staging && mp_lock_is_mine(importer))) {
        return NULL;
    }
    return instance;
}

static mp_instance_t *
load_located(const mp_import_request_t *request,
             const mp_location_t *location, int is_leaf)
{
    int is_entry = request->is_entry && is_leaf;
    mp_instance_t *instance = find_loaded(request, location);
    if (instance) {
        instance->is_entry |= is_entry;
    }
    else if (!PyErr_Occurred()) {
        instance = mp_stage_load(request->importer, request->generation,
                                 location, request->search, is_entry,
                                 edge_holder(request));
    }
    if (!instance || mp_import_record_edge(request, instance) < 0) {
        return NULL;
    }
    /* Whoever asks for an entry looks for himself. */
    int failed = is_entry ? 0 : mp_generation_raise_failure(
                                    request->generation, instance);
    return failed ? NULL : instance;
}

/* A namespace package made anew does not know its old parts, nor is it the
 * parent of one that lives under a root of its own. It follows what it shows:
 * the old one must go on showing the old part. */
static int
join_namespace(mp_instance_t *package, mp_instance_t *part)
{
    if (mp_instance_add_edge(package, part->name, MP_EDGE_PACKAGE) < 0) {
        return -1;
    }
    return mp_stage_bind(package, part);
}

/* `stem` of a package. NULL without an exception: there is no such part. */
static mp_instance_t *
import_part(const mp_import_request_t *request, mp_instance_t *package,
            PyObject *stem, int is_leaf)
{
    mp_instance_t *holder = edge_holder(request);
    mp_location_t location = {0};
    mp_instance_t *part = NULL;
    int found = package->is_package
        ? mp_search_package(request->importer, package, stem,
                            probes_of(request), &location)
        : 0;
    if (found > 0) {
        part = load_located(request, &location, is_leaf);
        mp_location_clear(&location);
        if (part && package->file == Py_None
            && join_namespace(package, part) < 0) {
            part = NULL;
        }
    }
    else if (found == 0 && holder && package->is_package) {
        PyObject *full = PyUnicode_FromFormat("%U.%U", package->name, stem);
        if (!full || PySet_Add(holder->absent, full) < 0) {
            part = NULL;
        }
        Py_XDECREF(full);
    }
    return part;
}

/* The rest of a dotted name, below the package that its beginning named. */
static mp_instance_t *
import_parts(const mp_import_request_t *request, mp_instance_t *instance,
             PyObject *name, Py_ssize_t dot)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    while (instance && dot >= 0) {
        Py_ssize_t end = PyUnicode_FindChar(name, '.', dot + 1, length, 1);
        PyObject *stem = PyUnicode_Substring(name, dot + 1,
                                             end < 0 ? length : end);
        if (!stem) {
            return NULL;
        }
        mp_instance_t *package = instance;
        instance = import_part(request, package, stem, end < 0);
        Py_DECREF(stem);
        if (!instance && !PyErr_Occurred()) {
            PyObject *full = PyUnicode_Substring(name, 0,
                                                 end < 0 ? length : end);
            if (full) {
                mp_import_raise_missing(full, package);
                Py_DECREF(full);
            }
            return NULL;
        }
        dot = end;
    }
    return instance;
}

/* A file may be away for a moment, while it is saved: what the request's
 * generation has loaded from there, its functions find all the same. */
static mp_instance_t *
find_in_generation(const mp_import_request_t *request, PyObject *first)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(request->dirs); i++) {
        mp_instance_t *instance = NULL;
        char *prefix = NULL;
        char *dir = mp_source_path(PyList_GET_ITEM(request->dirs, i));
        if (!dir) {
            return NULL;
        }
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_root_of(request->importer, dir, &prefix);
        mp_thread_resume(held);
        PyObject *start = PyUnicode_DecodeFSDefault(prefix ? prefix : "");
        PyObject *name = start ? PyUnicode_Concat(start, first) : NULL;
        if (name) {
            instance = mp_generation_find(request->generation, name);
        }
        Py_XDECREF(name);
        Py_XDECREF(start);
        free(prefix);
        free(dir);
        if (instance || PyErr_Occurred()) {
            return instance && !instance->is_executing ? instance : NULL;
        }
    }
    return NULL;
}

static mp_instance_t *
import_top(const mp_import_request_t *request, PyObject *first, int is_leaf)
{
    mp_instance_t *holder = edge_holder(request);
    mp_location_t location = {0};
    int found = mp_search_dirs(request->importer, first, request->dirs, 1,
                               probes_of(request), &location);
    if (found == 0 && holder && !holder->is_executing) {
        mp_instance_t *instance = find_in_generation(request, first);
        return instance && mp_import_record_edge(request, instance) == 0
                   ? instance : NULL;
    }
    if (found <= 0) {
        return NULL;
    }
    mp_instance_t *top = load_located(request, &location, is_leaf);
    mp_location_clear(&location);
    return top;
}

mp_instance_t *
mp_import_dotted(const mp_import_request_t *request, PyObject *name,
                 mp_instance_t **top)
{
    mp_instance_t *leaf = NULL;
    PyObject *first = first_component(name);
    int reserved = first ? mp_import_is_reserved(first) : -1;
    if (reserved == 0) {
        int is_leaf = PyUnicode_GET_LENGTH(first)
                      == PyUnicode_GET_LENGTH(name);
        leaf = import_top(request, first, is_leaf);
        if (leaf && top) {
            *top = leaf;
        }
        if (leaf && !is_leaf) {
            leaf = import_parts(request, leaf, name,
                                PyUnicode_GET_LENGTH(first));
        }
    }
    Py_XDECREF(first);
    return leaf;
}

mp_instance_t *
mp_import_file(const mp_import_request_t *request, PyObject *path,
               PyObject *own_path)
{
    mp_location_t location = {.language = request->language};
    int found = mp_search_file(request->importer, path, &location);
    if (found <= 0) {
        if (found == 0) {
            PyErr_Format(PyExc_ImportError, "there is no module file '%U'",
                         path);
        }
        return NULL;
    }
    location.own_path = own_path;
    mp_instance_t *instance = load_located(request, &location, 1);
    mp_location_clear(&location);
    return instance;
}

/* ---- relative names ---------------------------------------------------- */

/* The package instance for a name that must be in the table, or the directory
 * of a directory root, which is a package without a file. */
static mp_instance_t *
package_instance(const mp_import_request_t *request, PyObject *name,
                 mp_root_t *root)
{
    mp_instance_t *instance = mp_generation_find(request->generation, name);
    if (instance || PyErr_Occurred()) {
        return instance;
    }
    mp_location_t location = {.root = root, .name = Py_NewRef(name)};
    PyObject *dir = PyUnicode_DecodeFSDefault(root->path);
    location.dirs = dir ? PyList_New(0) : NULL;
    if (location.dirs && PyList_Append(location.dirs, dir) == 0) {
        instance = mp_stage_load(request->importer, request->generation,
                                 &location, request->search, 0, NULL);
    }
    Py_XDECREF(dir);
    mp_location_clear(&location);
    return instance;
}

/* The package that `level` dots mean in a module of package `base`. */
static mp_instance_t *
resolve_level(const mp_import_request_t *request, mp_root_t *root,
              PyObject *base, long level)
{
    Py_ssize_t end = PyUnicode_GET_LENGTH(base);
    while (--level > 0 && end > 0) {
        Py_ssize_t dot = PyUnicode_FindChar(base, '.', 0, end, -1);
        end = dot < 0 ? 0 : dot;
    }
    if (end == 0) {
        PyErr_SetString(PyExc_ImportError,
                        "attempted relative import beyond top-level package");
        return NULL;
    }
    PyObject *name = PyUnicode_Substring(base, 0, end);
    if (!name) {
        return NULL;
    }
    mp_instance_t *package = package_instance(request, name, root);
    Py_DECREF(name);
    return package;
}

/* `__package__` of the importing code. New str; NULL with ImportError. */
static PyObject *
own_package(const mp_import_request_t *request, PyObject *globals)
{
    mp_instance_t *importing = request->importing;
    PyObject *package = NULL;
    if (importing) {
        package = importing->is_package ? importing->name : importing->parent;
    }
    else if (globals && PyDict_Check(globals)) {
        package = PyDict_GetItemWithError(
            globals, request->importer->state->names.__package__);
    }
    if (!package || !PyUnicode_Check(package)
        || PyUnicode_GET_LENGTH(package) == 0) {
        PyErr_SetString(PyExc_ImportError,
                        "attempted relative import with no known parent "
                        "package");
        return NULL;
    }
    return Py_NewRef(package);
}

static mp_instance_t *
import_relative(const mp_import_request_t *request, mp_root_t *root,
                PyObject *globals, PyObject *name, long level)
{
    PyObject *base = own_package(request, globals);
    if (!base) {
        return NULL;
    }
    mp_instance_t *instance = resolve_level(request, root, base, level);
    if (instance && PyUnicode_GET_LENGTH(name) > 0) {
        PyObject *full = PyUnicode_FromFormat("%U.%U", instance->name, name);
        instance = full ? import_parts(request, instance, full,
                                       PyUnicode_GET_LENGTH(instance->name))
                        : NULL;
        Py_XDECREF(full);
    }
    else if (instance && instance->file != Py_None
             && mp_import_record_edge(request, instance) < 0) {
        instance = NULL;
    }
    Py_DECREF(base);
    return instance;
}

/* ---- from m import ... ------------------------------------------------- */

/* `from package import item` would fall back on sys.modules, which may still
 * have the portal of a part that is gone. */
static int
refuse_remains(const mp_import_request_t *request, mp_instance_t *package,
               PyObject *item)
{
    mp_state_t *state = request->importer->state;
    PyObject *full = PyUnicode_FromFormat("%U.%U", package->name, item);
    PyObject *present = full ? PyDict_GetItemWithError(
                                   PyImport_GetModuleDict(), full) : NULL;
    if (present && Py_IS_TYPE(present, state->types[MP_TYPE_PORTAL])
        && !mp_generation_find(request->generation, full)) {
        PyErr_Format(PyExc_ImportError, "cannot import name %R from %R (%S)",
                     item, package->name, package->file);
    }
    Py_XDECREF(full);
    return PyErr_Occurred() ? -1 : 0;
}

static int
import_from_item(const mp_import_request_t *request, mp_instance_t *package,
                 PyObject *item, int is_star)
{
    PyObject *value = NULL;
    if (!PyUnicode_Check(item)) {
        PyErr_Format(PyExc_TypeError, "Item in ``from list'' must be str, "
                     "not %.100s", Py_TYPE(item)->tp_name);
        return -1;
    }
    /* A namespace package has nothing but parts, and each import of one is
     * worth an edge of its own. */
    if (package->file != Py_None) {
        int has = PyObject_GetOptionalAttr(package->module, item, &value);
        Py_XDECREF(value);
        if (has) {
            return has < 0 ? -1 : 0;
        }
    }
    mp_instance_t *part = import_part(request, package, item, 1);
    if (part || PyErr_Occurred()) {
        return part ? 0 : -1;
    }
    return refuse_remains(request, package, item);
}

static int
import_from_list(const mp_import_request_t *request, mp_instance_t *package,
                 PyObject *fromlist, int is_star)
{
    int failed = 0;
    PyObject *items = PySequence_Fast(fromlist, "fromlist must be a sequence");
    Py_ssize_t count = items ? PySequence_Fast_GET_SIZE(items) : 0;
    for (Py_ssize_t i = 0; i < count && !failed; i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(items, i);
        PyObject *all = NULL;
        if (!PyUnicode_Check(item)
            || PyUnicode_CompareWithASCIIString(item, "*") != 0) {
            failed = import_from_item(request, package, item, is_star);
        }
        else if (!is_star) {
            int has = PyObject_GetOptionalAttr(
                package->module, request->importer->state->names.__all__,
                &all);
            failed = has < 0 ? -1
                     : has ? import_from_list(request, package, all, 1) : 0;
        }
        Py_XDECREF(all);
    }
    failed = items ? failed : -1;
    Py_XDECREF(items);
    return failed;
}

static int
wants_parts(PyObject *fromlist)
{
    return fromlist && fromlist != Py_None && PyObject_IsTrue(fromlist) == 1;
}

/* ---- the hook ---------------------------------------------------------- */

int
mp_import_note_use(const mp_import_request_t *request,
                   mp_instance_t *instance, PyObject *name,
                   PyObject *fromlist)
{
    mp_importer_t *importer = request->importer;
    if (!importer->effects || !mp_lock_is_mine(importer)) {
        return 0;
    }
    return mp_effects_note_import(importer, request->importing, instance,
                                  name, fromlist);
}

/* What the import statement gets. */
static PyObject *
finish(const mp_import_request_t *request, mp_instance_t *leaf,
       mp_instance_t *top, PyObject *fromlist)
{
    if (!wants_parts(fromlist)) {
        return mp_import_note_use(request, leaf, request->name, NULL) < 0
                   ? NULL : Py_NewRef(top->module);
    }
    Py_INCREF(leaf);
    int failed = 0;
    if (leaf->is_package) {
        failed = import_from_list(request, leaf, fromlist, 0);
    }
    failed = failed || mp_import_note_use(request, leaf, request->name,
                                          fromlist) < 0;
    PyObject *module = failed ? NULL : Py_NewRef(leaf->module);
    Py_DECREF(leaf);
    return module;
}

/* What this import meant last time, if that is loaded in this generation.
 * Borrowed; *cold is set when it was Python's. */
static mp_instance_t *
recall(const mp_import_request_t *request, PyObject *name, int *cold)
{
    PyObject *target = PyDict_GetItemWithError(request->importing->bindings,
                                               name);
    if (!target) {
        return NULL;
    }
    if (target == Py_None) {
        *cold = 1;
        return NULL;
    }
    if (PyTuple_CheckExact(target)) {
        target = PyTuple_GET_ITEM(target, 0);
    }
    mp_instance_t *instance = mp_generation_find(request->generation, target);
    if (instance && instance->is_executing) {
        instance = mp_stage_await(request->importer, request->generation,
                                  target);
    }
    return instance;
}

static int
remember(const mp_import_request_t *request, PyObject *name,
         mp_instance_t *leaf, mp_instance_t *top)
{
    mp_instance_t *importing = request->importing;
    if (!importing) {
        return 0;
    }
    PyObject *target = !leaf ? Py_NewRef(Py_None)
                       : top != leaf ? PyTuple_Pack(2, leaf->name, top->name)
                                     : Py_NewRef(leaf->name);
    int failed = target ? PyDict_SetItem(importing->bindings, name, target)
                        : -1;
    Py_XDECREF(target);
    if (!failed && (top != leaf || !leaf)) {
        PyObject *first = first_component(name);
        failed = first ? PyDict_SetItem(importing->bindings, first,
                                        top ? top->name : Py_None) : -1;
        Py_XDECREF(first);
    }
    return failed;
}

static PyObject *
import_cold(const mp_import_request_t *request, PyObject *name,
            PyObject *globals, PyObject *locals, PyObject *fromlist)
{
    PyObject *module = PyImport_ImportModuleLevelObject(name, globals, locals,
                                                        fromlist, 0);
    /* It may have installed something in builtins. */
    if (module && mp_root_sync_builtins(request->importer, 1) < 0) {
        Py_CLEAR(module);
    }
    return module;
}

static PyObject *
import_absolute(mp_import_request_t *request, import_hook_t *hook,
                PyObject *name, PyObject *globals, PyObject *locals,
                PyObject *fromlist)
{
    mp_instance_t *leaf = NULL, *top = NULL;
    int cold = 0;
    if (request->importing) {
        leaf = recall(request, name, &cold);
        if (cold) {
            return import_cold(request, name, globals, locals, fromlist);
        }
        if (leaf) {
            PyObject *first = wants_parts(fromlist) ? NULL
                                                    : first_component(name);
            top = first ? recall(request, first, &cold) : leaf;
            Py_XDECREF(first);
            if (top) {
                leaf->indirect++;
                return finish(request, leaf, top, fromlist);
            }
        }
        if (PyErr_Occurred()) {
            return NULL;
        }
    }
    request->dirs = request->importing
        ? mp_search_list(request->importer, request->importing)
        : mp_search_applications(request->importer);
    if (!request->dirs) {
        return NULL;
    }
    if (!request->importing) {
        PyObject *own = PyUnicode_DecodeFSDefault(hook->root->path);
        if (!own || PyList_Insert(request->dirs, 0, own) < 0) {
            Py_XDECREF(own);
            return NULL;
        }
        Py_DECREF(own);
    }
    leaf = mp_import_dotted(request, name, &top);
    if (PyErr_Occurred() || remember(request, name, leaf, top) < 0) {
        return NULL;
    }
    return leaf ? finish(request, leaf, top, fromlist)
                : import_cold(request, name, globals, locals, fromlist);
}

static PyObject *
import_dots(mp_import_request_t *request, import_hook_t *hook,
            PyObject *name, PyObject *globals, PyObject *fromlist, long level)
{
    mp_root_t *root = request->importing ? request->importing->root
                                         : hook->root;
    mp_instance_t *leaf = import_relative(request, root, globals, name,
                                          level);
    return leaf ? finish(request, leaf, leaf, fromlist) : NULL;
}

static PyObject *
import_once(mp_import_request_t *request, import_hook_t *hook,
            PyObject *const *arguments)
{
    Py_CLEAR(request->dirs);
    return request->level == 0
        ? import_absolute(request, hook, request->name, arguments[1],
                          arguments[2], arguments[3])
        : import_dots(request, hook, request->name, arguments[1],
                      arguments[3], request->level);
}

/* The name is to be searched for again. */
static void
forget(const mp_import_request_t *request)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *first = first_component(request->name);
    if (request->importing && first) {
        PyDict_DelItem(request->importing->bindings, request->name);
        PyErr_Clear(); /* it was not there */
        PyDict_DelItem(request->importing->bindings, first);
    }
    PyErr_Clear(); /* it was not there */
    Py_XDECREF(first);
    PyErr_SetRaisedException(exc);
}

/* Searching takes no lock. If changes were dealt with meanwhile, what was
 * found may be from before them, and nobody has looked at it: once more, then,
 * with the lock that keeps changes away. */
static PyObject *
import_unlocked(mp_import_request_t *request, import_hook_t *hook,
                PyObject *const *arguments)
{
    mp_importer_t *importer = request->importer;
    long rounds = importer->rounds;
    PyObject *module = import_once(request, hook, arguments);
    if (importer->rounds == rounds || mp_lock_is_mine(importer)) {
        return module;
    }
    forget(request);
    if (!module && !PyErr_ExceptionMatches(PyExc_ImportError)) {
        return NULL; /* what a body raises is what it raised */
    }
    PyErr_Clear(); /* it may be there now */
    Py_CLEAR(module);
    if (mp_lock_take(importer) < 0) {
        return NULL;
    }
    module = import_once(request, hook, arguments);
    mp_lock_leave(importer);
    return module;
}

/* The usual case, `import x` and `from x import y` of a module that is loaded:
 * three look-ups. NULL without an exception: it is not that. */
static PyObject *
import_known(mp_importer_t *importer, PyObject *name, PyObject *globals,
             PyObject *fromlist)
{
    mp_instance_t *importing = mp_instance_of_globals(importer->state,
                                                      globals);
    mp_generation_t *pin = mp_thread_pin();
    if (!importing || !pin || importer->effects) {
        return NULL;
    }
    PyObject *target = PyDict_GetItemWithError(importing->bindings, name);
    if (!target || target == Py_None) {
        return NULL;
    }
    int is_dotted = PyTuple_CheckExact(target);
    mp_instance_t *leaf = mp_generation_find(
        pin, is_dotted ? PyTuple_GET_ITEM(target, 0) : target);
    if (!leaf || leaf->is_executing) {
        return NULL;
    }
    mp_instance_t *wanted = leaf;
    if (wants_parts(fromlist)) {
        wanted = leaf->is_package ? NULL : leaf;
    }
    else if (is_dotted) {
        wanted = mp_generation_find(pin, PyTuple_GET_ITEM(target, 1));
    }
    if (!wanted || wanted->is_executing) {
        return NULL;
    }
    leaf->indirect++;
    return Py_NewRef(wanted->module);
}

static PyObject *
do_import(import_hook_t *hook, PyObject *const *arguments)
{
    PyObject *name = arguments[0], *globals = arguments[1];
    mp_importer_t *importer = hook->importer;
    long level = arguments[4] ? PyLong_AsLong(arguments[4]) : 0;
    if (level == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (!name || !PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "module name must be a string");
        return NULL;
    }
    if (level < 0 || (level == 0 && PyUnicode_GET_LENGTH(name) == 0)) {
        PyErr_SetString(PyExc_ValueError, level < 0 ? "level must be >= 0"
                                                    : "Empty module name");
        return NULL;
    }
    PyObject *known = level == 0
        ? import_known(importer, name, globals, arguments[3]) : NULL;
    if (known || PyErr_Occurred()) {
        return known;
    }
    /* __import__("x"), called by its name, does not say who calls. */
    PyObject *caller = globals ? globals : PyEval_GetGlobals();
    mp_import_request_t request = {
        .importer = importer,
        .importing = mp_instance_of_globals(importer->state, caller),
        .generation = mp_generation_here(importer, caller),
        .name = name,
        .level = level,
    };
    /* Both may be let go of while a body runs. */
    PyObject *generation = Py_NewRef(request.generation);
    PyObject *importing = Py_XNewRef(request.importing);
    request.search = request.importing ? Py_NewRef(request.importing->search)
                                       : PyTuple_New(0);
    PyObject *module = NULL;
    if (request.search) {
        module = import_unlocked(&request, hook, arguments);
    }
    Py_XDECREF(request.dirs);
    Py_XDECREF(request.search);
    Py_XDECREF(importing);
    Py_DECREF(generation);
    return module;
}

/* ---- the Python type --------------------------------------------------- */

/* __import__(name, globals=None, locals=None, fromlist=(), level=0) */
static PyObject *
hook_call(PyObject *self, PyObject *const *args, size_t nargsf,
          PyObject *names)
{
    static const char *const parameters[] = {"name", "globals", "locals",
                                             "fromlist", "level"};
    PyObject *arguments[5] = {NULL};
    Py_ssize_t given = PyVectorcall_NARGS(nargsf);
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    if (given > 5) {
        PyErr_Format(PyExc_TypeError,
                     "__import__() takes at most 5 arguments (%zd given)",
                     given);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < given; i++) {
        arguments[i] = args[i];
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(names, i);
        size_t place = 0;
        while (place < 5 && PyUnicode_CompareWithASCIIString(
                                keyword, parameters[place]) != 0) {
            place++;
        }
        if (place == 5 || arguments[place]) {
            PyErr_Format(PyExc_TypeError, "__import__() got an unexpected "
                         "keyword argument '%U'", keyword);
            return NULL;
        }
        arguments[place] = args[given + i];
    }
    return do_import((import_hook_t *)self, arguments);
}

static void
hook_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef hook_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(import_hook_t, call),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot hook_slots[] = {
    {Py_tp_doc, "__import__ of reloadable modules."},
    {Py_tp_dealloc, hook_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, hook_members},
    {0, NULL}
};

PyType_Spec mp_import_hook_spec = {
    .name = "builtins.mp_import_hook",
    .basicsize = sizeof(import_hook_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hook_slots,
};

PyObject *
mp_import_hook_create(mp_importer_t *importer, mp_root_t *root)
{
    PyTypeObject *type = importer->state->types[MP_TYPE_IMPORT_HOOK];
    import_hook_t *hook = (import_hook_t *)type->tp_alloc(type, 0);
    if (hook) {
        hook->call = hook_call;
        hook->importer = importer;
        hook->root = root;
    }
    return (PyObject *)hook;
}
