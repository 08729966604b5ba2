/* wsgi_environ.c - the environ of a request, made cheaply.
 *
 * Most of an environ is the same at the next request: what the server is, who
 * the client is, what browsers always say. So each server has a dict, its
 * base, that holds the variables every request has, with the values of the
 * last one. Only those that differ are made anew, and the base is copied for
 * the application. Headers are those of wsgi_names.c.
 *
 * The surprising rule: the base is brought up to date and copied without
 * detaching in between, so that no other thread's request gets into it. What
 * httpd may have to wait for is collected before. */
#include "runtime/python.h"

#include "web/wsgi_environ.h"

#include "runtime/thread.h"
#include "web/state.h"
#include "web/wsgi_names.h"

#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <stdlib.h>
#include <string.h>

/* ---- what every request has -------------------------------------------- */

typedef struct {
    request_rec *r;
    const char *base;   /* SCRIPT_NAME */
    const char *scheme;
} asked_t;

static const char *
server_software(const asked_t *asked)
{
    return ap_get_server_banner();
}

static const char *
server_signature(const asked_t *asked)
{
    return ap_psignature("", asked->r);
}

/* As CGI programs get it: ready to be part of a page. */
static const char *
server_name(const asked_t *asked)
{
    const char *name = ap_get_server_name_for_url(asked->r);
    return name && strpbrk(name, "<>&\"") ? ap_escape_html(asked->r->pool,
                                                           name)
                                          : name;
}

static const char *
server_port(const asked_t *asked)
{
    return apr_itoa(asked->r->pool, ap_get_server_port(asked->r));
}

static const char *
server_addr(const asked_t *asked)
{
    return asked->r->connection->local_ip;
}

static const char *
server_admin(const asked_t *asked)
{
    return asked->r->server->server_admin;
}

static const char *
server_protocol(const asked_t *asked)
{
    return asked->r->protocol;
}

static const char *
document_root(const asked_t *asked)
{
    return ap_document_root(asked->r);
}

static const char *
context_prefix(const asked_t *asked)
{
    return ap_context_prefix(asked->r);
}

static const char *
context_document_root(const asked_t *asked)
{
    return ap_context_document_root(asked->r);
}

static const char *
scheme(const asked_t *asked)
{
    return asked->scheme;
}

static const char *
remote_addr(const asked_t *asked)
{
    return asked->r->useragent_ip;
}

static const char *
remote_port(const asked_t *asked)
{
    return apr_itoa(asked->r->pool, asked->r->connection->client_addr->port);
}

static const char *
request_method(const asked_t *asked)
{
    return asked->r->method;
}

/* As the client wrote it, before any rewriting: the second word of its first
 * line. */
static const char *
request_uri(const asked_t *asked)
{
    const char *line = asked->r->the_request ? asked->r->the_request : "";
    line += strcspn(line, " \t");
    line += strspn(line, " \t");
    return apr_pstrmemdup(asked->r->pool, line, strcspn(line, " \t"));
}

static const char *
query_string(const asked_t *asked)
{
    return asked->r->args;
}

static const char *
script_filename(const asked_t *asked)
{
    return asked->r->filename;
}

static const char *
script_name(const asked_t *asked)
{
    return asked->base;
}

static const char *
path_info(const asked_t *asked)
{
    return asked->r->uri + strlen(asked->base);
}

typedef struct {
    const char *key;
    const char *(*find)(const asked_t *asked);
} variable_t;

/* NULL counts as "". */
static const variable_t always[] = {
    {"SERVER_SOFTWARE", server_software},
    {"SERVER_SIGNATURE", server_signature},
    {"SERVER_NAME", server_name},
    {"SERVER_PORT", server_port},
    {"SERVER_ADDR", server_addr},
    {"SERVER_ADMIN", server_admin},
    {"SERVER_PROTOCOL", server_protocol},
    {"DOCUMENT_ROOT", document_root},
    {"CONTEXT_PREFIX", context_prefix},
    {"CONTEXT_DOCUMENT_ROOT", context_document_root},
    {"REQUEST_SCHEME", scheme},
    {"REMOTE_ADDR", remote_addr},
    {"REMOTE_PORT", remote_port},
    {"REQUEST_METHOD", request_method},
    {"REQUEST_URI", request_uri},
    {"QUERY_STRING", query_string},
    {"SCRIPT_FILENAME", script_filename},
    {"SCRIPT_NAME", script_name},
    {"PATH_INFO", path_info},
    {"wsgi.url_scheme", scheme},
};

