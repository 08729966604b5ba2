/* mod_python.h - what mod_python offers to other modules of httpd.
 *
 * Include it before all other headers, as Python.h asks for. The functions
 * are APR optional functions: retrieve them in the hook
 * optional_fn_retrieve, and be ready for NULL, which means that mod_python is
 * not loaded.
 *
 *     static APR_OPTIONAL_FN_TYPE(mp_acquire_interpreter) *acquire;
 *     static APR_OPTIONAL_FN_TYPE(mp_release_interpreter) *release;
 *     static APR_OPTIONAL_FN_TYPE(mp_get_request_object) *request_object;
 *
 *     static void retrieve(void)
 *     {
 *         acquire = APR_RETRIEVE_OPTIONAL_FN(mp_acquire_interpreter);
 *         release = APR_RETRIEVE_OPTIONAL_FN(mp_release_interpreter);
 *         request_object = APR_RETRIEVE_OPTIONAL_FN(mp_get_request_object);
 *     }
 *
 *     static int fixups(request_rec *r)
 *     {
 *         if (acquire && acquire(NULL)) {
 *             PyObject *req = request_object(r);
 *             ...
 *             release();
 *         }
 *         return DECLINED;
 *     }
 *
 *     ap_hook_optional_fn_retrieve(retrieve, NULL, NULL, APR_HOOK_MIDDLE);
 */
#ifndef MOD_PYTHON_H
#define MOD_PYTHON_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include <apr_optional.h>
#include <httpd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Attach this thread to the interpreter of that name, which is made if there
 * is none; NULL is the main interpreter, "main_interpreter". The thread may be
 * attached already, also to another interpreter, which it is again after the
 * release. NULL: nothing was attached, and no release is due; the cause is in
 * the error log. Only in child processes, from the hook child_init on, behind
 * mod_python's own (predecessor "mod_python.c"). */
APR_DECLARE_OPTIONAL_FN(PyInterpreterState *, mp_acquire_interpreter,
                        (const char *name));

/* Undo the last acquire of this thread that is not undone. The thread must be
 * attached as that acquire has left it. An exception that is still set is
 * logged. */
APR_DECLARE_OPTIONAL_FN(void, mp_release_interpreter, (void));

/* The Python objects of httpd's structures, in the interpreter that the thread
 * is attached to. NULL with an exception set on failure; NULL without one when
 * the thread is not attached.
 *
 * That of a request is the same that Python handlers in this interpreter get,
 * before and afterwards: a borrowed reference, which is good until the request
 * ends. Until the release, what Python writes goes to the log of r. */
APR_DECLARE_OPTIONAL_FN(PyObject *, mp_get_request_object, (request_rec *r));
/* New references. */
APR_DECLARE_OPTIONAL_FN(PyObject *, mp_get_server_object, (server_rec *s));
APR_DECLARE_OPTIONAL_FN(PyObject *, mp_get_connection_object, (conn_rec *c));

#ifdef __cplusplus
}
#endif

#endif
