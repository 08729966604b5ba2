/* background.c - the thread that refreshes for those who do not wait. */
#include "runtime/python.h"

#include "importer/background.h"

#include "importer/refresh.h"
#include "runtime/thread.h"
#include "server/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define LOOK_EVERY_MS 50
#define JOIN_SECONDS 1

static void
refresh_once(mp_importer_t *importer)
{
    mp_thread_scope_t outer;
    if (mp_thread_enter(&outer, importer->state->interp, NULL) < 0) {
        return; /* out of memory: the next round tries again */
    }
    mp_refresh_run(importer, NULL, NULL);
    mp_thread_leave(&outer);
}

static void *
run(void *argument)
{
    mp_importer_t *importer = argument;
    while (!importer->background_ends) {
        if (mp_refresh_is_due(importer)) {
            refresh_once(importer);
        }
        /* Another process may take the event out of the descriptor, which
         * then is not readable here: look from time to time. */
        mp_watch_wait(importer->view, importer->position, LOOK_EVERY_MS);
    }
    return NULL;
}

void
mp_background_ensure(mp_importer_t *importer)
{
    sigset_t all, before;
    if (importer->has_background || !importer->view) {
        return;
    }
    pthread_mutex_lock(&importer->lock);
    if (!importer->has_background) {
        importer->has_background = 1;
        /* httpd's signals are for its own threads. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int error = pthread_create(&importer->background, NULL, run, importer);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (error) {
            importer->has_background = 0; /* the next request tries again */
        }
    }
    pthread_mutex_unlock(&importer->lock);
}

void
mp_background_stop(mp_importer_t *importer)
{
    struct timespec deadline;
    if (!importer->has_background) {
        return;
    }
    importer->background_ends = 1;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += JOIN_SECONDS;
    mp_thread_suspended_t held = mp_thread_suspend();
    pthread_timedjoin_np(importer->background, NULL, &deadline);
    mp_thread_resume(held);
}
