/* publish_access.c - __auth__, __access__ and __auth_realm__.
 *
 * An object has rules as attributes; functions and methods also inside, where
 * they are local names. Whether a function has such names its code object
 * tells at once; what they are mod_python.publisher reads, once for each code.
 * The surprising rule: what is there and cannot be read refuses everybody. */
#include "runtime/python.h"

#include "web/publish_access.h"

#include "objects/request.h"
#include "runtime/text.h"
#include "server/log.h"
#include "web/state.h"

#include <apr_base64.h>
#include <apr_strings.h>
#include <string.h>

/* The rules of one object; owned, NULL: it has none. */
typedef struct {
    PyObject *auth, *access, *realm;
} rules_t;

static void
clear_rules(rules_t *rules)
{
    Py_CLEAR(rules->auth);
    Py_CLEAR(rules->access);
    Py_CLEAR(rules->realm);
}

/* ---- refusing ----------------------------------------------------------- */

static int
refuse(mp_publish_access_t *access, int status)
{
    PyObject *number = PyLong_FromLong(status);
    if (number) {
        PyErr_SetObject(access->state->server_return, number);
        Py_DECREF(number);
    }
    return -1;
}

/* The text of the challenge. New str. */
static PyObject *
find_realm(const mp_publish_access_t *access)
{
    PyObject *name = mp_web_of(access->state)->names.__auth_realm__;
    PyObject *realm = access->realm;
    if (!realm && access->module) {
        realm = PyDict_GetItemWithError(PyModule_GetDict(access->module),
                                        name);
    }
    return realm ? PyObject_Str(realm)
           : PyErr_Occurred() ? NULL : PyUnicode_FromString("unknown");
}

/* 401, with the challenge that makes browsers ask. */
static int
ask_for_password(mp_publish_access_t *access)
{
    request_rec *r = mp_request_ptr_open(access->req);
    PyObject *text = find_realm(access);
    const char *realm = r && text ? mp_text_copy(r->pool, text,
                                                 MP_TEXT_HEADER,
                                                 "__auth_realm__")
                                  : NULL;
    Py_XDECREF(text);
    if (!realm) {
        return -1;
    }
    apr_table_setn(r->err_headers_out, "WWW-Authenticate",
                   apr_pstrcat(r->pool, "Basic realm=\"",
                               ap_escape_quotes(r->pool, realm), "\"", NULL));
    return refuse(access, HTTP_UNAUTHORIZED);
}

static void
log_refusal(mp_publish_access_t *access, const char *code, PyObject *object,
            const char *why)
{
    request_rec *r = mp_request_ptr_open(access->req);
    PyObject *repr = r ? PyObject_Repr(object) : NULL;
    const char *text = repr ? PyUnicode_AsUTF8(repr) : NULL;
    if (text) {
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_log(MP_LOG_REQUEST(r), APLOG_ERR, 0, code, "%s %s", text, why);
        mp_thread_resume(held);
    }
    PyErr_Clear(); /* the request is refused all the same */
    Py_XDECREF(repr);
}

/* ---- rules as attributes ------------------------------------------------ */

/* One that may be in a dict. */
static int
find_item(PyObject *dict, PyObject *name, PyObject **rule)
{
    PyObject *found = NULL;
    if (PyDict_GetItemRef(dict, name, &found) < 0) {
        return -1;
    }
    if (found) {
        Py_XSETREF(*rule, found);
    }
    return 0;
}

static int
find_attribute(PyObject *object, PyObject *name, PyObject **rule)
{
    PyObject *found = NULL;
    if (PyObject_GetOptionalAttr(object, name, &found) < 0) {
        return -1;
    }
    if (found) {
        Py_XSETREF(*rule, found);
    }
    return 0;
}

/* The attributes of most objects are in a dict that is at hand. */
static PyObject *
dict_of(PyObject *object)
{
    if (PyModule_CheckExact(object)) {
        return PyModule_GetDict(object);
    }
    return PyFunction_Check(object) ? ((PyFunctionObject *)object)->func_dict
                                    : NULL;
}

