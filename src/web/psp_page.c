/* psp_page.c - from the text of a PSP page to code that is run for requests.
 *
 * The scanner (core/pspscan.c) makes a program of it, mod_python.psp compiles
 * that. Owns mp_psp_page. The surprising rule: a page's globals begin as a
 * copy of its module's, so that its imports are those of that module. */
#include "runtime/python.h"

#include "web/psp_page.h"

#include "core/pspscan.h"
#include "importer/api.h"
#include "importer/data.h"
#include "importer/importer.h"
#include "importer/page.h"
#include "objects/request.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/log.h"
#include "web/publisher.h"
#include "web/state.h"

#include <stdlib.h>
#include <string.h>

#define MOST_DEPTH 32
#define MOST_INCLUDES 1000
#define MOST_BYTES (16 * 1024 * 1024)

/* ---- scanning ----------------------------------------------------------- */

/* One scan; lives on the stack. */
typedef struct {
    mp_importer_t *importer;
    mp_instance_t *instance; /* depends on what is included; or NULL */
    PyObject *dir;           /* str: goes before relative names */
    PyObject *files;         /* list of str: what was included */
    PyObject *bytes;         /* list of bytes: keeps them */
    mp_pspscan_result_t result;
} scan_t;

/* An absolute path in one spelling. New str. */
static PyObject *
included_path(const scan_t *scan, const char *name, size_t length)
{
    PyObject *text = PyUnicode_DecodeFSDefaultAndSize(name,
                                                      (Py_ssize_t)length);
    PyObject *joined = text && *name != '/'
        ? PyUnicode_Concat(scan->dir, text) : Py_XNewRef(text);
    PyObject *os_path = joined ? PyImport_ImportModule("os.path") : NULL;
    PyObject *path = os_path
        ? PyObject_CallMethod(os_path, "abspath", "O", joined) : NULL;
    Py_XDECREF(os_path);
    Py_XDECREF(joined);
    Py_XDECREF(text);
    return path;
}

static int
include(void *baton, const char *name, size_t length, const char **bytes,
        size_t *size)
{
    scan_t *scan = baton;
    mp_source_id_t id;
    PyObject *text = NULL;
    PyObject *path = included_path(scan, name, length);
    if (path
        && (!scan->instance
            || mp_data_note(scan->importer, scan->instance, path) == 0)) {
        text = mp_source_read(path, &id);
    }
    int failed = !text || PyList_Append(scan->bytes, text) < 0
                 || PyList_Append(scan->files, path) < 0;
    if (!failed) {
        *bytes = PyBytes_AS_STRING(text);
        *size = (size_t)PyBytes_GET_SIZE(text);
    }
    Py_XDECREF(text); /* the list keeps it */
    Py_XDECREF(path);
    return failed;
}

/* Raise what the scanner says of the page called file. */
static void
raise_fault(const scan_t *scan, PyObject *file)
{
    const mp_pspscan_result_t *result = &scan->result;
    if (!result->error) {
        return; /* include() has raised */
    }
    PyObject *name = result->where.file == 0
        ? file : PyList_GetItem(scan->files, result->where.file - 1);
    PyObject *args = name ? Py_BuildValue("(s(OIOO))", result->error, name,
                                          result->where.line, Py_None,
                                          Py_None) : NULL;
    if (args) {
        PyErr_SetObject(PyExc_SyntaxError, args);
        Py_DECREF(args);
    }
}

/* Scan a page. 0, or -1 with an exception; end_scan() in both cases. */
static int
begin_scan(scan_t *scan, PyObject *page, PyObject *file,
           const mp_pspscan_style_t *style)
{
    const mp_pspscan_options_t options = {
        .style = style,
        .include = include,
        .baton = scan,
        .most_depth = MOST_DEPTH,
        .most_includes = MOST_INCLUDES,
        .most_bytes = MOST_BYTES,
    };
    scan->files = PyList_New(0);
    scan->bytes = PyList_New(0);
    if (!scan->files || !scan->bytes) {
        return -1;
    }
    int failed = mp_pspscan(PyBytes_AS_STRING(page),
                            (size_t)PyBytes_GET_SIZE(page), &options,
                            &scan->result);
    if (failed) {
        raise_fault(scan, file);
    }
    return failed;
}

static void
end_scan(scan_t *scan)
{
    mp_pspscan_free(&scan->result);
    Py_CLEAR(scan->files);
    Py_CLEAR(scan->bytes);
}

/* ---- compiling ---------------------------------------------------------- */

