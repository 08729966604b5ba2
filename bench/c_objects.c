/* c_objects.c - what objects.py asks of Python, done in C.
 *
 *     CObjects headers  read 10 headers of the request, set 5 of the response
 *     CObjects echo     read the whole body, write it back
 *     CObjects stream   1 MiB in pieces of 16 KiB
 *     CObjects flush    the same, flushed after each piece
 *
 * Loaded by the benchmark's own httpd only; never installed. */
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

#include <apr_strings.h>

module AP_MODULE_DECLARE_DATA c_objects_module;

#define PIECE 16384
#define PIECES 64

typedef struct {
    const char *what; /* NULL: not ours */
} objects_config_t;

static objects_config_t *
config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &c_objects_module);
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
    objects_config_t *config = config_of(r);

    if (!config->what) {
        return DECLINED;
    }
    r->filename = apr_pstrdup(r->pool, r->uri);
    ap_set_module_config(r->request_config, &c_objects_module, config);
    return OK;
}

static int
skip_walk(request_rec *r)
{
    return ap_get_module_config(r->request_config, &c_objects_module)
        ? OK : DECLINED;
}

static const char *const in[] = {
    "Host", "User-Agent", "Accept", "Accept-Language", "Accept-Encoding",
    "Referer", "Cookie", "Cache-Control", "DNT", "Upgrade-Insecure-Requests",
};
static const char *const out[] = {
    "Cache-Control", "ETag", "Vary", "X-Frame-Options", "X-Some-Value",
};

static int
copy_headers(request_rec *r)
{
    size_t length = 0;
    int i;

    for (i = 0; i < 10; i++) {
        const char *value = apr_table_get(r->headers_in, in[i]);

        length += value ? strlen(value) : 0;
    }
    for (i = 0; i < 5; i++) {
        apr_table_set(r->headers_out, out[i], "some value");
    }
    ap_rprintf(r, "%lu\n", (unsigned long)length);
    return OK;
}

/* As req.read() and req.write(): the body in one piece. */
static int
echo(request_rec *r)
{
    apr_size_t room = 65536, length = 0;
    char *body = NULL;
    long got;

    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK) {
        return HTTP_BAD_REQUEST;
    }
    if (ap_should_client_block(r)) {
        body = apr_palloc(r->pool, room);
        while (length < room
               && (got = ap_get_client_block(r, body + length, room - length))
                      > 0) {
            length += (apr_size_t)got;
        }
    }
    ap_rwrite(body, (int)length, r);
    return OK;
}

static int
stream(request_rec *r, int flush)
{
    static const char piece[PIECE];
    int i;

    for (i = 0; i < PIECES; i++) {
        if (ap_rwrite(piece, PIECE, r) < 0 || (flush && ap_rflush(r) < 0)) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

static int
answer(request_rec *r)
{
    const char *what = config_of(r)->what;

    if (!r->handler || strcmp(r->handler, "c-objects") != 0 || !what) {
        return DECLINED;
    }
    ap_set_content_type(r, "application/octet-stream");
    if (!strcmp(what, "headers")) {
        return copy_headers(r);
    }
    if (!strcmp(what, "echo")) {
        return echo(r);
    }
    return stream(r, !strcmp(what, "flush"));
}

static void *
create_config(apr_pool_t *pool, char *directory)
{
    return apr_pcalloc(pool, sizeof(objects_config_t));
}

static void *
merge_config(apr_pool_t *pool, void *outer, void *inner)
{
    const objects_config_t *base = outer, *over = inner;
    objects_config_t *merged = apr_pcalloc(pool, sizeof(*merged));

    *merged = over->what ? *over : *base;
    return merged;
}

static const char *
set_what(cmd_parms *cmd, void *config, const char *word)
{
    ((objects_config_t *)config)->what = word;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("CObjects", set_what, NULL, ACCESS_CONF,
                  "headers, echo, stream or flush"),
    {NULL}
};

static void
register_hooks(apr_pool_t *pool)
{
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

AP_DECLARE_MODULE(c_objects) = {
    STANDARD20_MODULE_STUFF,
    create_config,
    merge_config,
    NULL,
    NULL,
    commands,
    register_hooks,
    0
};
