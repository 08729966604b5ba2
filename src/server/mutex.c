/* mutex.c - locks of the whole server.
 *
 * Called by the functions of programs and by the stores. Two parts make one
 * lock: owner and depth, under guard, for the threads of this process; and a
 * process mutex of APR, which the process holds exactly while there is an
 * owner. It is a process mutex, not APR's global one: that contains a thread
 * mutex, and those may be unlocked by the thread that locked them only.
 *
 * The surprising rule: every wait for the mutex has a limit, also because
 * plain waiting for fcntl() locks fails with EDEADLK where only threads wait
 * for each other's, which is no deadlock; waiting with a limit asks again. */
#include "server/mutex.h"

#include "core/key_hash.h"

#include <apr_hash.h>
#include <apr_proc_mutex.h>
#include <apr_strings.h>
#include <http_config.h>
#include <unixd.h>
#include <util_mutex.h>

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"

struct mp_mutex_t {
    const char *name;        /* "python-lock 3", for the log */
    server_rec *server;
    apr_proc_mutex_t *mutex; /* locked and unlocked by the owner only */
    const char *file;        /* of the mutex, or NULL */
    const void *owner;       /* guard; NULL: free in this process */
    unsigned depth;          /* guard; how often the owner has taken it */
    pthread_cond_t freed;    /* guard; owner has become NULL */
};

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int is_usable; /* set in child_init; not in what a program forks */
static struct {
    mp_mutex_t **locks;
    int count;
    apr_interval_time_t timeout;
} programs; /* set in post_config */

/* This thread has guard, or is about to: a signal handler must not. */
static __thread volatile char inside;
static pthread_key_t end_key; /* drops what a thread has when it ends */

#if APR_HAS_SYSVSEM_SERIALIZE
#define DEFAULT_MECHANISM APR_LOCK_SYSVSEM
#elif APR_HAS_FLOCK_SERIALIZE
#define DEFAULT_MECHANISM APR_LOCK_FLOCK
#else
#define DEFAULT_MECHANISM APR_LOCK_FCNTL
#endif

/* A store's lock goes back in the thread that took it, so it may be a mutex in
 * shared memory: no system call unless somebody waits, and robust. It is not
 * fair, so it is for what takes microseconds, not for the network. */
#if APR_HAS_PROC_PTHREAD_SERIALIZE
#define MEMORY_MECHANISM APR_LOCK_PROC_PTHREAD
#else
#define MEMORY_MECHANISM DEFAULT_MECHANISM
#endif

#define REPORT_AFTER apr_time_from_sec(10)

/* ---- making ------------------------------------------------------------ */

apr_status_t
mp_mutex_register(apr_pool_t *pconf)
{
    apr_status_t status = ap_mutex_register(pconf, MP_MUTEX_OF_PROGRAMS, NULL,
                                            DEFAULT_MECHANISM, 0);

    if (status == APR_SUCCESS) {
        status = ap_mutex_register(pconf, MP_MUTEX_OF_STORES, NULL,
                                   DEFAULT_MECHANISM, 0);
    }
    if (status == APR_SUCCESS) {
        status = ap_mutex_register(pconf, MP_MUTEX_OF_MEMORY, NULL,
                                   MEMORY_MECHANISM, 0);
    }
    return status;
}

/* A mutex that Mutex cannot make: with a mechanism of ours, or a file in a
 * directory of ours. */
static apr_status_t
create_mutex(mp_mutex_t *lock, apr_pool_t *pool, apr_lockmech_e mechanism,
             const char *directory, const char *type, const char *instance)
{
    const char *file = apr_psprintf(pool, "%s/%s-%s.%" APR_PID_T_FMT,
                                    directory, type, instance, getpid());
    apr_status_t status = apr_proc_mutex_create(&lock->mutex, file, mechanism,
                                                pool);

    return status == APR_SUCCESS ? ap_unixd_set_proc_mutex_perms(lock->mutex)
                                 : status;
}

/* Is the file of the mutex in httpd's own directory, because Mutex names no
 * other? */
static int
has_default_place(apr_proc_mutex_t *mutex, apr_pool_t *pool)
{
    const char *file = mutex ? apr_proc_mutex_lockfile(mutex) : NULL;

    return file
           && !strcmp(ap_make_dirstr_parent(pool, file),
                      ap_make_dirstr_parent(
                          pool, ap_runtime_dir_relative(pool, "x")));
}

