/* key_lock.c - a lock for each key, among all processes and threads.
 *
 * Called for sessions. A lock is a word in memory that all children share: 0,
 * or who has it; which word belongs to a key is told by a hash that is the
 * same in every process. So a lock that is free costs no system call.
 *
 * Whoever waits asks again, every few milliseconds. Two surprising rules
 * follow. A word may name a process that is dead: who waits looks that up, and
 * takes its place. And threads of one process that hand a lock to each other
 * would never let another process in, so after some turns they pause for
 * longer than others sleep. */
#include "server/key_lock.h"

#include "core/key_hash.h"

#include <apr_shm.h>
#include <http_config.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"

#define WORDS 4096         /* keys that share one are as good as one key */
#define FIRST_SLEEP 200    /* microseconds before asking again: at first, */
#define LONGEST_SLEEP 4000 /* and at most */
#define TURNS 16           /* of threads of this process before they pause */
#define PAUSE 6000         /* for so many microseconds */
#define LOOK_AFTER 20000   /* microseconds: does the owner live? */
#define REPORT_AFTER apr_time_from_sec(10)

/* A word of the shared memory in this process. */
struct mp_key_lock_t {
    const void *owner;  /* guard; NULL: free in this process */
    unsigned depth;     /* guard; how often the owner has taken it */
    unsigned turns;     /* guard; handed over since this process got it */
};

/* The process in the upper half, when it began in the lower one: a number of a
 * process is used again. */
typedef _Atomic uint64_t word_t;

static word_t *words; /* set in post_config, inherited by the children */
static uint64_t self; /* this process as a word; set in child_init */
static int can_look;  /* there is a /proc to look into; child_init */
static int is_usable; /* set in child_init; not in what a program forks */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed; /* an owner has become NULL; child_init */
static mp_key_lock_t locks[WORDS]; /* guard */

/* This thread has guard, or is about to: a signal handler must not. */
static __thread volatile char inside;

/* ---- the memory -------------------------------------------------------- */

apr_status_t
mp_key_lock_create(server_rec *s)
{
    static const char key[] = "mod_python key locks";
    apr_shm_t **memory = ap_retained_data_get(key);
    apr_status_t status = APR_SUCCESS;

    if (!memory) {
        memory = ap_retained_data_create(key, sizeof(*memory));
    }
    if (!*memory) {
        status = apr_shm_create(memory, WORDS * sizeof(word_t), NULL,
                                s->process->pool);
        if (status == APR_SUCCESS) {
            memset(apr_shm_baseaddr_get(*memory), 0, WORDS * sizeof(word_t));
        }
    }
    if (status != APR_SUCCESS) {
        *memory = NULL;
        mp_log(MP_LOG_SERVER(s), APLOG_CRIT, status, "MPY0607",
               "there is no shared memory for locks of sessions");
        return status;
    }
    words = apr_shm_baseaddr_get(*memory);
    return APR_SUCCESS;
}

/* When a process began, in ticks; 0 when there is none, or its end has
 * come. */
static uint32_t
find_start(pid_t pid)
{
    char name[64], text[1024];
    unsigned long long start = 0;
    size_t size;
    char state;
    char *at;
    FILE *file;

    snprintf(name, sizeof(name), "/proc/%ld/stat", (long)pid);
    file = fopen(name, "re");
    if (!file) {
        return 0;
    }
    size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    /* "pid (name) state ...": the name may hold anything. */
    at = strrchr(text, ')');
    if (!at
        || sscanf(at + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                  "%*s %*s %*s %*s %*s %*s %*s %llu", &state, &start) != 2
        || state == 'Z' || state == 'X') {
        return 0;
    }
    return (uint32_t)start;
}

static int
is_dead(uint64_t word)
{
    pid_t pid = (pid_t)(word >> 32);

    return can_look ? find_start(pid) != (uint32_t)word
                    : kill(pid, 0) < 0 && errno == ESRCH;
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
    uint32_t start = find_start(getpid());

    can_look = start != 0;
    self = (uint64_t)getpid() << 32 | start;
    is_usable = 1;
    pthread_atfork(NULL, NULL, end_use);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&freed, &attributes);
    pthread_condattr_destroy(&attributes);
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

static mp_key_lock_t *
find_lock(const void *key, size_t size)
{
    return &locks[mp_key_hash(key, size) % WORDS];
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
claim(mp_key_lock_t *lock, const void *owner, patience_t *patience,
      int *pauses)
{
    int has_waited = 0;

    if (!enter()) {
        return APR_EINVAL;
    }
    while (lock->owner && lock->owner != owner) {
        if (!patience->timeout) {
            leave();
            return APR_EBUSY;
        }
        has_waited = 1;
        wait_a_while(patience);
        if (monotonic_now() - patience->begin >= REPORT_AFTER
            || monotonic_now() - patience->begin >= patience->timeout) {
            int has_ended;

            leave(); /* a log may be slow */
            has_ended = is_over(patience);
            if (has_ended || !enter()) {
                return has_ended ? APR_TIMEUP : APR_EINVAL;
            }
        }
    }
    lock->owner = owner;
    lock->depth++;
    lock->turns = has_waited ? lock->turns + 1 : 0;
    *pauses = lock->turns && lock->turns % TURNS == 0;
    leave();
    return APR_SUCCESS;
}

/* The owner has it no more. */
static void
set_free(mp_key_lock_t *lock)
{
    if (enter()) {
        lock->owner = NULL;
        lock->depth = 0;
        pthread_cond_broadcast(&freed);
        leave();
    }
}

/* ---- taking and dropping ----------------------------------------------- */

/* Owner of it in this process; now among the processes. */
static apr_status_t
take_word(mp_key_lock_t *lock, patience_t *patience, int pauses)
{
    word_t *word = &words[lock - locks];
    useconds_t sleep = FIRST_SLEEP, slept = 0;

    if (pauses) {
        usleep(PAUSE);
    }
    for (;;) {
        uint64_t found = 0;

        if (atomic_compare_exchange_strong(word, &found, self)) {
            return APR_SUCCESS;
        }
        if (!patience->timeout) {
            return APR_EBUSY;
        }
        if (slept >= LOOK_AFTER) {
            slept = 0;
            if (is_dead(found)
                && atomic_compare_exchange_strong(word, &found, self)) {
                return APR_SUCCESS;
            }
        }
        if (is_over(patience)) {
            return APR_TIMEUP;
        }
        usleep(sleep);
        slept += sleep;
        sleep = sleep * 3 / 2 < LONGEST_SLEEP ? sleep * 3 / 2 : LONGEST_SLEEP;
    }
}

apr_status_t
mp_key_lock_take(mp_key_lock_t **taken, const void *key, size_t size,
                 const void *owner, apr_interval_time_t timeout)
{
    patience_t patience = {.begin = timeout ? monotonic_now() : 0,
                           .timeout = timeout};
    mp_key_lock_t *lock = find_lock(key, size);
    int pauses = 0;
    apr_status_t status = claim(lock, owner, &patience, &pauses);

    if (status == APR_SUCCESS && lock->depth == 1) {
        /* Nobody but the owner changes depth. */
        status = take_word(lock, &patience, pauses);
        if (status != APR_SUCCESS) {
            set_free(lock);
        }
    }
    *taken = lock;
    return status;
}

void
mp_key_lock_drop(mp_key_lock_t *lock)
{
    int is_last;

    if (!enter()) {
        return;
    }
    is_last = --lock->depth == 0;
    if (is_last) {
        atomic_store(&words[lock - locks], 0);
        lock->owner = NULL;
        pthread_cond_broadcast(&freed);
    }
    leave();
}
