/* search.c - where a module would be found. */
#include "runtime/python.h"

#include "importer/search.h"

#include "importer/generation.h"
#include "importer/root.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
mp_location_clear(mp_location_t *location)
{
    Py_CLEAR(location->name);
    Py_CLEAR(location->file);
    Py_CLEAR(location->dirs);
}

/* ---- looking at the disk, detached ------------------------------------- */

typedef enum { NOTHING, PACKAGE, MODULE, NAMESPACE } found_t;

typedef struct {
    char *dir;           /* malloc'd */
    found_t found;       /* what is in it under the stem */
    int has_dir;         /* a directory of that name, which is no package */
    int is_polled;       /* cannot be watched */
    const char *reason;  /* why */
} place_t;

static int
has_type(const char *dir, const char *stem, const char *rest, mode_t type)
{
    char path[4096];
    struct stat info;
    int length = snprintf(path, sizeof(path), "%s/%s%s", dir, stem, rest);
    return length > 0 && (size_t)length < sizeof(path)
           && stat(path, &info) == 0 && (info.st_mode & S_IFMT) == type;
}

/* What is in a directory decides whether it is a package, and what it is
 * like. */
static void
watch_inside(mp_importer_t *importer, const char *dir, const char *stem)
{
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/%s", dir, stem);
    if (length > 0 && (size_t)length < sizeof(path)) {
        mp_watch_add(importer->view, path, NULL);
    }
}

static void
look(mp_importer_t *importer, place_t *place, const char *stem)
{
    if (importer->view) {
        place->is_polled = mp_watch_add(importer->view, place->dir,
                                        &place->reason) == MP_WATCH_POLLED;
    }
    place->has_dir = has_type(place->dir, stem, "", S_IFDIR);
    if (place->has_dir && importer->view) {
        watch_inside(importer, place->dir, stem);
    }
    /* Asked after the watch is there, so that none slips through. */
    if (place->has_dir
        && has_type(place->dir, stem, "/__init__.py", S_IFREG)) {
        place->found = PACKAGE;
    }
    else if (has_type(place->dir, stem, ".py", S_IFREG)) {
        place->found = MODULE;
    }
    else if (place->has_dir) {
        place->found = NAMESPACE;
    }
}

/* ---- places ------------------------------------------------------------ */

static void
free_places(place_t *places, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; places && i < count; i++) {
        free(places[i].dir);
    }
    free(places);
}

static place_t *
make_places(PyObject *dirs, Py_ssize_t count)
{
    place_t *places = calloc(count ? (size_t)count : 1, sizeof(*places));
    if (!places) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        places[i].dir = mp_source_path(PySequence_Fast_GET_ITEM(dirs, i));
        if (!places[i].dir) {
            free_places(places, count);
            return NULL;
        }
        size_t length = strlen(places[i].dir);
        if (length > 1 && places[i].dir[length - 1] == '/') {
            places[i].dir[length - 1] = '\0';
        }
    }
    return places;
}

/* A directory without events is looked at by stat from now on; said once. */
static int
note_polled(mp_importer_t *importer, const place_t *place)
{
    PyObject *dir = PyUnicode_DecodeFSDefault(place->dir);
    if (!dir) {
        return -1;
    }
    int known = PyDict_Contains(importer->polled, dir);
    if (known == 0) {
        PyObject *stamp = PyBytes_FromStringAndSize("", 0);
        known = stamp ? PyDict_SetItem(importer->polled, dir, stamp) : -1;
        Py_XDECREF(stamp);
        importer->has_polled = 1;
        server_rec *server = importer->state->interp->server;
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_log_plain(MP_LOG_SERVER(server), APLOG_NOTICE,
                     "'%s' gives no reliable file events (%s): its modules "
                     "are checked by stat at every request", place->dir,
                     place->reason ? place->reason : "unknown reason");
        mp_thread_resume(held);
    }
    Py_DECREF(dir);
    return known < 0 ? -1 : 0;
}

static int
add_probe(PyObject *probes, const char *dir, const char *stem)
{
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/%s", dir, stem);
    if (length <= 0 || (size_t)length >= sizeof(path)) {
        return 0; /* too long to exist */
    }
    PyObject *probe = PyUnicode_DecodeFSDefault(path);
    int failed = probe ? PySet_Add(probes, probe) : -1;
    Py_XDECREF(probe);
    return failed;
}