/* What Mutex asks for, but for what cannot work. */
static apr_status_t
make_mutex(mp_mutex_t *lock, apr_pool_t *pool, server_rec *s, const char *type,
           const char *instance, const char *directory)
{
    const char *runtime = ap_runtime_dir_relative(pool, "");
    apr_lockmech_e mechanism;
    apr_status_t status = ap_proc_mutex_create(&lock->mutex, NULL, type,
                                               instance, s, pool, 0);

    if (status != APR_SUCCESS) {
        return status;
    }
    mechanism = lock->mutex ? apr_proc_mutex_mech(lock->mutex)
                            : APR_LOCK_PROC_PTHREAD; /* Mutex none */
    if (directory && has_default_place(lock->mutex, pool)) {
        apr_proc_mutex_destroy(lock->mutex);
        return create_mutex(lock, pool, mechanism, directory, type, instance);
    }
    if (mechanism == APR_LOCK_PROC_PTHREAD
        && (!lock->mutex || strcmp(type, MP_MUTEX_OF_MEMORY))) {
        mp_log_plain(MP_LOG_SERVER(s), APLOG_INFO,
                     "Mutex: %s does not use pthread or none: such a lock "
                     "belongs to a thread or to nobody, but a request may "
                     "end in another thread than it began", lock->name);
        if (lock->mutex) {
            apr_proc_mutex_destroy(lock->mutex);
        }
        return create_mutex(lock, pool, DEFAULT_MECHANISM, runtime, type,
                            instance);
    }
    return APR_SUCCESS;
}

/* The locks made so far in the life of the parent, by name. A restart takes
 * them over: the children of before still run and use them, and those of
 * afterwards must not do at the same time what the lock is for. */
static apr_hash_t *
find_made(apr_pool_t *pool)
{
    static const char key[] = "mod_python mutexes";
    apr_hash_t **made = ap_retained_data_get(key);

    if (!made) {
        made = ap_retained_data_create(key, sizeof(*made));
        *made = apr_hash_make(pool);
    }
    return *made;
}

apr_status_t
mp_mutex_create(mp_mutex_t **lock, server_rec *s, const char *type,
                const char *instance, const char *directory)
{
    apr_pool_t *pool = s->process->pool; /* what is put there stays */
    const char *name = apr_pstrcat(s->process->pconf, type, " ", instance,
                                   NULL);
    apr_hash_t *made = find_made(pool);
    apr_status_t status = APR_SUCCESS;

    *lock = apr_hash_get(made, name, APR_HASH_KEY_STRING);
    if (!*lock) {
        *lock = apr_pcalloc(pool, sizeof(**lock));
        (*lock)->name = apr_pstrdup(pool, name);
        status = make_mutex(*lock, pool, s, type, instance, directory);
    }
    if (status != APR_SUCCESS) {
        mp_log(MP_LOG_SERVER(s), APLOG_CRIT, status, "MPY0601",
               "%s cannot be made: name another mechanism or directory with "
               "the directive Mutex", name);
        return status;
    }
    (*lock)->server = s;
    (*lock)->file = apr_proc_mutex_lockfile((*lock)->mutex);
    apr_hash_set(made, (*lock)->name, APR_HASH_KEY_STRING, *lock);
    return APR_SUCCESS;
}

apr_status_t
mp_mutex_child_init(mp_mutex_t *lock, apr_pool_t *pchild)
{
    pthread_condattr_t attributes;

    is_usable = 1;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&lock->freed, &attributes);
    pthread_condattr_destroy(&attributes);
    return apr_proc_mutex_child_init(&lock->mutex, lock->file, pchild);
}

/* ---- taking and dropping ----------------------------------------------- */

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

static apr_time_t
monotonic_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

/* Guard is held. 0: the deadline has passed. */
static int
wait_freed(mp_mutex_t *lock, apr_time_t deadline)
{
    struct timespec end = {apr_time_sec(deadline),
                           apr_time_usec(deadline) * 1000};

    return pthread_cond_timedwait(&lock->freed, &guard, &end) == 0;
}

/* Make owner the one of this process. deadline 0: without waiting. *depth: how
 * often it has taken the lock now. */
static apr_status_t
claim(mp_mutex_t *lock, const void *owner, apr_time_t deadline,
      unsigned *depth)
{
    apr_status_t status = APR_SUCCESS;

    if (!enter()) {
        return APR_EINVAL;
    }
    while (lock->owner && lock->owner != owner && status == APR_SUCCESS) {
        if (!deadline) {
            status = APR_EBUSY;
        }
        else if (!wait_freed(lock, deadline)) {
            status = APR_TIMEUP;
        }
    }
    if (!lock->owner || lock->owner == owner) {
        lock->owner = owner;
        *depth = ++lock->depth;
        status = APR_SUCCESS;
    }
    leave();
    return status;
}

/* There is no owner any more. */
static void
set_free(mp_mutex_t *lock)
{
    if (enter()) {
        lock->owner = NULL;
        lock->depth = 0;
        pthread_cond_signal(&lock->freed);
        leave();
    }
}

