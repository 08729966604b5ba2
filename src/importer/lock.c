/* lock.c - the stage lock: whoever holds it may execute module bodies. */
#include "runtime/python.h"

#include "importer/lock.h"

#include "runtime/thread.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

int
mp_lock_init(mp_importer_t *importer)
{
    pthread_condattr_t attributes;
    if (pthread_mutex_init(&importer->lock, NULL)
        || pthread_condattr_init(&attributes)) {
        return -1;
    }
    int failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
                 || pthread_cond_init(&importer->released, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed ? -1 : 0;
}

int
mp_lock_after_fork(mp_importer_t *importer)
{
    mp_lock_init(importer); /* a thread may have held it at that moment */
    importer->waiting = 0;
    if (!importer->owner || importer->owner == mp_thread_self()) {
        return 0;
    }
    importer->owner = NULL;
    importer->depth = 0;
    return 1;
}

static struct timespec
deadline_after(int milliseconds)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += milliseconds / 1000;
    deadline.tv_nsec += (milliseconds % 1000) * 1000000L;
    if (deadline.tv_nsec >= 1000000000L) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000L;
    }
    return deadline;
}

/* Under importer->lock. */
static void
become_owner(mp_importer_t *importer)
{
    importer->owner = mp_thread_self();
    importer->owner_ident = PyThread_get_thread_ident();
    importer->depth = 1;
    importer->is_overdue = 0;
    importer->is_told = 0;
}

/* Take it if it is free or ours, without waiting. */
static int
try_lock(mp_importer_t *importer)
{
    int taken = 0;
    pthread_mutex_lock(&importer->lock);
    if (!importer->owner) {
        become_owner(importer);
        taken = 1;
    }
    else if (importer->owner == mp_thread_self()) {
        importer->depth++;
        taken = 1;
    }
    pthread_mutex_unlock(&importer->lock);
    return taken;
}

/* Detached. 0; EAGAIN: there were more openings than that before; or ETIMEDOUT
 * with the module that is being executed. */
static int
wait_for_lock(mp_importer_t *importer, long openings, char *executing,
              size_t size)
{
    int error = 0;
    struct timespec deadline = deadline_after(importer->timeout_ms);
    pthread_mutex_lock(&importer->lock);
    importer->waiting++;
    while (importer->owner && !importer->is_overdue && !error
           && importer->openings <= openings) {
        error = pthread_cond_timedwait(&importer->released, &importer->lock,
                                       &deadline);
    }
    importer->waiting--;
    if (!importer->owner) {
        become_owner(importer);
        error = 0;
    }
    else if (importer->openings > openings) {
        error = EAGAIN;
    }
    else {
        importer->is_overdue = 1;
        error = ETIMEDOUT;
        pthread_cond_broadcast(&importer->released);
        snprintf(executing, size, "%s", importer->executing);
    }
    pthread_mutex_unlock(&importer->lock);
    return error;
}

int
mp_lock_take(mp_importer_t *importer)
{
    return mp_lock_take_unless(importer, LONG_MAX);
}

void
mp_lock_announce(mp_importer_t *importer)
{
    pthread_mutex_lock(&importer->lock);
    importer->openings++;
    pthread_cond_broadcast(&importer->released);
    pthread_mutex_unlock(&importer->lock);
}

int
mp_lock_take_unless(mp_importer_t *importer, long openings)
{
    char executing[sizeof(importer->executing)] = "";
    long failures = importer->failures;
    if (try_lock(importer)) {
        if (importer->depth == 1) {
            importer->failures_before = LONG_MAX; /* waited for nobody */
        }
        return 0;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    int error = wait_for_lock(importer, openings, executing,
                              sizeof(executing));
    mp_thread_resume(held);
    if (error == EAGAIN) {
        return 1;
    }
    if (error) {
        PyErr_Format(PyExc_TimeoutError,
                     "waited %d s for module '%s', which another thread is "
                     "executing", importer->timeout_ms / 1000, executing);
        return -1;
    }
    importer->failures_before = failures;
    return 0;
}

void
mp_lock_leave(mp_importer_t *importer)
{
    if (!mp_lock_is_mine(importer)) {
        return;
    }
    if (importer->depth == 1 && importer->waiting == 0
        && PyDict_GET_SIZE(importer->failed) > 0) {
        PyObject *exc = PyErr_GetRaisedException();
        PyDict_Clear(importer->failed); /* nobody has waited for them */
        PyErr_SetRaisedException(exc);
    }
    pthread_mutex_lock(&importer->lock);
    if (--importer->depth == 0) {
        importer->owner = NULL;
        importer->executing[0] = '\0';
        pthread_cond_signal(&importer->released);
    }
    pthread_mutex_unlock(&importer->lock);
}

int
mp_lock_is_mine(mp_importer_t *importer)
{
    pthread_mutex_lock(&importer->lock);
    int mine = importer->owner == mp_thread_self();
    pthread_mutex_unlock(&importer->lock);
    return mine;
}

int
mp_lock_is_busy(mp_importer_t *importer)
{
    pthread_mutex_lock(&importer->lock);
    int busy = importer->owner && importer->owner != mp_thread_self();
    pthread_mutex_unlock(&importer->lock);
    return busy;
}

unsigned long
mp_lock_take_over(mp_importer_t *importer)
{
    unsigned long ident = 0;
    pthread_mutex_lock(&importer->lock);
    if (importer->owner && importer->is_overdue) {
        ident = importer->owner_ident;
        become_owner(importer);
    }
    pthread_mutex_unlock(&importer->lock);
    return ident;
}

int
mp_lock_is_news(mp_importer_t *importer)
{
    pthread_mutex_lock(&importer->lock);
    int is_news = !importer->is_told;
    importer->is_told = 1;
    pthread_mutex_unlock(&importer->lock);
    return is_news;
}
