/* field.h - StringField and Field: a value and an uploaded file of a form
 * (api.md 6.1).
 *
 * What a program seldom asks for (headers, types, .file) is made when it does
 * so, from what came with the part. */
#ifndef MP_WEB_FIELD_H
#define MP_WEB_FIELD_H

#include "runtime/state.h"

#include "web/part.h"

extern PyType_Spec mp_string_field_spec;
extern PyType_Spec mp_file_field_spec;

/* A StringField of text (a str), called name (a str or None). Takes *part,
 * which may be NULL, and sets it to NULL, unless it fails. New reference; NULL
 * with an exception. [attached] */
PyObject *mp_string_field_new(mp_state_t *state, PyObject *text,
                              PyObject *name, mp_part_t **part);

/* A Field of *part, likewise. */
PyObject *mp_file_field_new(mp_state_t *state, PyObject *name,
                            mp_part_t **part);

static inline int mp_string_field_check(const mp_state_t *state,
                                        PyObject *object)
{
    return PyObject_TypeCheck(object, state->types[MP_TYPE_STRING_FIELD]);
}

static inline int mp_file_field_check(const mp_state_t *state,
                                      PyObject *object)
{
    return PyObject_TypeCheck(object, state->types[MP_TYPE_FILE_FIELD]);
}

/* Its name as a new reference, of anything with an attribute name. NULL with
 * an exception. */
PyObject *mp_field_name(mp_state_t *state, PyObject *field);

/* What a function is called with: the Field, or the plain str of a
 * StringField. New reference; NULL with an exception. */
PyObject *mp_field_argument(mp_state_t *state, PyObject *field);

#endif
