/* config.h - the directives, and what they leave behind.
 *
 * Two records: one for each directory-level section (and for each server, as
 * its outermost section), merged by httpd from the outside in; one for each
 * server. Both are read-only once the configuration is read: requests look,
 * nobody writes. */
#ifndef MP_SERVER_CONFIG_H
#define MP_SERVER_CONFIG_H

#include <apr_hash.h>
#include <httpd.h>
#include <http_config.h>

#include "server/filters.h"
#include "server/handlers.h"

extern module AP_MODULE_DECLARE_DATA python_module;
extern const command_rec mp_config_commands[];

/* Flags and choices: -1 is "not said here". */
typedef enum { MP_RELOAD_OFF, MP_RELOAD_ON, MP_RELOAD_BACKGROUND } mp_reload_t;
typedef enum { MP_FAILURE_KEEP, MP_FAILURE_ERROR } mp_failure_policy_t;

typedef struct {
    apr_array_header_t *handlers[MP_PHASE_COUNT]; /* mp_handler_t *, or NULL */
    apr_hash_t *by_extension; /* "PythonHandler.ext" -> array, or NULL */
    unsigned phases; /* bit per phase that has handlers of any kind */
    apr_hash_t *filters[MP_FILTER_KINDS]; /* server/filters.h, or NULL */
    unsigned extension_phases; /* bit per phase that has such lists */
    apr_table_t *directives; /* given in this section; flags are "1", "0" */
    const void *outer; /* mp_dir_config_t *: the two records that a merged */
    const void *inner; /* one was made of; NULL in a section's own */
    apr_table_t *options;    /* PythonOption; "" means unset */
    const char *interpreter; /* PythonInterpreter */
    const char *path;        /* PythonPath: the expression */
    apr_array_header_t *authn; /* PythonAuthnProvider: two mp_handler_t *, for
                                  passwords and for Digest; or NULL */
    int interp_per_directory;
    int interp_per_directive;
    int debug;
    int enable_pdb;
    int autoreload;          /* mp_reload_t */
    int reload_failure;      /* mp_failure_policy_t; unsaid: by debug */
} mp_dir_config_t;

typedef struct {
    const char *module;      /* dotted name or absolute path */
    const char *function;    /* or NULL */
    const char *interpreter;
} mp_import_t;               /* PythonImport */

typedef struct {
    int is_virtual;          /* a virtual host that says nothing has the main
                                server's record: ask s->is_virtual */
    apr_array_header_t *module_path; /* const char *, canonical directories
                                        without trailing '/', or NULL */
    apr_array_header_t *connection_handlers; /* mp_handler_t *, or NULL */
    int reload_timeout;      /* PythonReloadTimeout in seconds, -1 unsaid */
    /* of the main server only */
    const char *home;        /* PythonHome or NULL */
    int optimize;
    apr_array_header_t *imports; /* mp_import_t, in order of appearance */
    apr_array_header_t *stores;  /* mp_store_t *: PythonSharedDict */
} mp_server_config_t;

#define MP_RELOAD_TIMEOUT_DEFAULT 10

/* Borrowed; never NULL for a server or request that httpd made. */
const mp_dir_config_t *mp_config_of_request(const request_rec *r);
const mp_dir_config_t *mp_config_of_server_defaults(const server_rec *s);
const mp_server_config_t *mp_config_of_server(const server_rec *s);

/* The list of handlers for a phase of this request: the one for the extension
 * of r->filename if there is one (then *extension is set to it, e.g. ".gz"),
 * else the plain one. NULL: none. extension may be NULL. */
const apr_array_header_t *mp_config_handlers(const mp_dir_config_t *config,
                                             mp_phase_t phase,
                                             const request_rec *r,
                                             const char **extension);

/* With defaults applied. */
int mp_config_debug(const mp_dir_config_t *config);
mp_reload_t mp_config_autoreload(const mp_dir_config_t *config);
mp_failure_policy_t mp_config_reload_failure(const mp_dir_config_t *config);

/* What get_config() shows; a section's own table, or a fresh one in pool. */
apr_table_t *mp_config_directives(const mp_dir_config_t *config,
                                  apr_pool_t *pool);

/* A fresh table in pool: the options in force, unset ones left out. */
apr_table_t *mp_config_options(const mp_dir_config_t *config,
                               apr_pool_t *pool);

/* post_config: every server gets the tables that its get_config() and
 * get_options() show for life, because programs may write to them. */
void mp_config_settle_servers(server_rec *main_server, apr_pool_t *pool);

/* Callbacks of the module record. */
void *mp_config_create_dir(apr_pool_t *pool, char *dir);
void *mp_config_merge_dir(apr_pool_t *pool, void *outer, void *inner);
void *mp_config_create_server(apr_pool_t *pool, server_rec *s);
void *mp_config_merge_server(apr_pool_t *pool, void *outer, void *inner);

#endif