static int
find_rules(mp_publish_access_t *access, PyObject *object, rules_t *rules)
{
    const mp_web_t *web = mp_web_of(access->state);
    PyObject *dict = dict_of(object);
    if (!dict && PyFunction_Check(object)) {
        return 0;
    }
    if (access->is_lazy && PyModule_CheckExact(object)) {
        Py_XSETREF(access->module, Py_NewRef(object));
        return find_item(dict, web->names.__auth__, &rules->auth) < 0
                   ? -1 : find_item(dict, web->names.__access__,
                                    &rules->access);
    }
    int (*find)(PyObject *, PyObject *, PyObject **) = dict ? find_item
                                                            : find_attribute;
    PyObject *place = dict ? dict : object;
    return find(place, web->names.__auth__, &rules->auth) < 0
           || find(place, web->names.__access__, &rules->access) < 0
           || find(place, web->names.__auth_realm__, &rules->realm) < 0
        ? -1 : 0;
}

/* ---- rules inside of functions ------------------------------------------ */

/* Names in code are interned, but nobody is let in because one is not. */
static int
is_rule(const mp_web_t *web, PyObject *name)
{
    PyObject *const ours[] = {web->names.__auth__, web->names.__access__,
                              web->names.__auth_realm__};
    for (int i = 0; i < 3; i++) {
        if (name == ours[i]
            || (PyUnicode_GET_LENGTH(name) == PyUnicode_GET_LENGTH(ours[i])
                && PyUnicode_Compare(name, ours[i]) == 0)) {
            return 1;
        }
    }
    return 0;
}

/* Are there local names of ours, besides its arguments? */
static int
has_nested(mp_state_t *state, PyObject *function)
{
    const mp_web_t *web = mp_web_of(state);
    const PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(function);
    Py_ssize_t first = code->co_argcount + code->co_kwonlyargcount
                       + !!(code->co_flags & CO_VARARGS)
                       + !!(code->co_flags & CO_VARKEYWORDS);
    for (Py_ssize_t i = first;
         i < PyTuple_GET_SIZE(code->co_localsplusnames); i++) {
        if (is_rule(web, PyTuple_GET_ITEM(code->co_localsplusnames, i))) {
            return 1;
        }
    }
    return 0;
}

/* The function that runs when the object is called, borrowed from it; NULL:
 * it is none of Python. */
static PyObject *
function_of(PyObject *object)
{
    if (PyMethod_Check(object)) {
        object = PyMethod_GET_FUNCTION(object);
    }
    return PyFunction_Check(object) ? object : NULL;
}

/* What mod_python.publisher reads in the function: (auth, access, realm), each
 * a tuple of one or (); None: it cannot. */
static int
read_nested(mp_publish_access_t *access, PyObject *function, rules_t *rules)
{
    PyObject *module = PyImport_ImportModule("mod_python.publisher");
    PyObject *read = module ? PyObject_CallMethod(module, "_nested_rules",
                                                  "O", function) : NULL;
    PyObject **const places[] = {&rules->auth, &rules->access,
                                 &rules->realm};
    Py_XDECREF(module);
    if (!read) {
        return -1;
    }
    if (PyUnicode_Check(read)) {
        log_refusal(access, "MPY0550", function, PyUnicode_AsUTF8(read));
        Py_DECREF(read);
        return refuse(access, HTTP_FORBIDDEN);
    }
    for (int i = 0; i < 3; i++) {
        PyObject *one = PyTuple_GET_ITEM(read, i);
        if (PyTuple_GET_SIZE(one) > 0) {
            *places[i] = Py_NewRef(PyTuple_GET_ITEM(one, 0));
        }
    }
    Py_DECREF(read);
    return 0;
}

/* ---- the client --------------------------------------------------------- */

typedef enum {
    NONE,      /* no header, or of another scheme */
    BASIC,
    MALFORMED
} header_t;

/* Decode "Basic dXNlcjpwYXNz" into the user and the password, in r->pool. */
static header_t
read_header(request_rec *r, const char **user, const char **password)
{
    const char *header = apr_table_get(r->headers_in, "Authorization");
    if (!header || strncasecmp(header, "Basic", 5)
        || (header[5] && !strchr(" \t", header[5]))) {
        return NONE;
    }
    const char *text = header + 5 + strspn(header + 5, " \t");
    size_t length = strlen(text);
    size_t digits = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t padding = strspn(text + digits, "=");
    if (digits + padding + strspn(text + digits + padding, " \t") != length
        || padding > 2 || digits % 4 == 1) {
        return MALFORMED;
    }
    char *plain = apr_pcalloc(r->pool, length + 1);
    int size = apr_base64_decode(plain, text);
    plain[size] = '\0';
    char *colon = strchr(plain, ':');
    if (!colon || strlen(plain) != (size_t)size) {
        return MALFORMED;
    }
    *colon = '\0';
    *user = plain;
    *password = colon + 1;
    return BASIC;
}

