/* filter.h - mp_filter: what a filter's handler works with (api.md 3.5).
 *
 * filter.c: the type and its attributes; filter_io.c: reading and writing;
 * hooks/filters.c and hooks/include_tag.c make the calls.
 *
 * A handler is called with one piece of the content: data, at most
 * MP_FILTER_PIECE bytes or so, and the metadata buckets behind them. So what
 * it writes is in its place between the metadata, whatever it reads at a
 * time, and no file is in memory as a whole. */
#ifndef MP_OBJECTS_FILTER_H
#define MP_OBJECTS_FILTER_H

#include "objects/proxy.h"
#include "server/handlers.h"

#include <apr_buckets.h>
#include <util_filter.h>

extern PyType_Spec mp_filter_spec;

#define MP_FILTER_PIECE 0x100000

/* Headers that say which version of the content this is. */
#define MP_FILTER_VALIDATORS 3

/* One filter of one request; in its pool, and as f->ctx there. */
typedef struct {
    ap_filter_t *f;              /* set with each call */
    const mp_handler_t *handler; /* NULL: the name means none, or this is a
                                    #python element */
    const char *name;            /* NULL: httpd's */
    apr_bucket_brigade *rest;    /* of the content: not yet in a piece; of an
                                    output filter its caller's, else ours */
    apr_bucket_brigade *in;      /* the piece, as far as it was not read; its
                                    data are in memory */
    apr_bucket_brigade *taken;   /* what was read of it */
    apr_bucket_brigade *out;     /* what was written, and not passed on */
    apr_bucket_brigade *held;    /* input: what the next reader gets */
    apr_bucket_brigade brigades[3]; /* in, taken and out */
    apr_off_t written;           /* bytes in out */
    const char *validators[MP_FILTER_VALIDATORS]; /* output: the producer's,
                                    until the handler writes */
    int *flush_now;              /* element: mod_include's */
    apr_status_t status;         /* of passing on or fetching; the first that
                                    is not APR_SUCCESS stays */
    long softspace;
    unsigned is_input : 1;
    unsigned is_element : 1;  /* of a page: there is nothing to read */
    unsigned begun : 1;       /* output: the first brigade has come */
    unsigned can_wait : 1;    /* input: more may be asked for */
    unsigned closed : 1;      /* by the handler, or at the end of stream */
    unsigned ended : 1;       /* the end of stream has been seen */
    unsigned disabled : 1;    /* everything passes, and Python is not asked */
    unsigned running : 1;     /* the handler runs */
} mp_filter_t;

/* What the handler sees of it. */
typedef struct {
    mp_proxy_t base; /* ptr: mp_filter_t * */
    PyObject *req;   /* the request object, or what the program put there */
    PyObject *lent;  /* list of bytes that buckets in out point into: no copy
                        was made; NULL: none */
} mp_filter_object_t;

/* A record in r->pool. handler and name: as above; they must live as long. */
mp_filter_t *mp_filter_create(request_rec *r, const mp_handler_t *handler,
                              const char *name, int is_input);

/* The object for one call of the handler; req: the request object. It must be
 * made to expire (mp_proxy_expire()) when the call has ended.
 * New reference; NULL with an exception. [attached] */
PyObject *mp_filter_wrap(mp_state_t *state, mp_filter_t *filter,
                         PyObject *req);

/* Move the beginning of filter->rest to the end of filter->in: a piece, or, if
 * there are no data in front of them, metadata only. Files are read as far as
 * that. [detached] */
apr_status_t mp_filter_cut(mp_filter_t *filter);

/* The first brigade of an output filter has come: note its validators, which
 * go when the handler writes something else instead. */
void mp_filter_note_validators(mp_filter_t *filter);

/* Hand filter->out to the next output filter. [detached] */
apr_status_t mp_filter_pass(mp_filter_t *filter);

/* Has the handler written what is only lent? Then out is to be passed on, or
 * emptied, before mp_filter_give_back(). [attached] */
int mp_filter_has_lent(PyObject *self);
void mp_filter_give_back(PyObject *self);

/* Ask the next input filter for at most size bytes more, into filter->rest,
 * which is empty. [detached] */
apr_status_t mp_filter_fetch(mp_filter_t *filter, apr_read_type_e block,
                             apr_off_t size);

/* Methods. */
PyObject *mp_filter_read(PyObject *self, PyObject *args, PyObject *keywords);
PyObject *mp_filter_readline(PyObject *self, PyObject *args,
                             PyObject *keywords);
PyObject *mp_filter_write(PyObject *self, PyObject *data);
PyObject *mp_filter_flush(PyObject *self, PyObject *unused);
PyObject *mp_filter_close(PyObject *self, PyObject *unused);
PyObject *mp_filter_pass_on(PyObject *self, PyObject *unused);
PyObject *mp_filter_disable(PyObject *self, PyObject *unused);

#endif
