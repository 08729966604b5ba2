/* form_rows.h - the fields behind a FieldStorage: rows in C, and the list that
 * takes their place.
 *
 * form.c makes a Python mapping of it, fs_data.c arguments of functions. */
#ifndef MP_WEB_FORM_ROWS_H
#define MP_WEB_FORM_ROWS_H

#include "runtime/state.h"

#include <string.h>

#include "core/fields.h"
#include "web/part.h"

typedef struct {
    PyObject_HEAD
    mp_state_t *state;
    mp_fields_t fields; /* part: mp_part_t *, until object takes it over;
                           object: PyObject *, owned */
    PyObject *list;     /* FieldList: the truth, once it is there */
    PyObject *index;    /* dict: name -> list of row numbers; made for forms
                           of many fields when a name is looked for */
    PyObject *dict;
    PyObject *weakrefs;
    char charset[MP_CHARSET_SIZE];
    char few_bytes[128];    /* lent to fields: enough for most */
    mp_field_t few_rows[4];
} mp_form_t;

/* Drop all fields. */
void mp_form_rows_clear(mp_form_t *self);
int mp_form_rows_traverse(mp_form_t *self, visitproc visit, void *arg);

/* The first field of this name, new reference; NULL when there is none, with
 * an exception only if something failed. list, if not NULL: a list of all of
 * them when there are several, else it stays NULL. */
PyObject *mp_form_rows_find(mp_form_t *self, PyObject *name, PyObject **list);

/* The names, each once: new list of str. */
PyObject *mp_form_rows_names(mp_form_t *self);

/* The list, made if it was none, borrowed: it is the truth from now on. NULL
 * with an exception. */
PyObject *mp_form_rows_list(mp_form_t *self);

/* What a row stands for as the argument of a function: a plain str, or a
 * Field. New reference. */
PyObject *mp_form_rows_argument(mp_form_t *self, size_t row);

/* Has the row this name? size > 0. Names of a form often begin alike, so the
 * last byte is looked at first. */
static inline int mp_form_rows_is(const mp_form_t *self, size_t row,
                                  const char *name, size_t size)
{
    const mp_field_t *field = &self->fields.rows[row];
    const char *text = self->fields.text + field->name;
    return field->name_size == size && text[size - 1] == name[size - 1]
           && !memcmp(text, name, size - 1);
}

#endif
