/* cookie_jar.c - the cookies of a request.
 *
 * The header is read where httpd keeps it and never becomes a str as a whole,
 * unless a class of the program parses it. */
#include "runtime/python.h"

#include "web/cookie_jar.h"

#include "objects/proxy.h"
#include "runtime/text.h"
#include "web/cookie.h"
#include "web/signed_cookie.h"

#include <apr_strings.h>

#include <string.h>

request_rec *
mp_cookie_jar_request(mp_state_t *state, PyObject *req)
{
    if (!Py_IS_TYPE(req, state->types[MP_TYPE_REQUEST])) {
        PyErr_Format(PyExc_TypeError,
                     "req must be a request object, not %.200s",
                     Py_TYPE(req)->tp_name);
        return NULL;
    }
    return mp_proxy_ptr(req);
}

/* ---- out --------------------------------------------------------------- */

void
mp_cookie_jar_add(apr_table_t *headers, const char *text)
{
    if (!apr_table_get(headers, "Set-Cookie")) {
        apr_table_addn(headers, "Cache-Control", "no-cache=\"set-cookie\"");
    }
    apr_table_addn(headers, "Set-Cookie", text);
}

/* Keywords without those that are arguments by themselves. *value: the one of
 * that name. New dict, or NULL with an exception. */
static PyObject *
take_value(PyObject *keywords, PyObject **value)
{
    PyObject *rest = keywords ? PyDict_Copy(keywords) : PyDict_New();
    PyObject *given = rest ? PyDict_GetItemString(rest, "value") : NULL;
    if (given) {
        Py_XSETREF(*value, Py_NewRef(given));
        if (PyDict_DelItemString(rest, "value") < 0) {
            Py_CLEAR(rest);
        }
    }
    return rest;
}

/* Cookie(name, value, **attributes). New reference; NULL with an exception. */
static PyObject *
make_cookie(mp_state_t *state, PyObject *name, PyObject *value,
            PyObject *keywords)
{
    PyObject *has = value ? Py_NewRef(value) : PyUnicode_New(0, 0);
    PyObject *attributes = has ? take_value(keywords, &has) : NULL;
    PyObject *args = attributes ? PyTuple_Pack(2, name, has) : NULL;
    PyObject *cookie = args
        ? PyObject_Call((PyObject *)state->types[MP_TYPE_COOKIE], args,
                        attributes)
        : NULL;
    Py_XDECREF(args);
    Py_XDECREF(attributes);
    Py_XDECREF(has);
    return cookie;
}

/* str(cookie) in the pool; without a detour where the type is ours. NULL with
 * an exception. */
static const char *
render(mp_state_t *state, apr_pool_t *pool, PyObject *cookie)
{
    mp_cookie_text_t text = {0};
    const char *copy = NULL;
    int failed;
    if (Py_IS_TYPE(cookie, state->types[MP_TYPE_COOKIE])) {
        failed = mp_cookie_render(cookie, &text, NULL);
    }
    else if (Py_IS_TYPE(cookie, state->types[MP_TYPE_SIGNED_COOKIE])
             || Py_IS_TYPE(cookie, state->types[MP_TYPE_MARSHAL_COOKIE])) {
        failed = mp_signed_cookie_render(cookie, &text);
    }
    else {
        PyObject *str = PyObject_Str(cookie);
        copy = str ? mp_text_copy(pool, str, MP_TEXT_HEADER, "cookie") : NULL;
        Py_XDECREF(str);
        return copy;
    }
    if (!failed) {
        copy = apr_pstrmemdup(pool, text.bytes, text.size);
    }
    mp_cookie_text_free(&text);
    return copy;
}

static PyObject *
add_cookie(PyObject *module, PyObject *args, PyObject *keywords)
{
    mp_state_t *state = mp_state_of_module(module);
    PyObject *req, *given, *value = NULL;
    if (!PyArg_UnpackTuple(args, "add_cookie", 2, 3, &req, &given, &value)) {
        return NULL;
    }
    PyObject *cookie = mp_cookie_check(state, given)
        ? Py_NewRef(given) : make_cookie(state, given, value, keywords);
    request_rec *r = cookie ? mp_cookie_jar_request(state, req) : NULL;
    const char *copy = r ? render(state, r->pool, cookie) : NULL;
    Py_XDECREF(cookie);
    if (!copy || !mp_cookie_jar_request(state, req)) { /* Python ran */
        return NULL;
    }
    mp_cookie_jar_add(r->headers_out, copy);
    Py_RETURN_NONE;
}

/* ---- in ---------------------------------------------------------------- */

static int
append_header(void *baton, const char *key, const char *value)
{
    APR_ARRAY_PUSH((apr_array_header_t *)baton, const char *) = value;
    return 1;
}