static apr_status_t
take_before(mp_mutex_t *lock, const void *owner, apr_time_t deadline)
{
    unsigned depth = 0;
    apr_status_t status = claim(lock, owner, deadline, &depth);
    apr_interval_time_t left;

    if (status != APR_SUCCESS || depth > 1) {
        return status;
    }
    left = deadline - monotonic_now();
    status = apr_proc_mutex_timedlock(lock->mutex, left > 0 ? left : 1);
    if (status == APR_ENOTIMPL) {
        status = apr_proc_mutex_lock(lock->mutex);
    }
    if (status != APR_SUCCESS) {
        set_free(lock);
    }
    return status;
}

apr_status_t
mp_mutex_take(mp_mutex_t *lock, const void *owner, apr_interval_time_t timeout)
{
    apr_time_t begin = monotonic_now();
    apr_interval_time_t patience = timeout / 2;
    apr_status_t status;

    if (patience > REPORT_AFTER) {
        patience = REPORT_AFTER;
    }
    status = take_before(lock, owner, begin + patience);
    if (!APR_STATUS_IS_TIMEUP(status)) {
        return status;
    }
    mp_log(MP_LOG_SERVER(lock->server), APLOG_WARNING, 0, "MPY0602",
           "%s is held by another for more than %.1f s; still waiting",
           lock->name, (double)patience / APR_USEC_PER_SEC);
    return take_before(lock, owner, begin + timeout);
}

apr_status_t
mp_mutex_try(mp_mutex_t *lock, const void *owner)
{
    unsigned depth = 0;
    apr_status_t status = claim(lock, owner, 0, &depth);

    if (status != APR_SUCCESS || depth > 1) {
        return status;
    }
    status = apr_proc_mutex_trylock(lock->mutex);
    if (status != APR_SUCCESS) {
        set_free(lock);
    }
    return APR_STATUS_IS_EBUSY(status) ? APR_EBUSY : status;
}

/* Guard is held and owner has the lock: is this its last take? */
static int
is_last(mp_mutex_t *lock, int all)
{
    lock->depth = all ? 0 : lock->depth - 1;
    return lock->depth == 0;
}

static apr_status_t
drop(mp_mutex_t *lock, const void *owner, int all)
{
    int is_its, last = 0;
    apr_status_t status;

    if (!enter()) {
        return APR_EINVAL;
    }
    is_its = lock->owner == owner;
    if (is_its) {
        last = is_last(lock, all);
    }
    leave();
    if (!is_its) {
        return APR_EACCES;
    }
    if (!last) {
        return APR_SUCCESS;
    }
    /* Still its owner: nobody of this process takes the mutex meanwhile. */
    status = apr_proc_mutex_unlock(lock->mutex);
    set_free(lock);
    return status;
}

apr_status_t
mp_mutex_drop(mp_mutex_t *lock, const void *owner)
{
    return drop(lock, owner, 0);
}

/* Another thread may get the same name after this one. */
static void
end_thread(void *owner)
{
    mp_mutex_drop_all(owner);
}

const void *
mp_mutex_thread(void)
{
    pthread_setspecific(end_key, (const void *)&inside);
    return (const void *)&inside;
}

/* ---- those of programs ------------------------------------------------- */

apr_status_t
mp_mutex_create_all(int count, apr_interval_time_t timeout, apr_pool_t *pool,
                   server_rec *s, const char *directory)
{
    apr_status_t status = APR_SUCCESS;
    int i;

    programs.locks = apr_pcalloc(pool, count * sizeof(*programs.locks));
    programs.count = count;
    programs.timeout = timeout;
    for (i = 0; i < count && status == APR_SUCCESS; i++) {
        status = mp_mutex_create(&programs.locks[i], s,
                                 MP_MUTEX_OF_PROGRAMS, apr_itoa(pool, i),
                                 directory);
    }
    return status;
}

/* In a process that a program has forked. */
static void
end_use(void)
{
    is_usable = 0;
}

apr_status_t
mp_mutex_child_init_all(apr_pool_t *pchild)
{
    apr_status_t status = pthread_key_create(&end_key, end_thread);
    int i;

    if (status == APR_SUCCESS) {
        status = pthread_atfork(NULL, NULL, end_use);
    }
    for (i = 0; i < programs.count && status == APR_SUCCESS; i++) {
        status = mp_mutex_child_init(programs.locks[i], pchild);
    }
    return status;
}

int
mp_mutex_count(void)
{
    return programs.count;
}

mp_mutex_t *
mp_mutex_numbered(int number)
{
    return programs.locks[number];
}

apr_interval_time_t
mp_mutex_timeout(void)
{
    return programs.timeout;
}

int
mp_mutex_number_of(const void *key, size_t size)
{
    uint64_t hash = mp_key_hash(key, size);

    return programs.count > 1 ? 1 + (int)(hash % (programs.count - 1)) : 0;
}

int
mp_mutex_drop_all(const void *owner)
{
    int dropped = 0;
    int i;

    for (i = 0; i < programs.count; i++) {
        dropped += drop(programs.locks[i], owner, 1) == APR_SUCCESS;
    }
    return dropped;
}
