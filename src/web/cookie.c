/* cookie.c - Cookie: its attributes, its text, and the text of many.
 *
 * What a cookie is made of is checked when it is written out, because programs
 * set its attributes one by one: nothing that could add a header or an
 * attribute gets through, and what browsers are known to throw away is an
 * error here. Reading takes whatever comes. */
#include "runtime/python.h"

#include "web/cookie.h"

#include "runtime/text.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <httpd.h>

#include <math.h>
#include <string.h>

typedef struct {
    const char *name;  /* in Python */
    const char *shown; /* in Set-Cookie */
    int is_flag;       /* a bare word */
} attribute_t;

static const attribute_t attributes[MP_COOKIE_ATTRIBUTES] = {
    [MP_COOKIE_VERSION] = {"version", "version", 0},
    [MP_COOKIE_PATH] = {"path", "path", 0},
    [MP_COOKIE_DOMAIN] = {"domain", "domain", 0},
    [MP_COOKIE_SECURE] = {"secure", "secure", 1},
    [MP_COOKIE_COMMENT] = {"comment", "comment", 0},
    [MP_COOKIE_EXPIRES] = {"expires", "expires", 0},
    [MP_COOKIE_MAX_AGE] = {"max_age", "Max-Age", 0},
    [MP_COOKIE_SAMESITE] = {"samesite", "SameSite", 0},
    [MP_COOKIE_COMMENT_URL] = {"commentURL", "commentURL", 0},
    [MP_COOKIE_DISCARD] = {"discard", "discard", 1},
    [MP_COOKIE_PORT] = {"port", "port", 0},
    [MP_COOKIE_HTTPONLY] = {"httponly", "httponly", 1},
};

static mp_cookie_t *
cookie_of(PyObject *self)
{
    return (mp_cookie_t *)self;
}

/* ---- attributes -------------------------------------------------------- */

/* A date as it is stored: the str that was given, or that of a number of
 * seconds. New reference; NULL with an exception. */
static PyObject *
make_date(PyObject *value)
{
    mp_text_view_t view;
    if (PyUnicode_Check(value)) {
        if (mp_text_view(&view, value, "expires") < 0) {
            return NULL;
        }
        int is_date = mp_cookie_is_date(view.bytes, (size_t)view.size);
        mp_text_release(&view);
        return is_date ? Py_NewRef(value) : PyErr_Format(
            PyExc_ValueError, "expires must be a date such as 'Wed, "
            "09-Jun-2027 10:18:14 GMT' or seconds since the epoch, not %R",
            value);
    }
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1 && PyErr_Occurred()) {
        return NULL;
    }
    char text[MP_COOKIE_DATE_SIZE];
    if (!(fabs(seconds) < 1e12)
        || mp_cookie_format_date(text, (int64_t)floor(seconds)) < 0) {
        return PyErr_Format(PyExc_ValueError, "expires is out of range: %R",
                            value);
    }
    return PyUnicode_FromString(text);
}

int
mp_cookie_set(PyObject *self, mp_cookie_attribute_t attribute,
              PyObject *value)
{
    PyObject *kept = attribute == MP_COOKIE_EXPIRES && value != Py_None
                         ? make_date(value) : Py_NewRef(value);
    if (!kept) {
        return -1;
    }
    Py_XSETREF(cookie_of(self)->attributes[attribute], kept);
    return 0;
}

static mp_cookie_attribute_t
rank_of(void *closure)
{
    return (mp_cookie_attribute_t)((const attribute_t *)closure - attributes);
}

static PyObject *
get_attribute(PyObject *self, void *closure)
{
    PyObject *value = cookie_of(self)->attributes[rank_of(closure)];
    if (!value) {
        PyErr_SetString(PyExc_AttributeError,
                        ((const attribute_t *)closure)->name);
    }
    return Py_XNewRef(value);
}

static int
set_attribute(PyObject *self, PyObject *value, void *closure)
{
    PyObject **slot = &cookie_of(self)->attributes[rank_of(closure)];
    if (value) {
        return mp_cookie_set(self, rank_of(closure), value);
    }
    if (!*slot) {
        PyErr_SetString(PyExc_AttributeError,
                        ((const attribute_t *)closure)->name);
        return -1;
    }
    Py_CLEAR(*slot);
    return 0;
}

