/* yardstick.h - a module in C that sits where mod_python sits, and does for a
 * request what the program does that is measured.
 *
 *     #define YARDSTICK c_objects
 *     #define YARDSTICK_DIRECTIVE "CObjects"
 *     #include "yardstick.h"
 *
 *     static int echo(request_rec *r) ...
 *
 *     YARDSTICK_ANSWERS = {{"echo", echo}, ...};
 *
 * "CObjects echo" in a Location then says what answers there. Like mod_python,
 * the module looks up its configuration in each phase, claims the URLs of the
 * Location, registers one cleanup on the request's pool, and has its name in
 * the Server header. */
#ifndef YARDSTICK_H
#define YARDSTICK_H

#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include <apr_strings.h>

#define YARDSTICK_JOIN_(a, b) a##b
#define YARDSTICK_JOIN(a, b) YARDSTICK_JOIN_(a, b)
#define YARDSTICK_TEXT_(a) #a
#define YARDSTICK_TEXT(a) YARDSTICK_TEXT_(a)
#define YARDSTICK_RECORD YARDSTICK_JOIN(YARDSTICK, _module)

extern module AP_MODULE_DECLARE_DATA YARDSTICK_RECORD;

typedef struct {
    const char *word; /* of the directive; NULL ends the table */
    int (*answer)(request_rec *r);
} yardstick_answer_t;

typedef struct {
    const yardstick_answer_t *row; /* NULL: not ours */
} yardstick_config_t;

/* The rows, in each module that includes this. */
static const yardstick_answer_t yardstick_answers[];
#define YARDSTICK_ANSWERS \
    static const yardstick_answer_t yardstick_answers[]

static yardstick_config_t *
yardstick_config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &YARDSTICK_RECORD);
}

/* A phase with nothing configured for it. */
static int
yardstick_pass(request_rec *r)
{
    /* Cannot be, and the compiler cannot know: the look-up stays. */
    return (const void *)yardstick_config_of(r)->row == (const void *)r
        ? OK : DECLINED;
}

/* translate_name: a Location that has a content handler owns its URLs, so
 * httpd walks no directory. */
static int
yardstick_claim(request_rec *r)
{
    yardstick_config_t *config = yardstick_config_of(r);

    if (!config->row) {
        return DECLINED;
    }
    r->filename = apr_pstrdup(r->pool, r->uri);
    ap_set_module_config(r->request_config, &YARDSTICK_RECORD, config);
    return OK;
}

/* map_to_storage: httpd has put the server's defaults in the place of the
 * Location's configuration, so what was claimed must have been noted. */
static int
yardstick_skip_walk(request_rec *r)
{
    return ap_get_module_config(r->request_config, &YARDSTICK_RECORD)
        ? OK : DECLINED;
}

static apr_status_t
yardstick_end(void *data)
{
    request_rec *r = data;

    apr_table_unset(r->notes, YARDSTICK_DIRECTIVE);
    return APR_SUCCESS;
}

static int
yardstick_handle(request_rec *r)
{
    const yardstick_config_t *config = yardstick_config_of(r);

    if (!r->handler || !config->row || strcmp(r->handler, "yardstick") != 0) {
        return DECLINED;
    }
    apr_pool_cleanup_register(r->pool, r, yardstick_end,
                              apr_pool_cleanup_null);
    return config->row->answer(r);
}

static void *
yardstick_create(apr_pool_t *pool, char *directory)
{
    return apr_pcalloc(pool, sizeof(yardstick_config_t));
}

/* The inner section decides; merged for each request, as mod_python's is. */
static void *
yardstick_merge(apr_pool_t *pool, void *outer, void *inner)
{
    const yardstick_config_t *base = outer, *over = inner;
    yardstick_config_t *merged = apr_pcalloc(pool, sizeof(*merged));

    *merged = over->row ? *over : *base;
    return merged;
}

static const char *
yardstick_set(cmd_parms *cmd, void *config, const char *word)
{
    const yardstick_answer_t *row = yardstick_answers;

    while (row->word && strcmp(row->word, word)) {
        row++;
    }
    ((yardstick_config_t *)config)->row = row;
    return row->word ? NULL : "there is no such answer";
}

static const command_rec yardstick_commands[] = {
    AP_INIT_TAKE1(YARDSTICK_DIRECTIVE, yardstick_set, NULL, ACCESS_CONF,
                  "which answer"),
    {NULL}
};

/* A name in the Server header, as mod_python and Python have theirs. */
static int
yardstick_announce(apr_pool_t *pool, apr_pool_t *log_pool,
                   apr_pool_t *temporary, server_rec *server)
{
    ap_add_version_component(pool, YARDSTICK_TEXT(YARDSTICK) "/4.0.0");
    ap_add_version_component(pool, "C/11");
    return OK;
}

static void
yardstick_register(apr_pool_t *pool)
{
    ap_hook_post_config(yardstick_announce, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(yardstick_pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_translate_name(yardstick_claim, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_map_to_storage(yardstick_skip_walk, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_header_parser(yardstick_pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_access_checker(yardstick_pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_user_id(yardstick_pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_auth_checker(yardstick_pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_type_checker(yardstick_pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_fixups(yardstick_pass, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(yardstick_handle, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(yardstick_pass, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA YARDSTICK_RECORD = {
    STANDARD20_MODULE_STUFF,
    yardstick_create,
    yardstick_merge,
    NULL,
    NULL,
    yardstick_commands,
    yardstick_register,
    0
};

#endif