static const char *
join_headers(request_rec *r)
{
    apr_array_header_t *values = apr_array_make(r->pool, 4, sizeof(char *));
    apr_table_do(append_header, values, r->headers_in, "Cookie", NULL);
    const char *joined = APR_ARRAY_IDX(values, 0, const char *);
    for (int i = 1; i < values->nelts; i++) {
        joined = apr_pstrcat(r->pool, joined, "; ",
                             APR_ARRAY_IDX(values, i, const char *), NULL);
    }
    return joined;
}

static int
count_header(void *baton, const char *key, const char *value)
{
    return ++*(int *)baton < 2;
}

const char *
mp_cookie_jar_header(request_rec *r)
{
    const char *first = apr_table_get(r->headers_in, "Cookie");
    int count = 0;
    if (first) {
        apr_table_do(count_header, &count, r->headers_in, "Cookie", NULL);
    }
    return count > 1 ? join_headers(r) : first;
}

/* Only the argument names, so that a wrong one is found. */
static int
choose_plain(mp_cookie_choice_t *choice, PyObject *keywords)
{
    static char *names[] = {"names", NULL};
    PyObject *none = PyTuple_New(0);
    int is_right = none && PyArg_ParseTupleAndKeywords(
        none, keywords, "|O:get_cookies", names, &choice->names);
    Py_XDECREF(none);
    if (choice->names == Py_None) {
        choice->names = NULL;
    }
    return is_right ? 0 : -1;
}

/* type.parse(header, **keywords), for classes of the program. */
static PyObject *
parse_by_method(PyObject *type, const char *header, PyObject *keywords)
{
    PyObject *parse = PyObject_GetAttrString(type, "parse");
    PyObject *text = parse ? mp_text_from(header) : NULL;
    PyObject *args = text ? PyTuple_Pack(1, text) : NULL;
    PyObject *cookies = args ? PyObject_Call(parse, args, keywords) : NULL;
    Py_XDECREF(args);
    Py_XDECREF(text);
    Py_XDECREF(parse);
    return cookies;
}

static int
is_own(const mp_state_t *state, const PyObject *type)
{
    return type == (const PyObject *)state->types[MP_TYPE_COOKIE]
           || type == (const PyObject *)state->types[MP_TYPE_SIGNED_COOKIE]
           || type == (const PyObject *)state->types[MP_TYPE_MARSHAL_COOKIE];
}

/* type: one of ours, or a class of the program. */
static PyObject *
parse_header(mp_state_t *state, PyObject *type, const char *header,
             PyObject *keywords)
{
    mp_cookie_choice_t choice = {0};
    PyTypeObject *plain = state->types[MP_TYPE_COOKIE];
    if (type == (PyObject *)plain) {
        return choose_plain(&choice, keywords) < 0 ? NULL : mp_cookie_parse(
            plain, header, strlen(header), &choice, mp_cookie_make);
    }
    if (is_own(state, type)) {
        return mp_signed_cookie_choose(&choice, keywords) < 0
                   ? NULL
                   : mp_cookie_parse((PyTypeObject *)type, header,
                                     strlen(header), &choice,
                                     mp_signed_cookie_make);
    }
    return parse_by_method(type, header, keywords);
}

/* The positional arguments behind the first `count`, which must be the class,
 * and the keywords without "Class". New dict; *type is borrowed. */
static PyObject *
split_arguments(mp_state_t *state, PyObject *args, Py_ssize_t count,
                PyObject *keywords, PyObject **type)
{
    PyObject *rest = keywords ? PyDict_Copy(keywords) : PyDict_New();
    PyObject *given = rest ? PyDict_GetItemString(rest, "Class") : NULL;
    *type = (PyObject *)state->types[MP_TYPE_COOKIE];
    if (PyTuple_GET_SIZE(args) > count) {
        *type = PyTuple_GET_ITEM(args, count);
    }
    else if (given) {
        *type = PyDict_GetItemString(keywords, "Class");
        if (PyDict_DelItemString(rest, "Class") < 0) {
            Py_CLEAR(rest);
        }
    }
    return rest;
}

static PyObject *
get_cookies(PyObject *module, PyObject *args, PyObject *keywords)
{
    mp_state_t *state = mp_state_of_module(module);
    PyObject *req, *unused = NULL, *type;
    if (!PyArg_UnpackTuple(args, "get_cookies", 1, 2, &req, &unused)) {
        return NULL;
    }
    request_rec *r = mp_cookie_jar_request(state, req);
    const char *header = r ? mp_cookie_jar_header(r) : NULL;
    if (!header) {
        return r ? PyDict_New() : NULL;
    }
    PyObject *rest = split_arguments(state, args, 1, keywords, &type);
    PyObject *cookies = rest ? parse_header(state, type, header, rest)
                             : NULL;
    Py_XDECREF(rest);
    return cookies;
}

