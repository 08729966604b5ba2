/* wsgi_names.c - the headers of requests in an environ, made cheaply.
 *
 * Clients say the same again and again. So the key of each name that came, and
 * the last value it had, are kept, and found by the bytes of the name. Owns
 * this memory, which does not grow: names that do not fit are made each time,
 * so clients that invent names cost time and no memory. Values that are
 * nobody's business are not kept. */
#include "runtime/python.h"

#include "web/wsgi_names.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <httpd.h>
#include <stdlib.h>

/* Each name has its set, and each set room for two. */
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

struct mp_wsgi_names_t {
    name_t sets[NAME_SETS][2];
};

mp_wsgi_names_t *
mp_wsgi_names_create(void)
{
    mp_wsgi_names_t *names = calloc(1, sizeof(*names));
    if (!names) {
        PyErr_NoMemory();
    }
    return names;
}

void
mp_wsgi_names_destroy(mp_wsgi_names_t *names)
{
    for (size_t i = 0; names && i < NAME_SETS * 2; i++) {
        Py_XDECREF(names->sets[i / 2][i % 2].key);
        Py_XDECREF(names->sets[i / 2][i % 2].value);
    }
    free(names);
}

/* ---- keys -------------------------------------------------------------- */

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
find_name(mp_wsgi_names_t *names, const char *name, size_t size, int is_header,
          name_t **entry)
{
    *entry = NULL;
    if (size >= NAME_ROOM) {
        return 0;
    }
    name_t *pair = names->sets[find_set(name, size)];
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
    if (entry->value && mp_wsgi_is_text(entry->value, text, size)) {
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
put(PyObject *env, PyObject *key, PyObject *value, int is_header)
{
    if (!value) {
        return -1;
    }
    if (is_header) {
        return PyDict_SetItem(env, key, value);
    }
    return PyDict_SetDefault(env, key, value) ? 0 : -1;
}

static int
add_long_name(PyObject *env, const char *name, size_t size,
              const char *text, int is_header)
{
    PyObject *key;
    if (make_key(name, size, is_header, &key) < 0) {
        return -1;
    }
    PyObject *value = PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text),
                                             NULL);
    const int failed = key ? put(env, key, value, is_header) : 0;
    Py_XDECREF(value);
    Py_XDECREF(key);
    return failed;
}

static int
add_table(mp_wsgi_names_t *names, PyObject *env, const apr_table_t *table,
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
        if (find_name(names, name, size, is_header, &entry) < 0) {
            return -1;
        }
        if (!entry) {
            if (add_long_name(env, name, size, text, is_header) < 0) {
                return -1;
            }
            continue;
        }
        if (!entry->key) {
            continue;
        }
        PyObject *value = make_value(entry, text);
        const int failed = put(env, entry->key, value, is_header);
        Py_XDECREF(value);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

int
mp_wsgi_add_headers(mp_wsgi_names_t *names, PyObject *env,
                    const apr_table_t *headers)
{
    return add_table(names, env, headers, 1);
}

int
mp_wsgi_add_variables(mp_wsgi_names_t *names, PyObject *env,
                      const apr_table_t *variables)
{
    return add_table(names, env, variables, 0);
}
