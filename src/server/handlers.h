/* handlers.h - phases and the handlers configured for them.
 *
 * The table of phases is here, because configuration, req.add_handler() and
 * the phase runner all read it. A handler is one word of a handler directive;
 * a list of them (apr_array_header_t of mp_handler_t *) belongs to one phase,
 * or to one phase and one extension. Lists are parsed once, at configuration
 * time, and never change afterwards. */
#ifndef MP_SERVER_HANDLERS_H
#define MP_SERVER_HANDLERS_H

#include <httpd.h>
#include <http_config.h>

typedef enum {
    MP_PHASE_POST_READ_REQUEST,
    MP_PHASE_TRANS,
    MP_PHASE_HEADER_PARSER,
    MP_PHASE_INIT,
    MP_PHASE_ACCESS,
    MP_PHASE_AUTHEN,
    MP_PHASE_AUTHZ,
    MP_PHASE_TYPE,
    MP_PHASE_FIXUP,
    MP_PHASE_HANDLER,
    MP_PHASE_LOG,
    MP_PHASE_CLEANUP,
    MP_PHASE_COUNT,                        /* phases of a request */
    MP_PHASE_CONNECTION = MP_PHASE_COUNT,  /* not of a request */
    MP_PHASE_AUTHN_PROVIDER,               /* asked by other modules' phases */
    MP_PHASE_AUTHZ_PROVIDER,
    MP_PHASE_INPUT_FILTER,
    MP_PHASE_OUTPUT_FILTER,
    MP_PHASE_ROWS
} mp_phase_t;

typedef struct {
    const char *directive;      /* "PythonHandler"; also req.phase */
    const char *default_object; /* "handler" */
    unsigned goes_on_after_ok : 1;       /* the next stacked handler runs */
    unsigned goes_on_after_declined : 1;
    unsigned takes_extension : 1; /* accepts "| .ext" */
    unsigned takes_added : 1;     /* accepted by req.add_handler() */
    unsigned server_only : 1;     /* S V, not D H */
} mp_phase_row_t;

extern const mp_phase_row_t mp_phases[MP_PHASE_ROWS];

/* The phase of a directive name, exactly spelled; -1 when there is none. */
int mp_phase_find(const char *directive);

typedef struct mp_handler_t mp_handler_t;
struct mp_handler_t {
    const char *text;      /* the word as configured: "module::object.attr" */
    const char *module;    /* before "::" */
    const char *object;    /* after "::", NULL: the phase's default object */
    const char *directory; /* canonical with trailing '/'; in a Location the
                              URL text of the section; NULL at server level,
                              in Files and If sections there, and when it
                              must be resolved per request */
    const char *location;  /* Location sections: the section's argument */
    ap_regex_t *regex;     /* <DirectoryMatch>, <LocationMatch>, or ~ */
    const char *wildcard;  /* a section argument with * ? [ ]: directory is
                              the shortest matching prefix of r->filename */
    const mp_handler_t *parent; /* the handler that added this one, or NULL */
    int slot;       /* own index for caches of what it resolves to; -1 for
                       handlers made at request time (.htaccess, added) */
    unsigned silent : 1;      /* from PythonHandlerModule */
    unsigned is_location : 1;
    unsigned is_of_files : 1; /* of the package, and answers with a file */
    unsigned is_server : 1;   /* given at server or virtual host level */
    void *callable; /* PyObject *: added as a callable; owned by whoever
                       made the handler; NULL otherwise */
};

/* Begin a configuration pass: slots count from 0 again. */
void mp_handlers_reset_slots(void);
/* How many slots the running configuration has handed out. */
int mp_handlers_count_slots(void);

/* Parse the arguments of one handler directive and append its handlers.
 * Where they stand (directory, location) is read from cmd.
 * *extensions: array of const char *, with the dots, empty without "| .ext".
 * The answer is NULL, or the error text of a configuration error, naming the
 * directive, the value and the fix. */
const char *mp_handlers_parse(apr_array_header_t *handlers,
                              apr_array_header_t **extensions,
                              cmd_parms *cmd, const char *arguments,
                              int silent);

/* The same for one handler that is part of another module's directive: one
 * word, quotes removed. */
const char *mp_handlers_parse_word(apr_array_header_t *handlers,
                                   cmd_parms *cmd, const char *text);

/* One handler from its text, for req.add_handler() and the like: in pool,
 * slot -1. directory is canonical or NULL. */
mp_handler_t *mp_handlers_make(apr_pool_t *pool, const char *text,
                               const char *directory,
                               const mp_handler_t *parent);

/* The directory of the handler for this request (a wildcard or regex section
 * is resolved against r->filename): canonical with trailing '/', the URL text
 * for a Location, or NULL where there is none (server level; a request without
 * a file name). In r->pool if it had to be made. */
const char *mp_handlers_directory(const mp_handler_t *handler,
                                  const request_rec *r);

/* The matched part of the URL of a Location handler (not the pattern); NULL
 * for others, and when r->uri was changed and matches no more. In r->pool if
 * it had to be made. */
const char *mp_handlers_location(const mp_handler_t *handler,
                                 const request_rec *r);

/* dir made absolute (against base, may be NULL), without "." and "..", with a
 * trailing '/', in pool. NULL when it cannot be. */
const char *mp_handlers_canonical(apr_pool_t *pool, const char *base,
                                  const char *dir);

#endif
