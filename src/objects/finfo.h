/* finfo.h - mp_finfo: apr_finfo_t, copied. Holds no pointer into
 * httpd: names are copied, so it never expires. */
#ifndef MP_OBJECTS_FINFO_H
#define MP_OBJECTS_FINFO_H

#include <apr_file_info.h>

#include "runtime/state.h"

extern PyType_Spec mp_finfo_spec;

/* Places in the sequence that a finfo object is; apache.FINFO_*. */
typedef enum {
    MP_FINFO_MODE,
    MP_FINFO_INO,
    MP_FINFO_DEV,
    MP_FINFO_NLINK,
    MP_FINFO_UID,
    MP_FINFO_GID,
    MP_FINFO_SIZE,
    MP_FINFO_ATIME,
    MP_FINFO_MTIME,
    MP_FINFO_CTIME,
    MP_FINFO_FNAME,
    MP_FINFO_NAME,
    MP_FINFO_FILETYPE,
    MP_FINFO_COUNT
} mp_finfo_place_t;

/* New reference; NULL with an exception. */
PyObject *mp_finfo_from(mp_state_t *state, const apr_finfo_t *finfo);
/* Into *finfo, strings copied to pool. 0, or -1 with TypeError when object is
 * not an mp_finfo. */
int mp_finfo_to(apr_finfo_t *finfo, apr_pool_t *pool, PyObject *object);

#endif
