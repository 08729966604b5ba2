/* c_cookies.c - what cookies.py asks of Python, done in C: a signed cookie is
 * read, its HMAC-SHA256 compared, and a new one set.
 *
 * libcrypto is loaded by name, so that its headers are not needed. Loaded by
 * the benchmark's own httpd only; never installed. */
#include <dlfcn.h>
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

#include <apr_strings.h>

module AP_MODULE_DECLARE_DATA c_cookies_module;

#define SECRET "a secret of the usual length, for all of them"
#define NAME "user"
#define DIGITS 64

typedef unsigned char *hmac_fn(const void *md, const void *key, int key_size,
                               const unsigned char *data, size_t size,
                               unsigned char *digest, unsigned *digest_size);
typedef const void *sha256_fn(void);

static hmac_fn *hmac;
static const void *sha256;

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
    if (strcmp(r->uri, "/signed")) {
        return DECLINED;
    }
    r->filename = apr_pstrdup(r->pool, r->uri);
    ap_set_module_config(r->request_config, &c_cookies_module, r);
    return OK;
}

static int
skip_walk(request_rec *r)
{
    return ap_get_module_config(r->request_config, &c_cookies_module)
        ? OK : DECLINED;
}

static void
sign(request_rec *r, const char *value, char hex[DIGITS + 1])
{
    const char *text = apr_pstrcat(r->pool, NAME "=", value, NULL);
    unsigned char digest[64];
    unsigned size = 0;

    hmac(sha256, SECRET, sizeof(SECRET) - 1, (const unsigned char *)text,
         strlen(text), digest, &size);
    ap_bin2hex(digest, size, hex);
}

/* The value of the cookie if its signature holds, else NULL. */
static const char *
read_cookie(request_rec *r)
{
    const char *header = apr_table_get(r->headers_in, "Cookie");
    char hex[DIGITS + 1];
    unsigned char differs = 0;
    char *pair, *state;
    int i;

    for (pair = apr_strtok(apr_pstrdup(r->pool, header ? header : ""), "; ",
                           &state);
         pair; pair = apr_strtok(NULL, "; ", &state)) {
        const char *value = pair + sizeof(NAME);

        if (strncmp(pair, NAME "=", sizeof(NAME)) || strlen(value) < DIGITS) {
            continue;
        }
        sign(r, value + DIGITS, hex);
        for (i = 0; i < DIGITS; i++) {
            differs |= (unsigned char)(hex[i] ^ value[i]);
        }
        return differs ? NULL : value + DIGITS;
    }
    return NULL;
}

static int
answer(request_rec *r)
{
    const char *value;
    char hex[DIGITS + 1];

    if (!r->handler || strcmp(r->handler, "c-cookies")) {
        return DECLINED;
    }
    value = read_cookie(r);
    ap_set_content_type(r, "text/plain");
    if (!value) {
        value = "ada";
    }
    sign(r, value, hex);
    apr_table_addn(r->headers_out, "Cache-Control",
                   "no-cache=\"set-cookie\"");
    apr_table_addn(r->headers_out, "Set-Cookie",
                   apr_pstrcat(r->pool, NAME "=", hex, value,
                               "; path=/; SameSite=Lax; httponly", NULL));
    ap_rprintf(r, "%s\n", value);
    return OK;
}

static void
child_init(apr_pool_t *pool, server_rec *s)
{
    void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_GLOBAL);
    sha256_fn *find = library ? (sha256_fn *)dlsym(library, "EVP_sha256")
                              : NULL;

    hmac = library ? (hmac_fn *)dlsym(library, "HMAC") : NULL;
    sha256 = find ? find() : NULL;
}

static void
register_hooks(apr_pool_t *pool)
{
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

AP_DECLARE_MODULE(c_cookies) = {
    STANDARD20_MODULE_STUFF,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    register_hooks,
    0
};
