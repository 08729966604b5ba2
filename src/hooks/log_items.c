/* log_items.c - an item of the access log for programs.
 *
 * mod_log_config asks for it after the response, when programs have written
 * what is to be shown: no Python runs here. Owns nothing. */
#include "hooks/log_items.h"

#include "server/context.h"

#include <apr_optional.h>
#include <apr_strings.h>
#include <http_config.h>
#include <mod_log_config.h>

/* After an internal redirect r is the last request: what it does not say, one
 * before it may. */
static const char *
find_item(request_rec *r, char *name)
{
    for (; r; r = r->prev) {
        const mp_request_t *request = mp_context_find(r);
        const char *value = request && request->log_items
            ? apr_table_get(request->log_items, name) : NULL;
        if (value) {
            return ap_escape_logitem(r->pool, value);
        }
    }
    return NULL; /* shown as "-" */
}

static int
pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    APR_OPTIONAL_FN_TYPE(ap_register_log_handler) *add
        = APR_RETRIEVE_OPTIONAL_FN(ap_register_log_handler);
    if (add) {
        add(pconf, apr_pstrdup(pconf, "^py"), find_item, 0);
    }
    return OK;
}

void
mp_log_items_register(apr_pool_t *pool)
{
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
}
