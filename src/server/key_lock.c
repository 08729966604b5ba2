/* key_lock.c - a lock for each key, among all processes and threads.
 *
 * Called for sessions. Which byte of the file belongs to a key is told by a
 * hash of 62 bits that is the same in every process.
 *
 * Processes wait by asking again, every few milliseconds, because fcntl() has
 * no limit on its waiting. The surprising rule follows from that: threads of
 * one process that hand the lock to each other would never let another
 * process in, so after some turns they pause for longer than that. */
#include "server/key_lock.h"

#include <apr_file_io.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <http_config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"

#define FIRST_SLEEP 200    /* microseconds before asking again: at first, */
#define LONGEST_SLEEP 4000 /* and at most */
#define TURNS 16           /* of threads of this process before they pause */
#define PAUSE 6000         /* for so many microseconds */
#define REPORT_AFTER apr_time_from_sec(10)
#define BUCKETS 64

struct mp_key_lock_t {
    uint64_t place;     /* of the byte; the name of the lock */
    const void *owner;  /* guard; NULL: free in this process */
    unsigned depth;     /* guard; how often the owner has taken it */
    unsigned users;     /* guard; who has it or waits for it */
    unsigned turns;     /* guard; handed over since this process got it */
    mp_key_lock_t *next; /* guard; in its bucket */
};

static int file = -1; /* set in post_config, inherited by the children */
static int is_usable; /* set in child_init; not in what a program forks */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed; /* an owner has become NULL; child_init */
static mp_key_lock_t *buckets[BUCKETS]; /* guard */

/* This thread has guard, or is about to: a signal handler must not. */
static __thread volatile char inside;

/* ---- the file ---------------------------------------------------------- */

static apr_status_t
open_file(apr_pool_t *pool, apr_file_t **opened)
{
    char *name = ap_runtime_dir_relative(pool, "python-session-XXXXXX");
    apr_status_t status = apr_file_mktemp(
        opened, name, APR_FOPEN_CREATE | APR_FOPEN_READ | APR_FOPEN_WRITE
                          | APR_FOPEN_EXCL, pool);

    return status == APR_SUCCESS ? apr_file_remove(name, pool) : status;
}

apr_status_t
mp_key_lock_create(server_rec *s)
{
    static const char key[] = "mod_python key locks";
    apr_file_t **opened = ap_retained_data_get(key);
    apr_status_t status = APR_SUCCESS;

    if (!opened) {
        opened = ap_retained_data_create(key, sizeof(*opened));
    }
    if (!*opened) {
        status = open_file(s->process->pool, opened);
    }
    if (status != APR_SUCCESS) {
        *opened = NULL;
        mp_log(MP_LOG_SERVER(s), APLOG_CRIT, status, "MPY0607",
               "the file for locks of sessions cannot be made in %s",
               ap_runtime_dir_relative(s->process->pool, ""));
        return status;
    }
    return apr_os_file_get(&file, *opened);
}

/* In a process that a program has forked. */
static void
end_use(void)
{
    is_usable = 0;
}

