/* api.c - the importer's beginning and end, and the pins of requests. */
#include "runtime/python.h"

#include "importer/api.h"

#include "importer/ask.h"
#include "importer/background.h"
#include "importer/data.h"
#include "importer/finder.h"
#include "importer/generation.h"
#include "importer/import_hook.h"
#include "importer/importer.h"
#include "importer/loader.h"
#include "importer/lock.h"
#include "importer/refresh.h"
#include "importer/retire.h"
#include "importer/root.h"
#include "importer/stage.h"
#include "runtime/thread.h"
#include "server/config.h"

#include <stdlib.h>
#include <string.h>

static mp_watch_t *server_watch; /* set in child_init, before interpreters */

/* ---- beginning --------------------------------------------------------- */

void
mp_importer_set_watch(mp_watch_t *watch)
{
    server_watch = watch;
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

/* Sets, lists and dicts, all empty. */
static int
make_containers(mp_importer_t *importer)
{
    PyObject **const lists[] = {
        &importer->bodies, &importer->history, &importer->elders,
        &importer->retired, &importer->moved, &importer->interims,
    };
    PyObject **const sets[] = {
        &importer->changed, &importer->writing, &importer->pending,
        &importer->touched, &importer->written, &importer->wide,
        &importer->told, &importer->orphaned, &importer->disturbed,
        &importer->aside, &importer->put_off,
    };
    PyObject **const dicts[] = {
        &importer->polled, &importer->failed, &importer->attempts,
        &importer->restless,
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        *lists[i] = PyList_New(0);
        failed |= !*lists[i];
    }
    for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
        *sets[i] = PySet_New(NULL);
        failed |= !*sets[i];
    }
    for (size_t i = 0; i < sizeof(dicts) / sizeof(*dicts); i++) {
        *dicts[i] = PyDict_New();
        failed |= !*dicts[i];
    }
    return failed ? -1 : 0;
}

int
mp_importer_start(mp_state_t *state)
{
    mp_importer_t *importer = calloc(1, sizeof(*importer));
    if (!importer || mp_lock_init(importer) < 0) {
        free(importer);
        PyErr_NoMemory();
        return -1;
    }
    const mp_server_config_t *config = mp_config_of_server(
        state->interp->server);
    importer->state = state;
    importer->started_at = apr_time_now();
    importer->make_hook = mp_import_hook_create;
    importer->ask = mp_ask_for;
    importer->load = mp_ask_load;
    importer->refresh = mp_refresh_owned;
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
    if (!importer->builtins || make_containers(importer) < 0) {
        return -1;
    }
    importer->current = (PyObject *)mp_generation_create(importer, NULL);
    if (!importer->current || intern_objects(importer) < 0
        || mp_loader_prepare(importer) < 0
        || add_configured_roots(importer) < 0) {
        return -1;
    }
    if (state->interp->number == 0 && mp_data_listen() < 0) {
        return -1;
    }
    if (mp_stage_listen_for_forks(state) < 0) {
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
    Py_VISIT(importer->interims);
    Py_VISIT(importer->elders);
    Py_VISIT(importer->retired);
    Py_VISIT(importer->changed);
    Py_VISIT(importer->moved);
    Py_VISIT(importer->put_off);
    Py_VISIT(importer->writing);
    Py_VISIT(importer->polled);
    Py_VISIT(importer->pending);
    Py_VISIT(importer->touched);
    Py_VISIT(importer->written);
    Py_VISIT(importer->wide);
    Py_VISIT(importer->orphaned);
    Py_VISIT(importer->disturbed);
    Py_VISIT(importer->attempts);
    Py_VISIT(importer->restless);
    Py_VISIT(importer->aside);
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
mp_importer_add_applications(mp_importer_t *importer,
                             const server_rec *server)
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

PyObject *
mp_importer_running_body(mp_state_t *state)
{
    mp_importer_t *importer = state->importer;
    Py_ssize_t depth = importer ? PyList_GET_SIZE(importer->bodies) : 0;
    return depth > 0 && mp_lock_is_mine(importer)
               ? PyList_GET_ITEM(importer->bodies, depth - 1) : NULL;
}

PyObject *
mp_importer_builtins(mp_importer_t *importer, const char *dir)
{
    if (!dir) {
        return Py_NewRef(importer->builtins);
    }
    size_t length = strlen(dir);
    char *path = strndup(dir, length > 1 && dir[length - 1] == '/'
                                  ? length - 1 : length);
    char *prefix = NULL;
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_root_t *root = path ? mp_root_of(importer, path, &prefix) : NULL;
    mp_thread_resume(held);
    free(prefix);
    free(path);
    return root ? Py_XNewRef(mp_root_builtins(importer, root))
                : PyErr_NoMemory();
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
mp_importer_pin(mp_importer_t *importer, int is_stale,
                const mp_handler_t *handler, request_rec *r)
{
    PyObject *interim = is_stale
        ? (PyObject *)mp_refresh_run(importer, handler, r) : NULL;
    if (mp_root_sync_builtins(importer, 1) < 0) {
        PyErr_Clear(); /* out of memory: the copies stay as they are */
    }
    if (interim) {
        return interim;
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