/* The dict that subclasses keep what they need in; the secret is in it. */
static PyObject *
get_data(PyObject *self, void *closure)
{
    mp_cookie_t *cookie = cookie_of(self);
    if (!cookie->data) {
        PyObject *data = PyDict_New();
        if (data && PyObject_TypeCheck(
                self, cookie->state->types[MP_TYPE_SIGNED_COOKIE])
            && PyDict_SetItemString(data, "secret",
                                    cookie->secret ? cookie->secret
                                                   : Py_None) < 0) {
            Py_CLEAR(data);
        }
        cookie->data = data;
    }
    return Py_XNewRef(cookie->data);
}

static int
set_data(PyObject *self, PyObject *value, void *closure)
{
    if (!value || !PyDict_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "__data__ must be a dict");
        return -1;
    }
    Py_XSETREF(cookie_of(self)->data, Py_NewRef(value));
    return 0;
}

/* The rank of a keyword, in any case; -1: none. */
static int
find_attribute(PyObject *keyword)
{
    const char *name = PyUnicode_AsUTF8(keyword);
    for (int i = 0; name && i < MP_COOKIE_ATTRIBUTES; i++) {
        if (!strcmp(name, attributes[i].name)) { /* nearly always */
            return i;
        }
    }
    for (int i = 0; name && i < MP_COOKIE_ATTRIBUTES; i++) {
        if (!ap_cstr_casecmp(name, attributes[i].name)) {
            return i;
        }
    }
    PyErr_Clear(); /* no UTF-8, no attribute */
    return -1;
}

/* A keyword that is none of ours: what a subclass has under that name. */
static int
set_other(PyObject *self, PyObject *keyword, PyObject *value)
{
    PyObject *found = NULL;
    if (PyObject_GetOptionalAttr((PyObject *)Py_TYPE(self), keyword, &found)
        < 0) {
        return -1;
    }
    int is_its = found && Py_TYPE(found)->tp_descr_set;
    Py_XDECREF(found);
    if (is_its) {
        return PyObject_SetAttr(self, keyword, value);
    }
    PyErr_Format(PyExc_AttributeError, "a %.200s has no attribute %R",
                 Py_TYPE(self)->tp_name, keyword);
    return -1;
}

/* ---- making ------------------------------------------------------------ */

static int
set_keyword(PyObject *self, PyObject *keyword, PyObject *value,
            int takes_secret)
{
    mp_cookie_t *cookie = cookie_of(self);
    static const char *const texts[] = {"name", "value", "secret"};
    PyObject **slots[] = {&cookie->name, &cookie->value, &cookie->secret};
    for (int i = 0; i < 2 + takes_secret; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, texts[i]) == 0) {
            if (*slots[i]) {
                PyErr_Format(PyExc_TypeError, "'%s' is given twice",
                             texts[i]);
                return -1;
            }
            *slots[i] = Py_NewRef(value);
            return 0;
        }
    }
    int rank = find_attribute(keyword);
    return rank < 0 ? set_other(self, keyword, value)
                    : mp_cookie_set(self, (mp_cookie_attribute_t)rank, value);
}

int
mp_cookie_init(PyObject *self, PyObject *args, PyObject *keywords,
               int takes_secret)
{
    mp_cookie_t *cookie = cookie_of(self);
    PyObject *name = NULL, *value = NULL, *secret = NULL;
    Py_CLEAR(cookie->name);
    Py_CLEAR(cookie->value);
    Py_CLEAR(cookie->secret);
    Py_CLEAR(cookie->data);
    if (!PyArg_UnpackTuple(args, Py_TYPE(self)->tp_name, 0, 2 + takes_secret,
                           &name, &value, &secret)) {
        return -1;
    }
    cookie->name = Py_XNewRef(name);
    cookie->value = Py_XNewRef(value);
    cookie->secret = Py_XNewRef(secret);
    PyObject *keyword, *given;
    Py_ssize_t at = 0;
    while (keywords && PyDict_Next(keywords, &at, &keyword, &given)) {
        if (set_keyword(self, keyword, given, takes_secret) < 0) {
            return -1;
        }
    }
    if (!cookie->name || !cookie->value) {
        PyErr_SetString(PyExc_TypeError, "a cookie needs a name and a value");
        return -1;
    }
    return 0;
}

