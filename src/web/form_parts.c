/* form_parts.c - the parts of a multipart body become rows of the form.
 *
 * Called by the parser, for form_body.c. A value is collected in the text of
 * the form, a file in a spool of its own; what a program's callbacks want goes
 * to the objects that they gave, and then everything here runs attached. Owns
 * the part that is being read. */
#include "runtime/python.h"

#include "web/form_body.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"
#include "runtime/thread.h"

/* ---- callbacks of programs; all [attached] ---- */

/* The exception is set: the parser stops. */
static int
check(PyObject *result)
{
    Py_XDECREF(result);
    return result ? 0 : MP_FAULT_CALLER;
}

static int
ask_for_file(mp_form_body_t *body, mp_span_t filename)
{
    PyObject *name = mp_part_decode(filename.text, filename.size,
                                    body->charset);
    if (!name) {
        return MP_FAULT_CALLER;
    }
    body->part->file = PyObject_CallOneArg(body->file_callback, name);
    Py_DECREF(name);
    body->target = Py_XNewRef(body->part->file);
    return body->target ? 0 : MP_FAULT_CALLER;
}

static int
ask_for_field(mp_form_body_t *body)
{
    body->target = PyObject_CallNoArgs(body->field_callback);
    return body->target ? 0 : MP_FAULT_CALLER;
}

static int
write_to_target(mp_form_body_t *body, const char *bytes, size_t size)
{
    return check(PyObject_CallMethod(body->target, "write", "y#", bytes,
                                     (Py_ssize_t)size));
}

/* Back to the beginning, if the object of the program has one. */
static int
rewind_target(mp_form_body_t *body)
{
    PyObject *seek = PyObject_GetAttrString(body->target, "seek");
    if (!seek) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return MP_FAULT_CALLER;
        }
        PyErr_Clear(); /* it has none */
        return 0;
    }
    const int fault = check(PyObject_CallFunction(seek, "i", 0));
    Py_DECREF(seek);
    return fault;
}

/* The value is what the object of the program gives. */
static int
read_target(mp_form_body_t *body)
{
    PyObject *value = PyObject_CallMethod(body->target, "read", NULL);
    mp_text_view_t view;
    if (!value || mp_text_view(&view, value, "what read() gives") < 0) {
        Py_XDECREF(value);
        return MP_FAULT_CALLER;
    }
    const int fault = mp_fields_write(body->fields, view.bytes,
                                      (size_t)view.size);
    mp_text_release(&view);
    Py_DECREF(value);
    return fault;
}

/* ---- events ---- */

/* The headers say name and file name. */
static int
begin_named(mp_form_body_t *body, char *disposition)
{
    mp_fields_t *fields = body->fields;
    mp_part_t *part = body->part;
    mp_span_t name, filename = {NULL, 0};
    mp_part_disposition(disposition, &name, &filename);
    part->is_nameless = !name.text;
    part->is_file = filename.size > 0;
    int fault = mp_limits_check(&body->limits, MP_LIMIT_FIELD_SIZE, name.size);
    if (!fault && name.text) {
        fault = mp_fields_write(fields, name.text, name.size);
    }
    body->value = fields->size;
    if (fault) {
        return fault;
    }
    if (part->is_file) {
        fault = mp_limits_check(&body->limits, MP_LIMIT_FILES, ++body->files);
        return fault || !body->file_callback ? fault
                                             : ask_for_file(body, filename);
    }
    return body->field_callback ? ask_for_field(body) : 0;
}

static int
begin_part(void *caller, char *headers, size_t size)
{
    mp_form_body_t *body = caller;
    body->name = body->value = body->fields->size;
    body->headers += size;
    int fault = mp_limits_check(&body->limits, MP_LIMIT_MEMORY,
                                body->headers + body->fields->size);
    if (fault) {
        return fault;
    }
    body->part = mp_part_create(headers, size, body->charset);
    if (!body->part) {
        return MP_FAULT_MEMORY;
    }
    const char *value = mp_part_header(headers, size, "content-disposition");
    char *copy = strdup(value ? value : "");
    if (!copy) {
        return MP_FAULT_MEMORY;
    }
    fault = begin_named(body, copy);
    free(copy);
    return fault;
}

static int
store(mp_form_body_t *body, const char *bytes, size_t size)
{
    mp_spool_t *spool = &body->part->spool;
    const size_t most = (size_t)body->spool_size;
    if (body->is_attached) {
        mp_thread_suspended_t suspended = mp_thread_suspend();
        body->error = mp_spool_write(spool, bytes, size, most,
                                     body->directory);
        mp_thread_resume(suspended);
    }
    else {
        body->error = mp_spool_write(spool, bytes, size, most,
                                     body->directory);
    }
    return body->error ? MP_FAULT_CALLER : 0;
}

static int
add_data(void *caller, const char *bytes, size_t size)
{
    mp_form_body_t *body = caller;
    mp_part_t *part = body->part;
    if (part->is_file) {
        part->size += size;
        const int fault = mp_limits_check(&body->limits, MP_LIMIT_FILE_SIZE,
                                          part->size);
        if (fault) {
            return fault;
        }
        return body->target ? write_to_target(body, bytes, size)
                            : store(body, bytes, size);
    }
    if (body->target) {
        return write_to_target(body, bytes, size);
    }
    const int fault = mp_limits_check(
        &body->limits, MP_LIMIT_FIELD_SIZE,
        body->fields->size - body->name + size);
    return fault ? fault : mp_fields_write(body->fields, bytes, size);
}

static int
end_part(void *caller)
{
    mp_form_body_t *body = caller;
    mp_fields_t *fields = body->fields;
    int fault = 0;
    if (body->target) {
        fault = rewind_target(body);
        if (!fault && !body->part->is_file) {
            fault = read_target(body);
        }
    }
    mp_field_t *row = fault ? NULL : mp_fields_add(fields, &fault);
    if (row) {
        row->name = (uint32_t)body->name;
        row->name_size = (uint32_t)(body->value - body->name);
        row->value = (uint32_t)body->value;
        row->value_size = (uint32_t)(fields->size - body->value);
        row->part = body->part;
        body->part = NULL;
    }
    Py_CLEAR(body->target); /* NULL when detached */
    return fault;
}

const mp_multipart_events_t mp_form_parts = {begin_part, add_data, end_part};

void
mp_form_parts_drop(mp_form_body_t *body)
{
    Py_CLEAR(body->target);
    mp_part_destroy(body->part);
    body->part = NULL;
}
