/* spawn.c - processes and threads that programs start. */
#include "runtime/python.h"

#include "runtime/spawn.h"

#include <signal.h>

/* The signals of this thread's own faults, which are never blocked. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
                             SIGABRT, SIGSYS};

/* _posixsubprocess.fork_exec, which is self, with no signal blocked: the new
 * process gets the mask that its caller has. Python blocks all of them itself
 * while it forks. A signal that is waiting for another thread of httpd stays
 * blocked, or this one would take it away. */
static PyObject *
fork_exec(PyObject *self, PyObject *args)
{
    sigset_t open, before;
    sigpending(&open);
    pthread_sigmask(SIG_SETMASK, &open, &before);
    PyObject *pid = PyObject_CallObject(self, args);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* A function of _thread, which is self, with all signals blocked: those are
 * for httpd's threads. A prefork child ends in its handler of SIGTERM, and
 * that must not run in the midst of Python in a thread of the program. */
static PyObject *
start_thread(PyObject *self, PyObject *args, PyObject *keywords)
{
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        sigdelset(&blocked, faults[i]);
    }
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    PyObject *result = PyObject_Call(self, args, keywords);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

#define THREAD(name)                                                         \
    {name, (PyCFunction)(void (*)(void))start_thread,                        \
     METH_VARARGS | METH_KEYWORDS,                                           \
     "That of Python, with all signals blocked in the new thread."}

static PyMethodDef process_methods[] = {
    {"fork_exec", fork_exec, METH_VARARGS,
     "fork_exec(*args)\n--\n\nThat of Python, with no signal blocked."},
    {NULL, NULL, 0, NULL}
};
static PyMethodDef thread_methods[] = {
    THREAD("start_new_thread"), THREAD("start_new"),
    THREAD("start_joinable_thread"), /* since Python 3.13 */
    {NULL, NULL, 0, NULL}
};

/* Put method, which calls the original, in the place of that, if this Python
 * has it. 0, or -1 with an exception. */
static int
replace(PyObject *module, PyMethodDef *method)
{
    if (!PyObject_HasAttrString(module, method->ml_name)) {
        return 0;
    }
    PyObject *original = PyObject_GetAttrString(module, method->ml_name);
    PyObject *function = original ? PyCFunction_New(method, original) : NULL;
    int failed = function ? PyObject_SetAttrString(module, method->ml_name,
                                                   function) : -1;
    Py_XDECREF(function);
    Py_XDECREF(original);
    return failed;
}

/* The same for all methods, of the module of this name. */
static int
replace_all(const char *name, PyMethodDef *methods)
{
    PyObject *module = PyImport_ImportModule(name);
    int failed = module ? 0 : -1;
    for (PyMethodDef *method = methods; !failed && method->ml_name;
         method++) {
        failed = replace(module, method);
    }
    Py_XDECREF(module);
    return failed;
}

int
mp_spawn_install(mp_state_t *state)
{
    int failed = replace_all("_posixsubprocess", process_methods);
    return failed ? failed : replace_all("_thread", thread_methods);
}
