/* lifecycle.c - what happens outside of requests.
 *
 * The parent reads the configuration and makes the file watch; it never runs
 * Python. Each child starts Python, runs PythonImport, and at its end the
 * callables that programs registered. */
#include "runtime/python.h"

#include "hooks/lifecycle.h"

#include "core/watch.h"
#include "importer/api.h"
#include "runtime/error.h"
#include "runtime/interp.h"
#include "runtime/module.h"
#include "runtime/path.h"
#include "runtime/stacks.h"
#include "runtime/thread.h"
#include "server/config.h"
#include "server/handlers.h"
#include "server/log.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_main.h>

static mp_watch_t *watch; /* of the running configuration; by the parent */

/* ---- configuration ----------------------------------------------------- */

static int
pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    mp_handlers_reset_slots();
    watch = NULL;
    return OK;
}

/* So that apachectl configtest finds a wrong PythonHome. */
static int
check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
             server_rec *s)
{
    const char *home = mp_config_of_server(s)->home;
    const char *fault = home ? mp_interp_check_home(ptemp, home) : NULL;
    if (fault) {
        mp_log(MP_LOG_SERVER(s), APLOG_CRIT, 0, "MPY0105", "PythonHome: %s",
               fault);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static int
post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
            server_rec *s)
{
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK; /* the first of two passes */
    }
    mp_config_settle_servers(s, pconf);
    ap_add_version_component(pconf, "mod_python/" MP_VERSION);
    ap_add_version_component(pconf, "Python/" PY_VERSION);
    apr_status_t status = mp_watch_create(&watch, pconf);
    if (status != APR_SUCCESS) {
        mp_log(MP_LOG_SERVER(s), APLOG_ERR, status, "MPY0106",
               "files cannot be watched: edited modules will not be reloaded");
        watch = NULL;
    }
    return OK;
}

/* ---- the end of a child ------------------------------------------------ */

static apr_status_t
stop_interpreters(void *unused)
{
    void (*const *stop)(mp_state_t *);
    for (mp_interp_t *interp = mp_interp_all(); interp;
         interp = interp->next) {
        mp_thread_scope_t outer;
        if (!interp->state || mp_thread_enter(&outer, interp, NULL) < 0) {
            continue; /* never started, or ended by a signal inside Python */
        }
        for (stop = mp_module_exports()->stop; *stop; stop++) {
            (*stop)(interp->state);
        }
        mp_thread_leave(&outer);
    }
    return APR_SUCCESS;
}

/* ---- the beginning of a child ------------------------------------------ */

static void
run_import(const mp_import_t *import)
{
    mp_interp_t *interp = mp_interp_get(import->interpreter);
    mp_thread_scope_t outer;
    if (!interp || mp_thread_enter(&outer, interp, NULL) < 0) {
        return; /* it is in the log why */
    }
    const mp_dir_config_t *config = mp_config_of_server_defaults(
        interp->server);
    if ((config->path && mp_path_apply(interp->state, config->path) < 0)
        || mp_importer_import(interp->state->importer, import->module,
                              import->function) < 0) {
        char what[512];
        snprintf(what, sizeof(what), "PythonImport %s%s%s %s", import->module,
                 import->function ? "::" : "",
                 import->function ? import->function : "",
                 import->interpreter);
        mp_error_log(interp->state, MP_LOG_SERVER(interp->server), "MPY0411",
                     what);
    }
    mp_thread_leave(&outer);
}

static void
child_init(apr_pool_t *pchild, server_rec *s)
{
    const mp_server_config_t *config = mp_config_of_server(s);
    mp_importer_set_watch(watch);
    if (mp_interp_init(pchild, s, config->home, config->optimize) < 0) {
        return; /* requests for Python get 500; the log says why */
    }
    mp_stacks_enable(pchild);
    /* Before anything else of the child goes. */
    apr_pool_pre_cleanup_register(pchild, NULL, stop_interpreters);
    for (int i = 0; config->imports && i < config->imports->nelts; i++) {
        run_import(&APR_ARRAY_IDX(config->imports, i, mp_import_t));
    }
}

void
mp_lifecycle_register(apr_pool_t *pool)
{
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
}
