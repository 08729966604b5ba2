/* code.c - a module's source, read whole, and the code made of it. */
#include "runtime/python.h"

#include "importer/code.h"

#include "importer/changes.h"
#include "importer/data.h"
#include "importer/source.h"
#include "importer/staging.h"
#include "runtime/thread.h"

#include <string.h>

/* ---- reading ----------------------------------------------------------- */

#define LONGEST_WRITE_MS 500

/* While somebody writes path: wait for the end, within reason. 1: the file
 * was touched, read it again; 0: it is at rest; -1. */
static int
wait_for_writer(mp_importer_t *importer, PyObject *path)
{
    int failed, waited = 0;
    int64_t end = apr_time_now() + LONGEST_WRITE_MS * 1000;
    for (;;) {
        uint64_t position = mp_changes_collect(importer, &failed);
        int writing = failed ? -1 : PySet_Contains(importer->writing, path);
        if (writing <= 0) {
            return writing < 0 ? -1 : waited;
        }
        int64_t left = end - apr_time_now();
        if (left <= 0) {
            /* A writer that does not close: take what there is. */
            return PySet_Discard(importer->writing, path) < 0 ? -1 : waited;
        }
        waited = 1;
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_watch_wait(importer->view, position, (int)(left / 1000) + 1);
        mp_thread_resume(held);
    }
}

#define YOUNG apr_time_from_sec(1)

/* A process that has just begun was told nothing of writers that were at work
 * before it: a file that is as young as this may be half of one. How long to
 * wait for what events say then, in ms; 0: not at all. */
static int
doubt(const mp_importer_t *importer, const mp_source_id_t *id)
{
    if (apr_time_now() - importer->started_at > YOUNG) {
        return 0;
    }
    int64_t age = (id->read_ns - id->stamp.mtime_ns) / 1000000;
    int64_t enough = id->stamp.size == 0 ? LONGEST_WRITE_MS : 50;
    return age < 0 || age >= enough ? 0 : (int)(enough - age);
}

/* The bytes of a file that no refresh has read. New bytes. */
static PyObject *
read_source(mp_importer_t *importer, PyObject *path, mp_source_id_t *id)
{
    for (;;) {
        PyObject *bytes = mp_source_read(path, id);
        if (!bytes || !importer->view) {
            return bytes;
        }
        int milliseconds = doubt(importer, id);
        if (milliseconds) {
            mp_thread_suspended_t held = mp_thread_suspend();
            mp_watch_wait(importer->view, importer->position, milliseconds);
            mp_thread_resume(held);
        }
        int again = wait_for_writer(importer, path);
        if (again == 0 && !milliseconds) {
            return bytes;
        }
        Py_DECREF(bytes);
        if (again < 0) {
            return NULL;
        }
    }
}

/* compile(), not Py_CompileString(): it knows coding lines, byte order marks
 * and null bytes. */
static PyObject *
compile_source(PyObject *bytes, PyObject *file)
{
    PyObject *code = NULL;
    PyObject *builtins = PyImport_ImportModule("builtins");
    PyObject *compile = builtins ? PyObject_GetAttrString(builtins, "compile")
                                 : NULL;
    PyObject *args = compile ? Py_BuildValue("(OOs)", bytes, file, "exec")
                             : NULL;
    PyObject *keywords = args ? Py_BuildValue("{sO}", "dont_inherit", Py_True)
                              : NULL;
    if (keywords) {
        code = PyObject_Call(compile, args, keywords);
    }
    Py_XDECREF(keywords);
    Py_XDECREF(args);
    Py_XDECREF(compile);
    Py_XDECREF(builtins);
    return code;
}

/* The code of a row of staging->sources, compiled once. New reference. */
static PyObject *
compile_row(PyObject *row, PyObject *path)
{
    if (PyList_GET_SIZE(row) > 2) {
        return Py_NewRef(PyList_GET_ITEM(row, 2));
    }
    PyObject *code = compile_source(PyList_GET_ITEM(row, 0), path);
    if (code && PyList_Append(row, code) < 0) {
        Py_CLEAR(code);
    }
    return code;
}

/* What the refresh has read of this file already; borrowed, None when it could
 * not, NULL when it had no reason to. */
static PyObject *
find_row(mp_importer_t *importer, PyObject *path)
{
    return importer->staging
        ? PyDict_GetItemWithError(importer->staging->sources, path) : NULL;
}

int
mp_code_check(mp_importer_t *importer, const mp_instance_t *old)
{
    PyObject *row = old->language ? NULL : find_row(importer, old->file);
    PyObject *code = row && row != Py_None ? compile_row(row, old->file)
                                           : NULL;
    Py_XDECREF(code);
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- the code of an instance ------------------------------------------- */

static PyObject *
translate(mp_importer_t *importer, mp_instance_t *instance)
{
    const mp_language_t *language = instance->language;
    return language ? language->translate(importer, instance, instance->text,
                                          instance->file)
                    : compile_source(instance->text, instance->file);
}

static void
take_row(mp_importer_t *importer, mp_instance_t *instance, PyObject *row)
{
    memcpy(&instance->source, PyBytes_AS_STRING(PyList_GET_ITEM(row, 1)),
           sizeof(instance->source));
    instance->text = Py_NewRef(PyList_GET_ITEM(row, 0));
    instance->code = instance->language ? translate(importer, instance)
                                        : compile_row(row, instance->file);
}

/* The same file again, of which nothing was heard since. What a body read, it
 * will read again; what a translation read is as it was. */
static void
take_old(mp_instance_t *instance, const mp_instance_t *old)
{
    instance->source = old->source;
    instance->text = Py_XNewRef(old->text);
    instance->code = Py_NewRef(old->code);
    if (instance->language) {
        instance->data = Py_XNewRef(old->data);
    }
}

static void
take_newest(mp_importer_t *importer, mp_instance_t *instance)
{
    instance->text = read_source(importer, instance->file, &instance->source);
    instance->code = instance->text ? translate(importer, instance) : NULL;
}

/* Is the code of old that of the file as it is now? Not if a refresh failed
 * since, whose changes are dealt with. */
static int
is_as_it_was(mp_importer_t *importer, mp_instance_t *instance,
             mp_instance_t *old)
{
    return old && old->code
           && PyUnicode_Compare(old->file, instance->file) == 0
           && PySet_Contains(importer->pending, old->name) == 0
           && !(old->language && mp_data_find_changed(old));
}

int
mp_code_take(mp_importer_t *importer, mp_instance_t *instance,
             mp_instance_t *old)
{
    PyObject *row = find_row(importer, instance->file);
    if (PyErr_Occurred()
        || (importer->reading
            && PySet_Add(importer->reading, instance->file) < 0)) {
        return -1;
    }
    if (row && row != Py_None) {
        take_row(importer, instance, row);
    }
    else if (!row && is_as_it_was(importer, instance, old)) {
        take_old(instance, old);
    }
    else if (!PyErr_Occurred()) {
        take_newest(importer, instance);
    }
    return instance->code ? 0 : -1;
}
