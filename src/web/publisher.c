/* publisher.c - URLs name objects of page modules.
 *
 * Which module a file name leads to each generation of the importer remembers;
 * everything else is looked up for each request, so that nothing a program
 * changes is ever old. No Python code runs for a request but the page's. */
#include "runtime/python.h"

#include "web/publisher.h"

#include "importer/importer.h"
#include "importer/page.h"
#include "objects/request.h"
#include "runtime/text.h"
#include "server/log.h"
#include "web/form.h"
#include "web/fs_data.h"
#include "web/publish_access.h"
#include "web/state.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>
#include <string.h>

/* Callables that give callables that give ... */
#define DEEPEST 100

static int
refuse(mp_state_t *state, int status)
{
    PyObject *number = PyLong_FromLong(status);
    if (number) {
        PyErr_SetObject(state->server_return, number);
        Py_DECREF(number);
    }
    return -1;
}

/* ---- what may be published ---------------------------------------------- */

typedef enum {
    NEITHER,
    PUBLISH,
    TRAVERSE /* and publish */
} permit_t;

/* Types of the standard library's module types: set, borrowed. */
static PyObject *
known_types(mp_web_t *web)
{
    if (web->objects.publisher_types) {
        return web->objects.publisher_types;
    }
    PyObject *types = PyImport_ImportModule("types");
    PyObject *dict = types ? PyModule_GetDict(types) : NULL;
    PyObject *set = dict ? PySet_New(NULL) : NULL;
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (set && PyDict_Next(dict, &position, &name, &value)) {
        if (PyType_Check(value) && PySet_Add(set, value) < 0) {
            Py_CLEAR(set);
        }
    }
    Py_XDECREF(types);
    web->objects.publisher_types = set;
    return set;
}

/* By the exact type of the object. -1 with an exception. */
static int
permit_of(mp_state_t *state, PyObject *object)
{
    if (PyFunction_Check(object)) {
        return PUBLISH;
    }
    if (PyModule_Check(object) || PyCFunction_Check(object)
        || PyType_Check(object)) {
        return NEITHER;
    }
    PyObject *types = known_types(mp_web_of(state));
    int known = types ? PySet_Contains(types, (PyObject *)Py_TYPE(object))
                      : -1;
    return known < 0 ? -1 : known ? PUBLISH : TRAVERSE;
}

/* ---- traversal ---------------------------------------------------------- */

/* A global of the page. New reference; NULL without an exception: there is
 * none. */
static PyObject *
find_global(PyObject *module, PyObject *name)
{
    PyObject *value = NULL;
    if (PyModule_CheckExact(module)
        && PyDict_GetItemRef(PyModule_GetDict(module), name, &value) != 0) {
        return value;
    }
    PyObject_GetOptionalAttr(module, name, &value); /* PEP 562, or no module */
    return value;
}

/* Is the function one of this module? */
static int
is_own_function(mp_state_t *state, PyObject *module, PyObject *function)
{
    PyObject *name = NULL;
    PyObject *own = PyModule_Check(module)
        ? PyDict_GetItemWithError(PyModule_GetDict(module),
                                  state->names.__name__)
        : NULL;
    if (!own) {
        return PyErr_Occurred() ? -1 : 1;
    }
    name = PyObject_GetAttrString(function, "__module__");
    int is = name ? PyObject_RichCompareBool(name, own, Py_EQ) : -1;
    Py_XDECREF(name);
    return is;
}

/* What the page has from others is not the page's. own_name: its __name__, or
 * NULL. */
static int
is_own(mp_state_t *state, PyObject *module, PyObject *own_name,
       PyObject *name, PyObject *object)
{
    if (PyFunction_Check(object)) {
        return ((PyFunctionObject *)object)->func_module == own_name
               || is_own_function(state, module, object);
    }
    if (permit_of(state, object) == NEITHER || !PyModule_Check(module)) {
        return 1; /* that is said otherwise */
    }
    mp_instance_t *instance = mp_instance_of_globals(
        state, PyModule_GetDict(module));
    int imported = instance ? mp_page_is_imported(instance, name) : 0;
    return imported < 0 ? -1 : !imported;
}

