/* c_holder.c - another module of httpd that is linked with Python, and keeps
 * it loaded over restarts: see bench/restarts.py. Does nothing else, but
 * refuses to start when somebody has started Python in the parent. */
#include <Python.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

static int
look(apr_pool_t *pool, apr_pool_t *log_pool, apr_pool_t *temporary,
     server_rec *s)
{
    if (Py_IsInitialized()) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     "c_holder: Python runs in the parent");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(look, NULL, NULL, APR_HOOK_REALLY_LAST);
}

module AP_MODULE_DECLARE_DATA c_holder_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0
};
