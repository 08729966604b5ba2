/* fs_data.h - calls a function with the fields of a form (apply_fs_data). */
#ifndef MP_WEB_FS_DATA_H
#define MP_WEB_FS_DATA_H

#include "runtime/state.h"

/* Methods of _web: apply_fs_data(object, fs, **args). */
extern PyMethodDef mp_fs_data_functions[];

/* Call callable with the fields of form that its signature accepts, and with
 * req=request if it accepts that; a field named req is dropped. Fields of one
 * name become a list, files are Field, others plain str. form: FieldStorage or
 * an object with an attribute list of fields; request may be NULL. What the
 * callable answers, new reference; NULL with its exception. [attached] */
PyObject *mp_fs_data_apply(mp_state_t *state, PyObject *callable,
                           PyObject *form, PyObject *request);

#endif
