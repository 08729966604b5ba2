/* builtin.h - the built-in modules of the web layer: _web, of which util,
 * Cookie, Session, psp, publisher and wsgi in the Python package are the
 * face, and _psp, by the name it always had. Programs use the package. */
#ifndef MP_WEB_BUILTIN_H
#define MP_WEB_BUILTIN_H

#include "runtime/state.h"

/* Rows for mp_exports_t; the last one is zero. */
extern const mp_builtin_t mp_web_builtins[];

/* Once _apache is imported: _web as well. 0, or -1 with an exception.
 * [attached] */
int mp_web_start(mp_state_t *state);

#endif
