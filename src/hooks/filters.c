/* filters.c - httpd runs a filter, Python handles a piece of content.
 *
 * An output filter is given a brigade, an input filter asks the next one for
 * it; either cuts it into pieces (objects/filter.h), calls its handler for
 * each, and hands on what became of it. Records of filters live in the pool
 * of their request and hold no Python object, so nothing is to be released
 * with the pool. The surprising rule: after an exception a piece goes on as
 * it came, and what the handler wrote of it does not. */
#include "runtime/python.h"

#include "hooks/filters.h"

#include "hooks/call.h"
#include "importer/api.h"
#include "objects/filter.h"
#include "runtime/error.h"
#include "server/filters.h"
#include "server/log.h"

#include <apr_strings.h>
#include <http_config.h>
#include <string.h>
#include <unistd.h>

/* Asked of the next input filter when the reader does not say. */
#define SOME 8192

static mp_phase_t
phase_of(const mp_filter_t *filter)
{
    return filter->is_input ? MP_PHASE_INPUT_FILTER : MP_PHASE_OUTPUT_FILTER;
}

/* The record of a filter, made at its first call; NULL: not ours to run. */
static mp_filter_t *
find_filter(ap_filter_t *f, int kind)
{
    request_rec *r = f->r;
    mp_filter_t *filter = f->ctx;
    if (!r) {
        return NULL; /* somebody has put it on a connection */
    }
    if (!filter) {
        const mp_handler_t *handler = mp_filters_find(
            mp_config_of_request(r)->filters[kind], r->pool, f->frec->name);
        filter = mp_filter_create(r, handler, NULL, kind);
        filter->disabled = !handler;
        f->ctx = filter;
        if (!handler) {
            mp_log(MP_LOG_REQUEST(r), APLOG_ERR, 0, "MPY0431",
                   "filter '%s' does nothing: there is no %s of this name for "
                   "%s; add one to this section or server", f->frec->name,
                   mp_phases[phase_of(filter)].directive, r->uri);
        }
    }
    filter->f = f;
    return filter;
}

/* ---- what follows the call --------------------------------------------- */

/* Move what is left of the piece behind what was written: metadata, and data
 * if they are to be kept. */
static void
move_rest(mp_filter_t *filter, int keep_data)
{
    int has_end = 0;
    while (!APR_BRIGADE_EMPTY(filter->in)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(filter->in);
        has_end |= APR_BUCKET_IS_EOS(bucket);
        if (keep_data || APR_BUCKET_IS_METADATA(bucket)) {
            APR_BUCKET_REMOVE(bucket);
            APR_BRIGADE_INSERT_TAIL(filter->out, bucket);
        }
        else {
            apr_bucket_delete(bucket);
        }
    }
    filter->closed |= has_end;
}

/* The handler has had its piece: the rest of that is for filter->out. The
 * second time, after pass_lent(), there is nothing left to do. */
static void
finish_piece(mp_filter_t *filter)
{
    apr_brigade_cleanup(filter->taken);
    move_rest(filter, filter->disabled && !filter->closed);
    filter->written = 0;
}

/* Pass on what is only lent, while it is there. [attached] */
static void
pass_lent(mp_filter_t *filter)
{
    mp_thread_suspended_t held = mp_thread_suspend();
    finish_piece(filter);
    (void)mp_filter_pass(filter); /* filter->status tells */
    mp_thread_resume(held);
}

/* ---- the call ---------------------------------------------------------- */

/* raise SERVER_RETURN(result[, status]): the call ends. Takes the exception in
 * flight. */
static void
take_status(request_rec *r)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *args = PyObject_GetAttrString(exc, "args");
    if (args && PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 1
        && PyLong_Check(PyTuple_GET_ITEM(args, 1))) {
        const long status = PyLong_AsLong(PyTuple_GET_ITEM(args, 1));
        if (status > 0) {
            r->status = (int)status;
        }
    }
    PyErr_Clear(); /* what args has raised, or a status that is no int */
    Py_XDECREF(args);
    Py_DECREF(exc);
}

