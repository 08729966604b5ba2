/* c_pages.c - what pages.py asks of the publisher and of PSP, done in C.
 *
 *     SetHandler c-publisher   two fields of the query string, in a sentence
 *     SetHandler c-psp         a page with a table of ten rows
 *
 * Sits in the hooks that mod_python sits in, and registers one cleanup.
 * Loaded by the benchmark's own httpd only; never installed. */
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

#include <apr_lib.h>
#include <apr_strings.h>

module AP_MODULE_DECLARE_DATA c_pages_module;

typedef struct {
    int unused;
} pages_config_t;

static void *
create_config(apr_pool_t *pool, char *directory)
{
    return apr_pcalloc(pool, sizeof(pages_config_t));
}

/* A phase with nothing configured for it. */
static int
pass(request_rec *r)
{
    const pages_config_t *config = ap_get_module_config(r->per_dir_config,
                                                        &c_pages_module);

    return config->unused ? HTTP_INTERNAL_SERVER_ERROR : DECLINED;
}

static apr_status_t
end_request(void *data)
{
    request_rec *r = data;

    apr_table_unset(r->notes, "c-pages");
    return APR_SUCCESS;
}

/* In place; answers the text. */
static char *
decode(char *text)
{
    char *out = text;
    const char *at;

    for (at = text; *at; at++) {
        if (*at == '%' && apr_isxdigit(at[1]) && apr_isxdigit(at[2])) {
            const char digits[] = {at[1], at[2], '\0'};

            *out++ = (char)strtol(digits, NULL, 16);
            at += 2;
        }
        else {
            *out++ = *at == '+' ? ' ' : *at;
        }
    }
    *out = '\0';
    return text;
}

static const char *
find(const char *const *names, char *const *values, int count,
     const char *name)
{
    int i;

    for (i = 0; i < count; i++) {
        if (!strcmp(names[i], name)) {
            return values[i];
        }
    }
    return "";
}

static int
publish(request_rec *r)
{
    const char *names[16];
    char *values[16], *state, *pair;
    int count = 0;
    char *text = apr_pstrdup(r->pool, r->args ? r->args : "");

    if (r->method_number != M_GET || !r->path_info
        || strcmp(r->path_info, "/greet")) {
        return HTTP_NOT_FOUND;
    }
    for (pair = apr_strtok(text, "&", &state); pair && count < 16;
         pair = apr_strtok(NULL, "&", &state)) {
        char *value = strchr(pair, '=');

        if (value) {
            *value++ = '\0';
            names[count] = decode(pair);
            values[count++] = decode(value);
        }
    }
    ap_set_content_type(r, "text/plain");
    ap_rvputs(r, "Hello, ", find(names, values, count, "person"), " of ",
              find(names, values, count, "company"), "!\n", NULL);
    return OK;
}

static const char *const people[] = {
    "Ada", "Blaise", "Charles", "Dorothy", "Edsger", "Frances", "Grace",
    "Howard", "Ivan", "Jean",
};

static int
write_page(request_rec *r)
{
    int i;

    ap_set_content_type(r, "text/html");
    ap_rputs("<html><head><title>People</title></head>\n<body>\n<table>\n", r);
    for (i = 0; i < 10; i++) {
        ap_rvputs(r, "<tr><td>", apr_itoa(r->pool, i), "</td><td>", people[i],
                  "</td></tr>\n", NULL);
    }
    ap_rputs("</table>\n</body></html>\n", r);
    return OK;
}

static int
answer(request_rec *r)
{
    if (!r->handler || strncmp(r->handler, "c-p", 3)) {
        return DECLINED;
    }
    apr_pool_cleanup_register(r->pool, r, end_request, apr_pool_cleanup_null);
    return strcmp(r->handler, "c-psp") ? publish(r) : write_page(r);
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_hook_post_read_request(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_translate_name(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_map_to_storage(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_header_parser(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_access_checker(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_type_checker(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_fixups(pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(answer, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(pass, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA c_pages_module = {
    STANDARD20_MODULE_STUFF,
    create_config,
    NULL,
    NULL,
    NULL,
    NULL,
    register_hooks
};
