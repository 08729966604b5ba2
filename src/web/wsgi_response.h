/* wsgi_response.h - the response of a WSGI application: start_response(), the
 * write() that it returns, and the chunks that are sent. */
#ifndef MP_WEB_WSGI_RESPONSE_H
#define MP_WEB_WSGI_RESPONSE_H

#include "objects/request.h"
#include "runtime/state.h"

#include <httpd.h>

/* The object that applications get as start_response. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *request;    /* the request object, owned */
    apr_table_t *before;  /* headers_out before the first start_response();
                             NULL: it was empty */
    apr_off_t length;     /* of Content-Length; -1: not said */
    apr_off_t sent;       /* bytes of the body that went to httpd */
    unsigned is_started : 1;
    unsigned is_over : 1; /* the handler is done with it */
} mp_wsgi_response_t;

extern PyType_Spec mp_wsgi_response_spec;

/* A response that has not begun. New reference; NULL with an exception.
 * [attached] */
mp_wsgi_response_t *mp_wsgi_response_create(mp_state_t *state,
                                            PyObject *request);

/* Send a chunk: bytes, any bytes-like object, or str as UTF-8. flush: it is
 * to reach the client before the application goes on. What goes beyond
 * Content-Length is left out. 0, or -1 with an exception; 1: Content-Length is
 * reached, nothing more is wanted. [attached; detaches to send] */
int mp_wsgi_response_send(mp_wsgi_response_t *self, PyObject *chunk,
                          int flush);

/* All was sent: was it a response? 0, or -1 with an exception. [attached] */
int mp_wsgi_response_finish(mp_wsgi_response_t *self);

/* It will be none. What start_response() did is undone, unless something has
 * been sent. An exception in flight stays. [attached] */
void mp_wsgi_response_abandon(mp_wsgi_response_t *self);

/* How many bytes of the body may still be sent, -1: any number. */
apr_off_t mp_wsgi_response_room(const mp_wsgi_response_t *self);

#endif
