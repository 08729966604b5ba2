/* request.h - mp_request: request_rec (api.md 3.1 and 3.2).
 *
 * request.c: the type, its life, its table of methods; request_attrs.c: the
 * attributes, as a table; request_body.c: reading the body;
 * request_response.c: writing the response; request_server.c: services of
 * httpd and its modules; request_methods.c: all other methods. */
#ifndef MP_OBJECTS_REQUEST_H
#define MP_OBJECTS_REQUEST_H

#include "objects/proxy.h"
#include "server/config.h"
#include "server/context.h"

extern PyType_Spec mp_request_spec;

/* C code that holds output of a request back for a while. */
typedef struct mp_request_writer_t mp_request_writer_t;
struct mp_request_writer_t {
    /* Somebody else is about to write: send what there is. 0, or -1 with an
     * exception. [attached] */
    int (*send)(mp_request_writer_t *writer);
};

typedef struct {
    mp_proxy_t base;       /* ptr: request_rec * */
    mp_request_t *request; /* our record; valid while ptr is */
    PyObject *dict;        /* attributes that programs set */
    PyObject *server;      /* req.server, which programs set attributes of */
    PyObject *weakrefs;
    const mp_dir_config_t *section; /* whose directives get_config() copied */
    apr_table_t *directives;        /* the copy, in r->pool */
    mp_request_writer_t *writer;    /* whoever holds output back, or NULL */
    unsigned content_type_set : 1;  /* by assignment */
} mp_request_object_t;

/* Wrap r for Python in the interpreter of state. New reference; the same
 * object for the same r while it lives (the holding of its record keeps it).
 * From now on it belongs to the calling thread. Expires when r->pool is
 * cleared: later use raises apache.ExpiredError. Not for a record that has
 * ended: nobody would make the object expire.
 * [attached] NULL with an exception set on failure. */
PyObject *mp_request_wrap(mp_state_t *state, mp_request_t *request);

/* The object that mp_request_wrap() has made, or None. New reference. */
PyObject *mp_request_find(mp_state_t *state, mp_request_t *request);

/* req.register_cleanup() callables of this holding, last registered first;
 * errors are logged. To be called for every holding of a record that ends,
 * because it also marks the record as ending. [attached] */
void mp_request_run_cleanups(mp_state_t *state, mp_request_t *request,
                             mp_holding_t *holding);

/* Has the end of the response gone out, sent for r itself (httpd's own error
 * page for a body it refused) or for a request that r was redirected to? Then
 * no result of a handler may make httpd send another page: it would become
 * the beginning of the next response of the connection. DONE is safe. */
int mp_request_is_answered(const request_rec *r);

/* One line of the body, at most limit bytes (-1: any), or b"" at its end;
 * iteration uses it. New bytes; NULL with an exception. */
PyObject *mp_request_read_line(mp_request_object_t *self, Py_ssize_t limit);

/* The body for C code, piece by piece and without a copy, after what Python
 * has read of it:
 *     open [attached]: 0, or -1 with what req.read() raises. length: of what
 *         has not arrived yet, -1 when nobody knows.
 *     next [detached: it waits]: 1 and bytes that are good until the next
 *         call; 0 at the end, whatever ended it.
 *     close [attached]: 0; is_whole: -1 with an exception when the end that
 *         next() met was none.
 * The request cannot end meanwhile, because its handler is what calls. */
typedef struct {
    mp_request_object_t *request;
    struct apr_bucket *lent; /* the bucket that bytes are in, or NULL */
    apr_off_t length;
} mp_request_reader_t;
int mp_request_reader_open(mp_request_reader_t *reader,
                           mp_request_object_t *self);
int mp_request_reader_next(mp_request_reader_t *reader, const char **bytes,
                           apr_size_t *size);
int mp_request_reader_close(mp_request_reader_t *reader, int is_whole);

/* The PythonOptions in force, as req.get_options() shows them; read only, and
 * "" is an unset one. Borrowed, good until the next call into Python. NULL
 * with an exception. */
const apr_table_t *mp_request_options(mp_request_object_t *self);

/* What req.write() does with its data, for C code. 0; -1 with an exception.
 * [attached; detaches while it waits] */
int mp_request_send(PyObject *self, const char *bytes, Py_ssize_t size,
                    int flush);

/* Have the writer send, if there is one. 0, or -1 with an exception. */
int mp_request_drain(PyObject *self);

/* An attribute that a program has set: 1, *value is a new reference; 0: there
 * is none, or it is None; -1 with an exception. Costs less than asking for an
 * attribute that may be missing. */
