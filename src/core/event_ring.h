/* event_ring.h - the inotify events of a whole server, for all its processes.
 *
 * An inotify descriptor and a ring in anonymous shared memory, made in the
 * parent and inherited. Whichever process finds the descriptor readable moves
 * the events into the ring, under a robust process-shared mutex; everybody
 * reads the ring, each from its own position. A position is the number of
 * events so far. Only watch.c uses this. */
#ifndef MP_CORE_EVENT_RING_H
#define MP_CORE_EVENT_RING_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include <apr_pools.h>

typedef struct mp_event_ring_t mp_event_ring_t;

typedef struct {
    int wd;
    uint32_t mask;
    char name[NAME_MAX + 1]; /* "" for an event of the directory itself */
} mp_event_t;

typedef struct {
    mp_event_t *events; /* malloc; the caller frees it */
    size_t count;
    uint64_t position; /* where the next batch begins */
    int is_lost;       /* events got lost: trust nothing that you know */
} mp_event_batch_t;

/* The ring goes with pool; other processes keep theirs. A system without
 * inotify to give is no failure: then there is no descriptor. */
apr_status_t mp_event_ring_create(mp_event_ring_t **ring, apr_pool_t *pool);

/* The descriptor to add watches to; -1: none, and *error, if error is not
 * NULL, is the errno that says why. */
int mp_event_ring_fd(const mp_event_ring_t *ring, int *error);

/* In a process that was forked by a program: close what it has inherited and
 * will not use. Without this a descriptor stays open for nothing. */
void mp_event_ring_after_fork(mp_event_ring_t *ring);

uint64_t mp_event_ring_position(const mp_event_ring_t *ring);

/* All events after cursor. Takes the mutex; copies and returns, so nothing
 * slow happens under it. Running out of memory means is_lost, and so does a
 * process that is stopped with the mutex in hand. */
void mp_event_ring_take(mp_event_ring_t *ring, uint64_t cursor,
                        mp_event_batch_t *batch);

/* 1 when nothing happened after position. One system call and two loads; from
 * any thread. The first one to ask in a process makes that process's epoll
 * instance; where there is none to be had, poll() does. */
int mp_event_ring_is_quiet(mp_event_ring_t *ring, uint64_t position);

/* Wait until that is no longer so, at most timeout_ms. */
void mp_event_ring_wait(const mp_event_ring_t *ring, uint64_t position,
                        int timeout_ms);

#endif
