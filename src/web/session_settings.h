/* session_settings.h - what PythonOptions say about sessions. */
#ifndef MP_WEB_SESSION_SETTINGS_H
#define MP_WEB_SESSION_SETTINGS_H

#include "runtime/state.h"
#include "server/context.h"

/* Texts live as long as the root of the request; seconds are 0 when they were
 * not given. */
typedef struct {
    const char *type;        /* session_type, or NULL */
    const char *cookie_name;
    const char *domain;      /* or NULL */
    const char *path;        /* of the cookie, or NULL: by the directory */
    const char *directory;   /* of the handler that ran, or NULL */
    const char *document_root;
    const char *application; /* or "" */
    const char *store;       /* of SharedSession */
    const char *samesite;    /* or NULL: without */
    double timeout;
    double absolute_timeout;
    double lock_timeout;
    unsigned is_secure : 1;
    unsigned is_httponly : 1;
} mp_session_settings_t;

/* In force for the request. In the pool of its root; NULL with ValueError that
 * names the option. [attached] */
const mp_session_settings_t *mp_session_settings_read(mp_request_t *request);

/* The path of the cookie, in the pool of the root. */
const char *mp_session_settings_path(const mp_session_settings_t *settings,
                                     const mp_request_t *root);

#endif