/* The first step, from the module. New reference; NULL with an exception. */
static PyObject *
step_in(mp_state_t *state, PyObject *module, PyObject *own_name,
        PyObject *name)
{
    PyObject *object = find_global(module, name);
    int own = object ? is_own(state, module, own_name, name, object) : 1;
    if (own <= 0) {
        Py_CLEAR(object);
    }
    if (!object && !PyErr_Occurred()) {
        refuse(state, HTTP_NOT_FOUND);
    }
    return object;
}

/* Any other. */
static PyObject *
step_on(mp_state_t *state, PyObject *from, PyObject *name)
{
    PyObject *object = NULL;
    int permit = permit_of(state, from);
    if (permit != TRAVERSE) {
        if (permit >= 0) {
            refuse(state, HTTP_FORBIDDEN);
        }
        return NULL;
    }
    if (PyObject_GetOptionalAttr(from, name, &object) == 0) {
        refuse(state, HTTP_NOT_FOUND);
    }
    return object;
}

#define NAMES 64        /* that are kept */
#define LONGEST_NAME 40

/* The list that they are in, by what they look like; borrowed. */
static PyObject *
kept_names(mp_web_t *web)
{
    if (!web->objects.publisher_names) {
        web->objects.publisher_names = PyList_New(NAMES);
        for (int i = 0; web->objects.publisher_names && i < NAMES; i++) {
            PyList_SET_ITEM(web->objects.publisher_names, i,
                            Py_NewRef(Py_None));
        }
    }
    return web->objects.publisher_names;
}

/* A component of a path. The last ones are kept, because to make them and
 * their hashes costs more than to look them up. New str. */
static PyObject *
make_name(mp_state_t *state, const char *text, size_t length)
{
    PyObject *names = length <= LONGEST_NAME ? kept_names(mp_web_of(state))
                                             : NULL;
    if (!names) {
        return PyErr_Occurred()
                   ? NULL : mp_text_from_size(text, (Py_ssize_t)length);
    }
    size_t place = length;
    for (size_t i = 0; i < length; i++) {
        place = place * 33 + (unsigned char)text[i];
    }
    place %= NAMES;
    PyObject *kept = PyList_GET_ITEM(names, (Py_ssize_t)place);
    if (PyUnicode_Check(kept) && PyUnicode_IS_COMPACT_ASCII(kept)
        && (size_t)PyUnicode_GET_LENGTH(kept) == length
        && !memcmp(PyUnicode_1BYTE_DATA(kept), text, length)) {
        return Py_NewRef(kept);
    }
    PyObject *name = mp_text_from_size(text, (Py_ssize_t)length);
    if (name) {
        PyList_SetItem(names, (Py_ssize_t)place, Py_NewRef(name));
    }
    return name;
}

/* The length of the component at path; -1 with SERVER_RETURN. */
static Py_ssize_t
next_component(mp_state_t *state, const char *path)
{
    size_t length = strcspn(path, "/.");
    if (*path == '_') {
        return refuse(state, HTTP_FORBIDDEN);
    }
    return length ? (Py_ssize_t)length : refuse(state, HTTP_NOT_FOUND);
}

/* The object that path ("a/b.c") names in the module, whose __name__ is
 * own_name (may be NULL). New reference; NULL with SERVER_RETURN, or what the
 * page's code raises. */
static PyObject *
resolve(mp_publish_access_t *access, PyObject *module, PyObject *own_name,
        const char *path)
{
    mp_state_t *state = access->state;
    PyObject *object = Py_NewRef(module);
    for (int is_first = 1; object; is_first = 0) {
        Py_ssize_t length = next_component(state, path);
        PyObject *name = length > 0 ? make_name(state, path, (size_t)length)
                                    : NULL;
        PyObject *next = !name ? NULL
                         : is_first ? step_in(state, object, own_name, name)
                                    : step_on(state, object, name);
        Py_XDECREF(name);
        if (next && mp_publish_access_check(access, next) < 0) {
            Py_CLEAR(next);
        }
        Py_SETREF(object, next);
        if (length < 0 || !path[length]) {
            break;
        }
        path += length + 1;
    }
    int permit = object ? permit_of(state, object) : -1;
    if (permit == NEITHER) {
        refuse(state, HTTP_FORBIDDEN);
    }
    if (permit == NEITHER || permit < 0) {
        Py_CLEAR(object);
    }
    return object;
}

