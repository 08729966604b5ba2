/* fork.c - what a process that a program forks must find.
 *
 * The one file that looks into CPython's own structures. The child of a fork
 * clears all interpreters but the main one, with the lock held that clearing
 * one takes (_PyInterpreterState_DeleteExceptMain), and waits for itself for
 * ever: with two interpreters, os.fork() never returns there. So the others
 * are forgotten before it looks, which leaves their memory to the end of that
 * process. Python lets only programs of the main interpreter fork. */
#define Py_BUILD_CORE 1
#include "runtime/python.h"

#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>

#include "runtime/fork.h"

#include <pthread.h>

/* In the new process, whose only thread this is. */
static void
forget_interpreters(void)
{
    PyInterpreterState *main = _PyRuntime.interpreters.main;
    if (main) {
        _PyRuntime.interpreters.head = main;
        main->next = NULL;
    }
}

int
mp_fork_install(void)
{
    return pthread_atfork(NULL, NULL, forget_interpreters);
}
