/* c_wsgi.c - what wsgi.py asks of WSGI applications, done in C.
 *
 *     CWsgi hello    answer "Hello\n"
 *     CWsgi environ  read 20 facts of the request, 10 of them headers, and
 *                    set 5 headers of the response
 *
 * It sits in the same hooks as mod_python and claims its URLs as a Location
 * with a content handler does. Loaded by the benchmark's own httpd only; never
 * installed. */
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include <apr_strings.h>

module AP_MODULE_DECLARE_DATA c_wsgi_module;

typedef struct {
    const char *what; /* NULL: not ours */
} wsgi_config_t;

static const char body[] = "Hello\n";

static wsgi_config_t *
config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &c_wsgi_module);
}

/* A phase with nothing configured for it. */
static int
pass(request_rec *r)
{
    return config_of(r)->what == (const char *)r ? OK : DECLINED;
}

/* As mod_python does where a Location has a content handler. */
static int
claim(request_rec *r)
{
    wsgi_config_t *config = config_of(r);

    if (!config->what) {
        return DECLINED;
    }
    r->filename = apr_pstrdup(r->pool, r->uri);
    ap_set_module_config(r->request_config, &c_wsgi_module, config);
    return OK;
}

static int
skip_walk(request_rec *r)
{
    return ap_get_module_config(r->request_config, &c_wsgi_module)
        ? OK : DECLINED;
}

static apr_status_t
end_request(void *data)
{
    request_rec *r = data;

    apr_table_unset(r->notes, "c-wsgi");
    return APR_SUCCESS;
}

static size_t
length_of(const char *text)
{
    return text ? strlen(text) : 0;
}

static const char *const in[] = {
    "Host", "User-Agent", "Accept", "Accept-Language", "Accept-Encoding",
    "Referer", "Cookie", "Cache-Control", "DNT", "Upgrade-Insecure-Requests",
};
static const char *const out[] = {
    "Cache-Control", "ETag", "Vary", "X-Frame-Options", "X-Some-Value",
};

static int
read_environ(request_rec *r)
{
    size_t length = 0;
    int i;

    for (i = 0; i < 10; i++) {
        length += length_of(apr_table_get(r->headers_in, in[i]));
    }
    length += length_of(r->method) + length_of(r->uri) + length_of(r->args)
              + length_of(r->protocol) + length_of(ap_http_scheme(r))
              + length_of(ap_get_server_name_for_url(r))
              + length_of(apr_itoa(r->pool, ap_get_server_port(r)))
              + length_of(r->useragent_ip) + length_of(ap_document_root(r))
              + length_of(ap_get_server_banner());
    for (i = 0; i < 5; i++) {
        apr_table_set(r->headers_out, out[i], "some value");
    }
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%lu\n", (unsigned long)length);
    return OK;
}

static int
answer(request_rec *r)
{
    const wsgi_config_t *config = config_of(r);

    if (!r->handler || strcmp(r->handler, "c-wsgi") != 0 || !config->what) {
        return DECLINED;
    }
    apr_pool_cleanup_register(r->pool, r, end_request, apr_pool_cleanup_null);
    if (config->what[0] == 'e') {
        return read_environ(r);
    }
    ap_set_content_type(r, "text/plain");
    return ap_rwrite(body, sizeof(body) - 1, r) < 0
        ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

static void *
create_config(apr_pool_t *pool, char *directory)
{
    return apr_pcalloc(pool, sizeof(wsgi_config_t));
}

/* The inner section decides; merged for each request, as mod_python's is. */
static void *
merge_config(apr_pool_t *pool, void *outer, void *inner)
{
    const wsgi_config_t *base = outer;
    const wsgi_config_t *over = inner;
    wsgi_config_t *merged = apr_pcalloc(pool, sizeof(*merged));

    *merged = over->what ? *over : *base;
    return merged;
}

static const char *
set_what(cmd_parms *cmd, void *config, const char *word)
{
    ((wsgi_config_t *)config)->what = word;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("CWsgi", set_what, NULL, ACCESS_CONF, "hello or environ"),
    {NULL}
};

/* A name in the Server header, as mod_python and Python have theirs. */
static int
announce(apr_pool_t *pool, apr_pool_t *log_pool, apr_pool_t *temporary,
         server_rec *server)
{
    ap_add_version_component(pool, "c_wsgi/4.0.0");
    ap_add_version_component(pool, "C/11");
    return OK;
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(announce, NULL, NULL, APR_HOOK_MIDDLE);
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

AP_DECLARE_MODULE(c_wsgi) = {
    STANDARD20_MODULE_STUFF,
    create_config,
    merge_config,
    NULL,
    NULL,
    commands,
    register_hooks,
    0
};