#define ALWAYS (sizeof(always) / sizeof(*always))

/* ---- what some have ---------------------------------------------------- */

static int
looks_up_names(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    return core->hostname_lookups == HOSTNAME_LOOKUP_ON
           || core->hostname_lookups == HOSTNAME_LOOKUP_DOUBLE;
}

static const char *
remote_host(const asked_t *asked)
{
    return looks_up_names(asked->r)
               ? ap_get_useragent_host(asked->r, REMOTE_HOST, NULL) : NULL;
}

static const char *
remote_user(const asked_t *asked)
{
    return asked->r->user;
}

static const char *
auth_type(const asked_t *asked)
{
    return asked->r->user ? asked->r->ap_auth_type : NULL;
}

static const char *
redirect_url(const asked_t *asked)
{
    return asked->r->prev ? asked->r->prev->uri : NULL;
}

static const char *
redirect_query(const asked_t *asked)
{
    return asked->r->prev ? asked->r->prev->args : NULL;
}

/* NULL: not there. */
static const variable_t sometimes[] = {
    {"REMOTE_HOST", remote_host},
    {"REMOTE_USER", remote_user},
    {"AUTH_TYPE", auth_type},
    {"REDIRECT_URL", redirect_url},
    {"REDIRECT_QUERY_STRING", redirect_query},
};

#define SOMETIMES (sizeof(sometimes) / sizeof(*sometimes))

/* Those that are no text of the request's. */
enum { OWN_INPUT, OWN_ERRORS, OWN_STDERR, OWN };
static const variable_t own[OWN] = {
    {"wsgi.input", NULL}, {"wsgi.errors", NULL}, {"stderr", NULL},
};

typedef struct {
    const char *always[ALWAYS];
    const char *sometimes[SOMETIMES];
} collected_t;

static void
collect(collected_t *texts, const asked_t *asked)
{
    for (size_t i = 0; i < ALWAYS; i++) {
        const char *text = always[i].find(asked);
        texts->always[i] = text ? text : "";
    }
    for (size_t i = 0; i < SOMETIMES; i++) {
        texts->sometimes[i] = sometimes[i].find(asked);
    }
}

/* May collect() have to wait for a name server? */
static int
may_wait(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    return looks_up_names(r)
           || core->use_canonical_name == USE_CANONICAL_NAME_DNS;
}

/* ---- what is remembered ------------------------------------------------ */

typedef struct base_t base_t;
struct base_t {
    const server_rec *server;
    int is_large;              /* for requests with many headers */
    PyObject *environ;         /* owned dict */
    PyObject *values[ALWAYS];  /* borrowed from it */
    PyObject *errors;          /* borrowed from it: wsgi.errors */
    base_t *next;
};

typedef struct {
    PyObject *sys;      /* the dict of the module sys */
    PyObject *always[ALWAYS];       /* the names, interned */
    PyObject *sometimes[SOMETIMES];
    PyObject *own[OWN];
    base_t *bases;
    mp_wsgi_names_t *names;
} memory_t;

static const char MEMORY[] = "mod_python.wsgi";

static int
intern(PyObject **names, const variable_t *variables, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        names[i] = PyUnicode_InternFromString(variables[i].key);
        if (!names[i]) {
            return -1;
        }
    }
    return 0;
}

static void
forget(PyObject *capsule)
{
    memory_t *memory = PyCapsule_GetPointer(capsule, MEMORY);
    mp_wsgi_names_destroy(memory->names);
    for (size_t i = 0; i < ALWAYS; i++) {
        Py_XDECREF(memory->always[i]);
    }
    for (size_t i = 0; i < SOMETIMES; i++) {
        Py_XDECREF(memory->sometimes[i]);
    }
    for (size_t i = 0; i < OWN; i++) {
        Py_XDECREF(memory->own[i]);
    }
    while (memory->bases) {
        base_t *base = memory->bases;
        memory->bases = base->next;
        Py_XDECREF(base->environ);
        free(base);
    }
    Py_XDECREF(memory->sys);
    free(memory);
}

