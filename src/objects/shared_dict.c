/* shared_dict.c - apache.SharedDict: data that all children share.
 *
 * An object is a name and a default time to live over a store, which belongs
 * to the server; any thread may use it. A value is stored with one byte in
 * front that tells str, bytes and int apart. Everything that reaches the store
 * happens detached, so incr() and add() keep its lock without any Python. */
#include "runtime/python.h"

#include "objects/shared_dict.h"

#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/store.h"

#include <apr_strings.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define TTL_MAX (100.0 * 365 * 24 * 3600)

typedef struct {
    PyObject_HEAD
    mp_store_t *store;
    double ttl; /* seconds; 0: none */
} shared_dict_t;

/* The first byte of a stored value. */
enum { KIND_STR = 's', KIND_BYTES = 'b', KIND_INT = 'i' };

#define INT_TEXT_MAX 24 /* bytes that a 64-bit number takes */

/* ---- arguments --------------------------------------------------------- */

/* The bytes of a key, to be released. 0, or -1 with an exception. */
static int
view_key(mp_text_view_t *view, mp_store_text_t *key, PyObject *object)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "key must be str, not %.200s",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    if (mp_text_view(view, object, "key") < 0) {
        return -1;
    }
    if (view->size > MP_STORE_KEY_MAX) {
        PyErr_Format(PyExc_ValueError, "key has %zd bytes, at most %d are "
                     "possible", view->size, MP_STORE_KEY_MAX);
        mp_text_release(view);
        return -1;
    }
    *key = (mp_store_text_t){view->bytes, (apr_size_t)view->size};
    return 0;
}

/* Seconds to live: missing (NULL) means fallback, None 0. -1 with an
 * exception. */
static double
read_ttl(PyObject *object, double fallback)
{
    if (!object) {
        return fallback;
    }
    if (object == Py_None) {
        return 0;
    }
    double seconds = PyFloat_AsDouble(object);
    if (seconds == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (!(seconds > 0 && seconds <= TTL_MAX)) {
        PyErr_Format(PyExc_ValueError, "ttl must be a number of seconds above "
                     "0, or None, not %R", object);
        return -1;
    }
    return seconds;
}

static apr_time_t
expiry_of(double ttl)
{
    return ttl > 0 ? apr_time_now() + (apr_time_t)(ttl * APR_USEC_PER_SEC)
                   : 0;
}

/* kind and the bytes behind it. New bytes; NULL with an exception. */
static PyObject *
join_value(char kind, const char *bytes, Py_ssize_t size)
{
    if (size > MP_STORE_VALUE_MAX - 1) {
        PyErr_Format(PyExc_ValueError, "value has %zd bytes, at most %d are "
                     "possible", size, MP_STORE_VALUE_MAX - 1);
        return NULL;
    }
    PyObject *joined = PyBytes_FromStringAndSize(NULL, size + 1);
    if (joined) {
        PyBytes_AS_STRING(joined)[0] = kind;
        memcpy(PyBytes_AS_STRING(joined) + 1, bytes, (size_t)size);
    }
    return joined;
}

static PyObject *
join_int(PyObject *value)
{
    char text[INT_TEXT_MAX];
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow) {
        PyErr_SetString(PyExc_OverflowError,
                        "an int must fit into 64 bits; store a larger one as "
                        "str");
        return NULL;
    }
    int size = snprintf(text, sizeof(text), "%lld", number);
    return join_value(KIND_INT, text, size);
}

/* A value as it is stored. New bytes; NULL with an exception. */
static PyObject *
encode(PyObject *value)
{
    if (PyLong_Check(value)) {
        return join_int(value);
    }
    if (!PyUnicode_Check(value) && !PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError, "value must be str, bytes or int, not "
                     "%.200s", Py_TYPE(value)->tp_name);
        return NULL;
    }
    mp_text_view_t view;
    if (mp_text_view(&view, value, "value") < 0) {
        return NULL;
    }
    PyObject *joined = join_value(
        PyUnicode_Check(value) ? KIND_STR : KIND_BYTES, view.bytes,
        view.size);
    mp_text_release(&view);
    return joined;
}

