/* root.c - roots, the names they give, and the builtins of their modules. */
#include "runtime/python.h"

#include "importer/root.h"

#include "runtime/thread.h"
#include "server/log.h"

#include <apr_sha1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static mp_root_t *
make_root(const char *path, int is_application)
{
    mp_root_t *root = calloc(1, sizeof(*root));
    if (!root) {
        return NULL;
    }
    root->path = strdup(path);
    if (!root->path) {
        free(root);
        return NULL;
    }
    root->is_application = is_application;
    if (!is_application) {
        unsigned char digest[APR_SHA1_DIGESTSIZE];
        apr_sha1_ctx_t sha1;
        apr_sha1_init(&sha1);
        apr_sha1_update_binary(&sha1, (const unsigned char *)path,
                               (unsigned)strlen(path));
        apr_sha1_final(digest, &sha1);
        snprintf(root->prefix, sizeof(root->prefix), "_mp_%02x%02x%02x%02x.",
                 digest[0], digest[1], digest[2], digest[3]);
    }
    return root;
}

/* The root of this path and kind; made if there is none. A request adds its
 * server's roots while another thread, detached, looks for a directory's. */
static mp_root_t *
add_root(mp_importer_t *importer, const char *path, int is_application)
{
    pthread_mutex_lock(&importer->lock);
    mp_root_t *_Atomic *end = &importer->roots;
    mp_root_t *root = *end;
    while (root && (root->is_application != is_application
                    || strcmp(root->path, path))) {
        end = &root->next;
        root = *end;
    }
    if (!root) {
        root = make_root(path, is_application);
        *end = root;
    }
    pthread_mutex_unlock(&importer->lock);
    return root;
}

int
mp_root_add_application(mp_importer_t *importer, const char *path)
{
    return add_root(importer, path, 1) ? 0 : -1;
}

mp_root_t *
mp_root_find(mp_importer_t *importer, const char *name)
{
    size_t length = strcspn(name, ".");
    for (mp_root_t *root = importer->roots; root; root = root->next) {
        if (!root->is_application && strlen(root->prefix) == length + 1
            && !strncmp(root->prefix, name, length)) {
            return root;
        }
    }
    return NULL;
}

/* ---- names ------------------------------------------------------------- */

static int
is_package_dir(const char *dir)
{
    char path[4096];
    struct stat info;
    int length = snprintf(path, sizeof(path), "%s/__init__.py", dir);
    return length > 0 && (size_t)length < sizeof(path)
           && stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* "/app" and "/app/shop/models" give "shop.models."; NULL: not below, or a
 * directory on the way has a dot and cannot be part of a name. */
static char *
dotted_below(const char *root, const char *dir)
{
    size_t length = strcmp(root, "/") ? strlen(root) : 0;
    if (strncmp(root, dir, length)
        || (dir[length] != '/' && dir[length] != '\0')) {
        return NULL;
    }
    const char *rest = dir + length;
    rest += strspn(rest, "/");
    if (strchr(rest, '.')) {
        return NULL;
    }
    char *dotted = malloc(strlen(rest) + 2);
    if (!dotted) {
        return NULL;
    }
    strcpy(dotted, rest);
    if (*dotted) {
        strcat(dotted, ".");
    }
    for (char *c = dotted; *c; c++) {
        *c = *c == '/' ? '.' : *c;
    }
    return dotted;
}

/* Cut the last component off; 0 when there is none. */
static int
climb(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || slash[1] == '\0' || strchr(slash, '.')) {
        return 0;
    }
    slash[slash == path] = '\0';
    return 1;
}

/* The nearest directory that is no part of a package; a directory right below
 * a package is a part of it, though it need not have an __init__. */
static void
climb_out_of_package(char *path)
{
    char parent[4096];
    for (;;) {
        if (strlen(path) >= sizeof(parent)) {
            return;
        }
        strcpy(parent, path);
        if (!climb(parent)
            || (!is_package_dir(path) && !is_package_dir(parent))) {
            return;
        }
        strcpy(path, parent);
    }
}