/* Borrowed; NULL with an exception. */
static memory_t *
get_memory(mp_web_t *web)
{
    if (web->objects.wsgi_memory) {
        return PyCapsule_GetPointer(web->objects.wsgi_memory, MEMORY);
    }
    memory_t *memory = calloc(1, sizeof(*memory));
    PyObject *capsule = memory ? PyCapsule_New(memory, MEMORY, forget)
                               : PyErr_NoMemory();
    if (!capsule) {
        free(memory);
        return NULL;
    }
    memory->names = mp_wsgi_names_create();
    PyObject *sys = memory->names ? PyImport_ImportModule("sys") : NULL;
    memory->sys = sys ? Py_NewRef(PyModule_GetDict(sys)) : NULL;
    Py_XDECREF(sys);
    if (!sys || intern(memory->always, always, ALWAYS) < 0
        || intern(memory->sometimes, sometimes, SOMETIMES) < 0
        || intern(memory->own, own, OWN) < 0) {
        Py_DECREF(capsule);
        return NULL;
    }
    web->objects.wsgi_memory = capsule;
    return memory;
}

/* ---- bases ------------------------------------------------------------- */

static int
is_said(int what)
{
    int answer = 0;
    return ap_mpm_query(what, &answer) == APR_SUCCESS
               ? answer : AP_MPMQ_NOT_SUPPORTED;
}

/* Steals value. */
static int
set(PyObject *dict, const char *key, PyObject *value)
{
    PyObject *name = value ? PyUnicode_InternFromString(key) : NULL;
    int failed = name ? PyDict_SetItem(dict, name, value) : -1;
    Py_XDECREF(name);
    Py_XDECREF(value);
    return failed;
}

static int
set_process_path(PyObject *dict, const char *key)
{
    const char *path = getenv(key);
    return path ? set(dict, key, PyUnicode_DecodeLatin1(
                                     path, (Py_ssize_t)strlen(path), NULL))
                : 0;
}

/* The variables that never change. */
static int
set_constants(mp_state_t *state, PyObject *dict)
{
    const int is_threaded
        = is_said(AP_MPMQ_IS_THREADED) != AP_MPMQ_NOT_SUPPORTED;
    const int is_one_of_many
        = is_said(AP_MPMQ_IS_FORKED) != AP_MPMQ_NOT_SUPPORTED
          && is_said(AP_MPMQ_MAX_DAEMONS) != 1;
    PyObject *file_wrapper
        = (PyObject *)state->types[MP_TYPE_WSGI_FILE_WRAPPER];
    return set(dict, "GATEWAY_INTERFACE", PyUnicode_FromString("CGI/1.1")) < 0
                   || set_process_path(dict, "PATH") < 0
                   || set_process_path(dict, "LD_LIBRARY_PATH") < 0
                   || set(dict, "wsgi.version", Py_BuildValue("(ii)", 1, 0))
                          < 0
                   || set(dict, "wsgi.multithread",
                          PyBool_FromLong(is_threaded)) < 0
                   || set(dict, "wsgi.multiprocess",
                          PyBool_FromLong(is_one_of_many)) < 0
                   || set(dict, "wsgi.run_once", Py_NewRef(Py_False)) < 0
                   || set(dict, "wsgi.input_terminated", Py_NewRef(Py_True))
                          < 0
                   || set(dict, "wsgi.file_wrapper", Py_NewRef(file_wrapper))
                          < 0
               ? -1 : 0;
}

/* What fits into a dict of 64 places. The next size costs more than its
 * places: it is beyond what malloc() has at hand. */
#define SMALL 42

/* A dict is copied as large as it is, and this one has held more than SMALL
 * once. Else copies for requests of many headers would grow by themselves. */
static int
make_room(PyObject *dict)
{
    int added = 0, failed = 0;
    for (; PyDict_GET_SIZE(dict) <= SMALL && !failed; added++) {
        PyObject *name = PyUnicode_FromFormat(" %d", added);
        failed = !name || PyDict_SetItem(dict, name, Py_None) < 0;
        Py_XDECREF(name);
    }
    while (added-- > 0 && !failed) {
        PyObject *name = PyUnicode_FromFormat(" %d", added);
        failed = !name || PyDict_DelItem(dict, name) < 0;
        Py_XDECREF(name);
    }
    return failed ? -1 : 0;
}

