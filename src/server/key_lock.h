/* key_lock.h - a lock for each key, among all processes and threads.
 *
 * Unlike the numbered ones of mutex.h there are so many that who has one
 * hardly ever holds up somebody who wants another. The owner may take it
 * again, and may take several. A process that is killed loses its locks to the
 * others. */
#ifndef MP_SERVER_KEY_LOCK_H
#define MP_SERVER_KEY_LOCK_H

#include <apr_pools.h>
#include <apr_time.h>
#include <httpd.h>

/* One that is taken; it is there until it was dropped as often. */
typedef struct mp_key_lock_t mp_key_lock_t;

/* post_config: the shared memory, for the life of the parent, over all
 * restarts. The cause of a failure is in the log. */
apr_status_t mp_key_lock_create(server_rec *s);
/* child_init, before any other use in the child. */
void mp_key_lock_child_init(void);

/* Take the lock of these bytes for owner. timeout 0: do not wait.
 * APR_SUCCESS; APR_TIMEUP; APR_EBUSY without waiting; APR_EINVAL in a process
 * that a program forked, and where a signal ends the process. [detached:
 * waits] */
apr_status_t mp_key_lock_take(mp_key_lock_t **taken, const void *key,
                              size_t size, const void *owner,
                              apr_interval_time_t timeout);

/* Undo it. Waits for nobody. */
void mp_key_lock_drop(mp_key_lock_t *lock);

#endif
