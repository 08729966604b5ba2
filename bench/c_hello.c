/* c_hello.c - what a hello handler costs when no Python is involved.
 *
 * The yardstick of hello.py: an httpd module that sits in the same hooks as
 * mod_python, looks up its directory configuration in each of them, registers
 * one cleanup on the request's pool and answers with a few bytes. Loaded by
 * the benchmark's own httpd only; never installed.
 *
 *     CHello On       answer "Hello\n"
 *     CHello Flush    the same, and flush it to the client at once
 *     CHello Poll     as On, and ask an inotify descriptor whether it has
 *                     events: what a check for changes costs at least */
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include <apr_strings.h>

module AP_MODULE_DECLARE_DATA c_hello_module;

typedef struct {
    int enabled;
    int flush;
    int poll;
} hello_config_t;

static const char body[] = "Hello\n";

static int watch = -1; /* this process' inotify descriptor; no events come */

static hello_config_t *
config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &c_hello_module);
}

/* A phase with nothing configured for it. */
static int
pass(request_rec *r)
{
    const hello_config_t *config = config_of(r);

    if (config->enabled < 0) {
        /* Cannot be, and the compiler cannot know: the look-up stays. */
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return DECLINED;
}

/* translate_name: a Location that has a content handler owns its URLs, so
 * httpd walks no directory. mod_python does the same. */
static int
claim(request_rec *r)
{
    hello_config_t *config = config_of(r);

    if (!config->enabled) {
        return DECLINED;
    }
    r->filename = apr_pstrdup(r->pool, r->uri);
    ap_set_module_config(r->request_config, &c_hello_module, config);
    return OK;
}

/* map_to_storage: httpd has put the server's defaults in the place of the
 * Location's configuration, so what was claimed must have been noted. */
static int
skip_walk(request_rec *r)
{
    return ap_get_module_config(r->request_config, &c_hello_module)
        ? OK : DECLINED;
}

static apr_status_t
end_request(void *data)
{
    request_rec *r = data;

    apr_table_unset(r->notes, "c-hello");
    return APR_SUCCESS;
}

static int
answer(request_rec *r)
{
    const hello_config_t *config = config_of(r);

    if (!r->handler || strcmp(r->handler, "c-hello") != 0) {
        return DECLINED;
    }
    if (!config->enabled) {
        return DECLINED;
    }
    if (config->poll) {
        struct pollfd ready = {.fd = watch, .events = POLLIN};

        if (poll(&ready, 1, 0) != 0) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    apr_pool_cleanup_register(r->pool, r, end_request, apr_pool_cleanup_null);
    ap_set_content_type(r, "text/plain");
    if (ap_rwrite(body, sizeof(body) - 1, r) < 0) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (config->flush && ap_rflush(r) < 0) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static void *
create_config(apr_pool_t *pool, char *directory)
{
    return apr_pcalloc(pool, sizeof(hello_config_t));
}

/* The inner section decides; merged for each request, as mod_python's is. */
static void *
merge_config(apr_pool_t *pool, void *outer, void *inner)
{
    const hello_config_t *base = outer;
    const hello_config_t *over = inner;
    hello_config_t *merged = apr_pcalloc(pool, sizeof(*merged));

    *merged = over->enabled ? *over : *base;
    return merged;
}

static const char *
set_hello(cmd_parms *cmd, void *config, const char *word)
{
    hello_config_t *hello = config;

    if (strcasecmp(word, "On") != 0 && strcasecmp(word, "Flush") != 0
        && strcasecmp(word, "Poll") != 0) {
        return apr_psprintf(cmd->pool, "%s: \"%s\" is none of On, Flush and "
                            "Poll", cmd->cmd->name, word);
    }
    hello->enabled = 1;
    hello->flush = strcasecmp(word, "Flush") == 0;
    hello->poll = strcasecmp(word, "Poll") == 0;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("CHello", set_hello, NULL, ACCESS_CONF,
                  "On, Flush or Poll: answer with a few bytes"),
    {NULL}
};

/* A name in the Server header, as mod_python and Python have theirs. */
static int
announce(apr_pool_t *pool, apr_pool_t *log_pool, apr_pool_t *temporary,
         server_rec *server)
{
    ap_add_version_component(pool, "c_hello/4.0.0");
    ap_add_version_component(pool, "C/11");
    return OK;
}

static void
open_watch(apr_pool_t *pool, server_rec *server)
{
    watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch >= 0) {
        inotify_add_watch(watch, "/", IN_DELETE_SELF);
    }
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(announce, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(open_watch, NULL, NULL, APR_HOOK_MIDDLE);
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

AP_DECLARE_MODULE(c_hello) = {
    STANDARD20_MODULE_STUFF,
    create_config,
    merge_config,
    NULL,
    NULL,
    commands,
    register_hooks,
    0
};
