/* form_body.c - reads the fields of a request into C: query string and body.
 *
 * Called by FieldStorage. The body is parsed where its buckets lie, piece by
 * piece as it arrives, detached: a slow client keeps nobody else from running
 * Python. Only when a program has given callbacks the pieces are parsed
 * attached. Owns nothing beyond its call. */
#include "runtime/python.h"

#include "web/form_body.h"

#include <apr_strings.h>

#include <string.h>
#include <strings.h>

#include "core/params.h"
#include "core/urlencoded.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/log.h"

#define SPOOL_SIZE 65536

/* ---- options ---- */

static const char prefix[] = "mod_python.form.";

/* 0, or -1 with ValueError. */
static int
set_option(mp_form_body_t *body, const char *key, const char *value)
{
    apr_int64_t *number = NULL;
    for (int i = 0; i < MP_LIMIT_COUNT; i++) {
        if (!strcasecmp(key, mp_limit_rows[i].option)) {
            number = &body->limits.most[i];
        }
    }
    if (!strcasecmp(key, "mod_python.form.spool_size")) {
        number = &body->spool_size;
    }
    else if (!strcasecmp(key, "mod_python.form.charset")) {
        if (strlen(value) < MP_CHARSET_SIZE && PyCodec_KnownEncoding(value)) {
            strcpy(body->charset, value);
            return 0;
        }
        PyErr_Format(PyExc_ValueError,
                     "PythonOption %s: Python knows no encoding '%s'", key,
                     value);
        return -1;
    }
    if (number && mp_limits_parse(value, number) < 0) {
        PyErr_Format(PyExc_ValueError,
                     "PythonOption %s: '%s' is not a number, with K, M or G "
                     "behind it or not", key, value);
        return -1;
    }
    return 0; /* of a key that nobody knows nobody is told, as elsewhere */
}

