/* interp.h - the interpreters of a child process, by name.
 *
 * Python is initialised by the child, never by the parent. Interpreters are
 * made when first asked for and stay until the process ends; Python is not
 * finalised (docs/internals/runtime.md). */
#ifndef MP_RUNTIME_INTERP_H
#define MP_RUNTIME_INTERP_H

#include "runtime/state.h"

#define MP_MAIN_INTERPRETER "main_interpreter"

/* child_init: initialise Python (main_interpreter) with PyConfig. home: from
 * PythonHome, or NULL. [detached before and after] 0, or -1 when Python cannot
 * be used in this child: the cause is in the log, and mp_interp_get() answers
 * NULL from then on. */
int mp_interp_init(apr_pool_t *pchild, server_rec *main_server,
                   const char *home, int optimize);

/* The interpreter of this name, made if there is none. [detached] NULL when it
 * cannot be made; the cause is in the log. */
mp_interp_t *mp_interp_get(const char *name);

/* The first of a linked list of all, newest first. */
mp_interp_t *mp_interp_all(void);

/* The same for signal handlers: without the lock, since records stay. */
const mp_interp_t *mp_interp_peek(void);

/* A message about PythonHome that an administrator can act on, or NULL when
 * dir looks like a Python home or virtual environment of the Python that is
 * compiled in. In pool. No Python is used: works while the configuration is
 * read. */
const char *mp_interp_check_home(apr_pool_t *pool, const char *dir);

#endif
