/* stacks.h - what Python is doing, when nobody can be asked any more.
 *
 * A child that gets SIGUSR2 writes the stacks of all threads in all of its
 * interpreters to the error log of the server, and goes on; a child that dies
 * of a signal of its own does so before it dies. No lock is waited for, the
 * GIL included. From Python 3.13 on only faulthandler can do so, and shows one
 * interpreter (docs/handlers.md). */
#ifndef MP_RUNTIME_STACKS_H
#define MP_RUNTIME_STACKS_H

#include <apr_pools.h>

/* child_init, when Python runs: install the handlers, until pchild goes. Those
 * of httpd run after ours; a SIGUSR2 that somebody else wants stays his.
 * [detached] */
void mp_stacks_enable(apr_pool_t *pchild);

#endif
