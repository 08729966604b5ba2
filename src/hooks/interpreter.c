/* interpreter.c - the name rules, first one that applies. */
#include "runtime/python.h"

#include "hooks/interpreter.h"

#include <apr_strings.h>
#include <httpd.h>
#include <string.h>

/* PythonInterpPerDirectory: the directory of the file, a directory itself. */
static const char *
file_directory(request_rec *r)
{
    if (!r->filename) {
        return NULL;
    }
    if (r->finfo.filetype == APR_DIR) {
        size_t length = strlen(r->filename);
        return length && r->filename[length - 1] == '/'
                   ? r->filename : apr_pstrcat(r->pool, r->filename, "/",
                                               NULL);
    }
    return ap_make_dirstr_parent(r->pool, r->filename);
}

static const char *
request_name(request_rec *r, const mp_dir_config_t *config,
             const mp_handler_t *first)
{
    const char *name = NULL;
    if (config->interpreter) {
        return config->interpreter;
    }
    if (config->interp_per_directory > 0) {
        name = file_directory(r);
    }
    else if (config->interp_per_directive > 0) {
        name = mp_handlers_directory(first, r);
    }
    else {
        name = r->server->server_hostname;
    }
    return name ? name : MP_MAIN_INTERPRETER;
}

mp_interp_t *
mp_interpreter_of_request(request_rec *r, const mp_dir_config_t *config,
                          const mp_handler_t *first)
{
    return mp_interp_get(request_name(r, config, first));
}

mp_interp_t *
mp_interpreter_of_server(server_rec *server)
{
    const mp_dir_config_t *config = mp_config_of_server_defaults(server);
    if (config->interpreter) {
        return mp_interp_get(config->interpreter);
    }
    if (config->interp_per_directory > 0 || config->interp_per_directive > 0
        || !server->server_hostname) {
        return mp_interp_get(MP_MAIN_INTERPRETER);
    }
    return mp_interp_get(server->server_hostname);
}