/* The object that was stored. NULL with an exception. */
static PyObject *
decode(const mp_store_value_t *value)
{
    const char *bytes = value->bytes;
    Py_ssize_t size = (Py_ssize_t)value->size - 1;
    switch (size >= 0 ? bytes[0] : 0) {
    case KIND_STR:
        return mp_text_from_size(bytes + 1, size);
    case KIND_BYTES:
        return PyBytes_FromStringAndSize(bytes + 1, size);
    case KIND_INT:
        if (size > 0 && size < INT_TEXT_MAX) {
            char text[INT_TEXT_MAX] = {0};
            memcpy(text, bytes + 1, (size_t)size);
            return PyLong_FromString(text, NULL, 10);
        }
    }
    PyErr_SetString(PyExc_ValueError, "the value was not stored by a "
                    "SharedDict");
    return NULL;
}

/* Always NULL. */
static PyObject *
raise_failure(apr_status_t status)
{
    if (status == APR_ENOSPC) {
        PyErr_SetString(PyExc_ValueError,
                        "value does not fit: the provider of this "
                        "PythonSharedDict has no room for one so large");
        return NULL;
    }
    return mp_error_raise_os("the shared dictionary cannot be used", status);
}

/* ---- the operations, detached ------------------------------------------ */

typedef struct {
    mp_store_t *store;
    mp_store_text_t key;
    mp_store_text_t value;  /* to be stored */
    apr_time_t expires;
    mp_store_value_t found; /* to be forgotten */
    long long number;       /* of incr: the difference, then the result */
    long long initial;
    int refused;            /* of incr: 1 not an int, 2 overflow */
} operation_t;

typedef apr_status_t operation_fn(operation_t *operation);

static apr_status_t
do_get(operation_t *operation)
{
    return mp_store_get(operation->store, operation->key, &operation->found);
}

static apr_status_t
do_set(operation_t *operation)
{
    return mp_store_put(operation->store, operation->key, operation->value,
                        operation->expires);
}

/* APR_EEXIST: it is there already. */
static apr_status_t
do_add(operation_t *operation)
{
    apr_status_t status = do_get(operation);
    if (status == APR_SUCCESS) {
        return APR_EEXIST;
    }
    return status == APR_NOTFOUND ? do_set(operation) : status;
}

/* APR_NOTFOUND: it was not there. */
static apr_status_t
do_delete(operation_t *operation)
{
    apr_status_t status = do_get(operation);
    return status == APR_SUCCESS
               ? mp_store_remove(operation->store, operation->key) : status;
}

/* The number that was found; 0 and operation->refused when it is none. */
static long long
found_number(operation_t *operation)
{
    const char *bytes = operation->found.bytes;
    size_t size = operation->found.size;
    char text[INT_TEXT_MAX] = {0};
    if (size < 2 || size > INT_TEXT_MAX || bytes[0] != KIND_INT) {
        operation->refused = 1;
        return 0;
    }
    memcpy(text, bytes + 1, size - 1);
    return strtoll(text, NULL, 10);
}

static apr_status_t
do_incr(operation_t *operation)
{
    char text[INT_TEXT_MAX];
    long long number = operation->initial;
    apr_status_t status = do_get(operation);
    if (status == APR_SUCCESS) {
        number = found_number(operation);
        operation->expires = operation->found.expires;
    }
    else if (status != APR_NOTFOUND) {
        return status;
    }
    if (!operation->refused
        && __builtin_add_overflow(number, operation->number,
                                  &operation->number)) {
        operation->refused = 2;
    }
    if (operation->refused) {
        return APR_EGENERAL;
    }
    int size = snprintf(text, sizeof(text), "%c%lld", KIND_INT,
                        operation->number);
    operation->value = (mp_store_text_t){text, (apr_size_t)size};
    return do_set(operation);
}