/* The last cookie of this name that is one of type, which is ours. New
 * reference; None; NULL with an exception. */
static PyObject *
find_own(PyTypeObject *type, const char *header, PyObject *name,
         const mp_cookie_choice_t *choice, mp_cookie_make_fn *make)
{
    const char *at = header, *end = header + strlen(header);
    PyObject *found = Py_NewRef(Py_None);
    mp_cookie_pair_t pair;
    mp_text_view_t view;
    if (mp_text_view(&view, name, "name") < 0) {
        Py_DECREF(found);
        return NULL;
    }
    while (found && mp_cookie_next(&at, end, &pair)) {
        if (pair.name_size == (size_t)view.size && *pair.name != '$'
            && !memcmp(pair.name, view.bytes, pair.name_size)) {
            PyObject *cookie = make(type, name, &pair, choice);
            if (cookie || PyErr_Occurred()) {
                Py_SETREF(found, cookie);
            }
        }
    }
    mp_text_release(&view);
    return found;
}

/* By the parse() of a class of the program. */
static PyObject *
find_by_method(PyObject *type, const char *header, PyObject *name,
               PyObject *keywords)
{
    PyObject *rest = keywords ? PyDict_Copy(keywords) : PyDict_New();
    PyObject *cookies = rest && PyDict_SetItemString(rest, "names", name) == 0
        ? parse_by_method(type, header, rest) : NULL;
    PyObject *cookie = cookies ? PyObject_GetItem(cookies, name) : NULL;
    if (cookies && !cookie && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear(); /* that there is none is the answer */
        cookie = Py_NewRef(Py_None);
    }
    Py_XDECREF(cookies);
    Py_XDECREF(rest);
    return cookie;
}

/* One of our types needs no dict to find one cookie. */
static PyObject *
find_cookie(mp_state_t *state, PyObject *type, const char *header,
            PyObject *name, PyObject *keywords)
{
    mp_cookie_choice_t choice = {0};
    PyTypeObject *plain = state->types[MP_TYPE_COOKIE];
    if (!is_own(state, type)) {
        return find_by_method(type, header, name, keywords);
    }
    if (!PyUnicode_Check(name)) {
        return PyErr_Format(PyExc_TypeError, "name must be str, not %.200s",
                            Py_TYPE(name)->tp_name);
    }
    if (type == (PyObject *)plain) {
        return keywords && choose_plain(&choice, keywords) < 0
                   ? NULL
                   : find_own(plain, header, name, &choice, mp_cookie_make);
    }
    return mp_signed_cookie_choose(&choice, keywords) < 0
               ? NULL
               : find_own((PyTypeObject *)type, header, name, &choice,
                          mp_signed_cookie_make);
}

static PyObject *
get_cookie(PyObject *module, PyObject *args, PyObject *keywords)
{
    mp_state_t *state = mp_state_of_module(module);
    PyObject *req, *name, *type = NULL;
    if (!PyArg_UnpackTuple(args, "get_cookie", 2, 3, &req, &name, &type)) {
        return NULL;
    }
    request_rec *r = mp_cookie_jar_request(state, req);
    const char *header = r ? mp_cookie_jar_header(r) : NULL;
    if (!header) {
        return r ? Py_NewRef(Py_None) : NULL;
    }
    if (type) {
        return find_cookie(state, type, header, name, keywords);
    }
    PyObject *rest = split_arguments(state, args, 2, keywords, &type);
    PyObject *cookie = rest ? find_cookie(state, type, header, name, rest)
                            : NULL;
    Py_XDECREF(rest);
    return cookie;
}

#define WITH_KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

PyMethodDef mp_cookie_jar_functions[] = {
    {"add_cookie", WITH_KEYWORDS(add_cookie),
     "add_cookie(req, cookie, /, value='', **attributes)\n--\n\n"
     "Send a cookie with the response: a Cookie, or a name and a value.\n\n"
     "The first one also sets Cache-Control: no-cache=\"set-cookie\".\n"
     "ValueError for what must not be in a header. (headers_out)"},
    {"get_cookies", WITH_KEYWORDS(get_cookies),
     "get_cookies(req, /, Class=Cookie, **arguments)\n--\n\n"
     "The cookies that came with a request: a dict of name to object.\n\n"
     "Class: Cookie, SignedCookie, MarshalCookie, or derived from one of\n"
     "them. arguments: what Class.parse() takes behind the header."},
    {"get_cookie", WITH_KEYWORDS(get_cookie),
     "get_cookie(req, name, /, Class=Cookie, **arguments)\n--\n\n"
     "The cookie of this name, or None; arguments as for get_cookies()."},
    {NULL, NULL, 0, NULL},
};