void
mp_key_lock_child_init(void)
{
    pthread_condattr_t attributes;

    is_usable = 1;
    pthread_atfork(NULL, NULL, end_use);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&freed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* F_WRLCK or F_UNLCK for this process. 0, or errno. */
static int
set_byte(const mp_key_lock_t *lock, short type)
{
    struct flock byte = {.l_type = type, .l_whence = SEEK_SET,
                         .l_start = (off_t)lock->place, .l_len = 1};
    int result;

    do {
        result = fcntl(file, F_SETLK, &byte);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

/* ---- time -------------------------------------------------------------- */

static apr_time_t
monotonic_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

/* How long to wait, and when to say so. */
typedef struct {
    apr_time_t begin;
    apr_interval_time_t timeout;
    int is_reported;
} patience_t;

static int
is_over(patience_t *patience)
{
    apr_interval_time_t waited = monotonic_now() - patience->begin;

    if (!patience->is_reported && waited >= REPORT_AFTER) {
        patience->is_reported = 1;
        mp_log(MP_LOG_SERVER(NULL), APLOG_WARNING, 0, "MPY0608",
               "a session is held by another request for more than %.1f s; "
               "still waiting", (double)REPORT_AFTER / APR_USEC_PER_SEC);
    }
    return waited >= patience->timeout;
}

/* ---- the locks of this process ----------------------------------------- */

static int
enter(void)
{
    if (inside || !is_usable) {
        return 0;
    }
    inside = 1;
    pthread_mutex_lock(&guard);
    return 1;
}

static void
leave(void)
{
    pthread_mutex_unlock(&guard);
    inside = 0;
}

/* FNV-1a, and then mixed, because its low bits alone are not good. */
static uint64_t
place_of(const void *key, size_t size)
{
    const unsigned char *bytes = key;
    uint64_t hash = UINT64_C(14695981039346656037);
    size_t i;

    for (i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    return hash >> 2; /* an off_t is positive */
}

/* Guard is held. The lock of a place, with one user more; NULL: no memory. */
static mp_key_lock_t *
use_lock(uint64_t place)
{
    mp_key_lock_t **bucket = &buckets[place % BUCKETS];
    mp_key_lock_t *lock = *bucket;

    while (lock && lock->place != place) {
        lock = lock->next;
    }
    if (!lock) {
        lock = calloc(1, sizeof(*lock));
        if (!lock) {
            return NULL;
        }
        lock->place = place;
        lock->next = *bucket;
        *bucket = lock;
    }
    lock->users++;
    return lock;
}

/* Guard is held. One user less. */
static void
leave_lock(mp_key_lock_t *lock)
{
    mp_key_lock_t **link = &buckets[lock->place % BUCKETS];

    if (--lock->users > 0) {
        return;
    }
    while (*link != lock) {
        link = &(*link)->next;
    }
    *link = lock->next;
    free(lock);
}

/* Guard is held. Wait until somebody lets go of something, but not for
 * long. */
static void
wait_a_while(const patience_t *patience)
{
    apr_time_t end = monotonic_now() + apr_time_from_sec(1);
    struct timespec until;

    if (end > patience->begin + patience->timeout) {
        end = patience->begin + patience->timeout;
    }
    until.tv_sec = apr_time_sec(end);
    until.tv_nsec = (long)apr_time_usec(end) * 1000;
    pthread_cond_timedwait(&freed, &guard, &until);
}

/* Make owner the one of this process. *pauses: it is time to let others have a
 * turn. */
static apr_status_t
claim(mp_key_lock_t **found, uint64_t place, const void *owner,
      patience_t *patience, int *pauses)
{
    mp_key_lock_t *lock;
    int has_waited = 0;

    if (!enter()) {
        return APR_EINVAL;
    }
    lock = use_lock(place);
    while (lock && lock->owner && lock->owner != owner) {
        if (!patience->timeout
            || monotonic_now() - patience->begin >= patience->timeout) {
            leave_lock(lock);
            leave();
            return patience->timeout ? APR_TIMEUP : APR_EBUSY;
        }
        has_waited = 1;
        wait_a_while(patience);
        if (monotonic_now() - patience->begin >= REPORT_AFTER) {
            leave(); /* a log may be slow */
            (void)is_over(patience);
            if (!enter()) {
                return APR_EINVAL;
            }
        }
    }
    if (lock) {
        lock->owner = owner;
        lock->depth++;
        lock->turns = has_waited ? lock->turns + 1 : 0;
        *pauses = lock->turns && lock->turns % TURNS == 0;
    }
    leave();
    *found = lock;
    return lock ? APR_SUCCESS : APR_ENOMEM;
}

/* The owner has it no more. */
static void
set_free(mp_key_lock_t *lock)
{
    if (enter()) {
        lock->owner = NULL;
        lock->depth = 0;
        leave_lock(lock);
        pthread_cond_broadcast(&freed);
        leave();
    }
}

/* ---- taking and dropping ----------------------------------------------- */

/* Owner of it in this process; now among the processes. */
static apr_status_t
take_byte(mp_key_lock_t *lock, patience_t *patience, int pauses)
{
    useconds_t sleep = FIRST_SLEEP;
    int error;

    if (pauses) {
        usleep(PAUSE);
    }
    for (;;) {
        error = set_byte(lock, F_WRLCK);
        if (error != EAGAIN && error != EACCES) {
            return error;
        }
        if (!patience->timeout) {
            return APR_EBUSY;
        }
        if (is_over(patience)) {
            return APR_TIMEUP;
        }
        usleep(sleep);
        sleep = sleep * 3 / 2 < LONGEST_SLEEP ? sleep * 3 / 2 : LONGEST_SLEEP;
    }
}

apr_status_t
mp_key_lock_take(mp_key_lock_t **lock, const void *key, size_t size,
                 const void *owner, apr_interval_time_t timeout)
{
    patience_t patience = {.begin = timeout ? monotonic_now() : 0,
                           .timeout = timeout};
    int pauses = 0;
    apr_status_t status = claim(lock, place_of(key, size), owner, &patience,
                                &pauses);

    if (status != APR_SUCCESS) {
        return status;
    }
    if ((*lock)->depth > 1) { /* which nobody but the owner changes */
        return APR_SUCCESS;
    }
    status = take_byte(*lock, &patience, pauses);
    if (status != APR_SUCCESS) {
        set_free(*lock);
    }
    return status;
}

void
mp_key_lock_drop(mp_key_lock_t *lock)
{
    int is_last;

    if (!enter()) {
        return;
    }
    is_last = lock->depth == 1;
    if (!is_last) {
        lock->depth--;
        leave_lock(lock);
    }
    leave();
    if (is_last) {
        /* Still its owner: nobody of this process takes it meanwhile. */
        (void)set_byte(lock, F_UNLCK);
        set_free(lock);
    }
}