static base_t *
make_base(mp_state_t *state, memory_t *memory, const server_rec *server,
          int is_large)
{
    base_t *base = calloc(1, sizeof(*base));
    if (!base) {
        PyErr_NoMemory();
        return NULL;
    }
    PyObject *dict = base->environ = PyDict_New();
    int failed = !dict || set_constants(state, dict) < 0
                 || set(dict, "wsgi.input", Py_NewRef(Py_None)) < 0
                 || set(dict, "wsgi.errors", Py_NewRef(Py_None)) < 0;
    for (size_t i = 0; i < ALWAYS && !failed; i++) {
        base->values[i] = Py_None;
        failed = PyDict_SetItem(dict, memory->always[i], Py_None) < 0;
    }
    if (failed || (is_large && make_room(dict) < 0)) {
        Py_XDECREF(dict);
        free(base);
        return NULL;
    }
    base->server = server;
    base->is_large = is_large;
    base->errors = Py_None;
    base->next = memory->bases;
    memory->bases = base;
    return base;
}

/* How many entries the environ of r will have, or a few more. */
static int
count_entries(const request_rec *r)
{
    static const int constants = 10; /* set_constants(), wsgi.input, .errors */
    return constants + (int)ALWAYS + (r->user ? 2 : 0) + (r->prev ? 2 : 0)
           + apr_table_elts(r->headers_in)->nelts
           + apr_table_elts(r->subprocess_env)->nelts;
}

static base_t *
get_base(mp_state_t *state, memory_t *memory, const request_rec *r)
{
    const int is_large = count_entries(r) > SMALL;
    base_t *base = memory->bases;
    while (base && (base->server != r->server
                    || base->is_large != is_large)) {
        base = base->next;
    }
    return base ? base : make_base(state, memory, r->server, is_large);
}

static int
update_base(memory_t *memory, base_t *base, const collected_t *texts)
{
    for (size_t i = 0; i < ALWAYS; i++) {
        const char *text = texts->always[i];
        const size_t size = strlen(text);
        if (base->values[i] != Py_None
            && mp_wsgi_is_text(base->values[i], text, size)) {
            continue;
        }
        PyObject *value = PyUnicode_DecodeLatin1(text, (Py_ssize_t)size, NULL);
        if (!value
            || PyDict_SetItem(base->environ, memory->always[i], value) < 0) {
            Py_XDECREF(value);
            return -1;
        }
        base->values[i] = value; /* borrowed: the dict has it */
        Py_DECREF(value);
    }
    PyObject *errors = PyDict_GetItemWithError(memory->sys,
                                               memory->own[OWN_STDERR]);
    errors = errors ? errors : Py_None;
    if (errors != base->errors) {
        if (PyDict_SetItem(base->environ, memory->own[OWN_ERRORS], errors)
            < 0) {
            return -1;
        }
        base->errors = errors;
    }
    return 0;
}

/* ---- the environ ------------------------------------------------------- */

static int
add_sometimes(memory_t *memory, PyObject *env, const collected_t *texts)
{
    for (size_t i = 0; i < SOMETIMES; i++) {
        const char *text = texts->sometimes[i];
        PyObject *value = text ? PyUnicode_DecodeLatin1(
            text, (Py_ssize_t)strlen(text), NULL) : NULL;
        if (text && (!value
                     || PyDict_SetItem(env, memory->sometimes[i], value)
                            < 0)) {
            Py_XDECREF(value);
            return -1;
        }
        Py_XDECREF(value);
    }
    return 0;
}

PyObject *
mp_wsgi_environ(mp_state_t *state, PyObject *request, request_rec *r,
                const char *base_uri)
{
    memory_t *memory = get_memory(mp_web_of(state));
    base_t *base = memory ? get_base(state, memory, r) : NULL;
    if (!base) {
        return NULL;
    }
    const asked_t asked = {r, base_uri, ap_http_scheme(r)};
    collected_t texts;
    if (may_wait(r)) {
        mp_thread_suspended_t held = mp_thread_suspend();
        collect(&texts, &asked);
        mp_thread_resume(held);
    }
    else {
        collect(&texts, &asked);
    }
    PyObject *env = NULL;
    if (update_base(memory, base, &texts) == 0) {
        env = PyDict_Copy(base->environ);
    }
    if (!env
        || PyDict_SetItem(env, memory->own[OWN_INPUT], request) < 0
        || mp_wsgi_add_headers(memory->names, env, r->headers_in) < 0
        || add_sometimes(memory, env, &texts) < 0
        || mp_wsgi_add_variables(memory->names, env, r->subprocess_env)
               < 0) {
        Py_CLEAR(env);
    }
    return env;
}