/* Remember everything that was looked at, up to the place that won. */
static int
note_places(mp_importer_t *importer, const place_t *places, Py_ssize_t count,
            const char *stem, PyObject *probes)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        if (places[i].is_polled && note_polled(importer, &places[i]) < 0) {
            return -1;
        }
        if (probes && add_probe(probes, places[i].dir, stem) < 0) {
            return -1;
        }
        if (probes && places[i].has_dir && places[i].found != PACKAGE) {
            char inside[4096];
            int length = snprintf(inside, sizeof(inside), "%s/%s",
                                  places[i].dir, stem);
            if (length > 0 && (size_t)length < sizeof(inside)
                && add_probe(probes, inside, "__init__") < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* ---- locations --------------------------------------------------------- */

static PyObject *
list_of_one(PyObject *item)
{
    PyObject *list = item ? PyList_New(1) : NULL;
    if (list) {
        PyList_SET_ITEM(list, 0, Py_NewRef(item));
    }
    return list;
}

/* The name of what was found in place, as a part of the regular package it is
 * in, or by its directory (package NULL). New str; sets location->root. */
static PyObject *
name_location(mp_importer_t *importer, const place_t *place, PyObject *stem,
              mp_instance_t *package, mp_location_t *location)
{
    char *prefix = NULL;
    if (package) {
        location->root = package->root;
        return PyUnicode_FromFormat("%U.%U", package->name, stem);
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    location->root = mp_root_of(importer, place->dir, &prefix);
    mp_thread_resume(held);
    if (!location->root) {
        return PyErr_NoMemory();
    }
    PyObject *before = PyUnicode_DecodeFSDefault(prefix);
    PyObject *name = before ? PyUnicode_Concat(before, stem) : NULL;
    Py_XDECREF(before);
    free(prefix);
    return name;
}

/* Fill location for what was found in place. */
static int
fill_location(mp_importer_t *importer, const place_t *place, const char *stem,
              mp_instance_t *package, mp_location_t *location)
{
    PyObject *dir = PyUnicode_DecodeFSDefault(place->dir);
    PyObject *text = dir ? PyUnicode_DecodeFSDefault(stem) : NULL;
    PyObject *inner = text ? PyUnicode_FromFormat("%U/%U", dir, text) : NULL;
    if (inner) {
        location->name = name_location(importer, place, text, package,
                                       location);
    }
    if (inner && place->found == PACKAGE) {
        location->file = PyUnicode_FromFormat("%U/__init__.py", inner);
        location->dirs = list_of_one(inner);
    }
    else if (inner && place->found == MODULE) {
        location->file = PyUnicode_FromFormat("%U.py", inner);
    }
    else if (inner) {
        location->dirs = list_of_one(inner);
    }
    Py_XDECREF(inner);
    Py_XDECREF(text);
    Py_XDECREF(dir);
    int complete = location->name
                   && (place->found == NAMESPACE || location->file)
                   && (place->found == MODULE || location->dirs);
    return complete ? 0 : -1;
}

/* The other portions of a namespace package. */
static int
add_portions(const place_t *places, Py_ssize_t first, Py_ssize_t count,
             const char *stem, mp_location_t *location)
{
    for (Py_ssize_t i = first + 1; i < count; i++) {
        if (places[i].found != NAMESPACE) {
            continue;
        }
        PyObject *dir = PyUnicode_DecodeFSDefault(places[i].dir);
        PyObject *path = dir ? PyUnicode_FromFormat("%U/%s", dir, stem)
                             : NULL;
        int failed = path ? PyList_Append(location->dirs, path) : -1;
        Py_XDECREF(path);
        Py_XDECREF(dir);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

/* Would Python's own import find a regular module of this name? */
static int
is_cold(PyObject *stem)
{
    int answer = -1;
    PyObject *machinery = PyImport_ImportModule("importlib.machinery");
    PyObject *finder = machinery
        ? PyObject_GetAttrString(machinery, "PathFinder") : NULL;
    PyObject *spec = finder
        ? PyObject_CallMethod(finder, "find_spec", "O", stem) : NULL;
    if (spec == Py_None) {
        answer = 0;
    }
    else if (spec) {
        PyObject *loader = PyObject_GetAttrString(spec, "loader");
        answer = loader ? loader != Py_None : -1;
        PyObject *locations = PyObject_GetAttrString(
            spec, "submodule_search_locations");
        PyObject *origin = PyObject_GetAttrString(spec, "origin");
        if (locations && origin && locations != Py_None
            && origin == Py_None) {
            answer = 0; /* a namespace package there, too */
        }
        Py_XDECREF(origin);
        Py_XDECREF(locations);
        Py_XDECREF(loader);
        if (PyErr_Occurred()) {
            answer = -1;
        }
    }
    Py_XDECREF(spec);
    Py_XDECREF(finder);
    Py_XDECREF(machinery);
    return answer;
}

/* ---- searching --------------------------------------------------------- */

/* Which place wins: its index, or -1. *looked: how many were looked at. */
static Py_ssize_t
look_everywhere(mp_importer_t *importer, place_t *places, Py_ssize_t count,
                const char *stem, Py_ssize_t *looked)
{
    Py_ssize_t namespace = -1;
    for (*looked = 0; *looked < count; ++*looked) {
        place_t *place = &places[*looked];
        look(importer, place, stem);
        if (place->found == PACKAGE || place->found == MODULE) {
            return (*looked)++;
        }
        if (place->found == NAMESPACE && namespace < 0) {
            namespace = *looked;
        }
    }
    return namespace;
}

static int
search(mp_importer_t *importer, PyObject *stem, PyObject *dirs,
       mp_instance_t *package, int or_cold, PyObject *probes,
       mp_location_t *location)
{
    int result = -1;
    place_t *places = NULL;
    Py_ssize_t count = 0, looked = 0, hit = -1;
    char *name = mp_source_path(stem);
    PyObject *fast = name ? PySequence_Fast(dirs, "directories") : NULL;
    if (!fast) {
        goto done;
    }
    count = PySequence_Fast_GET_SIZE(fast);
    places = make_places(fast, count);
    if (!places) {
        goto done;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    hit = look_everywhere(importer, places, count, name, &looked);
    mp_thread_resume(held);
    if (note_places(importer, places, looked, name, probes) < 0) {
        goto done;
    }
    result = 0;
    if (hit >= 0 && places[hit].found == NAMESPACE && or_cold) {
        int cold = is_cold(stem);
        if (cold) {
            result = cold < 0 ? -1 : 0;
            goto done;
        }
    }
    if (hit >= 0) {
        result = fill_location(importer, &places[hit], name, package,
                               location) < 0 ? -1 : 1;
        if (result == 1 && places[hit].found == NAMESPACE
            && add_portions(places, hit, count, name, location) < 0) {
            result = -1;
        }
    }
done:
    if (result < 0) {
        mp_location_clear(location);
    }
    free_places(places, count);
    Py_XDECREF(fast);
    free(name);
    return result;
}

int
mp_search_dirs(mp_importer_t *importer, PyObject *stem, PyObject *dirs,
               int or_cold, PyObject *probes, mp_location_t *location)
{
    return search(importer, stem, dirs, NULL, or_cold, probes, location);
}

int
mp_search_package(mp_importer_t *importer, mp_instance_t *parent,
                  PyObject *stem, PyObject *probes, mp_location_t *location)
{
    PyObject *dirs;
    PyObject *path = importer->state->names.__path__;
    if (PyObject_GetOptionalAttr(parent->module, path, &dirs) <= 0) {
        return PyErr_Occurred() ? -1 : 0;
    }
    /* Parts of a namespace package are named by their own directory, so that
     * a file has one name however it is reached. */
    mp_instance_t *package = parent->file == Py_None ? NULL : parent;
    int result = search(importer, stem, dirs, package, 0, probes, location);
    Py_DECREF(dirs);
    return result;
}

/* "page" of "page.py"; "page:psp" of "page.psp", which is nothing that an
 * import statement could name; a package's __init__ stands for its directory.
 */
static int
file_location(mp_importer_t *importer, const char *path,
              mp_location_t *location)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash + 1;
    size_t length = strlen(base);
    int is_python = !location->language && length > 3
                    && !strcmp(base + length - 3, ".py");
    place_t place = {.found = MODULE};
    char *stem = strdup(base);
    place.dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    int failed = -1;
    if (!stem || !place.dir) {
        PyErr_NoMemory();
        goto done;
    }
    if (is_python && !strcmp(base, "__init__.py")
        && strrchr(place.dir, '/') && strcmp(place.dir, "/")) {
        char *last = strrchr(place.dir, '/');
        free(stem);
        stem = strdup(last + 1);
        last[last == place.dir] = '\0';
        place.found = PACKAGE;
    }
    else if (is_python) {
        stem[length - 3] = '\0';
    }
    for (char *c = stem; c && *c; c++) {
        *c = *c == '.' ? ':' : *c;
    }
    failed = stem ? fill_location(importer, &place, stem, NULL, location)
                  : -1;
    if (!failed && place.found == MODULE) {
        PyObject *file = PyUnicode_DecodeFSDefault(path);
        failed = file ? 0 : -1;
        Py_XSETREF(location->file, file);
    }
done:
    free(stem);
    free(place.dir);
    if (failed) {
        mp_location_clear(location);
    }
    return failed;
}

int
mp_search_file(mp_importer_t *importer, PyObject *path,
               mp_location_t *location)
{
    char *name = mp_source_path(path);
    if (!name) {
        return -1;
    }
    place_t place = {0};
    struct stat info;
    char *slash = strrchr(name, '/');
    place.dir = slash ? strndup(name, slash == name ? 1
                                                    : (size_t)(slash - name))
                      : NULL;
    int result = 0;
    if (!place.dir) {
        free(name);
        return 0;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    if (importer->view) {
        place.is_polled = mp_watch_add(importer->view, place.dir,
                                       &place.reason) == MP_WATCH_POLLED;
    }
    int exists = stat(name, &info) == 0 && S_ISREG(info.st_mode);
    mp_thread_resume(held);
    if (place.is_polled && note_polled(importer, &place) < 0) {
        result = -1;
    }
    else if (exists) {
        result = file_location(importer, name, location) < 0 ? -1 : 1;
    }
    free(place.dir);
    free(name);
    return result;
}

/* ---- other files ------------------------------------------------------- */

static int
watch_directory(mp_importer_t *importer, char *dir)
{
    place_t place = {.dir = dir};
    mp_thread_suspended_t held = mp_thread_suspend();
    place.is_polled = mp_watch_add(importer->view, dir, &place.reason)
                      == MP_WATCH_POLLED;
    mp_thread_resume(held);
    return place.is_polled ? note_polled(importer, &place) : 0;
}

int
mp_search_watch(mp_importer_t *importer, PyObject *path)
{
    struct stat info;
    char *name = importer->view ? mp_source_path(path) : NULL;
    if (!name) {
        return importer->view ? -1 : 0;
    }
    int failed = 0;
    if (stat(name, &info) == 0 && S_ISDIR(info.st_mode)) {
        failed = watch_directory(importer, name);
    }
    char *slash = strrchr(name, '/');
    if (!failed && slash && slash != name) {
        *slash = '\0';
        failed = watch_directory(importer, name);
    }
    free(name);
    return failed;
}

/* ---- links ------------------------------------------------------------- */

#define MOST_LINKS 16

/* Where a link leads, in the spelling of the link: malloc'd; NULL: no link. */
static char *
follow_link(const char *path)
{
    char target[4096];
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length <= 0) {
        return NULL;
    }
    target[length] = '\0';
    if (target[0] == '/') {
        return strdup(target);
    }
    size_t dir = (size_t)(strrchr(path, '/') - path) + 1;
    char *joined = malloc(dir + (size_t)length + 1);
    if (joined) {
        memcpy(joined, path, dir);
        strcpy(joined + dir, target);
    }
    return joined;
}

PyObject *
mp_search_links(mp_importer_t *importer, PyObject *path)
{
    char *steps[MOST_LINKS] = {NULL};
    int count = 0;
    char *at = mp_source_path(path);
    if (!at) {
        return NULL;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    for (char *next = follow_link(at); next; next = follow_link(next)) {
        char *slash = strrchr(next, '/');
        steps[count++] = next;
        if (importer->view && slash && slash != next) {
            *slash = '\0';
            mp_watch_add(importer->view, next, NULL);
            *slash = '/';
        }
        if (count == MOST_LINKS) {
            break;
        }
    }
    mp_thread_resume(held);
    PyObject *list = count ? PyList_New(0) : Py_NewRef(Py_None);
    for (int i = 0; i < count; i++) {
        PyObject *step = list ? PyUnicode_DecodeFSDefault(steps[i]) : NULL;
        if (list && (!step || PyList_Append(list, step) < 0)) {
            Py_CLEAR(list);
        }
        Py_XDECREF(step);
        free(steps[i]);
    }
    free(at);
    return list;
}

/* ---- lists of directories ---------------------------------------------- */

PyObject *
mp_search_applications(mp_importer_t *importer)
{
    PyObject *list = PyList_New(0);
    for (mp_root_t *root = importer->roots; list && root; root = root->next) {
        if (!root->is_application) {
            continue;
        }
        PyObject *path = PyUnicode_DecodeFSDefault(root->path);
        if (!path || PyList_Append(list, path) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(path);
    }
    return list;
}

/* list += items; steals items, which may be NULL after an exception. */
static int
extend(PyObject *list, PyObject *items)
{
    if (!items) {
        return -1;
    }
    Py_ssize_t end = PyList_GET_SIZE(list);
    int failed = PyList_SetSlice(list, end, end, items);
    Py_DECREF(items);
    return failed;
}

/* A module's __mp_path__ as a new list: "~" is the handler root; what is no
 * absolute path after that leads nowhere. */
static PyObject *
own_path(mp_instance_t *instance, PyObject *value)
{
    PyObject *items = PySequence_List(value);
    PyObject *list = items ? PyList_New(0) : NULL;
    PyObject *home = PyTuple_GET_SIZE(instance->search) > 0
        ? PyTuple_GET_ITEM(instance->search, 0) : NULL;
    Py_ssize_t count = list ? PyList_GET_SIZE(items) : 0;
    for (Py_ssize_t i = 0; i < count && list; i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        Py_ssize_t length = PyUnicode_Check(item)
                                ? PyUnicode_GET_LENGTH(item) : 0;
        Py_UCS4 first = length ? PyUnicode_READ_CHAR(item, 0) : 0;
        PyObject *full = NULL;
        if (first == '~' && home) {
            PyObject *rest = PyUnicode_Substring(item, 1, length);
            full = rest ? PyUnicode_Concat(home, rest) : NULL;
            Py_XDECREF(rest);
        }
        else if (first == '/') {
            full = Py_NewRef(item);
        }
        if (PyErr_Occurred() || (full && PyList_Append(list, full) < 0)) {
            Py_CLEAR(list);
        }
        Py_XDECREF(full);
    }
    Py_XDECREF(items);
    return list;
}

PyObject *
mp_search_list(mp_importer_t *importer, mp_instance_t *instance)
{
    PyObject *own = NULL;
    PyObject *root = PyUnicode_DecodeFSDefault(instance->root->path);
    PyObject *list = list_of_one(root);
    Py_XDECREF(root);
    if (!list) {
        return NULL;
    }
    if (PyObject_GetOptionalAttr(instance->module,
                                 importer->state->names.__mp_path__, &own)
            < 0
        || (own && extend(list, own_path(instance, own)) < 0)
        || extend(list, PySequence_List(instance->search)) < 0
        || extend(list, mp_search_applications(importer)) < 0) {
        Py_CLEAR(list);
    }
    Py_XDECREF(own);
    return list;
}

/* ---- modules that packages hide ---------------------------------------- */

int
mp_search_is_hidden(mp_importer_t *importer, mp_instance_t *instance)
{
    if (instance->is_package || instance->file == Py_None
        || instance->language) {
        return 0;
    }
    char *path = mp_source_path(instance->file);
    size_t length = path ? strlen(path) : 0;
    int hidden = path ? 0 : -1;
    if (length > 3 && !strcmp(path + length - 3, ".py")) {
        path[length - 3] = '\0';
        mp_thread_suspended_t held = mp_thread_suspend();
        if (importer->view && has_type(path, ".", "", S_IFDIR)) {
            mp_watch_add(importer->view, path, NULL);
        }
        hidden = has_type(path, "__init__", ".py", S_IFREG);
        mp_thread_resume(held);
    }
    free(path);
    return hidden;
}

/* ---- namespace packages ------------------------------------------------ */

/* Detached. dir: "/app/space", the portion "space" in "/app". */
static int
is_portion(char *dir)
{
    char *slash = strrchr(dir, '/');
    if (!slash || slash == dir) {
        return 0;
    }
    *slash = '\0';
    int is_hidden = has_type(dir, slash + 1, ".py", S_IFREG)
                    || has_type(dir, slash + 1, "/__init__.py", S_IFREG);
    int is_there = has_type(dir, slash + 1, "", S_IFDIR);
    *slash = '/';
    return is_there && !is_hidden;
}

int
mp_search_is_namespace(mp_importer_t *importer, mp_instance_t *instance)
{
    PyObject *path;
    int same = 1;
    if (PyObject_GetOptionalAttr(instance->module,
                                 importer->state->names.__path__, &path)
            <= 0) {
        return PyErr_Occurred() ? -1 : 1;
    }
    PyObject *fast = PySequence_Fast(path, "__path__ is not a sequence");
    Py_ssize_t count = fast ? PySequence_Fast_GET_SIZE(fast) : 0;
    for (Py_ssize_t i = 0; same && i < count; i++) {
        char *dir = mp_source_path(PySequence_Fast_GET_ITEM(fast, i));
        if (!dir) {
            break;
        }
        mp_thread_suspended_t held = mp_thread_suspend();
        same = is_portion(dir);
        mp_thread_resume(held);
        free(dir);
    }
    Py_XDECREF(fast);
    Py_DECREF(path);
    return PyErr_Occurred() ? -1 : same;
}