int mp_request_find_set(PyObject *self, PyObject *name, PyObject **value);
/* Set one, as a program would: name is none of the type's. 0 or -1. */
int mp_request_set(PyObject *self, PyObject *name, PyObject *value);

/* The rest is between the parts. */

/* mp_proxy_ptr(), refusing with RuntimeError when the response is complete
 * (PythonLogHandler and later): nothing can be read or written then. */
request_rec *mp_request_ptr_open(PyObject *self);
/* mp_proxy_ptr(), refusing with RuntimeError when the request ends. */
request_rec *mp_request_ptr_kept(PyObject *self);

extern PyGetSetDef mp_request_attributes[];

/* request_body.c and request_response.c; the last argument of FASTCALL ones
 * is kwnames or NULL */
PyObject *mp_request_write(PyObject *self, PyObject *const *args,
                           Py_ssize_t count, PyObject *names);
PyObject *mp_request_flush(PyObject *self, PyObject *unused);
PyObject *mp_request_sendfile(PyObject *self, PyObject *args,
                              PyObject *keywords);
PyObject *mp_request_read(PyObject *self, PyObject *const *args,
                          Py_ssize_t count, PyObject *names);
PyObject *mp_request_readline(PyObject *self, PyObject *const *args,
                              Py_ssize_t count, PyObject *names);
PyObject *mp_request_readlines(PyObject *self, PyObject *const *args,
                               Py_ssize_t count, PyObject *names);
PyObject *mp_request_discard_request_body(PyObject *self, PyObject *unused);

/* extensions.c */
PyObject *mp_request_get_addhandler_exts(PyObject *self, PyObject *unused);

/* request_methods.c */
PyObject *mp_request_set_content_length(PyObject *self, PyObject *length);
PyObject *mp_request_set_etag(PyObject *self, PyObject *unused);
PyObject *mp_request_set_last_modified(PyObject *self, PyObject *unused);
PyObject *mp_request_update_mtime(PyObject *self, PyObject *seconds);
PyObject *mp_request_meets_conditions(PyObject *self, PyObject *unused);
PyObject *mp_request_send_http_header(PyObject *self, PyObject *unused);
PyObject *mp_request_get_config(PyObject *self, PyObject *unused);
PyObject *mp_request_get_options(PyObject *self, PyObject *unused);
PyObject *mp_request_document_root(PyObject *self, PyObject *unused);
PyObject *mp_request_auth_name(PyObject *self, PyObject *unused);
PyObject *mp_request_auth_type(PyObject *self, PyObject *unused);
PyObject *mp_request_add_handler(PyObject *self, PyObject *args,
                                 PyObject *keywords);
PyObject *mp_request_add_input_filter(PyObject *self, PyObject *name);
PyObject *mp_request_add_output_filter(PyObject *self, PyObject *name);
PyObject *mp_request_register_input_filter(PyObject *self, PyObject *args,
                                           PyObject *keywords);
PyObject *mp_request_register_output_filter(PyObject *self, PyObject *args,
                                            PyObject *keywords);
PyObject *mp_request_register_cleanup(PyObject *self, PyObject *args,
                                      PyObject *keywords);
PyObject *mp_request_allow_methods(PyObject *self, PyObject *args,
                                   PyObject *keywords);
PyObject *mp_request_get_basic_auth_pw(PyObject *self, PyObject *unused);
PyObject *mp_request_construct_url(PyObject *self, PyObject *uri);
PyObject *mp_request_get_remote_host(PyObject *self, PyObject *args,
                                     PyObject *keywords);
PyObject *mp_request_internal_redirect(PyObject *self, PyObject *uri);
PyObject *mp_request_is_https(PyObject *self, PyObject *unused);
PyObject *mp_request_ssl_var_lookup(PyObject *self, PyObject *name);
PyObject *mp_request_log_error(PyObject *self, PyObject *args,
                               PyObject *keywords);
PyObject *mp_request_add_common_vars(PyObject *self, PyObject *unused);
PyObject *mp_request_add_cgi_vars(PyObject *self, PyObject *unused);

/* request_server.c */
PyObject *mp_request_expr(PyObject *self, PyObject *text);
PyObject *mp_request_expr_str(PyObject *self, PyObject *text);
PyObject *mp_request_send_interim_response(PyObject *self, PyObject *args,
                                           PyObject *keywords);
PyObject *mp_request_session_get(PyObject *self, PyObject *key);
PyObject *mp_request_session_set(PyObject *self, PyObject *args);
PyObject *mp_request_get_log_items(PyObject *self, void *unused);

#endif
