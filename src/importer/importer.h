/* importer.h - the importer of one interpreter: what its files share.
 *
 * One for each interpreter, made when it starts, there until the process
 * ends. What only the holder of the stage lock may touch is said so; the rest
 * is guarded by being attached (the GIL). Other layers use importer/api.h. */
#ifndef MP_IMPORTER_IMPORTER_H
#define MP_IMPORTER_IMPORTER_H

#include "runtime/state.h"

#include <apr_time.h>
#include <pthread.h>

#include "core/watch.h"
#include "server/handlers.h"

typedef struct mp_importer_t mp_importer_t;
typedef struct mp_root_t mp_root_t;
typedef struct mp_staging_t mp_staging_t;
struct mp_effects_t;
struct mp_instance_t;

struct mp_importer_t {
    mp_state_t *state;
    PyObject *current;   /* the committed generation (generation.h) */
    mp_root_t *_Atomic roots; /* all, in the order of their making; only grows;
                                 lock to add, anybody to read */
    /* Makes the __import__ of a root (import_hook.h), which knows roots and
     * not the other way round. New reference. */
    PyObject *(*make_hook)(mp_importer_t *importer, mp_root_t *root);
    /* What a portal of this name answers from, asked by code with these
     * globals (ask.h). */
    struct mp_instance_t *(*ask)(mp_importer_t *importer, PyObject *name,
                                 PyObject *globals);
    /* Load the module of this full name for code that is not hot. 0 or -1. */
    int (*load)(mp_importer_t *importer, PyObject *name);
    /* Deal with all changes, the stage lock held (refresh.h). */
    void (*refresh)(mp_importer_t *importer);
    PyObject *objects[MP_PHASE_ROWS]; /* str: default objects of the phases */
    PyObject *builtins;  /* dict of the module builtins */
    PyObject *loader;    /* class of hot modules' loaders (loader.h) */
    PyObject *interim;   /* the generation for requests that the stage in
                            progress does not concern, borrowed, or NULL */
    PyObject *interims;  /* list: those that are to be completed */
    PyObject *elders;    /* list: superseded generations that requests use */
    PyObject *retired;   /* list: instances whose purge hook is due */
    long pins;           /* requests that have pinned a generation; attached */
    long remains;        /* instances retired since the last collection */
    apr_time_t started_at;
    long serial;         /* counts instances; a later one began later */
    int is_frozen;       /* apache.freeze_modules(): never looks again */
    int has_ended;       /* the process ends */

    /* The stage lock: one thread at a time executes module bodies. Waited for
     * detached only. */
    pthread_mutex_t lock;
    pthread_cond_t released;
    const void *owner;   /* mp_thread_self() of the holder, or NULL; lock */
    int depth;           /* times the owner holds it; lock */
    unsigned long owner_ident; /* of the owner, for Python; lock */
    int is_overdue;      /* somebody has waited in vain; lock */
    int is_told;         /* and the log was told; lock */
    int waiting;         /* threads that wait for it; lock */
    long openings;       /* counts interim generations; lock to write */
    int timeout_ms;      /* how long the others wait */
    char executing[512]; /* the module whose body runs, for their log; lock */

    mp_watch_view_t *view;  /* NULL: nothing can be watched; detached */
    volatile long rounds;   /* counts the times that changes were dealt with:
                               written by the holder, read attached */

    /* The holder of the stage lock only. */
    mp_staging_t *staging;  /* the refresh in progress, or NULL */
    int log_level;          /* of lines about imports: 0: info; -1: none */
    PyObject *bodies;       /* list of the instances whose bodies run */
    struct mp_effects_t *effects; /* of the innermost of them (effects.h) */
    PyObject *history;      /* list of tuples, the last refreshes: (time,
                               generation number, seconds it took, dict of
                               name -> reason, list of (exception as text,
                               file, how many modules) that failed) */
    int collecting;         /* threads that have taken events from the watch
                               and not noted them yet; attached */
    long batches;           /* of events that threads have taken; lock of the
                               view */
    long noted;             /* of those, in their order; attached */
    PyObject *changed;      /* set of str: paths, with and without .py, that
                               events named and no refresh has dealt with */
    PyObject *put_off;      /* set of str: those that somebody has looked at,
                               and nobody has asked for what they concern */
    PyObject *moved;        /* list of str: trees below which anything may
                               differ; None in it: everything */
    PyObject *writing;      /* set of str: paths somebody is writing now */
    PyObject *reading;      /* set of str, borrowed from the refresh that is in
                               progress: files read so far; or NULL */
    PyObject *written;      /* set of str: files that bodies wrote meanwhile */
    int is_disturbed;       /* one of them was written to meanwhile */
    PyObject *disturbed;    /* set of str: those that were */
    PyObject *attempts;     /* dict: path -> int: refreshes that it spoiled */
    PyObject *restless;     /* dict: path -> int, time of its last event: files
                               that are written without a pause */
    PyObject *aside;        /* set of str: what events named of those */
    PyObject *polled;       /* dict: directory without events -> bytes, its
                               stamp when last looked at */
    long failures;          /* counts first loads that failed; attached */
    long failures_before;   /* what it was when the holder began to wait */
    PyObject *failed;       /* dict: name -> (number, exception, instance):
                               those that threads now waiting may have waited
                               for (attempt.h) */
    PyObject *pending;      /* set of str: modules whose newest files do not
                               load; tried again with the next change */
    PyObject *wide;         /* set of str: modules that load only with all of
                               their root, as a failure has taught */
    PyObject *orphaned;  /* set of str: modules that nobody imports any more,
                            to be taken out (orphans.h) */
    PyObject *touched;      /* set of str: the paths that attempt touched */
    PyObject *told;         /* set of str: what the log was told of them */

    /* Written by the holder, read by anybody (volatile loads do). */
    volatile int has_pending;
    volatile apr_time_t retry_at; /* when pending is due without a change */
    volatile int has_polled;
    volatile int has_put_off; /* there are changes that the view takes for
                                 settled, and that nobody has dealt with */
    volatile int has_restless; /* restless is not empty */

    /* background.h; lock to begin, anybody to read. */
    volatile int has_background;
    volatile int background_ends;
    volatile uint64_t position; /* of the watch, when last collected */
    pthread_t background;
};

#define MP_IMPORTER_RETRY_AFTER APR_USEC_PER_SEC

/* [attached] visit, for the state's traverse. */
int mp_importer_traverse(mp_state_t *state, visitproc visit, void *arg);

#endif
