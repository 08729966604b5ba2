/* event_ring.c - one inotify descriptor and one ring of events for a server.
 *
 * Called by watch.c only. Owns the descriptor, the shared memory, and an epoll
 * instance for each process. docs/internals/watch.md tells why is_quiet() can
 * be believed; drain() is where it is made true.
 *
 * Surprising rules:
 * - "Events got lost" is not a record in the ring. The position jumps by more
 *   than the ring holds, so that every reader finds itself left behind, which
 *   it must be able to bear anyway.
 * - What one process has for itself lies in memory that the kernel empties
 *   when it forks, so that no process uses what belongs to another. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "core/event_ring.h"

#include <apr_strings.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RING_EVENTS 4096  /* a git checkout of 1,000 files fits */
#define DRAIN_BYTES 16384 /* one read(); far more than one event needs */
#define DRAIN_EVENTS (8 * RING_EVENTS) /* at most in one go, so that no busy
                                          writer can hold us: twice the queue
                                          (fs.inotify.max_queued_events) */
#define WAIT_SLICE_MS 5
#define LOCK_ATTEMPTS 10000 /* 100 us apart: one second and a bit */

/* Anonymous shared memory, one for all children of a server. */
typedef struct {
    pthread_mutex_t lock;      /* robust: whoever holds it may be killed */
    _Atomic int draining;      /* written under lock; 1 from before the first
                                  read() until the events are published */
    _Atomic uint64_t position; /* written under lock; events so far. Event n
                                  lies in events[n % RING_EVENTS] */
    mp_event_t events[RING_EVENTS]; /* lock */
} shared_t;

static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
              "a lock inside an atomic would not be shared by processes");

typedef enum {
    EPOLL_NOT_MADE, /* 0, as in all memory that the kernel has emptied */
    EPOLL_MADE,
    EPOLL_REFUSED /* the system gives none: then poll() does */
} epoll_state_t;

/* What a process has for itself. */
typedef struct {
    _Atomic int is_asking; /* a lock that nobody waits for */
    epoll_state_t state;   /* is_asking */
} own_t;

struct mp_event_ring_t {
    int fd;    /* -1: the system gives no inotify */
    int error; /* errno: why fd is -1 */
    shared_t *shared;
    own_t *own; /* NULL: the system cannot empty memory at a fork */
    int epoll;  /* own->is_asking; an instance that holds nothing but fd. Of
                   this process if own->state says so, else of the one that
                   forked it; -1: none */
};

static int
has_epoll(const mp_event_ring_t *ring)
{
    return ring->own && ring->own->state == EPOLL_MADE;
}

/* Close this process's copies; other processes keep theirs. */
static apr_status_t
close_ring(void *data)
{
    mp_event_ring_t *ring = data;

    if (has_epoll(ring)) {
        close(ring->epoll);
    }
    if (ring->own) {
        munmap(ring->own, sizeof(*ring->own));
        ring->own = NULL;
    }
    if (ring->fd >= 0) {
        close(ring->fd);
        ring->fd = -1;
    }
    munmap(ring->shared, sizeof(*ring->shared));
    ring->shared = NULL;
    return APR_SUCCESS;
}

static int
init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    int rc = pthread_mutexattr_init(&attributes);

    if (rc != 0) {
        return rc;
    }
    rc = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (rc == 0) {
        rc = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    }
    if (rc == 0) {
        rc = pthread_mutex_init(lock, &attributes);
    }
    pthread_mutexattr_destroy(&attributes);
    return rc;
}

/* Memory that is 0 here, and 0 again in every process that is forked; NULL if
 * there is none to be had. */
