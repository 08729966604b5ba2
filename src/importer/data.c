/* data.c - what module bodies read besides Python source.
 *
 * The hook is called by CPython in the thread that opens the file, before it
 * is opened: the digest taken then is that of what the body is about to read,
 * or of something older, never newer. */
#include "runtime/python.h"

#include "importer/data.h"

#include "importer/changes.h"
#include "importer/lock.h"
#include "importer/root.h"
#include "importer/search.h"
#include "importer/source.h"
#include "runtime/thread.h"

#include <apr_sha1.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* What was there: a file, a directory, or nothing. */
typedef struct {
    enum { NOTHING, A_FILE, A_DIRECTORY } kind;
    unsigned char hash[APR_SHA1_DIGESTSIZE]; /* of content, or of names */
} digest_t;

/* A file longer than this is known by its stamp, not by its content. */
#define LONGEST_READ (8 * 1024 * 1024)

/* ---- digests ----------------------------------------------------------- */

/* Names that editors and Python make for themselves say nothing. */
static int
is_relevant(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && name[0] != '#' && name[length - 1] != '~'
           && strcmp(name, "__pycache__");
}

static int
select_relevant(const struct dirent *entry)
{
    return is_relevant(entry->d_name);
}

/* The names in a directory, detached. */
static void
digest_names(const char *path, digest_t *digest)
{
    struct dirent **names = NULL;
    apr_sha1_ctx_t sha1;
    int count = scandir(path, &names, select_relevant, alphasort);
    digest->kind = count < 0 ? NOTHING : A_DIRECTORY;
    apr_sha1_init(&sha1);
    for (int i = 0; i < count; i++) {
        apr_sha1_update(&sha1, names[i]->d_name,
                        (unsigned)strlen(names[i]->d_name) + 1);
        free(names[i]);
    }
    apr_sha1_final(digest->hash, &sha1);
    free(names);
}

static void
digest_stamp(const mp_stamp_t *stamp, digest_t *digest)
{
    apr_sha1_ctx_t sha1;
    digest->kind = A_FILE;
    apr_sha1_init(&sha1);
    apr_sha1_update(&sha1, (const char *)stamp, sizeof(*stamp));
    apr_sha1_final(digest->hash, &sha1);
}

/* Detached. What can be told without reading: 1 it is in digest, 0 read. */
static int
look(const char *path, digest_t *digest)
{
    mp_stamp_t stamp;
    if (mp_source_links(path, &stamp) == 0) {
        digest_names(path, digest);
        return 1;
    }
    if (stamp.size > LONGEST_READ) {
        digest_stamp(&stamp, digest);
        return 1;
    }
    return 0;
}

/* [attached] 0 or -1. */
static int
make_digest(PyObject *path, digest_t *digest)
{
    mp_source_id_t id;
    memset(digest, 0, sizeof(*digest)); /* it is compared as bytes */
    char *name = mp_source_path(path);
    if (!name) {
        return -1;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    int is_known = look(name, digest);
    mp_thread_resume(held);
    free(name);
    if (is_known) {
        return 0;
    }
    PyObject *bytes = mp_source_read(path, &id);
    if (bytes) {
        digest->kind = A_FILE;
        memcpy(digest->hash, id.hash, sizeof(digest->hash));
        Py_DECREF(bytes);
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_OSError)) {
        return -1;
    }
    PyErr_Clear(); /* it cannot be read, or went away: nothing is there */
    return 0;
}

/* ---- listening --------------------------------------------------------- */

/* Is path below one of the interpreter's roots? */
static int
is_below_root(mp_importer_t *importer, const char *path)
{
    for (mp_root_t *root = importer->roots; root; root = root->next) {
        size_t length = strlen(root->path);
        if (!strncmp(path, root->path, length)
            && (path[length] == '/' || path[length] == '\0')) {
            return 1;
        }
    }
    return 0;
}

/* Compiled files are nobody's data; a module's source is looked at anyway. */
static int
is_data(mp_instance_t *instance, PyObject *path, const char *name)
{
    size_t length = strlen(name);
    return !(length > 4 && !strcmp(name + length - 4, ".pyc"))
           && !strstr(name, "/__pycache__")
           && PyUnicode_Compare(path, instance->file) != 0;
}

/* An absolute path as str, of what a program may pass to open(); NULL without
 * an exception when it is no path. */
static PyObject *
absolute(PyObject *path)
{
    PyObject *text = NULL, *os_path = NULL, *full = NULL;
    if (!PyUnicode_Check(path) && !PyBytes_Check(path)) {
        return NULL; /* a descriptor, or the directory where we stand */
    }
    if (PyUnicode_FSDecoder(path, &text)) {
        os_path = PyImport_ImportModule("os.path");
        full = os_path ? PyObject_CallMethod(os_path, "abspath", "O", text)
                       : NULL;
    }
    Py_XDECREF(os_path);
    Py_XDECREF(text);
    return full;
}

/* Watched before it is read, so that no change slips through. */
static int
add_digest(mp_importer_t *importer, mp_instance_t *instance, PyObject *path)
{
    digest_t digest;
    if (mp_search_watch(importer, path) < 0
        || (importer->reading && PySet_Add(importer->reading, path) < 0)
        || make_digest(path, &digest) < 0) {
        return -1;
    }
    PyObject *bytes = PyBytes_FromStringAndSize((char *)&digest,
                                                sizeof(digest));
    int failed = bytes ? PyDict_SetItem(instance->data, path, bytes) : -1;
    Py_XDECREF(bytes);
    return failed;
}

