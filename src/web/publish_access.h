/* publish_access.h - who may have an object that is published: __auth__,
 * __access__ and __auth_realm__, as attributes and inside of functions. */
#ifndef MP_WEB_PUBLISH_ACCESS_H
#define MP_WEB_PUBLISH_ACCESS_H

#include "runtime/state.h"

/* What is known of the client, from object to object. */
typedef struct {
    mp_state_t *state;
    PyObject *req;      /* borrowed */
    PyObject *realm;    /* owned, or NULL: "unknown" */
    PyObject *user;     /* owned, or NULL: not known */
    PyObject *password; /* the same */
    PyObject *module;   /* the page, owned: its realm counts where no other
                           does, and is looked for when one is needed; NULL:
                           none, or realms are looked for at once */
    int is_lazy;        /* they are not */
} mp_publish_access_t;

/* Is the client let in to this object? 0; -1 with SERVER_RETURN (401, 403,
 * 400), or what its functions raise. [attached] */
int mp_publish_access_check(mp_publish_access_t *access, PyObject *object);

void mp_publish_access_clear(mp_publish_access_t *access);

#endif