static int
init_cookie(PyObject *self, PyObject *args, PyObject *keywords)
{
    return mp_cookie_init(self, args, keywords, 0);
}

static PyObject *
new_cookie(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self) {
        cookie_of(self)->state = mp_state_current();
    }
    return self;
}

PyObject *
mp_cookie_create(mp_state_t *state, mp_type_id_t id, PyObject *name,
                 PyObject *value)
{
    PyTypeObject *type = state->types[id];
    PyObject *self = type->tp_alloc(type, 0);
    if (self) {
        mp_cookie_t *cookie = cookie_of(self);
        cookie->state = state;
        cookie->name = Py_NewRef(name);
        cookie->value = Py_NewRef(value);
    }
    return self;
}

/* ---- text -------------------------------------------------------------- */

int
mp_cookie_text_add(mp_cookie_text_t *text, const char *bytes, size_t size)
{
    if (text->room - text->size < size) {
        size_t room = 2 * (text->size + size) + 256;
        char *more = PyMem_Realloc(text->bytes, room);
        if (!more) {
            PyErr_NoMemory();
            return -1;
        }
        text->bytes = more;
        text->room = room;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    return 0;
}

void
mp_cookie_text_free(mp_cookie_text_t *text)
{
    PyMem_Free(text->bytes);
    *text = (mp_cookie_text_t){0};
}

PyObject *
mp_cookie_text_take(mp_cookie_text_t *text)
{
    PyObject *str = mp_text_from_size(text->bytes, (Py_ssize_t)text->size);
    mp_cookie_text_free(text);
    return str;
}

static int
add_word(mp_cookie_text_t *text, const char *word)
{
    return mp_cookie_text_add(text, word, strlen(word));
}

typedef int is_allowed_fn(const char *bytes, size_t size);

/* Always -1. */
static int
refuse_text(PyObject *plain, const char *what, is_allowed_fn *is_allowed)
{
    if (is_allowed == mp_cookie_is_name) {
        PyErr_Format(PyExc_ValueError, "%R cannot be the name of a cookie: "
                     "it must not be empty, nor contain blanks, control "
                     "characters, ';', '=' or ','", plain);
    }
    else {
        PyErr_Format(PyExc_ValueError, "the %s of a cookie must not contain "
                     "control characters or ';'", what);
    }
    return -1;
}

/* The text of an object, if nothing in it is out of place. */
static int
add_object(mp_cookie_text_t *text, PyObject *object, const char *what,
           is_allowed_fn *is_allowed)
{
    if (PyUnicode_CheckExact(object) && PyUnicode_IS_COMPACT_ASCII(object)) {
        const char *bytes = (const char *)PyUnicode_1BYTE_DATA(object);
        size_t size = (size_t)PyUnicode_GET_LENGTH(object);
        return is_allowed(bytes, size)
                   ? mp_cookie_text_add(text, bytes, size)
                   : refuse_text(object, what, is_allowed);
    }
    PyObject *plain = PyUnicode_Check(object) || PyBytes_Check(object)
                          ? Py_NewRef(object) : PyObject_Str(object);
    mp_text_view_t view;
    if (!plain || mp_text_view(&view, plain, what) < 0) {
        Py_XDECREF(plain);
        return -1;
    }
    int failed = is_allowed(view.bytes, (size_t)view.size)
        ? mp_cookie_text_add(text, view.bytes, (size_t)view.size)
        : refuse_text(plain, what, is_allowed);
    mp_text_release(&view);
    Py_DECREF(plain);
    return failed;
}

static int
add_attribute(mp_cookie_text_t *text, PyObject *value, const attribute_t *row)
{
    if (row->is_flag) {
        int is_set = PyObject_IsTrue(value);
        return is_set <= 0 ? is_set
                           : (add_word(text, "; ") < 0
                              || add_word(text, row->shown) < 0 ? -1 : 0);
    }
    return add_word(text, "; ") < 0 || add_word(text, row->shown) < 0
                   || add_word(text, "=") < 0
               ? -1 : add_object(text, value, row->name, mp_cookie_is_part);
}

/* ---- what browsers insist on ------------------------------------------- */

/* Is the attribute set to this text, in any case? */
static int
is_text(const mp_cookie_t *cookie, mp_cookie_attribute_t attribute,
        const char *text)
{
    PyObject *value = cookie->attributes[attribute];
    const char *has = value && PyUnicode_Check(value)
                          ? PyUnicode_AsUTF8(value) : NULL;
    if (!has) {
        PyErr_Clear(); /* no UTF-8: not this text */
    }
    return has && !ap_cstr_casecmp(has, text);
}

static int
is_set(const mp_cookie_t *cookie, mp_cookie_attribute_t attribute)
{
    PyObject *value = cookie->attributes[attribute];
    return value && value != Py_None;
}

/* Why browsers would throw the cookie away, or NULL. */
static const char *
find_fault(const mp_cookie_t *cookie, const char *name, size_t size,
           int is_secure)
{
    int is_host = size >= 7 && !ap_cstr_casecmpn(name, "__Host-", 7);
    if (is_set(cookie, MP_COOKIE_SAMESITE)
        && !is_text(cookie, MP_COOKIE_SAMESITE, "Strict")
        && !is_text(cookie, MP_COOKIE_SAMESITE, "Lax")
        && !is_text(cookie, MP_COOKIE_SAMESITE, "None")) {
        return "samesite must be 'Strict', 'Lax' or 'None'";
    }
    if (!is_secure && is_text(cookie, MP_COOKIE_SAMESITE, "None")) {
        return "samesite='None' goes with secure=True only";
    }
    if (!is_secure && (is_host || (size >= 9 && !ap_cstr_casecmpn(
                                       name, "__Secure-", 9)))) {
        return "a name that begins with __Host- or __Secure- goes with "
               "secure=True only";
    }
    if (is_host && (is_set(cookie, MP_COOKIE_DOMAIN)
                    || !is_text(cookie, MP_COOKIE_PATH, "/"))) {
        return "a name that begins with __Host- goes with path='/' and "
               "without a domain only";
    }
    return NULL;
}

static int
check_rules(const mp_cookie_t *cookie, const char *name, size_t size)
{
    PyObject *secure = cookie->attributes[MP_COOKIE_SECURE];
    int is_secure = secure ? PyObject_IsTrue(secure) : 0;
    if (is_secure < 0) {
        return -1;
    }
    const char *fault = find_fault(cookie, name, size, is_secure);
    if (fault) {
        PyErr_Format(PyExc_ValueError, "browsers ignore this cookie: %s",
                     fault);
        return -1;
    }
    return 0;
}

static int
add_signed(mp_cookie_text_t *text, const mp_cookie_signed_t *opened)
{
    if (!mp_cookie_is_part(opened->value, opened->size)) {
        PyErr_SetString(PyExc_ValueError, "the value of a cookie must not "
                        "contain control characters or ';'");
        return -1;
    }
    return mp_cookie_text_add(text, opened->signature, opened->signature_size)
                       < 0
                   || mp_cookie_text_add(text, opened->value, opened->size) < 0
               ? -1 : 0;
}

int
mp_cookie_render(PyObject *self, mp_cookie_text_t *text,
                 const mp_cookie_signed_t *opened)
{
    const mp_cookie_t *cookie = cookie_of(self);
    if (!cookie->name || !cookie->value) {
        PyErr_SetString(PyExc_AttributeError,
                        "the cookie has no name or no value");
        return -1;
    }
    if (add_object(text, cookie->name, "name", mp_cookie_is_name) < 0
        || check_rules(cookie, text->bytes, text->size) < 0
        || add_word(text, "=") < 0
        || (opened ? add_signed(text, opened)
                   : add_object(text, cookie->value, "value",
                                mp_cookie_is_part)) < 0) {
        return -1;
    }
    for (int i = 0; i < MP_COOKIE_ATTRIBUTES; i++) {
        if (is_set(cookie, (mp_cookie_attribute_t)i)) {
            PyObject *shown = Py_NewRef(cookie->attributes[i]);
            int failed = add_attribute(text, shown, &attributes[i]);
            Py_DECREF(shown);
            if (failed) {
                return -1;
            }
        }
    }
    return 0;
}

static PyObject *
str_cookie(PyObject *self)
{
    mp_cookie_text_t text = {0};
    if (mp_cookie_render(self, &text, NULL) < 0) {
        mp_cookie_text_free(&text);
        return NULL;
    }
    return mp_cookie_text_take(&text);
}

/* Never fails for what is in it: it is for looking. */
static PyObject *
repr_cookie(PyObject *self)
{
    const mp_cookie_t *cookie = cookie_of(self);
    return PyUnicode_FromFormat("<%s: %S=%R>", Py_TYPE(self)->tp_name,
                                cookie->name ? cookie->name : Py_None,
                                cookie->value ? cookie->value : Py_None);
}

/* ---- parsing ----------------------------------------------------------- */

static PyObject *
text_of(const char *bytes, size_t size)
{
    return mp_text_from_size(bytes, (Py_ssize_t)size);
}

/* Is the cookie one of names? */
static int
is_wanted(PyObject *names, const mp_cookie_pair_t *pair, PyObject *name)
{
    if (!names) {
        return 1;
    }
    return PyUnicode_Check(names) ? PyUnicode_Compare(names, name) == 0
                                  : PySequence_Contains(names, name);
}

PyObject *
mp_cookie_make(PyTypeObject *type, PyObject *name,
               const mp_cookie_pair_t *pair, const mp_cookie_choice_t *choice)
{
    mp_state_t *state = mp_state_current();
    PyObject *value = text_of(pair->value, pair->value_size);
    if (!value) {
        return NULL;
    }
    PyObject *cookie = type == state->types[MP_TYPE_COOKIE]
        ? mp_cookie_create(state, MP_TYPE_COOKIE, name, value)
        : PyObject_CallFunctionObjArgs((PyObject *)type, name, value, NULL);
    Py_DECREF(value);
    return cookie;
}

/* Put one cookie into the dict, if it is wanted. */
static int
add_pair(PyObject *cookies, PyTypeObject *type, const mp_cookie_pair_t *pair,
         const mp_cookie_choice_t *choice, mp_cookie_make_fn *make)
{
    PyObject *name = text_of(pair->name, pair->name_size);
    int wanted = name ? is_wanted(choice->names, pair, name) : -1;
    int failed = wanted < 0;
    if (wanted > 0) {
        PyObject *cookie = make(type, name, pair, choice);
        failed = cookie ? PyDict_SetItem(cookies, name, cookie)
                        : PyErr_Occurred() != NULL;
        Py_XDECREF(cookie);
    }
    Py_XDECREF(name);
    return failed ? -1 : 0;
}

PyObject *
mp_cookie_parse(PyTypeObject *type, const char *bytes, size_t size,
                const mp_cookie_choice_t *choice, mp_cookie_make_fn *make)
{
    const char *at = bytes, *end = bytes + size;
    mp_cookie_pair_t pair;
    PyObject *cookies = PyDict_New();
    while (cookies && mp_cookie_next(&at, end, &pair)) {
        /* $Path and the like are attributes of RFC 2965, not cookies. */
        if (*pair.name != '$'
            && add_pair(cookies, type, &pair, choice, make) < 0) {
            Py_CLEAR(cookies);
        }
    }
    return cookies;
}

static PyObject *
parse_cookies(PyObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"header", "names", NULL};
    mp_cookie_choice_t choice = {0};
    PyObject *header;
    mp_text_view_t view;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O:parse", names,
                                     &header, &choice.names)
        || mp_text_view(&view, header, "header") < 0) {
        return NULL;
    }
    if (choice.names == Py_None) {
        choice.names = NULL;
    }
    PyObject *cookies = mp_cookie_parse((PyTypeObject *)type, view.bytes,
                                        (size_t)view.size, &choice,
                                        mp_cookie_make);
    mp_text_release(&view);
    return cookies;
}

