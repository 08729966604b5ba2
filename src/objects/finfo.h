/* finfo.h - mp_finfo: apr_finfo_t, copied (api.md 3.7). Holds no pointer into
 * httpd: names are copied, so it never expires. */
#ifndef MP_OBJECTS_FINFO_H
#define MP_OBJECTS_FINFO_H

#include <apr_file_info.h>

#include "runtime/state.h"

extern PyType_Spec mp_finfo_spec;

/* New reference; NULL with an exception. */
PyObject *mp_finfo_from(mp_state_t *state, const apr_finfo_t *finfo);
/* Into *finfo, strings copied to pool. 0, or -1 with TypeError when object is
 * not an mp_finfo. */
int mp_finfo_to(apr_finfo_t *finfo, apr_pool_t *pool, PyObject *object);

#endif