/* The exception in flight, told once. [attached] */
static void
tell_exception(mp_filter_t *filter, const mp_call_t *call)
{
    request_rec *r = filter->f->r;
    const char *directive = mp_phases[phase_of(filter)].directive;
    const char *text = filter->handler->text;
    if (r->connection->aborted && PyErr_ExceptionMatches(PyExc_OSError)) {
        PyErr_Clear(); /* the client went away: nobody's fault, one line */
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_log_plain(MP_LOG_REQUEST(r), APLOG_INFO, "%s %s: the client went "
                     "away", directive, text);
        mp_thread_resume(held);
        return;
    }
    char what[512];
    snprintf(what, sizeof(what), "%s %s (interpreter '%s', pid %ld); the "
             "content passes unchanged", directive, text, call->interp->name,
             (long)getpid());
    mp_error_log(call->interp->state, MP_LOG_REQUEST(r), "MPY0430", what);
}

/* 0, or -1 when the content is to pass as it came. [attached] */
static int
call_attached(mp_filter_t *filter, mp_call_t *call)
{
    mp_state_t *state = call->interp->state;
    PyObject *object = NULL, *callable = NULL, *result = NULL;
    int failed = 0;
    if (mp_call_prepare(call) == 0) {
        object = mp_filter_wrap(state, filter, call->proxy);
    }
    if (object) {
        callable = mp_importer_resolve(state->importer, call->pin,
                                       filter->handler, phase_of(filter),
                                       filter->f->r, object);
    }
    if (callable) {
        result = mp_call_object(call->config, callable, object);
    }
    if (!result && PyErr_ExceptionMatches(state->server_return)) {
        take_status(filter->f->r);
    }
    else if (!result) {
        tell_exception(filter, call);
        failed = -1;
    }
    if (object) {
        mp_proxy_expire(object);
        if (!failed && mp_filter_has_lent(object)) {
            pass_lent(filter);
        }
        mp_filter_give_back(object);
    }
    Py_XDECREF(result);
    Py_XDECREF(callable);
    Py_XDECREF(object);
    return failed;
}

/* Call the handler for the piece in filter->in. 0, or -1. */
static int
call_handler(mp_filter_t *filter)
{
    request_rec *r = filter->f->r;
    mp_request_t *request = mp_context_get(r);
    const unsigned before = request->filtering;
    mp_call_t call;
    int failed = -1;
    if (request->ending) {
        return -1;
    }
    filter->running = 1;
    request->filtering |= 1u << filter->is_input;
    if (mp_call_begin(&call, r, filter->handler, filter->handler,
                      mp_phases[phase_of(filter)].directive) == 0) {
        failed = call_attached(filter, &call);
        mp_call_end(&call);
    }
    request->filtering = before;
    filter->running = 0;
    return failed;
}

/* ---- a piece ----------------------------------------------------------- */

/* Is there anything in the piece for the handler? */
static int
has_content(const mp_filter_t *filter)
{
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(filter->in);
         bucket != APR_BRIGADE_SENTINEL(filter->in);
         bucket = APR_BUCKET_NEXT(bucket)) {
        if (!APR_BUCKET_IS_METADATA(bucket) || APR_BUCKET_IS_EOS(bucket)) {
            return 1;
        }
    }
    return 0;
}

/* Turn filter->in into what is to go on, in filter->out. */
static void
handle_piece(mp_filter_t *filter)
{
    if (!has_content(filter)) {
        move_rest(filter, 1);
        return;
    }
    if (call_handler(filter) < 0) {
        filter->disabled = 1;
        filter->closed = 0; /* the handler may have said so, in vain */
        apr_brigade_cleanup(filter->out);
        APR_BRIGADE_CONCAT(filter->out, filter->taken);
    }
    finish_piece(filter);
}

/* Behind the end that the handler has set: metadata only. An output filter's
 * own end of stream goes on when it comes, because after that httpd takes the
 * response for complete, and whoever produces the content does not know. */
static void
remove_content(mp_filter_t *filter, apr_bucket_brigade *brigade)
{
    apr_bucket *next;
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(brigade);
         bucket != APR_BRIGADE_SENTINEL(brigade); bucket = next) {
        next = APR_BUCKET_NEXT(bucket);
        const int is_end = APR_BUCKET_IS_EOS(bucket);
        if (!APR_BUCKET_IS_METADATA(bucket) || (is_end && filter->ended)) {
            apr_bucket_delete(bucket);
        }
        filter->ended |= is_end;
    }
}

/* ---- output ------------------------------------------------------------ */