/* ---- the type ---------------------------------------------------------- */

static int
traverse_cookie(PyObject *self, visitproc visit, void *arg)
{
    mp_cookie_t *cookie = cookie_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(cookie->name);
    Py_VISIT(cookie->value);
    Py_VISIT(cookie->secret);
    Py_VISIT(cookie->data);
    for (int i = 0; i < MP_COOKIE_ATTRIBUTES; i++) {
        Py_VISIT(cookie->attributes[i]);
    }
    return 0;
}

static int
clear_cookie(PyObject *self)
{
    mp_cookie_t *cookie = cookie_of(self);
    Py_CLEAR(cookie->name);
    Py_CLEAR(cookie->value);
    Py_CLEAR(cookie->secret);
    Py_CLEAR(cookie->data);
    for (int i = 0; i < MP_COOKIE_ATTRIBUTES; i++) {
        Py_CLEAR(cookie->attributes[i]);
    }
    return 0;
}

static void
dealloc_cookie(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear_cookie(self);
    type->tp_free(self);
    Py_DECREF(type);
}

#define WITH_KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef cookie_methods[] = {
    {"parse", WITH_KEYWORDS(parse_cookies) | METH_CLASS,
     "parse($type, header, names=None)\n--\n\n"
     "The cookies of a header Cookie: a dict of name to object.\n\n"
     "names: a str, or an iterable of them, to have only these. Of several\n"
     "cookies of one name the last one counts; names that begin with $ are\n"
     "left out; a quoted value keeps its quotes. No header is an error."},
    {NULL, NULL, 0, NULL}
};

