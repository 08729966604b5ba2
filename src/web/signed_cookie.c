/* signed_cookie.c - cookies that nobody but the server can make.
 *
 * The signature is hmac of the standard library, which is OpenSSL's. It is
 * compared in constant time, and a MarshalCookie is unmarshalled only after it
 * held, because marshal trusts what it reads. */
#include "runtime/python.h"

#include "web/signed_cookie.h"

#include "runtime/text.h"
#include "web/state.h"

#include <apr_base64.h>
#include <marshal.h>

#include <string.h>

#define MD5_SIZE 32 /* digits of a signature of old releases */
#define SECRETS_KEPT 16

static mp_cookie_t *
cookie_of(PyObject *self)
{
    return (mp_cookie_t *)self;
}

/* The names of what parse() takes as mismatch. */
static int
add_choices(PyTypeObject *type)
{
    static const struct {
        const char *name;
        long value;
    } rows[] = {{"DOWNGRADE", MP_COOKIE_DOWNGRADE},
                {"IGNORE", MP_COOKIE_IGNORE},
                {"EXCEPTION", MP_COOKIE_EXCEPTION}};
    int failed = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !failed; i++) {
        PyObject *value = PyLong_FromLong(rows[i].value);
        failed = value ? PyDict_SetItemString(type->tp_dict, rows[i].name,
                                              value) : -1;
        Py_XDECREF(value);
    }
    PyType_Modified(type); /* which is immutable for others by now */
    return failed;
}

int
mp_signed_cookie_add(mp_state_t *state)
{
    mp_web_t *web = mp_web_of(state);
    web->objects.cookie_error = PyErr_NewExceptionWithDoc(
        "mod_python.Cookie.CookieError",
        "A cookie cannot be signed, or its signature does not hold.",
        PyExc_Exception, NULL);
    if (add_choices(state->types[MP_TYPE_COOKIE]) < 0) {
        return -1;
    }
    return web->objects.cookie_error
               ? PyModule_AddObjectRef(state->web, "CookieError",
                                       web->objects.cookie_error)
               : -1;
}

PyObject *
mp_signed_cookie_refuse(const char *format, PyObject *name)
{
    const mp_web_t *web = mp_web_of(mp_state_current());
    return PyErr_Format(web->objects.cookie_error, format, name);
}

/* ---- signatures -------------------------------------------------------- */

/* hmac.new(key, digestmod=...), by the function of Python's OpenSSL where it
 * has one. New reference; NULL with an exception. */
static PyObject *
new_hmac(PyObject *key, PyObject *digest)
{
    PyObject *module = PyImport_ImportModule("_hashlib");
    PyObject *function = module ? PyObject_GetAttrString(module, "hmac_new")
                                : NULL;
    if (!function) {
        PyErr_Clear(); /* it is not a promise of Python's */
        Py_XDECREF(module);
        module = PyImport_ImportModule("hmac");
        function = module ? PyObject_GetAttrString(module, "new") : NULL;
    }
    PyObject *args = function ? PyTuple_Pack(1, key) : NULL;
    PyObject *keywords = args ? Py_BuildValue("{s:O}", "digestmod", digest)
                              : NULL;
    PyObject *made = keywords ? PyObject_Call(function, args, keywords)
                              : NULL;
    Py_XDECREF(keywords);
    Py_XDECREF(args);
    Py_XDECREF(function);
    Py_XDECREF(module);
    return made;
}

/* A secret as bytes: itself, or a str in UTF-8. New reference; NULL with an
 * exception. */
static PyObject *
secret_bytes(PyObject *secret)
{
    if (PyBytes_Check(secret)) {
        return Py_NewRef(secret);
    }
    if (PyUnicode_Check(secret)) {
        return PyUnicode_IS_COMPACT_ASCII(secret)
                   ? PyBytes_FromStringAndSize(
                         (const char *)PyUnicode_1BYTE_DATA(secret),
                         PyUnicode_GET_LENGTH(secret))
                   : PyUnicode_AsEncodedString(secret, "utf-8",
                                               "surrogateescape");
    }
    return PyErr_Format(PyExc_TypeError, "a secret must be str or bytes, or a "
                        "list or tuple of them, not %.200s",
                        Py_TYPE(secret)->tp_name);
}