/* What needs no handler any more. */
static apr_status_t
pass_plainly(mp_filter_t *filter, apr_bucket_brigade *brigade)
{
    if (filter->closed) {
        remove_content(filter, brigade);
    }
    return APR_BRIGADE_EMPTY(brigade)
               ? APR_SUCCESS : ap_pass_brigade(filter->f->next, brigade);
}

static apr_status_t
filter_output(ap_filter_t *f, apr_bucket_brigade *brigade)
{
    mp_filter_t *filter = find_filter(f, MP_FILTER_OUTPUT);
    apr_status_t status = APR_SUCCESS;
    if (!filter || filter->running) {
        return ap_pass_brigade(f->next, brigade);
    }
    if (!filter->disabled && !filter->begun) {
        apr_table_unset(f->r->headers_out, "Content-Length");
        mp_filter_note_validators(filter);
        filter->begun = 1;
    }
    filter->rest = brigade;
    while (status == APR_SUCCESS && !APR_BRIGADE_EMPTY(brigade)
           && !filter->disabled && !filter->closed) {
        status = mp_filter_cut(filter);
        if (status == APR_SUCCESS) {
            handle_piece(filter);
            status = filter->status;
        }
        if (status == APR_SUCCESS) {
            status = mp_filter_pass(filter);
        }
    }
    if (status == APR_SUCCESS && !APR_BRIGADE_EMPTY(brigade)) {
        status = pass_plainly(filter, brigade);
    }
    apr_brigade_cleanup(filter->out);
    apr_brigade_cleanup(brigade);
    return status;
}

/* ---- input ------------------------------------------------------------- */

/* Handle all that is in filter->rest. */
static apr_status_t
handle_rest(mp_filter_t *filter)
{
    while (!APR_BRIGADE_EMPTY(filter->rest)) {
        apr_status_t status = APR_SUCCESS;
        if (!filter->disabled && !filter->closed) {
            status = mp_filter_cut(filter);
            if (status != APR_SUCCESS) {
                return status;
            }
            handle_piece(filter);
            APR_BRIGADE_CONCAT(filter->held, filter->out);
        }
        else if (filter->closed) {
            filter->ended |= APR_BUCKET_IS_EOS(
                APR_BRIGADE_FIRST(filter->rest));
            apr_bucket_delete(APR_BRIGADE_FIRST(filter->rest));
        }
        else {
            APR_BRIGADE_CONCAT(filter->held, filter->rest);
        }
    }
    return APR_SUCCESS;
}

/* The handler has closed the filter before the end: the rest of the body must
 * not become the next request of the connection. */
static apr_status_t
discard_rest(mp_filter_t *filter, apr_read_type_e block)
{
    apr_status_t status = APR_SUCCESS;
    while (status == APR_SUCCESS && !filter->ended) {
        status = mp_filter_fetch(filter, block, SOME);
        filter->ended |= status == APR_SUCCESS
                         && APR_BRIGADE_EMPTY(filter->rest);
        if (status == APR_SUCCESS) {
            status = handle_rest(filter);
        }
    }
    return status;
}

/* Does filter->held have what the reader wants? */
static int
is_enough(const mp_filter_t *filter, ap_input_mode_t mode)
{
    apr_size_t size = 0;
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(filter->held);
         bucket != APR_BRIGADE_SENTINEL(filter->held);
         bucket = APR_BUCKET_NEXT(bucket)) {
        const char *data;
        apr_size_t length;
        if (APR_BUCKET_IS_EOS(bucket)) {
            return 1;
        }
        if (apr_bucket_read(bucket, &data, &length, APR_BLOCK_READ)
                != APR_SUCCESS) {
            return 1; /* the reader meets it */
        }
        size += length;
        if (length && mode != AP_MODE_EXHAUSTIVE
            && (mode != AP_MODE_GETLINE || size >= SOME
                || memchr(data, '\n', length))) {
            return 1;
        }
    }
    return 0;
}

/* Fill filter->held as far as the reader wants it. */
static apr_status_t
fill(mp_filter_t *filter, ap_input_mode_t mode, apr_read_type_e block,
     apr_off_t wanted)
{
    const int is_counted = mode == AP_MODE_READBYTES
                           || mode == AP_MODE_SPECULATIVE;
    while (!is_enough(filter, mode)) {
        apr_status_t status;
        if (filter->closed) {
            APR_BRIGADE_INSERT_TAIL(
                filter->held,
                apr_bucket_eos_create(filter->held->bucket_alloc));
            break;
        }
        status = mp_filter_fetch(filter, block, is_counted && wanted > 0
                                                    ? wanted : SOME);
        if (APR_STATUS_IS_EAGAIN(status) && !APR_BRIGADE_EMPTY(filter->held)) {
            break;
        }
        if (status != APR_SUCCESS) {
            return status;
        }
        if (APR_BRIGADE_EMPTY(filter->rest)) {
            break; /* the next filter has nothing left */
        }
        status = handle_rest(filter);
        if (status == APR_SUCCESS) {
            status = filter->status;
        }
        if (status != APR_SUCCESS) {
            return status;
        }
    }
    return APR_SUCCESS;
}