static PyMemberDef cookie_members[] = {
    {"name", T_OBJECT_EX, offsetof(mp_cookie_t, name), 0,
     "str: the name of the cookie."},
    {"value", T_OBJECT_EX, offsetof(mp_cookie_t, value), 0,
     "str: its value; anything that marshal takes in a MarshalCookie."},
    {NULL, 0, 0, 0, NULL}
};

#define ATTRIBUTE(rank, name, doc)                                            \
    {name, get_attribute, set_attribute, doc, (void *)&attributes[rank]}

static PyGetSetDef cookie_attributes[] = {
    ATTRIBUTE(MP_COOKIE_VERSION, "version", "int: version of RFC 2965."),
    ATTRIBUTE(MP_COOKIE_PATH, "path", "str: where it is sent, and below."),
    ATTRIBUTE(MP_COOKIE_DOMAIN, "domain",
              "str: whose hosts get it; without it this host alone."),
    ATTRIBUTE(MP_COOKIE_SECURE, "secure", "bool: over https only."),
    ATTRIBUTE(MP_COOKIE_COMMENT, "comment", "str: of RFC 2965."),
    ATTRIBUTE(MP_COOKIE_EXPIRES, "expires",
              "str: 'Wed, 09-Jun-2027 10:18:14 GMT'. May be set to such a "
              "str, to one\nwith blanks in place of the dashes, or to seconds "
              "since the epoch."),
    ATTRIBUTE(MP_COOKIE_MAX_AGE, "max_age", "int: seconds that it lives."),
    ATTRIBUTE(MP_COOKIE_SAMESITE, "samesite",
              "str: 'Strict', 'Lax' or 'None'."),
    ATTRIBUTE(MP_COOKIE_COMMENT_URL, "commentURL", "str: of RFC 2965."),
    ATTRIBUTE(MP_COOKIE_DISCARD, "discard", "bool: of RFC 2965."),
    ATTRIBUTE(MP_COOKIE_PORT, "port", "str: of RFC 2965."),
    ATTRIBUTE(MP_COOKIE_HTTPONLY, "httponly", "bool: not for scripts."),
    {"__data__", get_data, set_data,
     "dict: for classes that are derived from this one.", NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

static PyType_Slot cookie_slots[] = {
    {Py_tp_doc,
     "Cookie(name, value, **attributes)\n--\n\n"
     "A cookie; str() of it is what Set-Cookie says.\n\n"
     "Attributes, in any case: version, path, domain, secure, comment,\n"
     "expires, max_age, samesite, commentURL, discard, port, httponly; any\n"
     "other is AttributeError. str() raises ValueError for what would add a\n"
     "header or an attribute, and for what browsers ignore (RFC 6265)."},
    {Py_tp_new, new_cookie},
    {Py_tp_init, init_cookie},
    {Py_tp_dealloc, dealloc_cookie},
    {Py_tp_traverse, traverse_cookie},
    {Py_tp_clear, clear_cookie},
    {Py_tp_str, str_cookie},
    {Py_tp_repr, repr_cookie},
    {Py_tp_methods, cookie_methods},
    {Py_tp_members, cookie_members},
    {Py_tp_getset, cookie_attributes},
    {0, NULL},
};

PyType_Spec mp_cookie_spec = {
    .name = "builtins.Cookie",
    .basicsize = sizeof(mp_cookie_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = cookie_slots,
};