/* Who the client says it is, unless that is known. 0; -1. */
static int
identify(mp_publish_access_t *access, int is_wanted)
{
    const char *user = NULL, *password = NULL;
    if (access->user) {
        return 0;
    }
    request_rec *r = mp_request_ptr_open(access->req);
    if (!r) {
        return -1;
    }
    header_t header = read_header(r, &user, &password);
    if (header == MALFORMED && is_wanted) {
        return refuse(access, HTTP_BAD_REQUEST);
    }
    if (header != BASIC || !*user) {
        return 0;
    }
    access->user = mp_text_from(user);
    access->password = mp_text_from(password);
    return access->user && access->password ? 0 : -1;
}

/* ---- deciding ----------------------------------------------------------- */

/* Is the answer of a function true? What is to be awaited is no answer. */
static int
is_true(mp_publish_access_t *access, PyObject *function, PyObject *answer)
{
    const PyAsyncMethods *async = Py_TYPE(answer)->tp_as_async;
    if (!PyGen_Check(answer)
        && !(async && (async->am_await || async->am_anext))) {
        return PyObject_IsTrue(answer);
    }
    log_refusal(access, "MPY0551", function, "is a generator or a coroutine "
                "function, which cannot decide on access; nobody is let in");
    if (PyCoro_CheckExact(answer)) { /* it would warn that nobody awaits it */
        PyObject *done = PyObject_CallMethod(answer, "close", NULL);
        Py_XDECREF(done);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* As long for every wrong password of that length. */
static int
is_same(PyObject *a, PyObject *b)
{
    mp_text_view_t first, second;
    if ((!PyUnicode_Check(a) && !PyBytes_Check(a))
        || mp_text_view(&first, a, "password") < 0) {
        return 0;
    }
    if (mp_text_view(&second, b, "password") < 0) {
        mp_text_release(&first);
        return 0;
    }
    volatile unsigned char differs = first.size != second.size;
    for (Py_ssize_t i = 0; i < second.size; i++) {
        char other = i < first.size ? first.bytes[i] : 0;
        differs |= (unsigned char)(second.bytes[i] ^ other);
    }
    mp_text_release(&second);
    mp_text_release(&first);
    return !differs;
}

/* A mapping of users to passwords. */
static int
is_in_passwords(mp_publish_access_t *access, PyObject *passwords)
{
    if (!PyMapping_HasKey(passwords, access->user)) {
        return 0;
    }
    PyObject *password = PyObject_GetItem(passwords, access->user);
    int same = password ? is_same(password, access->password) : -1;
    Py_XDECREF(password);
    return same;
}

/* Can it be asked for the password of a user? */
static int
is_mapping(mp_publish_access_t *access, PyObject *object)
{
    PyObject *keys = NULL;
    if (PyDict_Check(object)) {
        return 1;
    }
    int has = PyObject_GetOptionalAttr(object, access->state->names.keys,
                                       &keys);
    Py_XDECREF(keys);
    return has;
}

/* Does __auth__ accept the client? 1, 0, -1. */
static int
is_authentic(mp_publish_access_t *access, PyObject *auth)
{
    if (PyCallable_Check(auth)) {
        PyObject *answer = PyObject_CallFunctionObjArgs(
            auth, access->req, access->user, access->password, NULL);
        int is = answer ? is_true(access, auth, answer) : -1;
        Py_XDECREF(answer);
        return is;
    }
    int has_users = is_mapping(access, auth);
    return has_users < 0 ? -1 : has_users ? is_in_passwords(access, auth)
                                          : PyObject_IsTrue(auth);
}

/* Does __access__? */
static int
is_admitted(mp_publish_access_t *access, PyObject *rule)
{
    PyObject *user = access->user ? access->user : Py_None;
    if (PyCallable_Check(rule)) {
        PyObject *answer = PyObject_CallFunctionObjArgs(rule, access->req,
                                                        user, NULL);
        int is = answer ? is_true(access, rule, answer) : -1;
        Py_XDECREF(answer);
        return is;
    }
    if (PyList_Check(rule) || PyTuple_Check(rule) || PyAnySet_Check(rule)
        || PyDict_Check(rule)) {
        return PySequence_Contains(rule, user);
    }
    return PyObject_IsTrue(rule);
}

/* Apply the rules of one place. 0 or -1. */
static int
apply(mp_publish_access_t *access, const rules_t *rules)
{
    if (rules->realm) {
        Py_XSETREF(access->realm, Py_NewRef(rules->realm));
    }
    if (!rules->auth && !rules->access) {
        return 0;
    }
    if (identify(access, rules->auth != NULL) < 0) {
        return -1;
    }
    if (rules->auth) {
        int is = access->user ? is_authentic(access, rules->auth) : 0;
        if (is <= 0) {
            return is < 0 ? -1 : ask_for_password(access);
        }
    }
    if (rules->access) {
        int is = is_admitted(access, rules->access);
        if (is <= 0) {
            return is < 0 ? -1 : refuse(access, HTTP_FORBIDDEN);
        }
    }
    return 0;
}

/* ---- objects ------------------------------------------------------------ */

/* The rules inside of a function. */
static int
check_nested(mp_publish_access_t *access, PyObject *function)
{
    rules_t rules = {0};
    if (!has_nested(access->state, function)) {
        return 0;
    }
    int failed = read_nested(access, function, &rules) < 0
                 || apply(access, &rules) < 0;
    clear_rules(&rules);
    return failed ? -1 : 0;
}

/* Objects whose types Python code or the standard library made. */
static int
may_have_inside(PyObject *object)
{
    return !PyModule_Check(object) && !PyType_Check(object)
           && PyType_HasFeature(Py_TYPE(object), Py_TPFLAGS_HEAPTYPE);
}

/* The function that runs when such an object is called, by its class's
 * __call__ or its own. */
static int
check_call(mp_publish_access_t *access, PyObject *object)
{
    PyObject *call = NULL;
    if (PyObject_GetOptionalAttr(object,
                                 mp_web_of(access->state)->names.__call__,
                                 &call) <= 0) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *function = Py_XNewRef(function_of(call));
    Py_DECREF(call);
    int failed = function ? check_nested(access, function) : 0;
    Py_XDECREF(function);
    return failed;
}

/* What an object calls in its turn: what it wraps (functools.wraps(),
 * lru_cache()), or what it is a part of (functools.partial). */
static int
find_wrapped(mp_state_t *state, PyObject *object, PyObject **wrapped)
{
    const mp_web_t *web = mp_web_of(state);
    if (PyFunction_Check(object)) {
        PyObject *dict = ((PyFunctionObject *)object)->func_dict;
        return dict ? find_item(dict, web->names.__wrapped__, wrapped) : 0;
    }
    if (find_attribute(object, web->names.__wrapped__, wrapped) < 0) {
        return -1;
    }
    return *wrapped || strcmp(Py_TYPE(object)->tp_name, "functools.partial")
               ? 0 : find_attribute(object, web->names.func, wrapped);
}

/* The rules inside of what runs for the object. */
static int
check_inside(mp_publish_access_t *access, PyObject *object)
{
    PyObject *wrapped = NULL;
    if (PyMethod_Check(object)) {
        object = PyMethod_GET_FUNCTION(object);
    }
    int is_function = PyFunction_Check(object);
    if (!is_function && !may_have_inside(object)) {
        return 0;
    }
    if ((is_function ? check_nested(access, object)
                     : check_call(access, object)) < 0
        || find_wrapped(access->state, object, &wrapped) < 0) {
        return -1;
    }
    int failed = 0;
    if (wrapped) {
        failed = Py_EnterRecursiveCall(" in __wrapped__") ? -1 : 0;
        if (!failed) {
            failed = check_inside(access, wrapped);
            Py_LeaveRecursiveCall();
        }
        Py_DECREF(wrapped);
    }
    return failed;
}

int
mp_publish_access_check(mp_publish_access_t *access, PyObject *object)
{
    rules_t rules = {0};
    int failed = find_rules(access, object, &rules) < 0
                 || apply(access, &rules) < 0;
    clear_rules(&rules);
    if (failed) {
        return -1;
    }
    Py_INCREF(object);
    failed = check_inside(access, object);
    Py_DECREF(object);
    return failed;
}

void
mp_publish_access_clear(mp_publish_access_t *access)
{
    Py_CLEAR(access->realm);
    Py_CLEAR(access->user);
    Py_CLEAR(access->password);
    Py_CLEAR(access->module);
}
