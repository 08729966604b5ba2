/* ask.c - modules by their full names, for code that has no other. */
#include "runtime/python.h"

#include "importer/ask.h"

#include "importer/import_hook.h"
#include "importer/lock.h"
#include "importer/portal.h"
#include "importer/root.h"
#include "importer/search.h"
#include "importer/stage.h"

/* ---- portals ----------------------------------------------------------- */

/* Another generation has a module of this name: load its file into the one in
 * sight. */
static mp_instance_t *
load_like(const mp_import_request_t *request, mp_instance_t *known)
{
    mp_location_t location = {.language = known->language};
    mp_instance_t *instance = NULL;
    if (known->file == Py_None) {
        return known;
    }
    int found = mp_search_file(request->importer, known->file, &location);
    if (found > 0 && PyUnicode_Compare(location.name, known->name) == 0) {
        instance = mp_stage_load(request->importer, request->generation,
                                 &location, known->search, 0, NULL);
    }
    mp_location_clear(&location);
    return instance;
}

/* What is known of a module that is not in the generation in sight. */
static mp_instance_t *
find_elsewhere(mp_importer_t *importer, PyObject *name)
{
    PyObject *known = NULL;
    if (importer->staging && mp_lock_is_mine(importer)) {
        known = PyDict_GetItemWithError(importer->staging->old, name);
    }
    if (known || PyErr_Occurred()) {
        return (mp_instance_t *)known;
    }
    return mp_generation_find((mp_generation_t *)importer->current, name);
}

mp_instance_t *
mp_ask_for(mp_importer_t *importer, PyObject *name, PyObject *globals)
{
    mp_import_request_t request = {
        .importer = importer,
        .importing = mp_instance_of_globals(importer->state, globals),
        .generation = mp_generation_here(importer, globals),
    };
    mp_instance_t *instance = mp_generation_find(request.generation, name);
    PyObject *generation = Py_NewRef(request.generation);
    PyObject *importing = Py_XNewRef(request.importing);
    if (!instance && !PyErr_Occurred()) {
        instance = find_elsewhere(importer, name);
        instance = instance ? load_like(&request, instance) : NULL;
    }
    if (instance && request.importing != instance
        && (mp_import_record_edge(&request, instance) < 0
            || mp_import_note_use(&request, instance, NULL, NULL) < 0)) {
        instance = NULL;
    }
    Py_XDECREF(importing);
    Py_DECREF(generation);
    return instance;
}

/* ---- importlib --------------------------------------------------------- */

/* "_mp_1234abcd.shop.page" as "shop.page" and the root's directory; any other
 * name as it is, below the application roots. */
static PyObject *
split_name(mp_importer_t *importer, PyObject *name, PyObject **dirs)
{
    const char *text = PyUnicode_AsUTF8(name);
    mp_root_t *root = text ? mp_root_find(importer, text) : NULL;
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, 1);
    if (!text) {
        return NULL;
    }
    if (!root || dot < 0) {
        *dirs = mp_search_applications(importer);
        return Py_NewRef(name);
    }
    *dirs = Py_BuildValue("[N]", PyUnicode_DecodeFSDefault(root->path));
    return PyUnicode_Substring(name, dot + 1, length);
}

int
mp_ask_load(mp_importer_t *importer, PyObject *name)
{
    mp_import_request_t request = {
        .importer = importer,
        .generation = mp_generation_here(importer, NULL),
        .is_entry = 1, /* cold code keeps it: it is always wanted */
    };
    PyObject *generation = Py_NewRef(request.generation);
    PyObject *rest = split_name(importer, name, &request.dirs);
    request.search = PyTuple_New(0);
    mp_instance_t *leaf = NULL;
    if (rest && request.dirs && request.search) {
        leaf = mp_import_dotted(&request, rest, NULL);
    }
    if (!leaf && !PyErr_Occurred()) {
        mp_import_raise_missing(name, NULL);
    }
    /* Somebody may have taken it out of sys.modules. */
    if (leaf && mp_portal_ensure(importer, name) < 0) {
        leaf = NULL;
    }
    Py_XDECREF(request.search);
    Py_XDECREF(request.dirs);
    Py_XDECREF(rest);
    Py_DECREF(generation);
    return leaf ? 0 : -1;
}
