/* c_auth.c - what a password costs when no Python is involved.
 *
 * The yardstick of auth.py: an httpd module that sits in the same hooks as
 * mod_python, looks up its directory configuration in each of them, and asks
 * for one user with one password: by itself, and as the provider "c" of
 * mod_auth_basic. Loaded by the benchmark's own httpd only; never installed.
 *
 *     CAuth On        check_user_id lets in spam with the password eggs */
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_auth.h>

#include <apr_strings.h>

module AP_MODULE_DECLARE_DATA c_auth_module;

typedef struct {
    int enabled;
} auth_config_t;

static const auth_config_t *
config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &c_auth_module);
}

/* A phase with nothing configured for it. */
static int
pass(request_rec *r)
{
    /* Cannot be, and the compiler cannot know: the look-up stays. */
    return config_of(r)->enabled < 0 ? HTTP_INTERNAL_SERVER_ERROR : DECLINED;
}

static int
is_known(const char *user, const char *password)
{
    return !strcmp(user, "spam") && !strcmp(password, "eggs");
}

static apr_status_t
end_request(void *data)
{
    request_rec *r = data;

    apr_table_unset(r->notes, "c-auth");
    return APR_SUCCESS;
}

static int
check_user(request_rec *r)
{
    const char *password = NULL;

    if (!config_of(r)->enabled) {
        return DECLINED;
    }
    apr_pool_cleanup_register(r->pool, r, end_request, apr_pool_cleanup_null);
    if (ap_get_basic_auth_pw(r, &password) != OK
        || !is_known(r->user, password)) {
        ap_note_auth_failure(r);
        return HTTP_UNAUTHORIZED;
    }
    return OK;
}

static authn_status
check_password(request_rec *r, const char *user, const char *password)
{
    apr_pool_cleanup_register(r->pool, r, end_request, apr_pool_cleanup_null);
    return is_known(user, password) ? AUTH_GRANTED : AUTH_DENIED;
}

static const authn_provider provider = {check_password, NULL};

static void *
create_config(apr_pool_t *pool, char *directory)
{
    return apr_pcalloc(pool, sizeof(auth_config_t));
}

/* The inner section decides; merged for each request, as mod_python's is. */
static void *
merge_config(apr_pool_t *pool, void *outer, void *inner)
{
    const auth_config_t *base = outer;
    const auth_config_t *over = inner;
    auth_config_t *merged = apr_pcalloc(pool, sizeof(*merged));

    *merged = over->enabled ? *over : *base;
    return merged;
}

static const command_rec commands[] = {
    AP_INIT_FLAG("CAuth", ap_set_flag_slot,
                 (void *)APR_OFFSETOF(auth_config_t, enabled), ACCESS_CONF,
                 "On: ask for one user with one password"),
    {NULL}
};

/* A name in the Server header, as mod_python and Python have theirs. */
static int
announce(apr_pool_t *pool, apr_pool_t *log_pool, apr_pool_t *temporary,
         server_rec *server)
{
    ap_add_version_component(pool, "c_auth/4.0.0");
    ap_add_version_component(pool, "C/11");
    return OK;
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(announce, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_translate_name(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_map_to_storage(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_header_parser(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_access_checker(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_user_id(check_user, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_auth_checker(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_type_checker(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_fixups(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_auth_provider(pool, AUTHN_PROVIDER_GROUP, "c",
                              AUTHN_PROVIDER_VERSION, &provider,
                              AP_AUTH_INTERNAL_PER_URI);
}

AP_DECLARE_MODULE(c_auth) = {
    STANDARD20_MODULE_STUFF,
    create_config,
    merge_config,
    NULL,
    NULL,
    commands,
    register_hooks,
    0
};
