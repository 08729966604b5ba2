/* builtin.c - assembles _web and _psp from what the files of this layer
 * export. */
#include "runtime/python.h"

#include "web/builtin.h"

#include "web/cgi.h"
#include "web/cookie_jar.h"
#include "web/form.h"
#include "web/fs_data.h"
#include "web/query.h"
#include "web/psp.h"
#include "web/psp_page.h"
#include "web/publisher.h"
#include "web/session_lock.h"
#include "web/session_request.h"
#include "web/signed_cookie.h"
#include "web/state.h"
#include "web/wsgi.h"

/* Types that _web shows, and by which name. */
static const struct {
    mp_type_id_t id;
    const char *name;
} types[] = {
    {MP_TYPE_WSGI_FILE_WRAPPER, "FileWrapper"},
    {MP_TYPE_COOKIE, "Cookie"},
    {MP_TYPE_SIGNED_COOKIE, "SignedCookie"},
    {MP_TYPE_MARSHAL_COOKIE, "MarshalCookie"},
    {MP_TYPE_STRING_FIELD, "StringField"},
    {MP_TYPE_FILE_FIELD, "Field"},
    {MP_TYPE_FIELD_LIST, "FieldList"},
    {MP_TYPE_FORM, "FieldStorage"},
    {MP_TYPE_PSP, "PSPInterface"},
    {MP_TYPE_PSP_PAGE, "psp_page"},
    {MP_TYPE_SESSION, "BaseSession"},
    {MP_TYPE_SHARED_SESSION, "SharedSession"},
    {MP_TYPE_COUNT, NULL}
};

static PyMethodDef *const functions[] = {
    mp_cgi_functions,
    mp_wsgi_functions,
    mp_psp_functions,
    mp_psp_page_functions,
    mp_publisher_functions,
    mp_cookie_jar_functions,
    mp_query_functions,
    mp_fs_data_functions,
    mp_session_functions,
    mp_session_lock_functions,
    NULL
};

/* Exceptions and the like. */
static int (*const add[])(mp_state_t *) = {
    mp_signed_cookie_add,
    mp_form_add,
    NULL
};

static PyMethodDef *const psp_functions[] = {
    mp_psp_parse_functions,
    NULL
};

/* self of each function is _apache: mp_state_of_module() works as in its
 * own. */
static int
add_functions(mp_state_t *state, PyObject *module, PyMethodDef *const *arrays)
{
    PyObject *name = PyModule_GetNameObject(module);
    int failed = name ? 0 : -1;
    for (; *arrays && !failed; arrays++) {
        for (PyMethodDef *method = *arrays; method->ml_name && !failed;
             method++) {
            PyObject *function = PyCFunction_NewEx(method, state->module,
                                                   name);
            failed = function ? PyModule_AddObjectRef(module, method->ml_name,
                                                      function) : -1;
            Py_XDECREF(function);
        }
    }
    Py_XDECREF(name);
    return failed;
}

static int
add_names(mp_web_t *web)
{
#define X(name)                                                   \
    web->names.name = PyUnicode_InternFromString(#name);          \
    if (!web->names.name) {                                       \
        return -1;                                                \
    }
    MP_WEB_NAMES(X)
#undef X
    return 0;
}

static int
exec_web(PyObject *module)
{
    mp_state_t *state = mp_state_current();
    mp_web_t *web = PyModule_GetState(module);
    web->state = state;
    Py_XSETREF(state->web, Py_NewRef(module));
    if (add_names(web) < 0) {
        return -1;
    }
    for (int i = 0; types[i].name; i++) {
        PyObject *type = (PyObject *)state->types[types[i].id];
        if (PyModule_AddObjectRef(module, types[i].name, type) < 0) {
            return -1;
        }
    }
    for (int (*const *function)(mp_state_t *) = add; *function; function++) {
        if ((*function)(state) < 0) {
            return -1;
        }
    }
    return add_functions(state, module, functions);
}

static int
exec_psp(PyObject *module)
{
    return add_functions(mp_state_current(), module, psp_functions);
}

static int
traverse_web(PyObject *module, visitproc visit, void *arg)
{
    mp_web_t *web = PyModule_GetState(module);
#define X(name) Py_VISIT(web->objects.name);
    MP_WEB_OBJECTS(X)
#undef X
    (void)web;
    return 0;
}

static int
clear_web(PyObject *module)
{
    mp_web_t *web = PyModule_GetState(module);
#define X(name) Py_CLEAR(web->objects.name);
    MP_WEB_OBJECTS(X)
#undef X
#define X(name) Py_CLEAR(web->names.name);
    MP_WEB_NAMES(X)
#undef X
    return 0;
}

static void
free_web(void *module)
{
    clear_web(module);
}

static PyModuleDef_Slot web_slots[] = {
    {Py_mod_exec, exec_web},
    MP_MODULE_SLOTS
    {0, NULL}
};

static struct PyModuleDef web_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_web",
    .m_doc = "Forms, cookies, sessions, pages; use them through mod_python.",
    .m_size = sizeof(mp_web_t),
    .m_slots = web_slots,
    .m_traverse = traverse_web,
    .m_clear = clear_web,
    .m_free = free_web,
};

static PyModuleDef_Slot psp_slots[] = {
    {Py_mod_exec, exec_psp},
    MP_MODULE_SLOTS
    {0, NULL}
};

static struct PyModuleDef psp_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_psp",
    .m_doc = "The scanner of PSP pages; use it through mod_python.psp.",
    .m_slots = psp_slots,
};

static PyObject *
init_web(void)
{
    return PyModuleDef_Init(&web_def);
}

static PyObject *
init_psp(void)
{
    return PyModuleDef_Init(&psp_def);
}

const mp_builtin_t mp_web_builtins[] = {
    {"_web", init_web},
    {"_psp", init_psp},
    {NULL, NULL}
};

/* What _apache had before there was _web, and so had apache. */
static int
add_old_names(mp_state_t *state, PyObject *module)
{
    static const char *const names[] = {"parse_qs", "parse_qsl"};
    int failed = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !failed; i++) {
        PyObject *function = PyObject_GetAttrString(module, names[i]);
        failed = function ? PyModule_AddObjectRef(state->module, names[i],
                                                  function) : -1;
        Py_XDECREF(function);
    }
    return failed;
}

int
mp_web_start(mp_state_t *state)
{
    PyObject *module = PyImport_ImportModule("_web");
    int failed = module ? add_old_names(state, module) : -1;
    Py_XDECREF(module);
    return failed;
}
