/* c_sessions.c - what sessions.py asks of Python, done in C: a session is
 * found by its cookie, locked, read, a number in it incremented, and saved.
 *
 * Its store is httpd's shmcb under a lock, as mod_python's is; the session is
 * locked by one of eight mutexes, chosen by its id. What is stored is text.
 * Loaded by the benchmark's own httpd only; never installed. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <ap_provider.h>
#include <ap_socache.h>
#include <util_mutex.h>

#include <apr_global_mutex.h>
#include <apr_strings.h>

module AP_MODULE_DECLARE_DATA c_sessions_module;

#define TYPE "c-session"
#define LOCKS 8
#define ID_SIZE 32
#define TIMEOUT apr_time_from_sec(1800)

static const ap_socache_provider_t *provider;
static ap_socache_instance_t *store;
static apr_global_mutex_t *store_lock, *session_locks[LOCKS];

/* A phase with nothing configured for it. */
static int
pass(request_rec *r)
{
    return r->per_dir_config == (void *)r ? OK : DECLINED;
}

/* As mod_python does where a Location has a content handler. */
static int
claim(request_rec *r)
{
    if (strcmp(r->uri, "/count")) {
        return DECLINED;
    }
    r->filename = apr_pstrdup(r->pool, r->uri);
    ap_set_module_config(r->request_config, &c_sessions_module, r);
    return OK;
}

static int
skip_walk(request_rec *r)
{
    return ap_get_module_config(r->request_config, &c_sessions_module)
        ? OK : DECLINED;
}

static int
is_id(const char *text)
{
    return strspn(text, "0123456789abcdef") == ID_SIZE && !text[ID_SIZE];
}

static const char *
find_id(request_rec *r)
{
    const char *header = apr_table_get(r->headers_in, "Cookie");
    char *pair, *state;

    for (pair = apr_strtok(apr_pstrdup(r->pool, header ? header : ""), "; ",
                           &state);
         pair; pair = apr_strtok(NULL, "; ", &state)) {
        if (!strncmp(pair, "pysid=", 6) && is_id(pair + 6)) {
            return pair + 6;
        }
    }
    return NULL;
}

static const char *
make_id(request_rec *r)
{
    unsigned char bytes[ID_SIZE / 2];
    char *id = apr_palloc(r->pool, ID_SIZE + 1);

    if (getrandom(bytes, sizeof(bytes), 0) < 0) {
        abort();
    }
    ap_bin2hex(bytes, sizeof(bytes), id);
    apr_table_addn(r->headers_out, "Cache-Control",
                   "no-cache=\"set-cookie\"");
    apr_table_addn(r->headers_out, "Set-Cookie",
                   apr_pstrcat(r->pool, "pysid=", id,
                               "; path=/; SameSite=Lax; httponly", NULL));
    return id;
}

/* The number of the session; 0: there is none. */
static long
load(request_rec *r, const char *id)
{
    unsigned char text[256];
    unsigned size = sizeof(text) - 1;
    apr_status_t status;
    char *rest;
    apr_int64_t created, accessed;

    apr_global_mutex_lock(store_lock);
    status = provider->retrieve(store, r->server, (const unsigned char *)id,
                                ID_SIZE, text, &size, r->pool);
    apr_global_mutex_unlock(store_lock);
    if (status != APR_SUCCESS) {
        return 0;
    }
    text[size] = '\0';
    created = apr_strtoi64((char *)text, &rest, 10);
    accessed = apr_strtoi64(rest, &rest, 10);
    if (created <= 0 || accessed + TIMEOUT < apr_time_now()) {
        return 0;
    }
    return strtol(rest, NULL, 10);
}

static void
save(request_rec *r, const char *id, long count)
{
    apr_time_t now = apr_time_now();
    char *text = apr_psprintf(r->pool, "%" APR_TIME_T_FMT " %" APR_TIME_T_FMT
                              " %ld", r->request_time, now, count);

    apr_global_mutex_lock(store_lock);
    provider->store(store, r->server, (const unsigned char *)id, ID_SIZE,
                    now + TIMEOUT, (unsigned char *)text,
                    (unsigned)strlen(text), r->pool);
    apr_global_mutex_unlock(store_lock);
}

static apr_status_t
unlock(void *lock)
{
    return apr_global_mutex_unlock(lock);
}

static int
answer(request_rec *r)
{
    apr_global_mutex_t *lock;
    const char *id;
    long count;

    if (!r->handler || strcmp(r->handler, "c-sessions")) {
        return DECLINED;
    }
    id = find_id(r);
    if (!id) {
        id = make_id(r);
    }
    lock = session_locks[id[0] % LOCKS];
    apr_global_mutex_lock(lock);
    apr_pool_cleanup_register(r->pool, lock, unlock, apr_pool_cleanup_null);
    count = load(r, id) + 1;
    save(r, id, count);
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%ld\n", count);
    return OK;
}

static int
pre_config(apr_pool_t *pool, apr_pool_t *log, apr_pool_t *temporary)
{
    return ap_mutex_register(pool, TYPE, NULL, APR_LOCK_DEFAULT, 0);
}

static int
post_config(apr_pool_t *pool, apr_pool_t *log, apr_pool_t *temporary,
            server_rec *s)
{
    static const struct ap_socache_hints hints = {
        ID_SIZE, 64, apr_time_from_sec(60)};
    int i;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    provider = ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, "shmcb",
                                  AP_SOCACHE_PROVIDER_VERSION);
    if (!provider
        || provider->create(&store, ap_runtime_dir_relative(
                                        pool, "c-sessions(33554432)"),
                            temporary, pool)
        || provider->init(store, "c-sessions", &hints, s, pool)
               != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    ap_global_mutex_create(&store_lock, NULL, TYPE, "store", s, pool, 0);
    for (i = 0; i < LOCKS; i++) {
        ap_global_mutex_create(&session_locks[i], NULL, TYPE,
                               apr_itoa(pool, i), s, pool, 0);
    }
    return OK;
}

static void
child_init(apr_pool_t *pool, server_rec *s)
{
    int i;

    apr_global_mutex_child_init(&store_lock,
                                apr_global_mutex_lockfile(store_lock), pool);
    for (i = 0; i < LOCKS; i++) {
        apr_global_mutex_child_init(
            &session_locks[i], apr_global_mutex_lockfile(session_locks[i]),
            pool);
    }
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_translate_name(claim, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_map_to_storage(skip_walk, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_header_parser(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_access_checker(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_user_id(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_auth_checker(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_type_checker(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_fixups(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(answer, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(pass, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(c_sessions) = {
    STANDARD20_MODULE_STUFF,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    register_hooks,
    0
};