/* ---- publishing --------------------------------------------------------- */

/* The form of the request, made if there is none. New reference. */
static PyObject *
find_form(mp_state_t *state, PyObject *req)
{
    PyObject *form = NULL;
    PyObject *name = mp_web_of(state)->names.form;
    if (mp_request_find_set(req, name, &form) != 0) {
        return form;
    }
    form = mp_form_new(state, req, 1);
    if (form && mp_request_set(req, name, form) < 0) {
        Py_CLEAR(form);
    }
    return form;
}

/* An instance may have a __call__ of its own. */
static int
is_callable(mp_state_t *state, PyObject *object)
{
    PyObject *call = NULL;
    if (PyCallable_Check(object)) {
        return 1;
    }
    if (!PyType_HasFeature(Py_TYPE(object), Py_TPFLAGS_HEAPTYPE)) {
        return 0;
    }
    int has = PyObject_GetOptionalAttr(object,
                                       mp_web_of(state)->names.__call__,
                                       &call);
    Py_XDECREF(call);
    return has;
}

/* Do the last 100 characters end with </html>? */
static int
is_html(const char *bytes, Py_ssize_t size)
{
    static const char end[] = "</html";
    const Py_ssize_t length = sizeof(end) - 1;
    const char *first = size > 100 ? bytes + size - 100 : bytes;
    const char *at = bytes + size;
    while (at > first && apr_isspace(at[-1])) {
        at--;
    }
    if (at == first || *--at != '>') {
        return 0;
    }
    while (at > first && apr_isspace(at[-1])) {
        at--;
    }
    return at - first >= length
           && !strncasecmp(at - length, end, (size_t)length);
}

/* 0 or -1. */
static int
write_view(mp_request_object_t *req, const mp_text_view_t *view)
{
    request_rec *r = mp_request_ptr_open((PyObject *)req);
    if (!r) {
        return -1;
    }
    if (!req->content_type_set) {
        ap_set_content_type(r, is_html(view->bytes, view->size)
                                   ? "text/html" : "text/plain");
        req->content_type_set = 1;
    }
    return mp_request_send((PyObject *)req, view->bytes, view->size, 0);
}

/* 1 written, 0 nothing to write, -1. */
static int
write_object(PyObject *req, PyObject *object)
{
    mp_text_view_t view;
    if (object == Py_None) {
        return 0;
    }
    int is_plain = PyUnicode_CheckExact(object) || PyBytes_Check(object);
    PyObject *text = is_plain ? Py_NewRef(object) : PyObject_Str(object);
    if (!text || mp_text_view(&view, text, "page") < 0) {
        Py_XDECREF(text);
        return -1;
    }
    int failed = write_view((mp_request_object_t *)req, &view);
    mp_text_release(&view);
    Py_DECREF(text);
    return failed ? -1 : 1;
}

/* May this take the request? Most functions say so by their names, which is
 * quicker to see than to ask for each of them. */
static int
takes_request(mp_state_t *state, PyObject *object)
{
    if (!PyFunction_Check(object)) {
        return 1;
    }
    const PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(object);
    PyObject *const *names
        = ((PyTupleObject *)code->co_localsplusnames)->ob_item;
    int count = code->co_argcount + code->co_kwonlyargcount;
    for (int i = 0; i < count; i++) {
        if (names[i] == mp_web_of(state)->names.req) {
            return 1;
        }
    }
    return code->co_flags & CO_VARKEYWORDS;
}

/* 1 written, 0 there was nothing, -1. */
static int
publish(mp_state_t *state, PyObject *req, PyObject *object)
{
    PyObject *form = NULL;
    int result = -1, depth = 0;
    Py_INCREF(object);
    while (object) {
        int callable = is_callable(state, object);
        if (callable <= 0) {
            result = callable < 0 ? -1 : write_object(req, object);
            break;
        }
        if (++depth > DEEPEST) {
            PyErr_SetString(PyExc_RecursionError, "what is published gives "
                            "callable objects without an end");
            break;
        }
        if (!form) {
            form = find_form(state, req);
        }
        PyObject *own = takes_request(state, object) ? req : NULL;
        Py_SETREF(object, form ? mp_fs_data_apply(state, object, form, own)
                               : NULL);
    }
    Py_XDECREF(object);
    Py_XDECREF(form);
    return result;
}

