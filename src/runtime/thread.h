/* thread.h - the only file that attaches to and detaches from Python.
 *
 * One thread state for each (OS thread, interpreter), made once, kept, ended
 * by its own thread (docs/internals/threads.md). */
#ifndef MP_RUNTIME_THREAD_H
#define MP_RUNTIME_THREAD_H

#include "runtime/state.h"
#include "server/log.h"

/* What a thread was doing before it entered; on the caller's stack. */
typedef struct {
    mp_interp_t *interp;
    void *pin;
} mp_thread_scope_t;

/* Attach this thread to interp, whatever it did before; it must be detached.
 * pin: what mp_thread_pin() answers until mp_thread_leave(), borrowed.
 * 0, or -1 (out of memory; nothing is attached). */
int mp_thread_enter(mp_thread_scope_t *outer, mp_interp_t *interp, void *pin);
/* Detach and restore what was before. */
void mp_thread_leave(const mp_thread_scope_t *outer);

/* Detach for something that may block, and attach again:
 *     mp_thread_suspended_t held = mp_thread_suspend();
 *     ... no Python here ...
 *     mp_thread_resume(held);
 * [attached] before and after. errno survives mp_thread_resume(). */
typedef PyThreadState *mp_thread_suspended_t;
mp_thread_suspended_t mp_thread_suspend(void);
void mp_thread_resume(mp_thread_suspended_t held);

/* Let other threads have the GIL, in the middle of something long that runs no
 * Python code. [attached] */
void mp_thread_yield(void);

/* The pin of the running request (importer/generation.h), borrowed; NULL in
 * threads that are not inside a request. */
void *mp_thread_pin(void);
/* Replace it: staging, and the first phase. Answers the one before. */
void *mp_thread_set_pin(void *pin);

/* The request, connection and server whose phase runs in this thread, for log
 * lines of sys.stderr and logging; fields are NULL outside. Set by hooks. */
mp_log_place_t mp_thread_place(void);
mp_log_place_t mp_thread_set_place(mp_log_place_t place);

/* A token that is different for each OS thread and never NULL. */
extern __thread char mp_thread_token
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
static inline const void *mp_thread_self(void)
{
    return &mp_thread_token;
}

/* The interpreter this thread is attached to, or NULL. */
mp_interp_t *mp_thread_interp(void);

/* Is this thread attached, by us or by whatever extension module? */
int mp_thread_is_attached(void);

/* For C code that cannot know what its thread does: detached from here on, so
 * that it may enter, until it is again what it was. The extension modules that
 * a handler calls detach by themselves, which mp_thread_enter() does not
 * see. */
typedef struct {
    PyThreadState *held;
    int was_marked; /* attached, or about to be, as far as we knew */
} mp_thread_pause_t;
mp_thread_pause_t mp_thread_pause(void);
void mp_thread_end_pause(mp_thread_pause_t pause);

/* Might a signal handler have interrupted Python in this thread? */
int mp_thread_is_in_python(void);

/* Once in a process, before anything of Python starts. */
void mp_thread_prepare(void);

/* This thread, attached to interp by CPython itself when it made it, keeps
 * tstate for it. 0, or -1 when out of memory. */
int mp_thread_keep(mp_interp_t *interp, PyThreadState *tstate);

/* This process was forked by a program: the signals that httpd blocks in its
 * threads and handles in its children are the program's again, so that it can
 * be ended. */
void mp_thread_after_fork(void);

/* End this thread's states; also runs by itself when a thread ends. */
void mp_thread_end(void);

#endif