static apr_status_t
copy_held(mp_filter_t *filter, apr_bucket_brigade *brigade,
          const apr_bucket *end)
{
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(filter->held); bucket != end;
         bucket = APR_BUCKET_NEXT(bucket)) {
        apr_bucket *copy;
        apr_status_t status = apr_bucket_copy(bucket, &copy);
        if (status != APR_SUCCESS) {
            return status;
        }
        APR_BRIGADE_INSERT_TAIL(brigade, copy);
    }
    return APR_SUCCESS;
}

/* Give the reader its part of filter->held. */
static apr_status_t
deliver(mp_filter_t *filter, apr_bucket_brigade *brigade,
        ap_input_mode_t mode, apr_off_t wanted)
{
    apr_bucket *end = APR_BRIGADE_SENTINEL(filter->held);
    if (mode == AP_MODE_GETLINE) {
        return apr_brigade_split_line(brigade, filter->held, APR_BLOCK_READ,
                                      SOME);
    }
    if (mode != AP_MODE_EXHAUSTIVE && wanted > 0) {
        apr_status_t status = apr_brigade_partition(filter->held, wanted,
                                                    &end);
        if (status != APR_SUCCESS && status != APR_INCOMPLETE) {
            return status;
        }
    }
    if (mode == AP_MODE_SPECULATIVE) {
        return copy_held(filter, brigade, end);
    }
    while (APR_BRIGADE_FIRST(filter->held) != end) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(filter->held);
        APR_BUCKET_REMOVE(bucket);
        APR_BRIGADE_INSERT_TAIL(brigade, bucket);
    }
    return APR_SUCCESS;
}

/* What stays for the next reader is ours to keep. */
static apr_status_t
keep_held(mp_filter_t *filter)
{
    apr_pool_t *pool = filter->f->r->pool;
    apr_status_t status = APR_SUCCESS;
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(filter->held);
         bucket != APR_BRIGADE_SENTINEL(filter->held)
         && (status == APR_SUCCESS || status == APR_ENOTIMPL);
         bucket = APR_BUCKET_NEXT(bucket)) {
        status = apr_bucket_setaside(bucket, pool);
    }
    return status == APR_ENOTIMPL ? APR_SUCCESS : status;
}

static int
is_served(ap_input_mode_t mode)
{
    return mode == AP_MODE_READBYTES || mode == AP_MODE_GETLINE
           || mode == AP_MODE_SPECULATIVE || mode == AP_MODE_EXHAUSTIVE;
}

static apr_status_t
filter_input(ap_filter_t *f, apr_bucket_brigade *brigade,
             ap_input_mode_t mode, apr_read_type_e block, apr_off_t wanted)
{
    mp_filter_t *filter = find_filter(f, MP_FILTER_INPUT);
    if (!filter || !is_served(mode)
        || (filter->disabled && !filter->closed
            && APR_BRIGADE_EMPTY(filter->held))) {
        return ap_get_brigade(f->next, brigade, mode, block, wanted);
    }
    if (filter->running) {
        return APR_EGENERAL; /* its handler must read by filter.read() */
    }
    filter->can_wait = block == APR_BLOCK_READ;
    apr_status_t status = fill(filter, mode, block, wanted);
    if (status == APR_SUCCESS && filter->closed && !filter->ended) {
        status = discard_rest(filter, block);
        if (APR_STATUS_IS_EAGAIN(status)) {
            status = APR_SUCCESS; /* the next reader goes on with it */
        }
    }
    if (status == APR_SUCCESS) {
        status = deliver(filter, brigade, mode, wanted);
    }
    return status == APR_SUCCESS ? keep_held(filter) : status;
}

void
mp_filters_hook(apr_pool_t *pool)
{
    mp_filters_register(filter_output, filter_input);
}