/* The hex digits of a digest that hmac.digest() gave. */
static int
write_hex(PyObject *digest, char *hex, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    if (!PyBytes_Check(digest)
        || (size_t)PyBytes_GET_SIZE(digest) * 2 != size) {
        PyErr_SetString(PyExc_SystemError, "hmac gave no digest");
        return -1;
    }
    const unsigned char *bytes
        = (const unsigned char *)PyBytes_AS_STRING(digest);
    for (size_t i = 0; i < size / 2; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 0;
}

/* What is signed: name "=" value, or of old name value. */
static PyObject *
join_message(const mp_cookie_pair_t *pair, int is_old)
{
    Py_ssize_t size = (Py_ssize_t)(pair->name_size + !is_old
                                   + pair->value_size);
    PyObject *message = PyBytes_FromStringAndSize(NULL, size);
    if (message) {
        char *at = PyBytes_AS_STRING(message);
        memcpy(at, pair->name, pair->name_size);
        at += pair->name_size;
        if (!is_old) {
            *at++ = '=';
        }
        memcpy(at, pair->value, pair->value_size);
    }
    return message;
}

/* An object that has hashed the secret already, to be copied: half of the work
 * of a signature is that. New reference; NULL with an exception. */
static PyObject *
begin_hmac(mp_web_t *web, PyObject *secret, int is_old)
{
    if (!web->objects.hmac_keys) {
        web->objects.hmac_keys = PyDict_New();
    }
    PyObject *keys = web->objects.hmac_keys;
    PyObject *begun = keys && !is_old ? PyDict_GetItemWithError(keys, secret)
                                      : NULL;
    if (begun || !keys || PyErr_Occurred()) {
        return Py_XNewRef(begun);
    }
    PyObject *key = secret_bytes(secret);
    begun = key ? new_hmac(key, is_old ? web->names.md5 : web->names.sha256)
                : NULL;
    Py_XDECREF(key);
    if (begun && !is_old) {
        if (PyDict_GET_SIZE(keys) >= SECRETS_KEPT) {
            PyDict_Clear(keys); /* a program that has many */
        }
        if (PyDict_SetItem(keys, secret, begun) < 0) {
            Py_CLEAR(begun);
        }
    }
    return begun;
}

/* hex: room for 64 digits, or 32 of an old one. 0, or -1 with an exception. */
static int
sign(PyObject *secret, const mp_cookie_pair_t *pair, int is_old, char *hex)
{
    mp_web_t *web = mp_web_of(mp_state_current());
    PyObject *begun = begin_hmac(web, secret, is_old);
    PyObject *hash = begun ? PyObject_CallMethodNoArgs(begun, web->names.copy)
                           : NULL;
    PyObject *message = hash ? join_message(pair, is_old) : NULL;
    PyObject *done = message ? PyObject_CallMethodOneArg(
                                   hash, web->names.update, message)
                             : NULL;
    PyObject *digest = done ? PyObject_CallMethodNoArgs(hash,
                                                        web->names.digest)
                            : NULL;
    int failed = digest ? write_hex(digest, hex, is_old ? MD5_SIZE
                                                        : MP_SIGNATURE_SIZE)
                        : -1;
    Py_XDECREF(digest);
    Py_XDECREF(done);
    Py_XDECREF(message);
    Py_XDECREF(hash);
    Py_XDECREF(begun);
    return failed;
}

/* Secret number i of those in secret, borrowed; NULL behind the last. An empty
 * one is none. */
static PyObject *
nth_secret(PyObject *secret, Py_ssize_t i)
{
    if (!secret || secret == Py_None) {
        return NULL;
    }
    if (PyList_Check(secret) || PyTuple_Check(secret)) {
        return i < PySequence_Fast_GET_SIZE(secret)
                   ? PySequence_Fast_GET_ITEM(secret, i) : NULL;
    }
    return i == 0 && PyObject_Length(secret) != 0 ? secret : NULL;
}

/* The first of secret, which signs. Borrowed; NULL with CookieError. */
static PyObject *
first_secret(PyObject *secret)
{
    PyObject *first = nth_secret(secret, 0);
    PyErr_Clear(); /* what has no length is no text: sign() says so */
    if (!first) {
        mp_signed_cookie_refuse("a cookie cannot be signed without a secret",
                                NULL);
    }
    return first;
}

/* 1, 0, or -1 with an exception. */
static int
holds(PyObject *secret, const mp_cookie_pair_t *pair, size_t digits)
{
    char hex[MP_SIGNATURE_SIZE];
    mp_cookie_pair_t signed_part = *pair;
    if (pair->value_size < digits) {
        return 0;
    }
    signed_part.value += digits;
    signed_part.value_size -= digits;
    int result = 0;
    PyObject *one;
    for (Py_ssize_t i = 0; (one = nth_secret(secret, i)) && !result; i++) {
        Py_INCREF(one);
        result = sign(one, &signed_part, digits == MD5_SIZE, hex) < 0
                     ? -1 : mp_cookie_is_same(hex, pair->value, digits);
        Py_DECREF(one);
    }
    return result;
}

int
mp_signed_cookie_verify(PyObject *secret, const mp_cookie_pair_t *pair,
                        int md5, const char **value, size_t *size)
{
    size_t digits = MP_SIGNATURE_SIZE;
    if (!first_secret(secret)) {
        return -1;
    }
    int result = holds(secret, pair, digits);
    if (!result && md5) {
        digits = MD5_SIZE;
        result = holds(secret, pair, digits);
    }
    if (result > 0) {
        *value = pair->value + digits;
        *size = pair->value_size - digits;
    }
    return result;
}

/* ---- the secret and value of a cookie ---------------------------------- */

/* Of __data__, if a program has looked at that, because it may have changed
 * it. Borrowed; NULL: none. */
static PyObject *
secret_of(const mp_cookie_t *cookie)
{
    return cookie->data ? PyDict_GetItemString(cookie->data, "secret")
                        : cookie->secret;
}

/* The cookie was good: from now on it has the value that was signed. */
static int
keep_opened(mp_cookie_t *cookie, PyObject *secret, PyObject *value)
{
    if (cookie->data
        && PyDict_SetItemString(cookie->data, "secret", secret) < 0) {
        return -1;
    }
    Py_XSETREF(cookie->secret, Py_NewRef(secret));
    Py_XSETREF(cookie->value, Py_NewRef(value));
    return 0;
}

/* Views of name and value; both are to be released. 0, or -1. */
static int
view_pair(const mp_cookie_t *cookie, PyObject *value, mp_text_view_t views[2],
          mp_cookie_pair_t *pair)
{
    if (!cookie->name || !value) {
        PyErr_SetString(PyExc_AttributeError,
                        "the cookie has no name or no value");
        return -1;
    }
    if (mp_text_view(&views[0], cookie->name, "name") < 0) {
        return -1;
    }
    if (mp_text_view(&views[1], value, "value") < 0) {
        mp_text_release(&views[0]);
        return -1;
    }
    *pair = (mp_cookie_pair_t){views[0].bytes, (size_t)views[0].size,
                               views[1].bytes, (size_t)views[1].size};
    return 0;
}

static void
release_pair(mp_text_view_t views[2])
{
    mp_text_release(&views[0]);
    mp_text_release(&views[1]);
}

static PyObject *
hexdigest(PyObject *self, PyObject *text)
{
    mp_text_view_t views[2];
    mp_cookie_pair_t pair;
    char hex[MP_SIGNATURE_SIZE];
    PyObject *secret = first_secret(secret_of(cookie_of(self)));
    if (!secret || view_pair(cookie_of(self), text, views, &pair) < 0) {
        return NULL;
    }
    int failed = sign(secret, &pair, 0, hex);
    release_pair(views);
    return failed ? NULL : PyUnicode_FromStringAndSize(hex, sizeof(hex));
}

/* The text of a cookie that goes out with this value. 0, or -1 with an
 * exception. */
static int
render_value(PyObject *self, PyObject *value, mp_cookie_text_t *text)
{
    mp_text_view_t views[2];
    mp_cookie_pair_t pair;
    char hex[MP_SIGNATURE_SIZE];
    PyObject *secret = first_secret(secret_of(cookie_of(self)));
    if (!secret || view_pair(cookie_of(self), value, views, &pair) < 0) {
        return -1;
    }
    mp_cookie_signed_t opened = {hex, sizeof(hex), pair.value,
                                 pair.value_size};
    int failed = sign(secret, &pair, 0, hex) < 0
                     ? -1 : mp_cookie_render(self, text, &opened);
    release_pair(views);
    return failed;
}

/* marshal's bytes of the value in base64. New str; NULL with an exception. */
static PyObject *
dump_marshalled(PyObject *value)
{
    PyObject *data = PyMarshal_WriteObjectToString(value, Py_MARSHAL_VERSION);
    if (!data) {
        return NULL;
    }
    int size = (int)PyBytes_GET_SIZE(data);
    char *encoded = PyMem_Malloc((size_t)apr_base64_encode_len(size));
    PyObject *text = NULL;
    if (encoded) {
        int length = apr_base64_encode_binary(
            encoded, (const unsigned char *)PyBytes_AS_STRING(data), size);
        text = PyUnicode_FromStringAndSize(encoded, length - 1);
        PyMem_Free(encoded);
    }
    else {
        PyErr_NoMemory();
    }
    Py_DECREF(data);
    return text;
}

int
mp_signed_cookie_render(PyObject *self, mp_cookie_text_t *text)
{
    const mp_cookie_t *cookie = cookie_of(self);
    PyObject *value = cookie->value ? cookie->value : Py_None;
    PyObject *plain;
    if (PyObject_TypeCheck(self,
                           cookie->state->types[MP_TYPE_MARSHAL_COOKIE])) {
        plain = dump_marshalled(value);
    }
    else {
        plain = PyUnicode_Check(value) || PyBytes_Check(value)
                    ? Py_NewRef(value) : PyObject_Str(value);
    }
    int failed = plain ? render_value(self, plain, text) : -1;
    Py_XDECREF(plain);
    return failed;
}

static PyObject *
str_signed(PyObject *self)
{
    mp_cookie_text_t text = {0};
    if (mp_signed_cookie_render(self, &text) < 0) {
        mp_cookie_text_free(&text);
        return NULL;
    }
    return mp_cookie_text_take(&text);
}

/* ---- opening ----------------------------------------------------------- */

/* The value that was signed, of the value self has. New str; NULL with
 * CookieError. */
static PyObject *
open_value(PyObject *self, PyObject *secret, int md5)
{
    mp_text_view_t views[2];
    mp_cookie_pair_t pair;
    const char *value;
    size_t size;
    if (view_pair(cookie_of(self), cookie_of(self)->value, views, &pair)
        < 0) {
        return NULL;
    }
    int is_good = mp_signed_cookie_verify(secret, &pair, md5, &value, &size);
    PyObject *opened = is_good > 0
        ? mp_text_from_size(value, (Py_ssize_t)size) : NULL;
    release_pair(views);
    return is_good ? opened
                   : mp_signed_cookie_refuse(
                         "the signature of the cookie %R does not hold",
                         cookie_of(self)->name);
}

/* marshal's object out of base64. NULL with CookieError. */
static PyObject *
load_marshalled(PyObject *name, PyObject *text)
{
    mp_text_view_t view;
    if (mp_text_string(&view, text, MP_TEXT_PLAIN, "value") < 0) {
        return NULL;
    }
    char *bytes = PyMem_Malloc((size_t)apr_base64_decode_len(view.bytes) + 1);
    PyObject *value = NULL;
    if (bytes) {
        int size = apr_base64_decode_binary((unsigned char *)bytes,
                                            view.bytes);
        value = PyMarshal_ReadObjectFromString(bytes, size);
        PyMem_Free(bytes);
    }
    else {
        PyErr_NoMemory();
    }
    mp_text_release(&view);
    if (!value && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear(); /* it becomes a CookieError */
        mp_signed_cookie_refuse("the value of the cookie %R is signed, but "
                                "it is not marshalled data", name);
    }
    return value;
}

static PyObject *
open_cookie(PyObject *self, PyObject *secret, int md5, int is_marshalled)
{
    PyObject *value = open_value(self, secret, md5);
    if (value && is_marshalled) {
        Py_SETREF(value, load_marshalled(cookie_of(self)->name, value));
    }
    int failed = value ? keep_opened(cookie_of(self), secret, value) : -1;
    Py_XDECREF(value);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
unsign(PyObject *self, PyObject *secret)
{
    return open_cookie(self, secret, 0, 0);
}

static PyObject *
unmarshal(PyObject *self, PyObject *secret)
{
    return open_cookie(self, secret, 0, 1);
}

/* ---- parsing ----------------------------------------------------------- */

/* One of our own types: nobody needs to see it before it is opened. */
static PyObject *
make_own(mp_state_t *state, mp_type_id_t id, PyObject *name,
         const mp_cookie_pair_t *pair, const mp_cookie_choice_t *choice)
{
    const char *bytes;
    size_t size;
    int is_good = mp_signed_cookie_verify(choice->secret, pair, choice->md5,
                                          &bytes, &size);
    if (is_good <= 0) {
        return is_good ? NULL : mp_signed_cookie_refuse(
            "the signature of the cookie %R does not hold", name);
    }
    PyObject *value = mp_text_from_size(bytes, (Py_ssize_t)size);
    if (value && id == MP_TYPE_MARSHAL_COOKIE) {
        Py_SETREF(value, load_marshalled(name, value));
    }
    PyObject *cookie = value ? mp_cookie_create(state, id, name, value)
                             : NULL;
    Py_XDECREF(value);
    if (cookie) {
        cookie_of(cookie)->secret = Py_NewRef(choice->secret);
    }
    return cookie;
}

/* A cookie of a class of the program, opened by its own method. */
static PyObject *
make_derived(PyTypeObject *type, int is_marshalled, PyObject *name,
             const mp_cookie_pair_t *pair, const mp_cookie_choice_t *choice)
{
    PyObject *value = mp_text_from_size(pair->value,
                                        (Py_ssize_t)pair->value_size);
    PyObject *cookie = value ? PyObject_CallFunctionObjArgs(
                                   (PyObject *)type, name, value, NULL)
                             : NULL;
    PyObject *done = NULL;
    if (cookie && choice->md5) {
        done = open_cookie(cookie, choice->secret, 1, is_marshalled);
    }
    else if (cookie) {
        done = PyObject_CallMethod(cookie,
                                   is_marshalled ? "unmarshal" : "unsign",
                                   "O", choice->secret);
    }
    Py_XDECREF(value);
    if (!done) {
        Py_CLEAR(cookie);
    }
    Py_XDECREF(done);
    return cookie;
}

static PyObject *
make_opened(PyTypeObject *type, PyObject *name, const mp_cookie_pair_t *pair,
            const mp_cookie_choice_t *choice)
{
    mp_state_t *state = mp_state_current();
    PyTypeObject *marshal = state->types[MP_TYPE_MARSHAL_COOKIE];
    if (type == marshal || type == state->types[MP_TYPE_SIGNED_COOKIE]) {
        return make_own(state, type == marshal ? MP_TYPE_MARSHAL_COOKIE
                                               : MP_TYPE_SIGNED_COOKIE,
                        name, pair, choice);
    }
    return make_derived(type, PyType_IsSubtype(type, marshal), name, pair,
                        choice);
}

PyObject *
mp_signed_cookie_make(PyTypeObject *type, PyObject *name,
                      const mp_cookie_pair_t *pair,
                      const mp_cookie_choice_t *choice)
{
    mp_state_t *state = mp_state_current();
    int has_secret = nth_secret(choice->secret, 0) != NULL;
    PyErr_Clear(); /* of its length; before there is an exception to keep */
    PyObject *cookie = make_opened(type, name, pair, choice);
    if (cookie || choice->mismatch == MP_COOKIE_EXCEPTION
        || !PyErr_ExceptionMatches(mp_web_of(state)->objects.cookie_error)
        || !has_secret) {
        return cookie;
    }
    PyErr_Clear(); /* a wrong signature has a meaning here */
    return choice->mismatch == MP_COOKIE_IGNORE
               ? NULL
               : mp_cookie_make(state->types[MP_TYPE_COOKIE], name, pair,
                                choice);
}

/* Arguments of parse(); the first one is the header, or absent. */
static int
read_choice(mp_cookie_choice_t *choice, PyObject *args, PyObject *keywords,
            PyObject **header)
{
    static char *names[] = {"header", "secret", "mismatch", "names", "md5",
                            NULL};
    if (!PyArg_ParseTupleAndKeywords(
            args, keywords, "OO|iOp:parse", names, header, &choice->secret,
            &choice->mismatch, &choice->names, &choice->md5)) {
        return -1;
    }
    if (choice->mismatch != MP_COOKIE_DOWNGRADE
        && choice->mismatch != MP_COOKIE_IGNORE
        && choice->mismatch != MP_COOKIE_EXCEPTION) {
        PyErr_Format(PyExc_ValueError, "mismatch must be Cookie.DOWNGRADE, "
                     "IGNORE or EXCEPTION, not %d", choice->mismatch);
        return -1;
    }
    if (choice->names == Py_None) {
        choice->names = NULL;
    }
    return first_secret(choice->secret) ? 0 : -1;
}

static int
choose_one(mp_cookie_choice_t *choice, const mp_web_t *web, PyObject *name,
           PyObject *value)
{
    if (name == web->names.secret) { /* keywords of calls are interned */
        choice->secret = value;
        return 1;
    }
    if (name == web->names.mismatch && PyLong_Check(value)) {
        choice->mismatch = (int)PyLong_AsLong(value);
        return choice->mismatch == MP_COOKIE_DOWNGRADE
               || choice->mismatch == MP_COOKIE_IGNORE
               || choice->mismatch == MP_COOKIE_EXCEPTION;
    }
    return 0;
}

int
mp_signed_cookie_choose(mp_cookie_choice_t *choice, PyObject *keywords)
{
    const mp_web_t *web = mp_web_of(mp_state_current());
    PyObject *name, *value, *header;
    Py_ssize_t at = 0;
    int is_usual = keywords != NULL;
    while (is_usual && PyDict_Next(keywords, &at, &name, &value)) {
        is_usual = choose_one(choice, web, name, value);
    }
    if (is_usual && choice->secret) {
        return first_secret(choice->secret) ? 0 : -1;
    }
    PyObject *args = PyTuple_Pack(1, Py_None);
    int failed = args ? read_choice(choice, args, keywords, &header) : -1;
    Py_XDECREF(args);
    return failed;
}

static PyObject *
parse_signed(PyObject *type, PyObject *args, PyObject *keywords)
{
    mp_cookie_choice_t choice = {0};
    PyObject *header;
    mp_text_view_t view;
    if (read_choice(&choice, args, keywords, &header) < 0
        || mp_text_view(&view, header, "header") < 0) {
        return NULL;
    }
    PyObject *cookies = mp_cookie_parse((PyTypeObject *)type, view.bytes,
                                        (size_t)view.size, &choice,
                                        mp_signed_cookie_make);
    mp_text_release(&view);
    return cookies;
}

/* ---- the types --------------------------------------------------------- */

static int
init_signed(PyObject *self, PyObject *args, PyObject *keywords)
{
    return mp_cookie_init(self, args, keywords, 1);
}

#define WITH_KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef signed_methods[] = {
    {"parse", WITH_KEYWORDS(parse_signed) | METH_CLASS,
     "parse($type, header, secret, mismatch=0, names=None, md5=False)\n--\n\n"
     "The cookies of a header Cookie that are signed with secret: a dict.\n\n"
     "mismatch: what others become. Cookie.DOWNGRADE: plain Cookies, with\n"
     "the value as it came; Cookie.IGNORE: nothing; Cookie.EXCEPTION:\n"
     "CookieError. names: a str, or an iterable of them, to have only these.\n"
     "md5: signatures of old releases (HMAC-MD5) hold, too."},
    {"hexdigest", hexdigest, METH_O,
     "hexdigest($self, str, /)\n--\n\n"
     "The signature (64 hex digits) that the value str has in a cookie of\n"
     "this name. CookieError without a secret."},
    {"unsign", unsign, METH_O,
     "unsign($self, secret, /)\n--\n\n"
     "Check the signature that the value begins with, and take it off.\n"
     "CookieError when it does not hold."},
    {NULL, NULL, 0, NULL}
};

static PyType_Slot signed_slots[] = {
    {Py_tp_doc,
     "SignedCookie(name, value, secret=None, **attributes)\n--\n\n"
     "A Cookie that shows whether it was changed: HMAC-SHA256 of its name\n"
     "and value stands before the value. Everybody can read it.\n\n"
     "secret: str or bytes, or a list of them: the first one signs, and all\n"
     "are good for reading. str() raises CookieError without one."},
    {Py_tp_init, init_signed},
    {Py_tp_str, str_signed},
    {Py_tp_methods, signed_methods},
    {0, NULL},
};

PyType_Spec mp_signed_cookie_spec = {
    .name = "builtins.SignedCookie",
    .basicsize = sizeof(mp_cookie_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = signed_slots,
};

static PyMethodDef marshal_methods[] = {
    {"unmarshal", unmarshal, METH_O,
     "unmarshal($self, secret, /)\n--\n\n"
     "unsign(), and then the object that marshal makes of the value.\n"
     "CookieError when the signature does not hold, or when that is none."},
    {NULL, NULL, 0, NULL}
};

static PyType_Slot marshal_slots[] = {
    {Py_tp_doc,
     "MarshalCookie(name, value, secret=None, **attributes)\n--\n\n"
     "A SignedCookie whose value may be any object that marshal takes:\n"
     "numbers, str, bytes, and tuples, lists, sets and dicts of them.\n"
     "Nothing is unmarshalled before its signature held."},
    {Py_tp_methods, marshal_methods},
    {0, NULL},
};

PyType_Spec mp_marshal_cookie_spec = {
    .name = "builtins.MarshalCookie",
    .basicsize = sizeof(mp_cookie_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = marshal_slots,
};