/* [(file, line)] of each line of the program; None: they are the page's. */
static PyObject *
lines_of(const mp_pspscan_result_t *result)
{
    if (!result->lines) {
        return Py_NewRef(Py_None);
    }
    PyObject *list = PyList_New((Py_ssize_t)result->line_count);
    for (size_t i = 0; list && i < result->line_count; i++) {
        PyObject *pair = Py_BuildValue("(II)", result->lines[i].file,
                                       result->lines[i].line);
        if (!pair) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

/* mod_python.psp has what is done once for each page. New reference. */
static PyObject *
call_psp(const char *function, PyObject *args)
{
    PyObject *psp = args ? PyImport_ImportModule("mod_python.psp") : NULL;
    PyObject *callable = psp ? PyObject_GetAttrString(psp, function) : NULL;
    PyObject *result = callable ? PyObject_Call(callable, args, NULL) : NULL;
    Py_XDECREF(callable);
    Py_XDECREF(psp);
    Py_XDECREF(args);
    return result;
}

/* 1 when the name is among those of the page's top level, 0, -1. */
static int
has_name(PyObject *code, PyObject *name)
{
    PyObject *names = PyObject_GetAttrString(code, "co_names");
    int has = names ? PySequence_Contains(names, name) : -1;
    Py_XDECREF(names);
    return has;
}

/* What is always there, so that a run only replaces it. */
static int
add_placeholders(const mp_web_t *web, mp_psp_page_t *page)
{
    PyObject *const rows[] = {
        web->names.req, web->names.psp, web->names._psp_,
        page->uses_form ? web->names.form : web->names.psp,
        page->uses_session ? web->names.session : web->names.psp,
    };
    int failed = 0;
    for (size_t i = 0; !failed && i < sizeof(rows) / sizeof(*rows); i++) {
        failed = PyDict_SetItem(page->globals, rows[i], Py_None);
    }
    return failed;
}

/* Fill the page with the program. globals: dict of its module, or of a page
 * that is none. */
static int
fill_page(mp_state_t *state, mp_psp_page_t *page, const scan_t *scan,
          PyObject *globals)
{
    const mp_web_t *web = mp_web_of(state);
    PyObject *program = PyBytes_FromStringAndSize(
        scan->result.bytes, (Py_ssize_t)scan->result.size);
    PyObject *lines = lines_of(&scan->result);
    page->included = PyList_AsTuple(scan->files);
    PyObject *answer = program && lines && page->included
        ? call_psp("_compile", Py_BuildValue("(OOOO)", program, page->file,
                                             lines, page->included))
        : NULL;
    int failed = !answer
                 || !PyArg_ParseTuple(answer, "Oi", &page->code,
                                      &page->is_restyled);
    page->code = failed ? NULL : Py_NewRef(page->code);
    if (!failed) {
        page->uses_form = has_name(page->code, web->names.form);
        page->uses_session = has_name(page->code, web->names.session);
        page->globals = call_psp("_globals", PyTuple_New(0));
        failed = page->uses_form < 0 || page->uses_session < 0
                 || !page->globals
                 || PyDict_Update(page->globals, globals) < 0
                 || add_placeholders(web, page) < 0;
    }
    Py_XDECREF(answer);
    Py_XDECREF(lines);
    Py_XDECREF(program);
    return failed ? -1 : 0;
}

static mp_psp_page_t *
make_page(mp_state_t *state, scan_t *scan, PyObject *bytes, PyObject *file,
          PyObject *globals)
{
    PyTypeObject *type = state->types[MP_TYPE_PSP_PAGE];
    mp_psp_page_t *page = (mp_psp_page_t *)type->tp_alloc(type, 0);
    if (!page) {
        return NULL;
    }
    page->file = Py_NewRef(file);
    if (begin_scan(scan, bytes, file, &mp_pspscan_quick) < 0
        || fill_page(state, page, scan, globals) < 0) {
        Py_CLEAR(page);
    }
    end_scan(scan);
    return page;
}

/* ---- pages in files ----------------------------------------------------- */

/* "/site/" of "/site/page.psp". New str. */
static PyObject *
directory_of(PyObject *path)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(path);
    Py_ssize_t slash = PyUnicode_FindChar(path, '/', 0, length, -1);
    return slash < -1 ? NULL : PyUnicode_Substring(path, 0, slash + 1);
}

static PyObject *
translate(mp_importer_t *importer, mp_instance_t *instance, PyObject *bytes,
          PyObject *file)
{
    scan_t scan = {
        .importer = importer,
        .instance = instance,
        .dir = directory_of(file),
    };
    mp_psp_page_t *page = scan.dir
        ? make_page(importer->state, &scan, bytes, file,
                    PyModule_GetDict(instance->module))
        : NULL;
    Py_XDECREF(scan.dir);
    return (PyObject *)page;
}

static const mp_language_t language = {translate};

/* What no request has asked for yet. */
static mp_instance_t *
load(mp_importer_t *importer, const char *path, request_rec *r)
{
    mp_instance_t *instance = mp_page_load(importer, path, &language, r,
                                           NULL);
    if (instance
        && mp_page_remember(importer, path, &language, instance) < 0) {
        Py_CLEAR(instance);
    }
    return instance;
}

mp_psp_page_t *
mp_psp_page_find(mp_state_t *state, const char *path, request_rec *r)
{
    mp_importer_t *importer = state->importer;
    mp_instance_t *instance = mp_page_recall(importer, path, &language);
    if (instance) {
        Py_INCREF(instance);
    }
    else if (!PyErr_Occurred()) {
        instance = load(importer, path, r);
    }
    mp_psp_page_t *page = NULL;
    if (instance && mp_page_use(importer, instance, r) == 0) {
        page = (mp_psp_page_t *)Py_NewRef(instance->code);
    }
    Py_XDECREF(instance);
    return page;
}

PyDoc_STRVAR(find_doc,
"psp_find(req, path)\n--\n\n"
"The page in a file (absolute path), as this request sees it: mp_psp_page.\n"
"None when there is no such file.");

static PyObject *
function_find(PyObject *module, PyObject *args)
{
    mp_state_t *state = mp_state_of_module(module);
    PyObject *req, *bytes;
    if (!PyArg_ParseTuple(args, "O!O&:psp_find",
                          state->types[MP_TYPE_REQUEST], &req,
                          PyUnicode_FSConverter, &bytes)) {
        return NULL;
    }
    request_rec *r = mp_proxy_ptr(req);
    const char *path = PyBytes_AS_STRING(bytes);
    int is_its_own = r && r->filename && !strcmp(path, r->filename);
    mp_psp_page_t *page = NULL;
    if (r && (!is_its_own
              || mp_publisher_check_mapped(req, "mod_python.psp") == 0)) {
        page = mp_psp_page_find(state, path, r);
    }
    Py_DECREF(bytes);
    if (!page && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return (PyObject *)page;
}

/* ---- pages without a file ----------------------------------------------- */

PyDoc_STRVAR(make_doc,
"psp_make(text, file, dir)\n--\n\n"
"A page of bytes. file: what it is called (str); dir: the directory (str,\n"
"with its slash) that it imports and includes from.");

static PyObject *
function_make(PyObject *module, PyObject *args)
{
    mp_state_t *state = mp_state_of_module(module);
    scan_t scan = {.importer = state->importer};
    PyObject *bytes, *file, *dir_bytes = NULL;
    if (!PyArg_ParseTuple(args, "SUU:psp_make", &bytes, &file, &scan.dir)) {
        return NULL;
    }
    dir_bytes = PyUnicode_EncodeFSDefault(scan.dir);
    PyObject *builtins = dir_bytes
        ? mp_importer_builtins(state->importer, PyBytes_AS_STRING(dir_bytes))
        : NULL;
    PyObject *globals = builtins
        ? Py_BuildValue("{sOsssO}", "__builtins__", builtins, "__name__",
                        "mod_python.psp", "__file__", file)
        : NULL;
    mp_psp_page_t *page = globals ? make_page(state, &scan, bytes, file,
                                              globals) : NULL;
    Py_XDECREF(globals);
    Py_XDECREF(builtins);
    Py_XDECREF(dir_bytes);
    return (PyObject *)page;
}

/* ---- the cache ---------------------------------------------------------- */

static PyObject *
warn(PyObject *text, const char *code)
{
    mp_text_view_t view;
    if (mp_text_view(&view, text, "text") < 0) {
        return NULL;
    }
    mp_log_place_t place = mp_thread_place();
    mp_thread_suspended_t held = mp_thread_suspend();
    mp_log(place, APLOG_WARNING, 0, code, "%s", view.bytes);
    mp_thread_resume(held);
    mp_text_release(&view);
    Py_RETURN_NONE;
}

static PyObject *
function_warn_cache(PyObject *module, PyObject *text)
{
    return warn(text, "MPY0560");
}

static PyObject *
function_warn_directory(PyObject *module, PyObject *text)
{
    return warn(text, "MPY0561");
}

PyMethodDef mp_psp_page_functions[] = {
    {"psp_warn_cache", function_warn_cache, METH_O,
     "psp_warn_cache(text)\n--\n\nThe dbm cache fails: to the log."},
    {"psp_warn_directory", function_warn_directory, METH_O,
     "psp_warn_directory(text)\n--\n\n"
     "The directory of the dbm cache is not private: to the log."},
    {"psp_find", function_find, METH_VARARGS, find_doc},
    {"psp_make", function_make, METH_VARARGS, make_doc},
    {NULL, NULL, 0, NULL}
};

/* ---- the tool ----------------------------------------------------------- */

/* The program of a page, in the classic style, as str. */
static PyObject *
parse_bytes(mp_state_t *state, PyObject *bytes, PyObject *file, PyObject *dir)
{
    scan_t scan = {.importer = state->importer, .dir = dir};
    PyObject *text = NULL;
    if (begin_scan(&scan, bytes, file, &mp_pspscan_classic) == 0) {
        text = call_psp("_decode",
                        Py_BuildValue("(y#)", scan.result.bytes,
                                      (Py_ssize_t)scan.result.size));
    }
    end_scan(&scan);
    return text;
}

PyDoc_STRVAR(parse_doc,
"parse(filename, dir=None)\n--\n\n"
"The Python program that the page in a file becomes: str. dir: goes before\n"
"filename, and before the relative names of files that the page includes;\n"
"without it those are relative to the page's directory. OSError,\n"
"SyntaxError, UnicodeDecodeError.");

static PyObject *
function_parse(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"filename", "dir", NULL};
    mp_source_id_t id;
    PyObject *filename, *dir = NULL, *program = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "U|O:parse", names,
                                     &filename, &dir)) {
        return NULL;
    }
    if (dir && dir != Py_None && !PyUnicode_Check(dir)) {
        PyErr_SetString(PyExc_TypeError, "dir must be str or None");
        return NULL;
    }
    int has_dir = dir && dir != Py_None;
    PyObject *path = has_dir ? PyUnicode_Concat(dir, filename)
                             : Py_NewRef(filename);
    PyObject *base = !path ? NULL : has_dir ? Py_NewRef(dir)
                                            : directory_of(path);
    PyObject *bytes = base ? mp_source_read(path, &id) : NULL;
    if (bytes) {
        program = parse_bytes(mp_state_of_module(module), bytes, path, base);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(base);
    Py_XDECREF(path);
    return program;
}

