/* sharing.c - makes what all processes share, and opens it in each child.
 *
 * The parent makes locks and stores when the configuration is read, so the
 * children inherit them; each child opens them before its Python starts, since
 * PythonImport may use them. A failure in the parent stops httpd. */
#include "hooks/sharing.h"

#include "server/config.h"
#include "server/key_lock.h"
#include "server/log.h"
#include "server/mutex.h"
#include "server/store.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>

#define TIMEOUT_DEFAULT 300
#define TIMEOUT_MAX 86400

static int
pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    return mp_mutex_register(pconf) == APR_SUCCESS
               ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static const char *
find_option(server_rec *s, const char *name)
{
    const char *text = apr_table_get(
        mp_config_of_server_defaults(s)->options, name);
    return text && *text ? text : NULL;
}

/* A PythonOption of the main server that is a number from 1 to max; fallback
 * when it is not given, -1 when it is not such a number. */
static int
find_number(server_rec *s, const char *name, int fallback, int max)
{
    const char *text = find_option(s, name);
    char *end;
    apr_int64_t number = text ? apr_strtoi64(text, &end, 10) : fallback;
    if (text && (*end || number < 1 || number > max)) {
        mp_log(MP_LOG_SERVER(s), APLOG_CRIT, 0, "MPY0604",
               "PythonOption %s: '%s' is not a number from 1 to %d", name,
               text, max);
        return -1;
    }
    return (int)number;
}

/* apachectl configtest finds the same mistakes. */
static int
check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
             server_rec *s)
{
    int count = find_number(s, "mod_python.mutex_locks", MP_MUTEXES_DEFAULT,
                            MP_MUTEXES_MAX);
    int seconds = find_number(s, "mod_python.mutex_timeout", TIMEOUT_DEFAULT,
                              TIMEOUT_MAX);
    return count < 0 || seconds < 0 ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

static int
create_locks(apr_pool_t *pconf, server_rec *s)
{
    int count = find_number(s, "mod_python.mutex_locks", MP_MUTEXES_DEFAULT,
                            MP_MUTEXES_MAX);
    int seconds = find_number(s, "mod_python.mutex_timeout", TIMEOUT_DEFAULT,
                              TIMEOUT_MAX);
    const char *directory = find_option(s, "mod_python.mutex_directory");
    if (directory) {
        directory = ap_server_root_relative(pconf, directory);
    }
    /* One of them is never given to a key. */
    return mp_mutex_create_all(count > 2 ? count : 2,
                              apr_time_from_sec(seconds), pconf, s,
                              directory);
}

static int
post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
            server_rec *s)
{
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK; /* the first of two passes */
    }
    apr_status_t status = create_locks(pconf, s);
    if (status == APR_SUCCESS) {
        status = mp_key_lock_create(s);
    }
    if (status == APR_SUCCESS) {
        status = mp_store_open_all(mp_config_of_server(s)->stores, pconf,
                                   ptemp, s);
    }
    return status == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static void
child_init(apr_pool_t *pchild, server_rec *s)
{
    apr_status_t status = mp_mutex_child_init_all(pchild);
    mp_key_lock_child_init();
    if (status == APR_SUCCESS) {
        status = mp_store_child_init_all(pchild);
    }
    if (status != APR_SUCCESS) {
        mp_log(MP_LOG_SERVER(s), APLOG_CRIT, status, "MPY0605",
               "global locks and shared dictionaries cannot be opened in a "
               "child process");
    }
}

void
mp_sharing_register(apr_pool_t *pool)
{
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_FIRST);
}
