/* lock.h - the stage lock: whoever holds it may execute module bodies.
 *
 * One for each interpreter. The owner may take it again. It is waited for
 * detached only, and not for ever (docs/internals/locks.md). */
#ifndef MP_IMPORTER_LOCK_H
#define MP_IMPORTER_LOCK_H

#include "importer/importer.h"

/* Make the lock. 0, or -1. */
int mp_lock_init(mp_importer_t *importer);

/* In a process that was forked by a program: an owner that is another thread
 * is not there any more. 1: there was one, so what it was about is void. */
int mp_lock_after_fork(mp_importer_t *importer);

/* [attached; waits detached, at most importer->timeout_ms, and not at all once
 * somebody has waited that long] 0 got it; -1 with TimeoutError naming the
 * module that is being executed. */
int mp_lock_take(mp_importer_t *importer);
/* The same, but 1 without the lock as soon as there were more announcements
 * (importer->openings) than that. */
int mp_lock_take_unless(mp_importer_t *importer, long openings);
/* Wake those who wait for that. */
void mp_lock_announce(mp_importer_t *importer);
/* Nothing when it was taken over meanwhile. */
void mp_lock_leave(mp_importer_t *importer);

/* Take the lock from an owner who has kept others waiting in vain. The owner's
 * ident (PyThread_get_thread_ident()), or 0: it is not overdue. [attached] */
unsigned long mp_lock_take_over(mp_importer_t *importer);

/* Is this the first time that the log is to be told of such an owner? */
int mp_lock_is_news(mp_importer_t *importer);
int mp_lock_is_mine(mp_importer_t *importer);
/* Has somebody else got it? */
int mp_lock_is_busy(mp_importer_t *importer);

#endif
