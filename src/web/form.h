/* form.h - FieldStorage: the fields of a request (api.md 6.1).
 *
 * form.c: the type, as a mapping; form_body.c: reads query string and body;
 * field.c: StringField and Field. The fields stay bytes in C until a program
 * asks for one. */
#ifndef MP_WEB_FORM_H
#define MP_WEB_FORM_H

#include "runtime/state.h"

extern PyType_Spec mp_form_spec;
extern PyType_Spec mp_field_list_spec;

/* FieldStorage(request, keep_blank_values): the fields of the query string,
 * then those of the body of a POST, which is read here. request: mp_request,
 * in its thread. New reference; NULL with SERVER_RETURN (400, 413, 501),
 * OSError (the client is gone) or what a request raises set.
 * [attached; detaches while it waits] */
PyObject *mp_form_new(mp_state_t *state, PyObject *request,
                      int keep_blank_values);

/* Once the type is made: what its spec cannot say. 0. */
int mp_form_add(mp_state_t *state);

#endif
