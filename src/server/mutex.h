/* mutex.h - locks that one owner has among all processes and threads.
 *
 * Each is a mutex of httpd (directive Mutex) and, inside a process, the name
 * of its owner. The owner is not a thread: a request may begin in one thread
 * and end in another, and may take two keys that fall on the same lock. So
 * taking counts, and whoever knows the owner may drop.
 *
 * A process that is killed loses its locks to the others; that depends on the
 * mechanism (docs/sharing.md), so it is chosen here: System V semaphores
 * where there are any, else flock(). */
#ifndef MP_SERVER_MUTEX_H
#define MP_SERVER_MUTEX_H

#include <apr_pools.h>
#include <apr_time.h>
#include <httpd.h>

typedef struct mp_mutex_t mp_mutex_t;

/* Type names for the Mutex directive. */
#define MP_MUTEX_OF_PROGRAMS "python-lock"
#define MP_MUTEX_OF_STORES "python-store"
#define MP_MUTEX_OF_MEMORY "python-memory" /* of stores that are quick */

/* pre_config: makes the type names known. */
apr_status_t mp_mutex_register(apr_pool_t *pconf);

/* post_config: the lock of this name, made when the parent process has none
 * yet; it lives as long as that, over all restarts. instance tells those of
 * one type apart. directory: for a lock file where Mutex names none, or NULL.
 * The cause of a failure is in the log. */
apr_status_t mp_mutex_create(mp_mutex_t **lock, server_rec *s,
                             const char *type, const char *instance,
                             const char *directory);

/* child_init, before any other use in the child. */
apr_status_t mp_mutex_child_init(mp_mutex_t *lock, apr_pool_t *pchild);

/* Take it for owner, once more if owner has it. A wait of half of timeout, or
 * of 10 seconds, is logged. APR_SUCCESS; APR_TIMEUP; APR_EINVAL in a process
 * that a program forked, and where a signal ends the process.
 * [detached: waits] */
apr_status_t mp_mutex_take(mp_mutex_t *lock, const void *owner,
                          apr_interval_time_t timeout);

/* The same without waiting: APR_EBUSY when another has it. */
apr_status_t mp_mutex_try(mp_mutex_t *lock, const void *owner);

/* Undo one take. APR_EACCES: owner does not have it. */
apr_status_t mp_mutex_drop(mp_mutex_t *lock, const void *owner);

/* This thread as an owner; no request has the same name. */
const void *mp_mutex_thread(void);

/* ---- those of programs ----
 *
 * A fixed number, made by the parent: PythonOption mod_python.mutex_locks.
 * Number 0 is for files and caches that everybody shares; keys are spread
 * over the others. */

#define MP_MUTEXES_DEFAULT 8
#define MP_MUTEXES_MAX 256

/* post_config and child_init. */
apr_status_t mp_mutex_create_all(int count, apr_interval_time_t timeout,
                                apr_pool_t *pool, server_rec *s,
                                const char *directory);
apr_status_t mp_mutex_child_init_all(apr_pool_t *pchild);

/* How many there are; 0 before mp_mutex_create_all(). */
int mp_mutex_count(void);
/* 0 <= number < mp_mutex_count() */
mp_mutex_t *mp_mutex_numbered(int number);
/* The lock of a key, the same in every process: 1 or more. */
int mp_mutex_number_of(const void *key, size_t size);
/* How long programs wait: PythonOption mod_python.mutex_timeout. */
apr_interval_time_t mp_mutex_timeout(void);

/* Let go of all that owner still has; how many locks that were. */
int mp_mutex_drop_all(const void *owner);

#endif