PyDoc_STRVAR(parsestring_doc,
"parsestring(s, /)\n--\n\n"
"The Python program that a page becomes whose text is s (str or bytes): str.\n"
"SyntaxError, UnicodeDecodeError; OSError for files that it includes.");

static PyObject *
function_parsestring(PyObject *module, PyObject *text)
{
    mp_text_view_t view;
    if (mp_text_view(&view, text, "page") < 0) {
        return NULL;
    }
    PyObject *program = NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(view.bytes, view.size);
    PyObject *name = PyUnicode_FromString("<string>");
    PyObject *dir = PyUnicode_FromString("");
    if (bytes && name && dir) {
        program = parse_bytes(mp_state_of_module(module), bytes, name, dir);
    }
    Py_XDECREF(dir);
    Py_XDECREF(name);
    Py_XDECREF(bytes);
    mp_text_release(&view);
    return program;
}

PyMethodDef mp_psp_parse_functions[] = {
    {"parse", (PyCFunction)(void (*)(void))function_parse,
     METH_VARARGS | METH_KEYWORDS, parse_doc},
    {"parsestring", function_parsestring, METH_O, parsestring_doc},
    {NULL, NULL, 0, NULL}
};

/* ---- the Python type ---------------------------------------------------- */

static int
traverse_page(PyObject *self, visitproc visit, void *arg)
{
    mp_psp_page_t *page = (mp_psp_page_t *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(page->code);
    Py_VISIT(page->globals);
    return 0;
}

static int
clear_page(PyObject *self)
{
    Py_CLEAR(((mp_psp_page_t *)self)->globals);
    return 0;
}

static void
dealloc_page(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    mp_psp_page_t *page = (mp_psp_page_t *)self;
    PyObject_GC_UnTrack(self);
    clear_page(self);
    Py_CLEAR(page->code);
    Py_CLEAR(page->file);
    Py_CLEAR(page->included);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef page_members[] = {
    {"code", T_OBJECT, offsetof(mp_psp_page_t, code), READONLY,
     "What a run executes (code)."},
    {"file", T_OBJECT, offsetof(mp_psp_page_t, file), READONLY,
     "The file (str)."},
    {"included", T_OBJECT, offsetof(mp_psp_page_t, included), READONLY,
     "The files that it includes (tuple of str)."},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot page_slots[] = {
    {Py_tp_doc, "A PSP page, compiled."},
    {Py_tp_traverse, traverse_page},
    {Py_tp_clear, clear_page},
    {Py_tp_dealloc, dealloc_page},
    {Py_tp_members, page_members},
    {0, NULL}
};

PyType_Spec mp_psp_page_spec = {
    .name = "builtins.mp_psp_page",
    .basicsize = sizeof(mp_psp_page_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = page_slots,
};
