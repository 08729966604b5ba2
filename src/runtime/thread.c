/* thread.c - thread states: one for each (OS thread, interpreter).
 *
 * Everybody who runs Python comes through mp_thread_enter(). What a thread
 * owns is in its own thread-local record, so nothing here takes a lock. The
 * surprising rule: the main interpreter's state is made first on each thread,
 * because CPython 3.11 binds PyGILState to the first one and deadlocks in
 * PyGILState_Ensure() otherwise. */
#include "runtime/python.h"

#include "runtime/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

typedef struct {
    PyThreadState **states; /* by interpreter number; NULL: not made yet */
    int count;
    mp_interp_t *interp;    /* attached to, or NULL */
    void *pin;
    mp_log_place_t place;
    volatile int is_attached; /* or about to be: seen by signal handlers */
} mp_thread_t;

__thread char mp_thread_token __attribute__((tls_model("initial-exec")));
static __thread mp_thread_t self __attribute__((tls_model("initial-exec")));

/* Its destructor is how a thread gets to end its own states. */
static pthread_key_t end_key;
static pthread_once_t end_key_once = PTHREAD_ONCE_INIT;

static void
end_states(void *unused)
{
    mp_thread_end();
}

static void
make_end_key(void)
{
    pthread_key_create(&end_key, end_states);
}

/* The C library clears the keys of a thread that ends in the order in which
 * they were made. Python has one too, in which PyGILState finds the state of
 * the thread, so ours must be there first. */
void
mp_thread_prepare(void)
{
    pthread_once(&end_key_once, make_end_key);
}

static int
make_room(int number)
{
    if (number < self.count) {
        return 0;
    }
    int count = number + 4;
    PyThreadState **states = realloc(self.states, count * sizeof(*states));
    if (!states) {
        return -1;
    }
    for (int i = self.count; i < count; i++) {
        states[i] = NULL;
    }
    self.states = states;
    self.count = count;
    mp_thread_prepare();
    pthread_setspecific(end_key, &self);
    return 0;
}

int
mp_thread_keep(mp_interp_t *interp, PyThreadState *tstate)
{
    if (make_room(interp->number) < 0) {
        return -1;
    }
    self.states[interp->number] = tstate;
    return 0;
}

/* The state that Python itself gave to this thread, if it is one of python: a
 * thread of a program, in which C code comes back to us. Such a state is not
 * ours to keep or to end. */
static PyThreadState *
state_from_python(PyInterpreterState *python)
{
    PyThreadState *own = PyGILState_GetThisThreadState();
    return own && PyThreadState_GetInterpreter(own) == python ? own : NULL;
}

/* The state of this thread for interp, made if there is none. */
static PyThreadState *
find_state(mp_interp_t *interp)
{
    if (interp->number < self.count && self.states[interp->number]) {
        return self.states[interp->number];
    }
    PyThreadState *own = state_from_python(interp->python);
    if (own) {
        return own;
    }
    if (make_room(interp->number) < 0) {
        return NULL;
    }
    if (!self.states[0] && !state_from_python(PyInterpreterState_Main())) {
        self.states[0] = PyThreadState_New(PyInterpreterState_Main());
        if (!self.states[0]) {
            return NULL;
        }
    }
    if (!self.states[interp->number]) {
        self.states[interp->number] = PyThreadState_New(interp->python);
    }
    return self.states[interp->number];
}

int
mp_thread_enter(mp_thread_scope_t *outer, mp_interp_t *interp, void *pin)
{
    /* A prefork child ends in a signal handler, which may interrupt Python in
     * the middle of anything: then there is no going in. */
    PyThreadState *tstate = self.is_attached ? NULL : find_state(interp);
    if (!tstate) {
        return -1;
    }
    self.is_attached = 1;
    outer->interp = self.interp;
    outer->pin = self.pin;
    PyEval_RestoreThread(tstate);
    self.interp = interp;
    self.pin = pin;
    return 0;
}

void
mp_thread_leave(const mp_thread_scope_t *outer)
{
    self.interp = outer->interp;
    self.pin = outer->pin;
    PyEval_SaveThread();
    self.is_attached = 0;
}

mp_thread_suspended_t
mp_thread_suspend(void)
{
    PyThreadState *held = PyEval_SaveThread();
    self.is_attached = 0;
    return held;
}

void
mp_thread_resume(mp_thread_suspended_t held)
{
    int saved = errno;
    self.is_attached = 1;
    PyEval_RestoreThread(held);
    errno = saved;
}

void
mp_thread_yield(void)
{
    mp_thread_resume(mp_thread_suspend());
}

void *
mp_thread_pin(void)
{
    return self.pin;
}

void *
mp_thread_set_pin(void *pin)
{
    void *before = self.pin;
    self.pin = pin;
    return before;
}

mp_log_place_t
mp_thread_place(void)
{
    return self.place;
}

mp_log_place_t
mp_thread_set_place(mp_log_place_t place)
{
    mp_log_place_t before = self.place;
    self.place = place;
    return before;
}

mp_interp_t *
mp_thread_interp(void)
{
    return self.interp;
}

int
mp_thread_is_attached(void)
{
    const PyThreadState *current = PyThreadState_GetUnchecked();
    if (!current || current == PyGILState_GetThisThreadState()) {
        return current != NULL;
    }
    /* On 3.11 it may be of another thread, which must not be looked at. */
    for (int i = 0; i < self.count; i++) {
        if (self.states[i] == current) {
            return 1;
        }
    }
    return 0;
}

mp_thread_pause_t
mp_thread_pause(void)
{
    mp_thread_pause_t pause = {NULL, self.is_attached};
    if (mp_thread_is_attached()) {
        pause.held = PyEval_SaveThread();
    }
    self.is_attached = 0;
    return pause;
}

void
mp_thread_end_pause(mp_thread_pause_t pause)
{
    self.is_attached = pause.was_marked;
    if (pause.held) {
        PyEval_RestoreThread(pause.held);
    }
}

int
mp_thread_is_in_python(void)
{
    return self.is_attached || mp_thread_is_attached();
}

void
mp_thread_end(void)
{
    /* The main interpreter's state goes last, as it came first. */
    for (int i = self.count - 1; i >= 0; i--) {
        if (self.states[i]) {
            PyEval_RestoreThread(self.states[i]);
            PyThreadState_Clear(self.states[i]);
            PyThreadState_DeleteCurrent();
            self.states[i] = NULL;
        }
    }
    free(self.states);
    self.states = NULL;
    self.count = 0;
}

void
mp_thread_after_fork(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGWINCH};
    sigset_t none;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        signal(numbers[i], SIG_DFL);
    }
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}