/* Run it, under the lock of the store if it reads and then writes. The caller
 * forgets operation->found. [attached] */
static apr_status_t
run(operation_t *operation, operation_fn *function, int is_locked)
{
    mp_thread_suspended_t held = mp_thread_suspend();
    apr_status_t status = is_locked ? mp_store_lock(operation->store)
                                    : APR_SUCCESS;
    if (status == APR_SUCCESS) {
        status = function(operation);
        if (is_locked) {
            mp_store_unlock(operation->store);
        }
    }
    mp_thread_resume(held);
    return status;
}

/* The same for one key of self. 0, or -1 with an exception of a wrong key;
 * failures of the store are left in *status. */
static int
run_for(PyObject *self, PyObject *key, operation_t *operation,
        operation_fn *function, int is_locked, apr_status_t *status)
{
    mp_text_view_t view;
    if (view_key(&view, &operation->key, key) < 0) {
        return -1;
    }
    operation->store = ((shared_dict_t *)self)->store;
    *status = run(operation, function, is_locked);
    mp_text_release(&view);
    return 0;
}

/* ---- methods ----------------------------------------------------------- */

/* The value of key; fallback, a borrowed reference, when there is none, or
 * KeyError for NULL. */
static PyObject *
find_value(PyObject *self, PyObject *key, PyObject *fallback)
{
    operation_t operation = {0};
    apr_status_t status;
    if (run_for(self, key, &operation, do_get, 0, &status) < 0) {
        return NULL;
    }
    if (status == APR_NOTFOUND) {
        if (!fallback) {
            PyErr_SetObject(PyExc_KeyError, key);
        }
        return Py_XNewRef(fallback);
    }
    if (status != APR_SUCCESS) {
        return raise_failure(status);
    }
    PyObject *value = decode(&operation.found);
    mp_store_forget(&operation.found);
    return value;
}

/* Store by function. The status, or -1 with an exception. */
static int
store_value(PyObject *self, PyObject *key, PyObject *value, PyObject *ttl,
            operation_fn *function, apr_status_t *status)
{
    double seconds = read_ttl(ttl, ((shared_dict_t *)self)->ttl);
    PyObject *encoded = seconds < 0 ? NULL : encode(value);
    if (!encoded) {
        return -1;
    }
    operation_t operation = {
        .value = {PyBytes_AS_STRING(encoded),
                  (apr_size_t)PyBytes_GET_SIZE(encoded)},
        .expires = expiry_of(seconds),
    };
    int failed = run_for(self, key, &operation, function, function == do_add,
                         status);
    mp_store_forget(&operation.found);
    Py_DECREF(encoded);
    if (!failed && *status != APR_SUCCESS && *status != APR_EEXIST) {
        raise_failure(*status);
        failed = -1;
    }
    return failed;
}

/* 1: it was there, 0: it was not, -1: an exception. */
static int
remove_value(PyObject *self, PyObject *key)
{
    operation_t operation = {0};
    apr_status_t status;
    if (run_for(self, key, &operation, do_delete, 1, &status) < 0) {
        return -1;
    }
    mp_store_forget(&operation.found);
    if (status != APR_SUCCESS && status != APR_NOTFOUND) {
        raise_failure(status);
        return -1;
    }
    return status == APR_SUCCESS;
}

static PyObject *
dict_get(PyObject *self, PyObject *args)
{
    PyObject *key, *fallback = Py_None;
    if (!PyArg_ParseTuple(args, "O|O:get", &key, &fallback)) {
        return NULL;
    }
    return find_value(self, key, fallback);
}