/* ---- from a URL to a module --------------------------------------------- */

/* Without ".py", or one of the extensions in this list ("html py "). */
static size_t
strip_one(const char *base, size_t length, const char *extensions)
{
    while (*(extensions += strspn(extensions, " "))) {
        size_t size = strcspn(extensions, " ");
        if (size < length && base[length - size - 1] == '.'
            && !memcmp(base + length - size, extensions, size)) {
            return length - size - 1;
        }
        extensions += size;
    }
    return length;
}

/* The same for all extensions of the request. */
static int
strip_extension(PyObject *req, const char *base, size_t *length)
{
    const char *extension
        = ((mp_request_object_t *)req)->request->extension;
    size_t before = *length;
    if (!memchr(base, '.', before)) {
        return 0;
    }
    *length = strip_one(base, before, "py");
    if (*length == before && extension) {
        *length = strip_one(base, before, extension + 1);
    }
    if (*length < before) {
        return 0;
    }
    PyObject *all = mp_request_get_addhandler_exts(req, NULL);
    const char *text = all ? PyUnicode_AsUTF8(all) : NULL;
    if (text) {
        *length = strip_one(base, before, text);
    }
    Py_XDECREF(all);
    return text ? 0 : -1;
}

/* A request on its way to an object. */
typedef struct {
    mp_state_t *state;
    PyObject *req;
    request_rec *r;
    const char *stem;   /* the module's file, but for ".py": "/site/page" */
    const char *base;   /* the last part of it */
    mp_instance_t *instance; /* owned */
    int is_found;       /* not remembered yet */
} way_t;

/* A Location has given the URL to us, whatever files there are: then the file
 * name is the URL path, and says nothing of files. 0, or -1 with an
 * exception. */
