/* cgi.c - what mod_python.cgihandler needs of C: a lock that all interpreters
 * of the process share, because the working directory and the environment
 * belong to the process; and imports for a program that is no module.
 *
 * The lock may be taken again by the thread that has it: a script may cause a
 * sub-request that is a script, too. */
#include "runtime/python.h"

#include "web/cgi.h"

#include "importer/api.h"
#include "runtime/text.h"
#include "runtime/thread.h"

#include <pthread.h>

static pthread_mutex_t cgi_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

PyDoc_STRVAR(lock_doc,
"cgi_lock()\n--\n\n"
"Wait until no other thread of this process runs a script.");

static PyObject *
function_lock(PyObject *module, PyObject *unused)
{
    mp_thread_suspended_t held = mp_thread_suspend();
    pthread_mutex_lock(&cgi_lock);
    mp_thread_resume(held);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(unlock_doc,
"cgi_unlock()\n--\n\n"
"Undo one cgi_lock() of this thread.");

static PyObject *
function_unlock(PyObject *module, PyObject *unused)
{
    pthread_mutex_unlock(&cgi_lock);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(builtins_doc,
"builtins_of(directory, /)\n--\n\n"
"What a program in this directory (str) needs as __builtins__, so that its\n"
"imports are those of a module there.");

static PyObject *
function_builtins(PyObject *module, PyObject *directory)
{
    mp_state_t *state = mp_state_of_module(module);
    mp_text_view_t view;
    if (mp_text_string(&view, directory, MP_TEXT_PLAIN, "directory") < 0) {
        return NULL;
    }
    PyObject *builtins = mp_importer_builtins(state->importer, view.bytes);
    mp_text_release(&view);
    return builtins;
}

PyMethodDef mp_cgi_functions[] = {
    {"cgi_lock", function_lock, METH_NOARGS, lock_doc},
    {"cgi_unlock", function_unlock, METH_NOARGS, unlock_doc},
    {"builtins_of", function_builtins, METH_O, builtins_doc},
    {NULL, NULL, 0, NULL}
};
