/* context.h - our record on each request_rec.
 *
 * Made by the first Python phase of a request_rec, kept in its request_config,
 * gone with its pool. Sub-requests and internal redirects have records of
 * their own and share the root's pins. This layer knows no Python: what upper
 * layers hang on the record they own and release in the end function. */
#ifndef MP_SERVER_CONTEXT_H
#define MP_SERVER_CONTEXT_H

#include <apr_hash.h>
#include <httpd.h>

#include "server/handlers.h"

/* A filter that a program registered for one request. */
typedef struct {
    const char *name;        /* as it was registered */
    const mp_handler_t *handler;
} mp_registered_t;

typedef struct mp_request_t mp_request_t;
typedef struct mp_holding_t mp_holding_t;

/* What one interpreter holds for one request_rec. */
struct mp_holding_t {
    void *interp;      /* mp_interp_t * */
    void *proxy;       /* PyObject *: the request object, owned */
    void *pin;         /* PyObject *: the generation, owned; on root records */
    void *cleanups;    /* PyObject *: list of (callable, data), owned, or
                          NULL */
    void *kept;        /* PyObject *: list of callables that handlers added to
                          this request point at, owned, or NULL */
    void *session;     /* mp_session_t *: THE session of the request, borrowed
                          from sessions, or NULL; on root records */
    void *sessions;    /* PyObject *: list of its sessions, owned, or NULL; on
                          root records */
    void *started;     /* mp_wsgi_response_t *: of req.wsgi_start_response(),
                          owned, or NULL */
    mp_holding_t *next;
};

struct mp_request_t {
    request_rec *r;
    mp_request_t *root;      /* the record of the first request; its own record
                                for that one */
    mp_holding_t *holdings;  /* one for each interpreter that saw it; nearly
                                always one; allocated in r->pool */
    mp_phase_t phase;        /* running phase; MP_PHASE_COUNT between phases */
    const char *extension;   /* matched "| .ext", or NULL */
    const apr_array_header_t *running; /* mp_handler_t *: the list of the
                                running phase, or NULL */
    int running_index;       /* of the handler that runs now */
    apr_array_header_t *added[MP_PHASE_COUNT]; /* mp_handler_t *: from
                                req.add_handler(), or NULL */
    apr_table_t *options;    /* of req.get_options(), made on demand */
    const void *options_section; /* mp_dir_config_t * that options are of */
    apr_table_t *options_configured; /* what it said, before Python wrote */
    apr_hash_t *registered[2]; /* by MP_FILTER_*: name in lower case ->
                                mp_registered_t *: from
                                req.register_*_filter(), or NULL */
    apr_table_t *log_items;  /* of req.log_items, made on demand */
    apr_off_t bytes_queued;
    unsigned owns_url : 1;   /* a Location gave it to our content handler: it
                                was not mapped to a file */
    unsigned ending : 1;     /* its end has begun: nothing new may be hung on
                                it that the end function would release */
    unsigned filtering : 2;  /* bit per MP_FILTER_*: a Python filter of it
                                runs; its chain must not run inside itself */
    void *body;              /* objects/request_body.c */
    void *response;          /* objects/request_response.c */
};

typedef void mp_context_end_fn(mp_request_t *request);

/* Called once for each record when its pool goes, in whatever thread destroys
 * the pool; r can be read to its end, sub-requests included. A root's record
 * ends last: after those that share its pins. [detached] */
void mp_context_set_end(mp_context_end_fn *end);

/* The record of r; made when there is none. Never NULL. */
mp_request_t *mp_context_get(request_rec *r);
/* The record of r, or NULL. */
mp_request_t *mp_context_find(const request_rec *r);

/* The holding of interp on this record; made (zeroed) when there is none. */
mp_holding_t *mp_context_holding(mp_request_t *request, void *interp);

#endif