int
mp_publisher_check_mapped(PyObject *req, const char *handler)
{
    mp_request_object_t *object = (mp_request_object_t *)req;
    const request_rec *r = object->request->r;
    if (!object->request->owns_url) {
        return 0;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(MP_LOG_REQUEST(r), APLOG_ERR, 0, "MPY0552",
           "%s serves files, and a <Location> gives it %s, which is none; "
           "use it in a <Directory> or an .htaccess file", handler, r->uri);
    mp_thread_resume(held);
    return refuse(object->base.state, HTTP_NOT_FOUND);
}

/* Which file the request's file name means. 0, or -1 with an exception. */
static int
find_stem(way_t *way)
{
    const char *name = way->r->filename ? way->r->filename : "";
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    size_t length = strlen(base);
    if (!slash) {
        return refuse(way->state, HTTP_NOT_FOUND);
    }
    if (strip_extension(way->req, base, &length) < 0) {
        return -1;
    }
    if (*base == '_') {
        return refuse(way->state, HTTP_FORBIDDEN);
    }
    if (length == 0) {
        way->stem = apr_pstrcat(way->r->pool,
                                apr_pstrmemdup(way->r->pool, name,
                                               (size_t)(base - name)),
                                "index", NULL);
    }
    else {
        way->stem = base[length] ? apr_pstrmemdup(
                        way->r->pool, name, (size_t)(base - name) + length)
                                 : name;
    }
    way->base = way->stem + (base - name);
    return 0;
}

/* The module of the file, or index.py beside it. 0, or -1. */
static int
find_instance(way_t *way)
{
    mp_importer_t *importer = way->state->importer;
    apr_pool_t *pool = way->r->pool;
    mp_instance_t *instance = mp_page_recall(importer, way->stem, NULL);
    if (instance) {
        way->instance = (mp_instance_t *)Py_NewRef((PyObject *)instance);
        return 0;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    way->is_found = 1;
    way->instance = mp_page_load(importer,
                                 apr_pstrcat(pool, way->stem, ".py", NULL),
                                 NULL, way->r, NULL);
    if (!way->instance && !PyErr_Occurred()) {
        way->instance = mp_page_load(
            importer, apr_pstrcat(pool, apr_pstrmemdup(
                                            pool, way->stem,
                                            (size_t)(way->base - way->stem)),
                                  "index.py", NULL), NULL, way->r, NULL);
    }
    return way->instance ? 0 : PyErr_Occurred()
               ? -1 : refuse(way->state, HTTP_NOT_FOUND);
}

/* httpd merges slashes; a path with an empty component is one all the same. Is
 * there "//" in what the client sent of path_info? */
static int
has_empty_component(const request_rec *r)
{
    const char *sent = r->unparsed_uri;
    const char *info = r->path_info;
    size_t length = strlen(r->uri);
    if (!info || !sent || r->main || r->prev
        || (!strncmp(sent, r->uri, length)
            && (!sent[length] || sent[length] == '?'))
        || !strstr(sent, "//")) {
        return 0;
    }
    char *path = apr_pstrmemdup(r->pool, sent, strcspn(sent, "?"));
    ap_unescape_url(path);
    const char *at = path + strlen(path), *want = info + strlen(info);
    while (at > path && want > info && at[-1] == want[-1]) {
        at--;
        want--;
        if (*at == '/' && at > path && at[-1] == '/') {
            return 1;
        }
    }
    return 0;
}

/* The file of the module in r->pool; NULL with an exception. */
static char *
copy_file(const way_t *way)
{
    PyObject *file = way->instance->file;
    return PyUnicode_IS_COMPACT_ASCII(file)
        ? apr_pstrmemdup(way->r->pool, (char *)PyUnicode_1BYTE_DATA(file),
                         (apr_size_t)PyUnicode_GET_LENGTH(file))
        : mp_text_copy(way->r->pool, file, MP_TEXT_PLAIN, "file name");
}

/* req.filename is the module's file, and what is left of the URL is the path
 * of the object in it; NULL with an exception. */
static const char *
take_path(way_t *way)
{
    apr_pool_t *pool = way->r->pool;
    const char *rest = way->r->path_info ? way->r->path_info : "";
    size_t stem = strlen(way->stem);
    char *file = copy_file(way);
    if (!file) {
        return NULL;
    }
    int is_own = !strncmp(file, way->stem, stem)
                 && !strcmp(file + stem, ".py");
    way->r->filename = file;
    rest += *rest == '/';
    size_t length = strlen(rest);
    if (length > 0 && rest[length - 1] == '/') {
        rest = apr_pstrmemdup(pool, rest, length - 1);
    }
    if (!is_own) {
        return *rest ? apr_pstrcat(pool, way->base, "/", rest, NULL)
                     : way->base;
    }
    return *rest ? rest : "index";
}

/* The object that the request names. New reference; NULL with SERVER_RETURN,
 * or what went wrong. */
static PyObject *
find_object(way_t *way, mp_publish_access_t *access)
{
    PyObject *object = NULL;
    if (mp_publisher_check_mapped(way->req, "mod_python.publisher") < 0
        || find_stem(way) < 0 || find_instance(way) < 0
        || mp_page_use(way->state->importer, way->instance, way->r) < 0) {
        return NULL;
    }
    if (has_empty_component(way->r)) {
        refuse(way->state, HTTP_NOT_FOUND);
        return NULL;
    }
    const char *path = take_path(way);
    PyObject *module = Py_NewRef(way->instance->module);
    if (path && mp_publish_access_check(access, module) == 0) {
        object = resolve(access, module, way->instance->name, path);
    }
    Py_DECREF(module);
    /* It did lead to an object: the next request need not look at the disk. */
    if (object && way->is_found
        && mp_page_remember(way->state->importer, way->stem, NULL,
                            way->instance) < 0) {
        Py_CLEAR(object);
    }
    return object;
}

/* ---- the handler -------------------------------------------------------- */

static PyObject *
refuse_method(request_rec *r)
{
    ap_allow_methods(r, REPLACE_ALLOW, "GET", "POST", NULL);
    return PyLong_FromLong(HTTP_METHOD_NOT_ALLOWED);
}

/* Somebody who writes a page may wonder. */
static void
tell_of_nothing(mp_request_object_t *req)
{
    request_rec *r = mp_proxy_ptr((PyObject *)req);
    if (!r || req->request->bytes_queued > 0 || r->next
        || !mp_config_debug(mp_config_of_request(r))) {
        return;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log_plain(MP_LOG_REQUEST(r), APLOG_NOTICE,
                 "mod_python.publisher: %s has nothing to publish: the object "
                 "is None, or its function returned None", r->uri);
    mp_thread_resume(held);
}

PyDoc_STRVAR(handler_doc,
"handler(req, /)\n--\n\n"
"Publish the object that the URL names: the file is a module (its name with\n"
"or without .py; index.py when there is none), the path after it an object\n"
"in that. 404 when there is none; 403 for what is not to be published; 405\n"
"for methods other than GET, HEAD and POST.");

static PyObject *
function_handler(PyObject *module, PyObject *req)
{
    mp_state_t *state = mp_state_of_module(module);
    if (!Py_IS_TYPE(req, state->types[MP_TYPE_REQUEST])) {
        PyErr_SetString(PyExc_TypeError, "handler() takes a request");
        return NULL;
    }
    request_rec *r = mp_request_ptr_open(req);
    if (!r) {
        return NULL;
    }
    if (r->method_number != M_GET && r->method_number != M_POST) {
        return refuse_method(r);
    }
    mp_publish_access_t access = {
        .state = state, .req = req, .is_lazy = 1,
    };
    way_t way = {.state = state, .req = req, .r = r};
    PyObject *object = find_object(&way, &access);
    Py_XDECREF(way.instance);
    mp_publish_access_clear(&access);
    int written = object ? publish(state, req, object) : -1;
    Py_XDECREF(object);
    if (written == 0) {
        tell_of_nothing((mp_request_object_t *)req);
    }
    return written < 0 ? NULL : PyLong_FromLong(OK);
}

/* ---- functions for other packages -------------------------------------- */

/* The absolute path of a page's file, as str: path, or below the directory of
 * the page that the request is for; ".py" may be left out. */
static PyObject *
page_path(PyObject *req, const char *path)
{
    request_rec *r = mp_request_ptr_open(req);
    if (!r) {
        return NULL;
    }
    const char *slash = r->filename ? strrchr(r->filename, '/') : NULL;
    size_t dir = slash && *path != '/' ? (size_t)(slash - r->filename) + 1
                                       : 0;
    PyObject *full = PyUnicode_DecodeFSDefault(
        apr_pstrcat(r->pool, apr_pstrmemdup(r->pool, dir ? r->filename : "",
                                            dir), path, NULL));
    PyObject *os_path = full ? PyImport_ImportModule("os.path") : NULL;
    PyObject *normal = os_path
        ? PyObject_CallMethod(os_path, "normpath", "O", full) : NULL;
    Py_XDECREF(os_path);
    Py_XDECREF(full);
    return normal;
}

static mp_instance_t *
load_page(mp_state_t *state, request_rec *r, const char *file)
{
    size_t length = strlen(file);
    PyObject *globals = PyEval_GetGlobals();
    if (length < 3 || strcmp(file + length - 3, ".py")) {
        const char *python = apr_pstrcat(r->pool, file, ".py", NULL);
        mp_instance_t *instance = mp_page_load(state->importer, python, NULL,
                                               r, globals);
        if (instance || PyErr_Occurred()) {
            return instance;
        }
    }
    return mp_page_load(state->importer, file, NULL, r, globals);
}

PyDoc_STRVAR(get_page_doc,
"get_page(req, path)\n--\n\n"
"The module of another page, the same that a request for it would get now.\n"
"path (str): of its file, with or without .py, absolute or from the\n"
"directory of req.filename. SERVER_RETURN(HTTP_NOT_FOUND) when there is\n"
"none, or what the module raises. The calling module depends on it from now\n"
"on. Not to be kept beyond the request.");

static PyObject *
function_get_page(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"req", "path", NULL};
    mp_state_t *state = mp_state_of_module(module);
    PyObject *req, *page = NULL;
    const char *path;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!s:get_page", names,
                                     state->types[MP_TYPE_REQUEST], &req,
                                     &path)) {
        return NULL;
    }
    PyObject *normal = page_path(req, path);
    PyObject *bytes = normal ? PyUnicode_EncodeFSDefault(normal) : NULL;
    request_rec *r = bytes ? mp_request_ptr_open(req) : NULL;
    mp_instance_t *instance = r
        ? load_page(state, r, PyBytes_AS_STRING(bytes)) : NULL;
    if (instance) {
        page = Py_NewRef(instance->module);
        Py_DECREF(instance);
    }
    else if (!PyErr_Occurred()) {
        refuse(state, HTTP_NOT_FOUND);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(normal);
    return page;
}

/* realm, user and password of a call; None: not known. */
static void
take_client(mp_publish_access_t *access, PyObject *realm, PyObject *user,
            PyObject *password)
{
    access->realm = realm == Py_None ? NULL : Py_XNewRef(realm);
    access->user = user == Py_None ? NULL : Py_XNewRef(user);
    access->password = password == Py_None ? NULL : Py_XNewRef(password);
}

static PyObject *
give_client(mp_publish_access_t *access)
{
    return Py_BuildValue("(OOO)",
                         access->realm ? access->realm : Py_None,
                         access->user ? access->user : Py_None,
                         access->password ? access->password : Py_None);
}

PyDoc_STRVAR(process_auth_doc,
"process_auth(req, object, realm='unknown', user=None, passwd=None)\n--\n\n"
"Apply __auth__, __access__ and __auth_realm__ of an object, and of the\n"
"function that it is. Returns (realm, user, passwd), to be handed on to the\n"
"next; raises SERVER_RETURN with 401, 403 or 400.");

static PyObject *
function_process_auth(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"req", "object", "realm", "user", "passwd", NULL};
    mp_publish_access_t access = {.state = mp_state_of_module(module)};
    PyObject *object, *user = NULL, *password = NULL, *result = NULL;
    PyObject *realm = NULL, *unknown = PyUnicode_FromString("unknown");
    if (!unknown
        || !PyArg_ParseTupleAndKeywords(args, keywords, "O!O|OOO:process_auth",
                                        names,
                                        access.state->types[MP_TYPE_REQUEST],
                                        &access.req, &object, &realm, &user,
                                        &password)) {
        Py_XDECREF(unknown);
        return NULL;
    }
    take_client(&access, realm ? realm : unknown, user, password);
    if (mp_publish_access_check(&access, object) == 0) {
        result = give_client(&access);
    }
    mp_publish_access_clear(&access);
    Py_DECREF(unknown);
    return result;
}

