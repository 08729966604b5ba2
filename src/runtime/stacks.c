/* stacks.c - what Python is doing, when nobody can be asked any more.
 *
 * Everything here runs in signal handlers, at any moment, in any thread: no
 * memory is allocated, no lock is taken, and lines are written to the file
 * descriptor that httpd has made its error log. Python's own walk over the
 * stacks is made for this, and may stop early where a thread is at work. */
#include "runtime/python.h"

#include "runtime/stacks.h"

#include "runtime/interp.h"
#include "runtime/thread.h"

#include <apr_strings.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Of libpython, for its module faulthandler; NULL where it is not exported,
 * which faulthandler itself must make up for then. */
extern const char *_Py_DumpTracebackThreads(int fd, PyInterpreterState *interp,
                                            PyThreadState *current)
    __attribute__((weak));

typedef struct {
    int number;
    const char *name;
} fault_t;

static const fault_t faults[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"},
    {SIGILL, "SIGILL"},   {SIGABRT, "SIGABRT"},
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static struct sigaction before[FAULTS]; /* httpd's */

static void
say(const char *format, const char *text)
{
    char line[512];
    int size = apr_snprintf(line, sizeof(line), format, text, (long)getpid());
    if (write(STDERR_FILENO, line, (size_t)size) < 0) {
        return; /* there is nobody left to be told */
    }
}

static void
write_stacks(void)
{
    for (const mp_interp_t *interp = mp_interp_peek(); interp;
         interp = interp->next) {
        if (interp->python) {
            say("interpreter '%s':\n", interp->name);
            (void)_Py_DumpTracebackThreads(STDERR_FILENO, interp->python,
                                           NULL);
        }
    }
}

static void
on_request(int number)
{
    const int kept = errno;
    say("MPY0108: %s: the stacks of process %ld follow\n", "SIGUSR2");
    write_stacks();
    errno = kept;
}

static void
on_fault(int number, siginfo_t *info, void *context)
{
    size_t i = 0;
    while (i + 1 < FAULTS && faults[i].number != number) {
        i++;
    }
    sigaction(number, &before[i], NULL);
    say("MPY0109: %s: process %ld ends; its stacks follow\n", faults[i].name);
    write_stacks();
    /* What the processor has refused it refuses again on return. */
    if (info->si_code <= 0) {
        raise(number);
    }
}

/* faulthandler shows the interpreter of the thread that gets the signal, which
 * is the main one for SIGUSR2, without a line of ours. is_free: SIGUSR2 is
 * nobody's. */
static void
enable_faulthandler(int is_free)
{
    mp_interp_t *interp = mp_interp_get(MP_MAIN_INTERPRETER);
    mp_thread_scope_t outer;
    if (!interp || mp_thread_enter(&outer, interp, NULL) < 0) {
        return;
    }
    PyObject *module = PyImport_ImportModule("faulthandler");
    PyObject *enabled = module ? PyObject_CallMethod(module, "enable", "i",
                                                     STDERR_FILENO) : NULL;
    PyObject *registered = enabled && is_free
        ? PyObject_CallMethod(module, "register", "ii", SIGUSR2,
                              STDERR_FILENO) : NULL;
    PyErr_Clear(); /* a Python without it dies in silence */
    Py_XDECREF(registered);
    Py_XDECREF(enabled);
    Py_XDECREF(module);
    mp_thread_leave(&outer);
}

/* The records of interpreters go with the pool. */
static apr_status_t
disable(void *unused)
{
    struct sigaction nothing = {.sa_handler = SIG_IGN};
    sigaction(SIGUSR2, &nothing, NULL);
    for (size_t i = 0; i < FAULTS; i++) {
        sigaction(faults[i].number, &before[i], NULL);
    }
    return APR_SUCCESS;
}

/* The main thread of a child takes it, and with the threaded MPMs whoever is
 * started from here; those block everything else. */
static void
let_in(int number)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, number);
    pthread_sigmask(SIG_UNBLOCK, &wanted, NULL);
}

void
mp_stacks_enable(apr_pool_t *pchild)
{
    struct sigaction action = {.sa_flags = SA_RESTART};
    struct sigaction known;
    const int is_free = sigaction(SIGUSR2, NULL, &known) == 0
                        && known.sa_handler == SIG_DFL;
    if (is_free) {
        let_in(SIGUSR2);
    }
    if (!_Py_DumpTracebackThreads) {
        enable_faulthandler(is_free);
        return;
    }
    action.sa_handler = on_request;
    if (is_free) {
        sigaction(SIGUSR2, &action, NULL);
    }
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    action.sa_sigaction = on_fault;
    for (size_t i = 0; i < FAULTS; i++) {
        sigaction(faults[i].number, &action, &before[i]);
    }
    apr_pool_cleanup_register(pchild, NULL, disable, apr_pool_cleanup_null);
}
