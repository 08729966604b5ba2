/* filters.c - the two filter directives: which name means which handler.
 *
 * Called while the configuration is read, and once for each filter of a
 * request. Owns nothing. The surprising rule: telling httpd of a name that a
 * module of its own has replaces that filter for the whole server, without a
 * word; so such names are refused here. */
#include "server/filters.h"

#include <apr_strings.h>

#include <string.h>

/* mod_filter's names for what AddOutputFilterByType adds: the only ones that
 * httpd does not keep in lower case. */
#define BY_TYPE "BYTYPE:"

static void
tell_output(const char *name, ap_out_filter_func function)
{
    /* For mod_filter: length and content may change. */
    ap_register_output_filter_protocol(name, function, NULL, AP_FTYPE_RESOURCE,
                                       AP_FILTER_PROTO_CHANGE
                                           | AP_FILTER_PROTO_CHANGE_LENGTH);
}

void
mp_filters_register(ap_out_filter_func output, ap_in_filter_func input)
{
    tell_output(MP_FILTER_NAME, output);
    ap_register_input_filter(MP_FILTER_NAME, input, NULL, AP_FTYPE_RESOURCE);
}

/* Tell httpd of a name, with the function of MP_FILTER_NAME. 0, or -1 when
 * another module has a filter of this name. */
static int
tell_httpd(const char *name, int kind)
{
    const ap_filter_rec_t *ours, *present;

    if (kind == MP_FILTER_INPUT) {
        ours = ap_get_input_filter_handle(MP_FILTER_NAME);
        present = ap_get_input_filter_handle(name);
        if (present
            && present->filter_func.in_func != ours->filter_func.in_func) {
            return -1;
        }
        ap_register_input_filter(name, ours->filter_func.in_func, NULL,
                                 AP_FTYPE_RESOURCE);
        return 0;
    }
    ours = ap_get_output_filter_handle(MP_FILTER_NAME);
    present = ap_get_output_filter_handle(name);
    if (present
        && present->filter_func.out_func != ours->filter_func.out_func) {
        return -1;
    }
    tell_output(name, ours->filter_func.out_func);
    return 0;
}

const char *
mp_filters_key(apr_pool_t *pool, const char *name)
{
    char *key = apr_pstrdup(pool, name);

    ap_str_tolower(key);
    return key;
}

const char *
mp_filters_add(apr_hash_t **filters, cmd_parms *cmd, const char *handler,
               const char *name)
{
    const int kind = !strcmp(cmd->cmd->name, "PythonInputFilter")
                         ? MP_FILTER_INPUT : MP_FILTER_OUTPUT;
    apr_array_header_t *handlers = apr_array_make(cmd->pool, 1,
                                                  sizeof(mp_handler_t *));
    const char *error = mp_handlers_parse_word(handlers, cmd, handler);

    if (error) {
        return error;
    }
    name = name ? name : handler;
    if (!ap_cstr_casecmp(name, MP_FILTER_NAME) || tell_httpd(name, kind) < 0) {
        return apr_psprintf(cmd->pool, "%s: there is a filter named '%s' "
                            "already; choose another name", cmd->cmd->name,
                            name);
    }
    if (!filters[kind]) {
        filters[kind] = apr_hash_make(cmd->pool);
    }
    apr_hash_set(filters[kind], mp_filters_key(cmd->pool, name),
                 APR_HASH_KEY_STRING,
                 APR_ARRAY_IDX(handlers, 0, mp_handler_t *));
    return NULL;
}

const mp_handler_t *
mp_filters_find(apr_hash_t *filters, apr_pool_t *pool, const char *name)
{
    if (!filters) {
        return NULL;
    }
    if (!strncmp(name, BY_TYPE, strlen(BY_TYPE))) {
        name = mp_filters_key(pool, name + strlen(BY_TYPE));
    }
    const mp_handler_t *handler = apr_hash_get(filters, name,
                                               APR_HASH_KEY_STRING);
    if (!handler) { /* mod_filter keeps a name as it was written */
        handler = apr_hash_get(filters, mp_filters_key(pool, name),
                               APR_HASH_KEY_STRING);
    }
    return handler;
}