static int
read_options(mp_form_body_t *body, const apr_table_t *options)
{
    const apr_array_header_t *entries = apr_table_elts(options);
    body->limits = mp_limits_default;
    body->spool_size = SPOOL_SIZE;
    for (int i = 0; i < entries->nelts; i++) {
        const apr_table_entry_t *entry
            = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);
        if (!strncasecmp(entry->key, prefix, sizeof(prefix) - 1)
            && *entry->val && set_option(body, entry->key, entry->val) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- what goes wrong ---- */

/* Always -1. */
static int
raise_status(const mp_form_body_t *body, int status)
{
    PyObject *args = Py_BuildValue("(i)", status);
    if (args) {
        PyErr_SetObject(body->state->server_return, args);
        Py_DECREF(args);
    }
    return -1;
}

static int
raise_limit(const mp_form_body_t *body, const request_rec *r, int limit)
{
    const mp_limit_row_t *row = &mp_limit_rows[limit];
    mp_thread_suspended_t suspended = mp_thread_suspend();
    mp_log(MP_LOG_REQUEST(r), APLOG_WARNING, 0, "MPY0500",
           "the form of %s has more than %" APR_INT64_T_FMT " %s, which is "
           "answered with 413; raise %s if it is to be accepted", r->uri,
           body->limits.most[limit], row->what, row->directive);
    mp_thread_resume(suspended);
    return raise_status(body, HTTP_REQUEST_ENTITY_TOO_LARGE);
}

static int
raise_malformed(const mp_form_body_t *body, const request_rec *r)
{
    mp_thread_suspended_t suspended = mp_thread_suspend();
    mp_log(MP_LOG_REQUEST(r), APLOG_WARNING, 0, "MPY0501",
           "the form of %s cannot be read, which is answered with 400: %s",
           r->uri, body->parts->reason);
    mp_thread_resume(suspended);
    return raise_status(body, HTTP_BAD_REQUEST);
}

static int
raise_fault(const mp_form_body_t *body, int fault)
{
    if (body->error) {
        PyErr_Clear(); /* the rest follows from it */
        mp_error_raise_os("an uploaded file cannot be stored", body->error);
        return -1;
    }
    if (fault == MP_FAULT_CALLER) {
        return -1; /* the exception of a callback */
    }
    if (fault == MP_FAULT_MEMORY) {
        PyErr_NoMemory();
        return -1;
    }
    const request_rec *r = mp_proxy_ptr((PyObject *)body->request);
    if (!r) {
        return -1;
    }
    return fault == MP_FAULT_MALFORMED ? raise_malformed(body, r)
                                       : raise_limit(body, r, fault - 1);
}

/* ---- reading ---- */

typedef int feed_fn(void *parser, const char *bytes, size_t size);

static int
feed_urlencoded(void *parser, const char *bytes, size_t size)
{
    return mp_urlencoded_feed(parser, bytes, size);
}

static int
feed_multipart(void *parser, const char *bytes, size_t size)
{
    return mp_multipart_feed(parser, bytes, size);
}

/* Give the parser what arrives. 0 or a fault; in reader it says why the body
 * ended. [attached before and after] */
static int
read_pieces(mp_form_body_t *body, mp_request_reader_t *reader, feed_fn *feed,
            void *parser)
{
    apr_uint64_t total = 0;
    const char *bytes;
    size_t size;
    int fault = 0;
    mp_thread_suspended_t suspended = mp_thread_suspend();
    while (!fault && mp_request_reader_next(reader, &bytes, &size)) {
        total += size;
        fault = mp_limits_check(&body->limits, MP_LIMIT_BODY, total);
        if (fault) {
            break;
        }
        if (body->is_attached) {
            mp_thread_resume(suspended);
            fault = feed(parser, bytes, size);
            suspended = mp_thread_suspend();
        }
        else {
            fault = feed(parser, bytes, size);
        }
    }
    mp_thread_resume(suspended);
    return fault;
}

/* The whole body through one parser. finish: its end. */
static int
read_body(mp_form_body_t *body, feed_fn *feed, int (*finish)(void *parser),
          void *parser)
{
    mp_request_reader_t reader;
    if (mp_request_reader_open(&reader, body->request) < 0) {
        return -1;
    }
    int fault = reader.length > 0
        ? mp_limits_check(&body->limits, MP_LIMIT_BODY,
                          (apr_uint64_t)reader.length) : 0;
    if (!fault) {
        fault = read_pieces(body, &reader, feed, parser);
    }
    if (mp_request_reader_close(&reader, !fault) < 0) {
        return -1;
    }
    if (!fault) {
        fault = finish(parser);
    }
    return fault ? raise_fault(body, fault) : 0;
}

static int
finish_urlencoded(void *parser)
{
    return mp_urlencoded_finish(parser);
}

static int
finish_multipart(void *parser)
{
    return mp_multipart_finish(parser);
}

static int
read_urlencoded(mp_form_body_t *body)
{
    mp_urlencoded_t parser;
    mp_urlencoded_init(&parser, body->fields, body->keep_blank);
    return read_body(body, feed_urlencoded, finish_urlencoded, &parser);
}

static int
read_parts(mp_form_body_t *body, mp_span_t boundary)
{
    mp_multipart_t parser;
    const int fault = mp_multipart_init(&parser, boundary.text, boundary.size,
                                        &mp_form_parts, body, &body->limits);
    body->parts = &parser;
    body->is_attached = body->file_callback || body->field_callback;
    const int failed = fault ? raise_fault(body, fault)
                             : read_body(body, feed_multipart,
                                         finish_multipart, &parser);
    mp_form_parts_drop(body);
    mp_multipart_free(&parser);
    return failed;
}

/* type: the whole header, changed. */
static int
read_multipart(mp_form_body_t *body, char *type)
{
    mp_span_t boundary = {NULL, 0};
    mp_params_t params;
    mp_params_init(&params, type, strlen(type));
    while (!boundary.text && mp_params_next(&params)) {
        if (mp_span_is(params.name, "boundary")) {
            boundary = params.value;
        }
    }
    PyObject *name = mp_part_directory();
    mp_text_view_t directory;
    if (!name || mp_text_string(&directory, name, MP_TEXT_PLAIN,
                                "directory") < 0) {
        Py_XDECREF(name);
        return -1;
    }
    body->directory = directory.bytes;
    const int failed = read_parts(body, boundary);
    mp_text_release(&directory);
    Py_DECREF(name);
    return failed;
}

/* The body of a POST, if it is one of ours. */
static int
read_typed(mp_form_body_t *body, request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    if (!type || !*type) {
        return read_urlencoded(body);
    }
    char *copy = apr_pstrdup(r->pool, type);
    mp_params_t params;
    mp_params_init(&params, copy, strlen(copy));
    if (mp_span_is(params.first, "application/x-www-form-urlencoded")) {
        return read_urlencoded(body);
    }
    if (params.first.size > 10 && !memcmp(params.first.text, "multipart/",
                                          10)) {
        return read_multipart(body, copy);
    }
    return raise_status(body, HTTP_NOT_IMPLEMENTED);
}

static int
read_query(mp_form_body_t *body, const char *query)
{
    mp_urlencoded_t parser;
    mp_urlencoded_init(&parser, body->fields, body->keep_blank);
    int fault = mp_urlencoded_feed(&parser, query, strlen(query));
    if (!fault) {
        fault = mp_urlencoded_finish(&parser);
    }
    return fault ? raise_fault(body, fault) : 0;
}

int
mp_form_body_read(mp_form_body_t *body)
{
    const apr_table_t *options = mp_request_options(body->request);
    if (!options || read_options(body, options) < 0) {
        return -1;
    }
    request_rec *r = mp_proxy_ptr((PyObject *)body->request);
    if (!r) {
        return -1;
    }
    body->fields->limits = &body->limits;
    int failed = r->args ? read_query(body, r->args) : 0;
    if (!failed && r->method_number == M_POST) {
        failed = read_typed(body, r);
    }
    body->fields->limits = NULL;
    return failed;
}