static PyObject *
store_by(PyObject *self, PyObject *args, PyObject *keywords,
         operation_fn *function, const char *format)
{
    char *names[] = {"key", "value", "ttl", NULL};
    PyObject *key, *value, *ttl = NULL;
    apr_status_t status;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, format, names, &key,
                                     &value, &ttl)
        || store_value(self, key, value, ttl, function, &status) < 0) {
        return NULL;
    }
    if (function == do_set) {
        Py_RETURN_NONE;
    }
    return PyBool_FromLong(status == APR_SUCCESS);
}

static PyObject *
dict_set(PyObject *self, PyObject *args, PyObject *keywords)
{
    return store_by(self, args, keywords, do_set, "OO|O:set");
}

static PyObject *
dict_add(PyObject *self, PyObject *args, PyObject *keywords)
{
    return store_by(self, args, keywords, do_add, "OO|O:add");
}

static PyObject *
dict_delete(PyObject *self, PyObject *key)
{
    int was_there = remove_value(self, key);
    return was_there < 0 ? NULL : PyBool_FromLong(was_there);
}

/* What incr() could not do. Always NULL. */
static PyObject *
raise_refused(PyObject *key, int refused)
{
    if (refused == 1) {
        PyErr_Format(PyExc_TypeError, "the value of %R is not an int", key);
    }
    else {
        PyErr_Format(PyExc_OverflowError, "the value of %R would not fit into "
                     "64 bits", key);
    }
    return NULL;
}

static PyObject *
dict_incr(PyObject *self, PyObject *args, PyObject *keywords)
{
    char *names[] = {"key", "delta", "initial", "ttl", NULL};
    PyObject *key, *ttl = NULL;
    operation_t operation = {.number = 1};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|LLO:incr", names,
                                     &key, &operation.number,
                                     &operation.initial, &ttl)) {
        return NULL;
    }
    double seconds = read_ttl(ttl, ((shared_dict_t *)self)->ttl);
    apr_status_t status;
    if (seconds < 0) {
        return NULL;
    }
    operation.expires = expiry_of(seconds);
    if (run_for(self, key, &operation, do_incr, 1, &status) < 0) {
        return NULL;
    }
    mp_store_forget(&operation.found);
    if (operation.refused) {
        return raise_refused(key, operation.refused);
    }
    return status == APR_SUCCESS
               ? PyLong_FromLongLong(operation.number)
               : raise_failure(status);
}

static PyObject *
dict_ttl(PyObject *self, PyObject *key)
{
    operation_t operation = {0};
    apr_status_t status;
    if (run_for(self, key, &operation, do_get, 0, &status) < 0) {
        return NULL;
    }
    mp_store_forget(&operation.found);
    if (status == APR_NOTFOUND) {
        PyErr_SetObject(PyExc_KeyError, key);
        return NULL;
    }
    if (status != APR_SUCCESS) {
        return raise_failure(status);
    }
    if (!operation.found.expires) {
        Py_RETURN_NONE;
    }
    apr_time_t left = operation.found.expires - apr_time_now();
    return PyFloat_FromDouble((double)(left > 0 ? left : 0)
                              / APR_USEC_PER_SEC);
}

static PyObject *
dict_item(PyObject *self, PyObject *key)
{
    return find_value(self, key, NULL);
}

static int
dict_set_item(PyObject *self, PyObject *key, PyObject *value)
{
    apr_status_t status;
    if (value) {
        return store_value(self, key, value, NULL, do_set, &status);
    }
    int was_there = remove_value(self, key);
    if (was_there == 0) {
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return was_there > 0 ? 0 : -1;
}

static int
dict_contains(PyObject *self, PyObject *key)
{
    operation_t operation = {0};
    apr_status_t status;
    if (run_for(self, key, &operation, do_get, 0, &status) < 0) {
        return -1;
    }
    mp_store_forget(&operation.found);
    if (status != APR_SUCCESS && status != APR_NOTFOUND) {
        raise_failure(status);
        return -1;
    }
    return status == APR_SUCCESS;
}

/* ---- the type ---------------------------------------------------------- */

static mp_store_t *
find_store(const char *name)
{
    mp_store_t *store = mp_store_find(name);
    if (!store && !strcmp(name, MP_STORE_DEFAULT)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "there is no shared dictionary: load "
                        "mod_socache_shmcb or name another provider with "
                        "PythonSharedDict " MP_STORE_DEFAULT);
    }
    else if (!store) {
        PyErr_Format(PyExc_ValueError,
                     "there is no shared dictionary '%s': add "
                     "PythonSharedDict %s to the server's configuration",
                     name, name);
    }
    return store;
}