static own_t *
map_own(void)
{
    void *memory = mmap(NULL, sizeof(own_t), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (madvise(memory, sizeof(own_t), MADV_WIPEONFORK) != 0) {
        munmap(memory, sizeof(own_t)); /* Linux before 4.14 */
        return NULL;
    }
    return memory;
}

apr_status_t
mp_event_ring_create(mp_event_ring_t **ring, apr_pool_t *pool)
{
    mp_event_ring_t *made = apr_pcalloc(pool, sizeof(*made));
    void *memory = mmap(NULL, sizeof(shared_t), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int rc;

    if (memory == MAP_FAILED) {
        return errno;
    }
    made->shared = memory;
    rc = init_lock(&made->shared->lock);
    if (rc != 0) {
        munmap(memory, sizeof(shared_t));
        return rc;
    }
    atomic_init(&made->shared->draining, 0);
    atomic_init(&made->shared->position, 0);
    made->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (made->fd < 0) {
        made->error = errno;
    }
    made->own = map_own();
    made->epoll = -1;
    apr_pool_cleanup_register(pool, made, close_ring, apr_pool_cleanup_null);
    *ring = made;
    return APR_SUCCESS;
}

int
mp_event_ring_fd(const mp_event_ring_t *ring, int *error)
{
    if (error) {
        *error = ring->error;
    }
    return ring->fd;
}

uint64_t
mp_event_ring_position(const mp_event_ring_t *ring)
{
    return atomic_load(&ring->shared->position);
}

void
mp_event_ring_after_fork(mp_event_ring_t *ring)
{
    if (ring->epoll >= 0 && !has_epoll(ring)) {
        close(ring->epoll);
        ring->epoll = -1;
    }
}

/* Leave every reader behind the ring. Under the lock. */
static void
lose_everything(shared_t *shared)
{
    uint64_t position = atomic_load(&shared->position);

    atomic_store(&shared->position, position + RING_EVENTS + 1);
}

/* 0, or what pthread says: then nothing may be touched. Whoever was killed
 * with the lock in hand has done no harm, unless it had begun to drain: then
 * it took away events that nobody will ever see. Whoever was stopped with it
 * (a debugger, SIGSTOP) must not stop all others too, hence the patience. */
static int
lock_shared(shared_t *shared)
{
    const struct timespec pause = {.tv_nsec = 100000};
    int rc = pthread_mutex_trylock(&shared->lock);
    int i;

    for (i = 0; rc == EBUSY && i < LOCK_ATTEMPTS; i++) {
        nanosleep(&pause, NULL); /* nobody holds it longer than a drain */
        rc = pthread_mutex_trylock(&shared->lock);
    }
    if (rc == EOWNERDEAD) {
        rc = pthread_mutex_consistent(&shared->lock);
        if (atomic_load(&shared->draining)) {
            lose_everything(shared);
            atomic_store(&shared->draining, 0);
        }
    }
    return rc;
}

static int
is_readable(const mp_event_ring_t *ring)
{
    struct pollfd ready = {.fd = ring->fd, .events = POLLIN};

    /* A signal may come between even with no time to wait: then we do not
     * know, and yes is the answer that does no harm. (ioctl(FIONREAD) would be
     * cheaper, but misses events that are just being queued: measured.) */
    return poll(&ready, 1, 0) != 0;
}

/* Put what one read() brought into the ring. Answers the new position, which
 * is not published yet. Under the lock. */
static uint64_t
append_events(shared_t *shared, uint64_t position, const char *bytes,
              size_t length)
{
    const struct inotify_event *event;
    const char *end = bytes + length;
    mp_event_t *copy;

    for (; bytes < end; bytes += sizeof(*event) + event->len) {
        event = (const struct inotify_event *)(const void *)bytes;
        if (event->mask & IN_Q_OVERFLOW) {
            position += RING_EVENTS + 1; /* as lose_everything() */
            continue;
        }
        copy = &shared->events[position % RING_EVENTS];
        copy->wd = event->wd;
        copy->mask = event->mask;
        copy->name[0] = '\0';
        if (event->len > 0) {
            apr_cpystrn(copy->name, event->name, sizeof(copy->name));
        }
        position++;
    }
    return position;
}

/* Move what the kernel has queued into the ring. Under the lock.
 *
 * The order is the whole point: draining is raised before an event can leave
 * the queue, and comes down after the event's position can be seen. So an
 * event is at every moment either readable, or covered by draining, or behind
 * position: see mp_event_ring_is_quiet(). */
static void
drain(mp_event_ring_t *ring)
{
    alignas(struct inotify_event) char bytes[DRAIN_BYTES];
    shared_t *shared = ring->shared;
    uint64_t position = atomic_load(&shared->position);
    uint64_t enough = position + DRAIN_EVENTS;
    ssize_t got;

    if (ring->fd < 0 || !is_readable(ring)) {
        return; /* without raising draining, which disturbs all others */
    }
    atomic_store(&shared->draining, 1);
    do {
        got = read(ring->fd, bytes, sizeof(bytes));
        if (got > 0) {
            position = append_events(shared, position, bytes, (size_t)got);
        }
    } while ((got > 0 && position < enough) || (got < 0 && errno == EINTR));
    atomic_store(&shared->position, position);
    atomic_store(&shared->draining, 0);
}

/* Copy what is unread. Under the lock. */
static void
copy_events(const shared_t *shared, uint64_t cursor, mp_event_batch_t *batch)
{
    uint64_t unread = batch->position - cursor;
    size_t i;

    if (unread == 0) {
        return;
    }
    if (unread <= RING_EVENTS) {
        batch->events = malloc((size_t)unread * sizeof(mp_event_t));
    }
    if (!batch->events) {
        batch->is_lost = 1;
        return;
    }
    batch->count = (size_t)unread;
    for (i = 0; i < batch->count; i++) {
        batch->events[i] = shared->events[(cursor + i) % RING_EVENTS];
    }
}

void
mp_event_ring_take(mp_event_ring_t *ring, uint64_t cursor,
                   mp_event_batch_t *batch)
{
    shared_t *shared = ring->shared;

    memset(batch, 0, sizeof(*batch));
    if (lock_shared(shared) != 0) {
        /* The reader stays where it is and looks at everything until the
         * lock can be had again. */
        batch->position = cursor;
        batch->is_lost = 1;
        return;
    }
    drain(ring);
    batch->position = atomic_load(&shared->position);
    copy_events(shared, cursor, batch);
    pthread_mutex_unlock(&shared->lock);
}

/* Under is_asking. */
static void
make_epoll(mp_event_ring_t *ring)
{
    struct epoll_event wish = {.events = EPOLLIN}; /* level-triggered */
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    ring->own->state = EPOLL_REFUSED;
    if (epoll < 0) {
        return;
    }
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, ring->fd, &wish) != 0) {
        close(epoll);
        return;
    }
    ring->epoll = epoll;
    ring->own->state = EPOLL_MADE;
}