PyDoc_STRVAR(resolve_object_doc,
"resolve_object(req, obj, object_str, realm=None, user=None, passwd=None)\n"
"--\n\n"
"The object that object_str ('a.b' or 'a/b') names in a page module, if the\n"
"client may have it; SERVER_RETURN with 401, 403 or 404 if not.");

static PyObject *
function_resolve_object(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"req", "obj", "object_str", "realm", "user",
                            "passwd", NULL};
    mp_publish_access_t access = {.state = mp_state_of_module(module)};
    PyObject *object, *realm = NULL, *user = NULL, *password = NULL;
    const char *path;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!Os|OOO:resolve_object",
                                     names,
                                     access.state->types[MP_TYPE_REQUEST],
                                     &access.req, &object, &path, &realm,
                                     &user, &password)) {
        return NULL;
    }
    take_client(&access, realm, user, password);
    PyObject *result = resolve(&access, object, NULL, path);
    mp_publish_access_clear(&access);
    return result;
}

PyDoc_STRVAR(publish_object_doc,
"publish_object(req, object)\n--\n\n"
"Write an object to the client: a callable is called with the form's fields\n"
"first. True when something was written.");

static PyObject *
function_publish_object(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"req", "object", NULL};
    mp_state_t *state = mp_state_of_module(module);
    PyObject *req, *object;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!O:publish_object",
                                     names, state->types[MP_TYPE_REQUEST],
                                     &req, &object)) {
        return NULL;
    }
    int written = publish(state, req, object);
    return written < 0 ? NULL : PyBool_FromLong(written);
}

#define KEYWORDS(function) \
    (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

PyMethodDef mp_publisher_functions[] = {
    {"publisher_handler", function_handler, METH_O, handler_doc},
    {"get_page", KEYWORDS(function_get_page), get_page_doc},
    {"process_auth", KEYWORDS(function_process_auth), process_auth_doc},
    {"resolve_object", KEYWORDS(function_resolve_object), resolve_object_doc},
    {"publish_object", KEYWORDS(function_publish_object), publish_object_doc},
    {NULL, NULL, 0, NULL}
};
