/* wsgi_environ.c - the environ of a request, made cheaply.
 *
 * Most of an environ is the same at the next request: what the server is, who
 * the client is, what browsers always say. So each server has a dict, its
 * base, that holds the variables every request has, with the values of the
 * last one. Only those that differ are made anew, and the base is copied for
 * the application. The names and last values of headers are remembered, too.
 *
 * The surprising rule: the base is brought up to date and copied without
 * detaching in between, so that no other thread's request gets into it. What
 * httpd may have to wait for is collected before. */
#include "runtime/python.h"

#include "web/wsgi_environ.h"

#include "runtime/thread.h"
#include "web/state.h"

#include <ap_mpm.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <stdint.h>
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

/* The names that are remembered: direct-mapped, two each. What does not fit
 * is made each time, so clients that invent names cost no memory. */
#define NAME_SETS 128
#define NAME_ROOM 128
#define VALUE_ROOM 512

typedef struct {
    char name[NAME_ROOM]; /* as it came */
    size_t size;
    int is_header;       /* or a name of subprocess_env */
    int is_secret;       /* its values are not kept */
    PyObject *key;       /* owned str; NULL: applications do not get it */
    PyObject *value;     /* owned str: the last one, or NULL */
} name_t;

typedef struct base_t base_t;
struct base_t {
    const server_rec *server;
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
    name_t names[NAME_SETS][2];
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
    for (size_t i = 0; i < NAME_SETS * 2; i++) {
        Py_XDECREF(memory->names[i / 2][i % 2].key);
        Py_XDECREF(memory->names[i / 2][i % 2].value);
    }
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
    PyObject *sys = PyImport_ImportModule("sys");
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

/* Room for headers: a dict is copied as large as it is, and this one has
 * once held one more than fits into 64 places. Else copies would have to grow
 * in nearly each request. */
static int
make_room(PyObject *dict)
{
    static const Py_ssize_t most = 43;
    int added = 0, failed = 0;
    for (; PyDict_GET_SIZE(dict) < most && !failed; added++) {
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
make_base(mp_state_t *state, memory_t *memory, const server_rec *server)
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
    if (failed || make_room(dict) < 0) {
        Py_XDECREF(dict);
        free(base);
        return NULL;
    }
    base->server = server;
    base->errors = Py_None;
    base->next = memory->bases;
    memory->bases = base;
    return base;
}

static base_t *
get_base(mp_state_t *state, memory_t *memory, const server_rec *server)
{
    base_t *base = memory->bases;
    while (base && base->server != server) {
        base = base->next;
    }
    return base ? base : make_base(state, memory, server);
}

/* Is this str, of Latin-1, the same text? */
static int
is_text(PyObject *str, const char *text, size_t size)
{
    return (size_t)PyUnicode_GET_LENGTH(str) == size
           && !memcmp(PyUnicode_1BYTE_DATA(str), text, size);
}

static int
update_base(memory_t *memory, base_t *base, const collected_t *texts)
{
    for (size_t i = 0; i < ALWAYS; i++) {
        const char *text = texts->always[i];
        const size_t size = strlen(text);
        if (base->values[i] != Py_None
            && is_text(base->values[i], text, size)) {
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

/* ---- headers ----------------------------------------------------------- */

/* Names that would mean something else in an environment are left out: Proxy
 * would be HTTP_PROXY, and "_" looks like "-" there. *key is a new reference,
 * or NULL. 0, or -1 with an exception. */
static int
make_header_key(const char *name, size_t size, PyObject **key)
{
    *key = NULL;
    if (!ap_cstr_casecmp(name, "Content-Type")) {
        *key = PyUnicode_FromString("CONTENT_TYPE");
        return *key ? 0 : -1;
    }
    if (!ap_cstr_casecmp(name, "Content-Length")) {
        *key = PyUnicode_FromString("CONTENT_LENGTH");
        return *key ? 0 : -1;
    }
    if (!ap_cstr_casecmp(name, "Proxy")) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        if (!apr_isalnum(name[i]) && name[i] != '-') {
            return 0;
        }
    }
    *key = PyUnicode_New((Py_ssize_t)size + 5, 127);
    if (!*key) {
        return -1;
    }
    char *to = (char *)PyUnicode_1BYTE_DATA(*key);
    memcpy(to, "HTTP_", 5);
    for (size_t i = 0; i < size; i++) {
        to[5 + i] = name[i] == '-' ? '_' : (char)apr_toupper(name[i]);
    }
    return 0;
}

static int
make_key(const char *name, size_t size, int is_header, PyObject **key)
{
    if (is_header) {
        return make_header_key(name, size, key);
    }
    *key = PyUnicode_DecodeLatin1(name, (Py_ssize_t)size, NULL);
    return *key ? 0 : -1;
}

static int
is_secret(const char *name)
{
    return !ap_cstr_casecmp(name, "Cookie")
           || !ap_cstr_casecmp(name, "Authorization")
           || !ap_cstr_casecmp(name, "Proxy-Authorization");
}

/* Neither the common beginnings of names nor their ends tell much. */
static size_t
find_set(const char *name, size_t size)
{
    size_t hash = size;
    for (size_t i = 0; i < size; i++) {
        hash = hash * 33 + (unsigned char)name[i];
    }
    return (hash ^ hash >> 7 ^ hash >> 14) % NAME_SETS;
}

/* The memory of a name, in *entry; NULL there when it is too long for it. 0,
 * or -1 with an exception. */
static int
find_name(memory_t *memory, const char *name, size_t size, int is_header,
          name_t **entry)
{
    *entry = NULL;
    if (size >= NAME_ROOM) {
        return 0;
    }
    name_t *pair = memory->names[find_set(name, size)];
    for (int i = 0; i < 2; i++) {
        if (pair[i].size == size && pair[i].is_header == is_header
            && !memcmp(pair[i].name, name, size)) {
            *entry = &pair[i];
            return 0;
        }
    }
    PyObject *key;
    if (make_key(name, size, is_header, &key) < 0) {
        return -1;
    }
    Py_XDECREF(pair[1].key); /* both are exact str: no code runs */
    Py_XDECREF(pair[1].value);
    pair[1] = pair[0];
    pair[0] = (name_t){.size = size, .is_header = is_header, .key = key,
                       .is_secret = is_secret(name)};
    memcpy(pair[0].name, name, size);
    *entry = &pair[0];
    return 0;
}

/* New reference. */
static PyObject *
make_value(name_t *entry, const char *text)
{
    const size_t size = strlen(text);
    if (entry->value && is_text(entry->value, text, size)) {
        return Py_NewRef(entry->value);
    }
    PyObject *value = PyUnicode_DecodeLatin1(text, (Py_ssize_t)size, NULL);
    if (value && size <= VALUE_ROOM && !entry->is_secret) {
        Py_XSETREF(entry->value, Py_NewRef(value));
    }
    return value;
}

/* Headers replace what is there; the rest of the environment does not. */
static int
put(PyObject *environ, PyObject *key, PyObject *value, int is_header)
{
    if (!value) {
        return -1;
    }
    if (is_header) {
        return PyDict_SetItem(environ, key, value);
    }
    return PyDict_SetDefault(environ, key, value) ? 0 : -1;
}

static int
add_long_name(PyObject *environ, const char *name, size_t size,
              const char *text, int is_header)
{
    PyObject *key;
    if (make_key(name, size, is_header, &key) < 0) {
        return -1;
    }
    PyObject *value = PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text),
                                             NULL);
    const int failed = key ? put(environ, key, value, is_header) : 0;
    Py_XDECREF(value);
    Py_XDECREF(key);
    return failed;
}

static int
add_table(memory_t *memory, PyObject *environ, const apr_table_t *table,
          int is_header)
{
    const apr_array_header_t *array = apr_table_elts(table);
    const apr_table_entry_t *entries = (const apr_table_entry_t *)array->elts;
    for (int i = 0; i < array->nelts; i++) {
        const char *name = entries[i].key;
        const char *text = entries[i].val;
        name_t *entry;
        if (!name || !text) {
            continue;
        }
        const size_t size = strlen(name);
        if (find_name(memory, name, size, is_header, &entry) < 0) {
            return -1;
        }
        if (!entry) {
            if (add_long_name(environ, name, size, text, is_header) < 0) {
                return -1;
            }
            continue;
        }
        if (!entry->key) {
            continue;
        }
        PyObject *value = make_value(entry, text);
        const int failed = put(environ, entry->key, value, is_header);
        Py_XDECREF(value);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

static int
add_sometimes(memory_t *memory, PyObject *environ, const collected_t *texts)
{
    for (size_t i = 0; i < SOMETIMES; i++) {
        const char *text = texts->sometimes[i];
        PyObject *value = text ? PyUnicode_DecodeLatin1(
            text, (Py_ssize_t)strlen(text), NULL) : NULL;
        if (text && put(environ, memory->sometimes[i], value, 1) < 0) {
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
    base_t *base = memory ? get_base(state, memory, r->server) : NULL;
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
    PyObject *environ = NULL;
    if (update_base(memory, base, &texts) == 0) {
        environ = PyDict_Copy(base->environ);
    }
    if (!environ
        || PyDict_SetItem(environ, memory->own[OWN_INPUT], request) < 0
        || add_table(memory, environ, r->headers_in, 1) < 0
        || add_sometimes(memory, environ, &texts) < 0
        || add_table(memory, environ, r->subprocess_env, 0) < 0) {
        Py_CLEAR(environ);
    }
    return environ;
}