/* 1 or 0, as is_readable(); -1: the instance cannot tell. Under is_asking. */
static int
ask_epoll(mp_event_ring_t *ring)
{
    struct epoll_event event;
    int ready;

    if (ring->own->state == EPOLL_NOT_MADE) {
        make_epoll(ring);
    }
    if (ring->own->state == EPOLL_REFUSED) {
        return -1;
    }
    ready = epoll_wait(ring->epoll, &event, 1, 0);
    if (ready < 0 && errno != EINTR) {
        ring->own->state = EPOLL_REFUSED; /* somebody has closed it */
    }
    return ready;
}

/* As is_readable(), at about half the price: the kernel keeps a list of what
 * is ready and finds it empty. It puts the descriptor on the list before the
 * writer's system call returns, and takes it off only when it was asked for,
 * looked at the queue and found nothing there: then another process has taken
 * the events, and draining and position tell, as after poll().
 *
 * Only one thread at a time may ask: while the kernel goes through the list
 * for one thread, it may tell another one that the list is empty, since it
 * looks without its lock when there is no time to wait. Ours also hands on to
 * this thread what the kernel showed to the one that asked before. Who does
 * not get it asks poll(). */
static int
has_news(mp_event_ring_t *ring)
{
    own_t *own = ring->own;
    int ready = -1;

    if (own
        && !atomic_exchange_explicit(&own->is_asking, 1,
                                     memory_order_acquire)) {
        ready = ask_epoll(ring);
        atomic_store_explicit(&own->is_asking, 0, memory_order_release);
    }
    return ready >= 0 ? ready : is_readable(ring);
}

/* Whether all that happened so far lies before position, but for what is still
 * in the queue. Only after the queue was asked: an event that another process
 * took out of it before is under draining or before the position by now. */
static int
is_all_before(const shared_t *shared, uint64_t position)
{
    return !atomic_load(&shared->draining)
        && atomic_load(&shared->position) == position;
}

int
mp_event_ring_is_quiet(mp_event_ring_t *ring, uint64_t position)
{
    return !has_news(ring) && is_all_before(ring->shared, position);
}

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* In slices, because the process that takes the event out of the queue before
 * this one wakes up has no way to wake it. */
void
mp_event_ring_wait(const mp_event_ring_t *ring, uint64_t position,
                   int timeout_ms)
{
    struct pollfd ready = {.fd = ring->fd, .events = POLLIN};
    int64_t end = now_ms() + timeout_ms;
    int64_t left = timeout_ms;
    int rc = 0;

    while (rc == 0 && left > 0 && is_all_before(ring->shared, position)) {
        rc = poll(&ready, 1, left < WAIT_SLICE_MS ? (int)left
                                                  : WAIT_SLICE_MS);
        if (rc < 0 && errno == EINTR) {
            rc = 0;
        }
        left = end - now_ms();
    }
}