static PyObject *
dict_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    char *names[] = {"name", "ttl", NULL};
    const char *name = MP_STORE_DEFAULT;
    PyObject *ttl = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|sO:SharedDict", names,
                                     &name, &ttl)) {
        return NULL;
    }
    double seconds = read_ttl(ttl, 0);
    mp_store_t *store = seconds < 0 ? NULL : find_store(name);
    if (!store) {
        return NULL;
    }
    shared_dict_t *self = (shared_dict_t *)type->tp_alloc(type, 0);
    if (self) {
        self->store = store;
        self->ttl = seconds;
    }
    return (PyObject *)self;
}

static void
dict_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

#define WITH_KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef shared_dict_methods[] = {
    {"get", dict_get, METH_VARARGS,
     "get($self, key, default=None, /)\n--\n\n"
     "The value of key, or default. OSError when the provider fails, as from "
     "all\nmethods. (ap_socache_provider_t)"},
    {"set", WITH_KEYWORDS(dict_set),
     "set($self, key, value, ttl=...)\n--\n\n"
     "Store value (str, bytes, or int of 64 bits) for ttl seconds; None: "
     "without\nan end; by default what SharedDict() was given. ValueError for "
     "a value of\nmore than 65535 bytes or a key of more than 1024."},
    {"add", WITH_KEYWORDS(dict_add),
     "add($self, key, value, ttl=...)\n--\n\n"
     "The same if there is no value yet: True when it was stored. Of several\n"
     "processes that add at the same time one gets True."},
    {"delete", dict_delete, METH_O,
     "delete($self, key, /)\n--\n\n"
     "Remove the value: True when there was one."},
    {"incr", WITH_KEYWORDS(dict_incr),
     "incr($self, key, delta=1, initial=0, ttl=...)\n--\n\n"
     "Add delta to an int, and return the sum. No increment of any process "
     "of\nthis server is lost. initial and ttl are for a new value; one that "
     "is there\nkeeps its time. TypeError when it is not an int, "
     "OverflowError beyond 64\nbits."},
    {"ttl", dict_ttl, METH_O,
     "ttl($self, key, /)\n--\n\n"
     "The seconds (float) that the value has to live, None without an end. "
     "KeyError\nwhen there is none."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot shared_dict_slots[] = {
    {Py_tp_doc,
     "SharedDict(name='default', ttl=None)\n--\n\n"
     "Data that all processes of this server share: a cache of httpd's.\n\n"
     "name: of a PythonSharedDict. ttl: seconds that values live, unless set\n"
     "otherwise. Values are str, bytes and int; they may vanish before their\n"
     "time when room is needed, and are gone after a restart. ValueError for "
     "an\nunknown name, RuntimeError when no provider is loaded."},
    {Py_tp_new, dict_new},
    {Py_tp_dealloc, dict_dealloc},
    {Py_tp_methods, shared_dict_methods},
    {Py_mp_subscript, dict_item},
    {Py_mp_ass_subscript, dict_set_item},
    {Py_sq_contains, dict_contains},
    {0, NULL},
};

PyType_Spec mp_shared_dict_spec = {
    .name = "builtins.SharedDict",
    .basicsize = sizeof(shared_dict_t),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = shared_dict_slots,
};
