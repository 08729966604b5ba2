/* form_body.h - reads the fields of a request into C: query string and body.
 *
 * form_body.c: what there is to read, the loop, and what goes wrong;
 * form_parts.c: the parts of a multipart body. */
#ifndef MP_WEB_FORM_BODY_H
#define MP_WEB_FORM_BODY_H

#include "runtime/state.h"

#include "core/fields.h"
#include "core/multipart.h"
#include "objects/request.h"
#include "web/part.h"

typedef struct {
    mp_state_t *state;
    mp_request_object_t *request;
    mp_fields_t *fields;      /* where they go; part: mp_part_t * */
    PyObject *file_callback;  /* borrowed, or NULL */
    PyObject *field_callback;
    int keep_blank;
    /* The rest belongs to the reader. */
    char charset[MP_CHARSET_SIZE]; /* mp_part_decode(); for the form, too */
    mp_limits_t limits;
    apr_int64_t spool_size;   /* bytes of a file that stay in memory */
    const char *directory;    /* of temporary files; while parts are read */
    const mp_multipart_t *parts; /* its parser: knows why it failed */
    int error;                /* errno of a file that cannot be stored */
    int is_attached;          /* parts are read attached, for callbacks */
    apr_uint64_t files;
    apr_uint64_t headers;     /* bytes of them that the parts hold */
    mp_part_t *part;          /* of the part that is being read */
    size_t name;              /* of it: offsets into the text */
    size_t value;
    PyObject *target;         /* what a callback gave for it, or NULL */
} mp_form_body_t;

/* Read them all. 0, or -1 with an exception; fields hold what came before it.
 * [attached; detaches while it waits] */
int mp_form_body_read(mp_form_body_t *body);

/* form_parts.c: what the parser of a multipart body calls; the caller is the
 * mp_form_body_t. [attached or detached as is_attached says] */
extern const mp_multipart_events_t mp_form_parts;
/* The part that was not read to its end. [attached] */
void mp_form_parts_drop(mp_form_body_t *body);

#endif
