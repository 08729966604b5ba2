/* watch.h - what changed on disk, at the price of one system call.
 *
 * One mp_watch_t serves a whole httpd: an inotify descriptor and a ring of
 * events in anonymous shared memory, both made in the parent and inherited by
 * every child. inotify hands each event to one reader only, so whichever
 * process finds the descriptor readable moves the events into the ring, under
 * a robust process-shared mutex; everybody reads the ring.
 *
 * One mp_watch_view_t belongs to one reader (one importer in one child): it
 * remembers how far it has read and which directories it cares about.
 *
 * The promise: once a writer's close(), rename(), unlink() or symlink() has
 * returned, mp_watch_is_quiet() of every view that watches the place answers 0
 * until that view has settled behind the event. No Python is known here. Any
 * thread may use a view, detached: it has a lock of its own, which
 * mp_watch_is_quiet() does without. */
#ifndef MP_CORE_WATCH_H
#define MP_CORE_WATCH_H

#include <stdint.h>

#include <apr_pools.h>

typedef struct mp_watch_t mp_watch_t;
typedef struct mp_watch_view_t mp_watch_view_t;

typedef enum {
    MP_CHANGE_WRITING, /* being written: opened for writing and not closed yet;
                          whoever reads it now may read half a file. An ENTRY
                          of the same name ends it, or a TREE of its directory.
                          Be patient for a limited time only: truncate() and
                          utimensat() by path look like this and never end */
    MP_CHANGE_ENTRY,   /* dir/name was closed after writing, appeared, went
                          away, or changed its attributes */
    MP_CHANGE_TREE     /* everything at or below dir may differ (name NULL):
                          a link on the way to it flipped, it was moved or
                          unmounted. dir NULL: everything anywhere (the
                          queue or the ring overflowed) */
} mp_change_t;

typedef void mp_watch_change_fn(void *baton, mp_change_t change,
                                const char *dir, const char *name);

typedef enum {
    MP_WATCH_OK,      /* events will tell */
    MP_WATCH_POLLED,  /* no events can be trusted there: the caller must
                         stat */
    MP_WATCH_MISSING  /* no such directory; its nearest existing ancestor is
                         watched instead and tells when it appears */
} mp_watch_result_t;

/* Make the descriptor and the ring (parent process, before the fork). Both go
 * with pool. Where the system has no inotify to give, the watch is made all
 * the same and every mp_watch_add() answers MP_WATCH_POLLED. */
apr_status_t mp_watch_create(mp_watch_t **watch, apr_pool_t *pool);

/* A reader, starting at the present moment. NULL: out of memory. */
mp_watch_view_t *mp_watch_view_create(mp_watch_t *watch);
void mp_watch_view_destroy(mp_watch_view_t *view);

/* In a process that was forked by a program: threads that used the view are
 * not there any more. */
void mp_watch_view_after_fork(mp_watch_view_t *view);

/* Watch the entries of dir (absolute, no trailing slash, as the caller spells
 * it: changes are reported in that spelling), and every symbolic link and
 * directory on the way to it. Call before reading what it holds. Idempotent
 * and cheap for a directory already watched. *reason, if not NULL, is set to
 * a static text when the answer is MP_WATCH_POLLED ("on nfs", "no inotify
 * watches left (fs.inotify.max_user_watches)", "not readable", ...). */
mp_watch_result_t mp_watch_add(mp_watch_view_t *view, const char *dir,
                               const char **reason);

/* The check of the request path: 1 when nothing happened anywhere since the
 * view last settled. One system call and two loads; safe from any thread. */
int mp_watch_is_quiet(mp_watch_view_t *view);

/* Report everything since the last call to fn, each change in each watched
 * spelling of its place, and answer the position reached. Directories that
 * were moved or re-linked are watched anew before they are reported, and may
 * then be POLLED or MISSING: mp_watch_add() tells. fn must not call back into
 * the watch except mp_watch_add(). */
uint64_t mp_watch_collect(mp_watch_view_t *view, mp_watch_change_fn *fn,
                          void *baton);

/* The reader has dealt with everything up to position: until something newer
 * happens the view is quiet. */
void mp_watch_settle(mp_watch_view_t *view, uint64_t position);

/* Wait until something newer than position happens, at most timeout_ms. */
void mp_watch_wait(mp_watch_view_t *view, uint64_t position, int timeout_ms);

#endif