/* What path, if it is a link, leads to, step by step: an event names that. */
static int
add_links(mp_importer_t *importer, mp_instance_t *instance, PyObject *path)
{
    PyObject *links = mp_search_links(importer, path);
    int failed = links ? 0 : -1;
    for (Py_ssize_t i = 0; !failed && links != Py_None
                           && i < PyList_GET_SIZE(links); i++) {
        failed = add_digest(importer, instance, PyList_GET_ITEM(links, i));
    }
    Py_XDECREF(links);
    return failed;
}

int
mp_data_note(mp_importer_t *importer, mp_instance_t *instance, PyObject *path)
{
    int known = instance->data ? PyDict_Contains(instance->data, path) : 0;
    if (known) {
        return known < 0 ? -1 : 0;
    }
    if (!instance->data) {
        instance->data = PyDict_New();
    }
    return instance->data && add_links(importer, instance, path) == 0
               ? add_digest(importer, instance, path) : -1;
}

/* The body of instance is about to read path. */
static int
note(mp_importer_t *importer, mp_instance_t *instance, PyObject *path,
     const char *name)
{
    return is_data(instance, path, name)
               ? mp_data_note(importer, instance, path) : 0;
}

/* The instance whose body runs in this thread, borrowed; NULL. */
static mp_instance_t *
running_body(mp_importer_t *importer)
{
    Py_ssize_t depth = PyList_GET_SIZE(importer->bodies);
    return depth > 0 && mp_lock_is_mine(importer)
               ? (mp_instance_t *)PyList_GET_ITEM(importer->bodies, depth - 1)
               : NULL;
}

/* What a body writes itself does not disturb it. */
static int
note_written(mp_importer_t *importer, PyObject *path)
{
    return importer->reading ? PySet_Add(importer->written, path) : 0;
}

static int
hear(mp_importer_t *importer, PyObject *argument, int is_reading)
{
    mp_instance_t *instance = running_body(importer);
    if (!instance) {
        return 0;
    }
    int failed = 0;
    PyObject *path = absolute(argument);
    char *name = path ? mp_source_path(path) : NULL;
    if (name && is_below_root(importer, name)) {
        Py_INCREF(instance);
        failed = is_reading ? note(importer, instance, path, name)
                            : note_written(importer, path);
        Py_DECREF(instance);
    }
    free(name);
    Py_XDECREF(path);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* open(path, mode, flags): for reading only? */
static int
opens_for_reading(PyObject *args)
{
    PyObject *flags = PyTuple_GET_SIZE(args) > 2 ? PyTuple_GET_ITEM(args, 2)
                                                 : NULL;
    return flags && PyLong_Check(flags)
           && (PyLong_AsLong(flags) & O_ACCMODE) == O_RDONLY;
}

static int
audit(const char *event, PyObject *args, void *unused)
{
    /* Called for every event of the process, so the cheap questions first. */
    if (event[0] != 'o') {
        return 0;
    }
    int is_open = !strcmp(event, "open");
    if (!is_open && strcmp(event, "os.listdir")
        && strcmp(event, "os.scandir")) {
        return 0;
    }
    mp_interp_t *interp = mp_thread_interp();
    mp_state_t *state = interp ? interp->state : NULL;
    if (!state || !state->importer || !state->importer->bodies
        || PyList_GET_SIZE(state->importer->bodies) == 0
        || PyTuple_GET_SIZE(args) < 1) {
        return 0;
    }
    return hear(state->importer, PyTuple_GET_ITEM(args, 0),
                !is_open || opens_for_reading(args));
}

int
mp_data_listen(void)
{
    return PySys_AddAuditHook(audit, NULL);
}

/* ---- comparing --------------------------------------------------------- */

/* Did an event name something in this directory? */
static int
is_directory_of_any(PyObject *dir, PyObject *paths)
{
    PyObject *path;
    int found = 0;
    Py_ssize_t length = PyUnicode_GET_LENGTH(dir);
    PyObject *iterator = PyObject_GetIter(paths);
    while (iterator && !found) {
        path = PyIter_Next(iterator);
        if (!path) {
            break;
        }
        found = PyUnicode_Tailmatch(path, dir, 0, length, -1) == 1
                && PyUnicode_GET_LENGTH(path) > length
                && PyUnicode_READ_CHAR(path, length) == '/';
        Py_DECREF(path);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : found;
}

int
mp_data_is_suspect(mp_importer_t *importer, mp_instance_t *instance,
                   PyObject *changed, PyObject *moved)
{
    PyObject *path, *bytes;
    Py_ssize_t position = 0;
    int suspect = 0;
    while (instance->data && suspect == 0
           && PyDict_Next(instance->data, &position, &path, &bytes)) {
        const digest_t *digest = (digest_t *)PyBytes_AS_STRING(bytes);
        suspect = PyList_GET_SIZE(moved) > 0
                      ? 1 : PySet_Contains(changed, path);
        if (suspect == 0 && digest->kind == A_DIRECTORY) {
            suspect = is_directory_of_any(path, changed);
        }
        if (suspect == 0 && importer->has_polled) {
            suspect = mp_changes_is_polled(importer, path);
        }
    }
    return suspect;
}

PyObject *
mp_data_find_changed(mp_instance_t *instance)
{
    PyObject *path, *bytes;
    Py_ssize_t position = 0;
    while (instance->data
           && PyDict_Next(instance->data, &position, &path, &bytes)) {
        digest_t digest;
        if (make_digest(path, &digest) < 0) {
            return NULL;
        }
        if (memcmp(&digest, PyBytes_AS_STRING(bytes), sizeof(digest))) {
            return path;
        }
    }
    return NULL;
}