mp_root_t *
mp_root_of(mp_importer_t *importer, const char *dir, char **prefix)
{
    for (mp_root_t *root = importer->roots; root; root = root->next) {
        if (root->is_application) {
            *prefix = dotted_below(root->path, dir);
            if (*prefix) {
                return root;
            }
        }
    }
    mp_root_t *root = NULL;
    char *dotted = NULL;
    char *path = strdup(dir);
    *prefix = NULL;
    if (!path) {
        return NULL;
    }
    climb_out_of_package(path);
    root = add_root(importer, path, 0);
    dotted = root ? dotted_below(path, dir) : NULL;
    if (dotted) {
        *prefix = malloc(strlen(root->prefix) + strlen(dotted) + 1);
    }
    if (*prefix) {
        strcpy(*prefix, root->prefix);
        strcat(*prefix, dotted);
    }
    free(dotted);
    free(path);
    return *prefix ? root : NULL;
}

/* ---- builtins ---------------------------------------------------------- */

/* Make copy equal to builtins, but for its own __import__. */
static int
copy_builtins(mp_importer_t *importer, PyObject *copy, PyObject *builtins)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    PyObject *import = importer->state->names.__import__;
    while (PyDict_Next(builtins, &position, &key, &value)) {
        if (key != import && PyDict_GetItemWithError(copy, key) != value
            && PyDict_SetItem(copy, key, value) < 0) {
            return -1;
        }
    }
    if (PyDict_GET_SIZE(copy) == PyDict_GET_SIZE(builtins)) {
        return 0;
    }
    PyObject *keys = PyDict_Keys(copy);
    if (!keys) {
        return -1;
    }
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(keys); i++) {
        key = PyList_GET_ITEM(keys, i);
        if (key != import && PyDict_Contains(builtins, key) == 0) {
            failed = PyDict_DelItem(copy, key);
        }
    }
    Py_DECREF(keys);
    return failed;
}

/* Code that is not under a root would get a copy of its own from there, which
 * never reloads. */
static void
warn_of_sys_path(mp_importer_t *importer, mp_root_t *root)
{
    PyObject *path = PySys_GetObject("path");
    PyObject *dir = PyUnicode_DecodeFSDefault(root->path);
    int overlaps = path && dir ? PySequence_Contains(path, dir) : 0;
    PyErr_Clear(); /* sys.path is none: nobody finds anything there */
    Py_XDECREF(dir);
    if (overlaps == 1) {
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_log(MP_LOG_SERVER(importer->state->interp->server), APLOG_WARNING,
               0, "MPY0208", "'%s' is on sys.path (interpreter '%s'): code "
               "elsewhere that imports its modules gets copies that are not "
               "reloaded; take it off PythonPath, or name it in "
               "PythonModulePath", root->path,
               importer->state->interp->name);
        mp_thread_resume(held);
    }
}

PyObject *
mp_root_builtins(mp_importer_t *importer, mp_root_t *root)
{
    if (root->builtins) {
        return root->builtins;
    }
    PyObject *copy = PyDict_Copy(importer->builtins);
    PyObject *hook = copy ? importer->make_hook(importer, root) : NULL;
    if (!hook
        || PyDict_SetItem(copy, importer->state->names.__import__, hook) < 0) {
        Py_XDECREF(copy);
        Py_XDECREF(hook);
        return NULL;
    }
    Py_DECREF(hook);
    root->builtins_size = PyDict_GET_SIZE(importer->builtins);
    root->builtins = copy;
    warn_of_sys_path(importer, root);
    return copy;
}

int
mp_root_sync_builtins(mp_importer_t *importer, int only_if_grown)
{
    PyObject *builtins = importer->builtins;
    for (mp_root_t *root = importer->roots; root; root = root->next) {
        if (!root->builtins
            || (only_if_grown
                && root->builtins_size == PyDict_GET_SIZE(builtins))) {
            continue;
        }
        if (copy_builtins(importer, root->builtins, builtins) < 0) {
            return -1;
        }
        root->builtins_size = PyDict_GET_SIZE(builtins);
    }
    return 0;
}
