/* wsgi_by_hand.c - req.build_wsgi_env() and req.wsgi_start_response(), for
 * handlers that call a WSGI application themselves and send what it returns
 * with req.write().
 *
 * One start_response() serves the whole request, so that a second call is
 * noticed: the holding of the request keeps it. */
#include "runtime/python.h"

#include "web/wsgi.h"

#include "objects/request.h"
#include "web/wsgi_environ.h"
#include "web/wsgi_response.h"

#include <string.h>

/* The ValueError of a base that is not written as it should be, or None. */
static PyObject *
refuse_base(const apr_table_t *options, const char *wrong)
{
    const char *base = apr_table_get(options, "mod_python.wsgi.base_uri");
    const size_t length = base ? strlen(base) : 0;
    if (length > 0 && base[length - 1] == '/') {
        return PyErr_Format(PyExc_ValueError, "%s", wrong);
    }
    Py_RETURN_NONE;
}

static PyObject *
build_environ(PyObject *self, PyObject *unused)
{
    request_rec *r = mp_request_ptr_open(self);
    const apr_table_t *options = r
        ? mp_request_options((mp_request_object_t *)self) : NULL;
    if (!options) {
        return NULL;
    }
    const char *base;
    const char *wrong = mp_wsgi_find_base(self, r, options, &base);
    return wrong ? refuse_base(options, wrong)
                 : mp_wsgi_environ(((mp_proxy_t *)self)->state, self, r, base);
}

/* The one of the request, made at first use. Borrowed. */
static mp_wsgi_response_t *
response_of(PyObject *self)
{
    mp_state_t *state = ((mp_proxy_t *)self)->state;
    mp_holding_t *holding = mp_context_holding(
        ((mp_request_object_t *)self)->request, state->interp);
    if (!holding->started) {
        holding->started = mp_wsgi_response_create(state, self);
    }
    return holding->started;
}

static PyObject *
start_response(PyObject *self, PyObject *args, PyObject *keywords)
{
    request_rec *r = mp_request_ptr_open(self);
    mp_wsgi_response_t *response = r ? response_of(self) : NULL;
    if (!response) {
        return NULL;
    }
    if (response->is_started && response->sent == 0) {
        response->sent = r->sent_bodyct > 0; /* by req.write() */
    }
    return PyObject_Call((PyObject *)response, args, keywords);
}

PyMethodDef mp_wsgi_request_methods[] = {
    {"build_wsgi_env", build_environ, METH_NOARGS,
     "build_wsgi_env($self, /)\n--\n\n"
     "The environ of this request for a WSGI application: a new dict.\n\n"
     "None when the URI is not below mod_python.wsgi.base_uri; ValueError\n"
     "when that ends in '/'. Usually PythonHandler mod_python.wsgi does all\n"
     "of it."},
    {"wsgi_start_response",
     (PyCFunction)(void (*)(void))start_response,
     METH_VARARGS | METH_KEYWORDS,
     "wsgi_start_response($self, status, headers, exc_info=None, /)\n--\n\n"
     "start_response() of PEP 3333: sets status and headers, and returns\n"
     "write(data). A second call without exc_info is RuntimeError."},
    {NULL, NULL, 0, NULL}
};
