/* config.c - reads the directives, merges sections, answers what is in force.
 *
 * httpd calls it while it reads the configuration, and for each .htaccess file
 * on the way of a request; hooks and objects ask it. Owns nothing: everything
 * is in the pool that httpd gives. Two surprising rules: merged records share
 * what the inner section leaves unsaid, so a finished record is never changed;
 * and httpd never hands on an empty argument ("" is a missing one). */
#include "server/config.h"

#include <ap_mpm.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_main.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "server/log.h"
#include "server/store.h"

#define RELOAD_TIMEOUT_MAX 3600

/* A directive whose argument is one of a few words; the index of the word is
 * the value that is kept. */
typedef struct {
    size_t field;         /* offset of an int in mp_dir_config_t */
    const char *expected; /* "On or Off" */
    int count;
    struct {
        const char *word;
        const char *shown; /* by get_config() */
    } values[3];
} choice_row_t;

#define FLAG(field) \
    {offsetof(mp_dir_config_t, field), "On or Off", 2, \
     {{"Off", "0"}, {"On", "1"}}}

static const choice_row_t interp_per_directory_row =
    FLAG(interp_per_directory);
static const choice_row_t interp_per_directive_row =
    FLAG(interp_per_directive);
static const choice_row_t debug_row = FLAG(debug);
static const choice_row_t enable_pdb_row = FLAG(enable_pdb);
static const choice_row_t optimize_row = {
    0, "On or Off", 2, {{"Off", "0"}, {"On", "1"}}}; /* kept elsewhere */
static const choice_row_t autoreload_row = {
    offsetof(mp_dir_config_t, autoreload), "On, Off or Background", 3,
    {{"Off", "0"}, {"On", "1"}, {"Background", "Background"}}};
static const choice_row_t reload_failure_row = {
    offsetof(mp_dir_config_t, reload_failure), "keep or error", 2,
    {{"keep", "keep"}, {"error", "error"}}};

static mp_server_config_t *
server_config(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &python_module);
}

/* For get_config(). */
static void
show(mp_dir_config_t *config, const cmd_parms *cmd, const char *value)
{
    apr_table_setn(config->directives, cmd->cmd->name, value);
}

/* Messages of the configuration are wanted once, but at start it is read
 * twice. A test reads it only the first time, a restart only the second. */
static int
is_first_reading(void)
{
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
           || ap_state_query(AP_SQ_CONFIG_GEN) > 0;
}

static const char *
refuse_virtual(const cmd_parms *cmd, const char *value)
{
    if (!cmd->server->is_virtual) {
        return NULL;
    }
    return apr_psprintf(cmd->pool, "%s: '%s' is given in a <VirtualHost>, but "
                        "holds for the whole server; move it out of the "
                        "section", cmd->cmd->name, value);
}

/* Handlers. */

static apr_array_header_t *
append(cmd_parms *cmd, apr_array_header_t *list,
       const apr_array_header_t *handlers)
{
    if (!list) {
        list = apr_array_make(cmd->pool, handlers->nelts,
                              sizeof(mp_handler_t *));
    }
    apr_array_cat(list, handlers);
    return list;
}

static void
append_for_extension(cmd_parms *cmd, mp_dir_config_t *config, int phase,
                     const char *extension, const apr_array_header_t *handlers)
{
    const char *key = apr_pstrcat(cmd->pool, mp_phases[phase].directive,
                                  extension, NULL);

    if (!config->by_extension) {
        config->by_extension = apr_hash_make(cmd->pool);
    }
    apr_hash_set(config->by_extension, key, APR_HASH_KEY_STRING,
                 append(cmd, apr_hash_get(config->by_extension, key,
                                          APR_HASH_KEY_STRING), handlers));
    config->extension_phases |= 1u << phase;
    config->phases |= 1u << phase;
}

static const char *
add_to_phase(cmd_parms *cmd, mp_dir_config_t *config, int phase,
             const char *arguments, int silent)
{
    apr_array_header_t *handlers = apr_array_make(cmd->pool, 2,
                                                  sizeof(mp_handler_t *));
    apr_array_header_t *extensions;
    const char *error;
    int i;

    error = mp_handlers_parse(handlers, &extensions, cmd, arguments, silent);
    if (error) {
        return error;
    }
    if (!extensions->nelts) {
        config->phases |= 1u << phase;
        config->handlers[phase] = append(cmd, config->handlers[phase],
                                         handlers);
        return NULL;
    }
    /* Phases before the file name is known only meet extensions here as part
     * of a PythonHandlerModule, which then means the later ones. */
    for (i = 0; mp_phases[phase].takes_extension && i < extensions->nelts;
         i++) {
        append_for_extension(cmd, config, phase,
                             APR_ARRAY_IDX(extensions, i, const char *),
                             handlers);
    }
    return NULL;
}

static const char *
add_handlers(cmd_parms *cmd, void *mconfig, const char *arguments)
{
    return add_to_phase(cmd, mconfig, mp_phase_find(cmd->cmd->name), arguments,
                        0);
}

/* Each phase has handlers, and with them slots, of its own: the same module
 * resolves to another object in each. */
static const char *
add_handler_modules(cmd_parms *cmd, void *mconfig, const char *arguments)
{
    const char *error = NULL;
    int phase;

    for (phase = 0; phase < MP_PHASE_COUNT && !error; phase++) {
        error = add_to_phase(cmd, mconfig, phase, arguments, 1);
    }
    return error;
}

static const char *
add_connection_handlers(cmd_parms *cmd, void *mconfig, const char *arguments)
{
    mp_server_config_t *config = server_config(cmd->server);
    apr_array_header_t *handlers = apr_array_make(cmd->pool, 1,
                                                  sizeof(mp_handler_t *));
    apr_array_header_t *extensions;
    const char *error;

    error = mp_handlers_parse(handlers, &extensions, cmd, arguments, 0);
    if (error) {
        return error;
    }
    config->connection_handlers = append(cmd, config->connection_handlers,
                                         handlers);
    if (config->connection_handlers->nelts > 1 && is_first_reading()) {
        mp_log(MP_LOG_SERVER(cmd->server), APLOG_WARNING, 0, "MPY0001",
               "PythonConnectionHandler: a server has one connection handler, "
               "'%s'; those after it never run, remove them",
               APR_ARRAY_IDX(config->connection_handlers, 0,
                             mp_handler_t *)->text);
    }
    return NULL;
}

/* Two handlers: the second, for AuthDigestProvider, is get_realm_hash of the
 * first one's module unless it is given. */
static const char *
set_authn_provider(cmd_parms *cmd, void *mconfig, const char *arguments)
{
    mp_dir_config_t *config = mconfig;
    apr_array_header_t *handlers = apr_array_make(cmd->pool, 2,
                                                  sizeof(mp_handler_t *));
    apr_array_header_t *extensions;
    const char *error;
    mp_handler_t *digest;

    error = mp_handlers_parse(handlers, &extensions, cmd, arguments, 0);
    if (error) {
        return error;
    }
    if (handlers->nelts > 2) {
        return apr_psprintf(cmd->pool, "%s: more than two functions in '%s'; "
                            "write one for passwords and, for "
                            "AuthDigestProvider, one for the hash",
                            cmd->cmd->name, arguments);
    }
    if (handlers->nelts == 1) {
        const mp_handler_t *first = APR_ARRAY_IDX(handlers, 0,
                                                  mp_handler_t *);

        digest = apr_pmemdup(cmd->pool, first, sizeof(*first));
        digest->object = NULL;
        digest->slot = -1;
        APR_ARRAY_PUSH(handlers, mp_handler_t *) = digest;
    }
    digest = APR_ARRAY_IDX(handlers, 1, mp_handler_t *);
    if (!digest->object) {
        digest->object = "get_realm_hash";
        digest->text = apr_pstrcat(cmd->pool, digest->module, "::",
                                   digest->object, NULL);
    }
    config->authn = handlers;
    return NULL;
}

static const char *
add_filter(cmd_parms *cmd, void *mconfig, const char *handler,
           const char *name)
{
    mp_dir_config_t *config = mconfig;

    return mp_filters_add(config->filters, cmd, handler, name);
}

/* One value. */

/* The index of word, or -1 with *error. */
static int
find_choice(const cmd_parms *cmd, const choice_row_t *row, const char *word,
            const char **error)
{
    int i;

    for (i = 0; i < row->count; i++) {
        if (!strcasecmp(row->values[i].word, word)) {
            return i;
        }
    }
    *error = apr_psprintf(cmd->pool, "%s: '%s' is not %s", cmd->cmd->name,
                          word, row->expected);
    return -1;
}

static const char *
set_choice(cmd_parms *cmd, void *mconfig, const char *word)
{
    const choice_row_t *row = cmd->info;
    const char *error = NULL;
    int value = find_choice(cmd, row, word, &error);

    if (error) {
        return error;
    }
    *(int *)((char *)mconfig + row->field) = value;
    show(mconfig, cmd, row->values[value].shown);
    return NULL;
}

/* cmd->info: which const char * of mp_dir_config_t. */
static const char *
set_text(cmd_parms *cmd, void *mconfig, const char *text)
{
    size_t field = (size_t)cmd->info;

    *(const char **)((char *)mconfig + field) = text;
    show(mconfig, cmd, text);
    return NULL;
}

static const char *
set_option(cmd_parms *cmd, void *mconfig, const char *key, const char *value)
{
    mp_dir_config_t *config = mconfig;

    if (!strcasecmp(key, "mod_python.legacy.importer")
        && cmd->pool != cmd->temp_pool && is_first_reading()) {
        mp_log_plain(MP_LOG_SERVER(cmd->server), APLOG_NOTICE,
                     "PythonOption %s has no effect: there is one importer; "
                     "remove the option", key);
    }
    apr_table_setn(config->options, key, value ? value : "");
    return NULL;
}

/* A limit of forms: a PythonOption with a directive of its own, whose key is
 * cmd->info. */
static const char *
set_form_size(cmd_parms *cmd, void *mconfig, const char *text)
{
    mp_dir_config_t *config = mconfig;
    apr_int64_t value;

    if (mp_limits_parse(text, &value) < 0) {
        return apr_psprintf(cmd->pool, "%s: '%s' is not a number, with K, M "
                            "or G behind it or not; 0 is no limit",
                            cmd->cmd->name, text);
    }
    apr_table_setn(config->options, cmd->info, text);
    show(config, cmd, text);
    return NULL;
}

static const char *
set_form_charset(cmd_parms *cmd, void *mconfig, const char *text)
{
    mp_dir_config_t *config = mconfig;

    apr_table_setn(config->options, cmd->info, text);
    show(config, cmd, text);
    return NULL;
}

static const char *
set_optimize(cmd_parms *cmd, void *mconfig, const char *word)
{
    const char *error = refuse_virtual(cmd, word);
    int value;

    if (error) {
        return error;
    }
    value = find_choice(cmd, cmd->info, word, &error);
    if (error) {
        return error;
    }
    server_config(cmd->server)->optimize = value;
    show(mconfig, cmd, optimize_row.values[value].shown);
    return NULL;
}

static const char *
set_reload_timeout(cmd_parms *cmd, void *mconfig, const char *text)
{
    char *end;
    long seconds = strtol(text, &end, 10);

    if (!apr_isdigit(*text) || *end || seconds < 1
        || seconds > RELOAD_TIMEOUT_MAX) {
        return apr_psprintf(cmd->pool, "%s: '%s' is not a number of seconds "
                            "from 1 to %d", cmd->cmd->name, text,
                            RELOAD_TIMEOUT_MAX);
    }
    server_config(cmd->server)->reload_timeout = (int)seconds;
    show(mconfig, cmd, text);
    return NULL;
}

/* Directories, relative to ServerRoot. */

/* *directory: absolute, no trailing '/'. */
static const char *
find_directory(const char **directory, cmd_parms *cmd, const char *word,
               const char *fix)
{
    char *found = ap_server_root_relative(cmd->pool, word);
    apr_status_t status = APR_EBADPATH;
    char reason[120];
    apr_finfo_t finfo;
    size_t length;

    if (found) {
        status = apr_stat(&finfo, found, APR_FINFO_TYPE, cmd->temp_pool);
    }
    if (status != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "%s: '%s': %s; %s", cmd->cmd->name,
                            found ? found : word,
                            apr_strerror(status, reason, sizeof(reason)), fix);
    }
    if (finfo.filetype != APR_DIR) {
        return apr_psprintf(cmd->pool, "%s: '%s' is not a directory; %s",
                            cmd->cmd->name, found, fix);
    }
    length = strlen(found);
    while (length > 1 && found[length - 1] == '/') {
        found[--length] = '\0';
    }
    *directory = found;
    return NULL;
}

static const char *
set_home(cmd_parms *cmd, void *mconfig, const char *word)
{
    mp_server_config_t *config = server_config(cmd->server);
    const char *error = refuse_virtual(cmd, word);

    if (!error) {
        error = find_directory(&config->home, cmd, word, "name the directory "
                               "of a Python or of a virtual environment");
    }
    if (!error) {
        show(mconfig, cmd, config->home);
    }
    return error;
}

static int
holds_text(const apr_array_header_t *texts, const char *text)
{
    int i;

    for (i = 0; i < texts->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(texts, i, const char *), text)) {
            return 1;
        }
    }
    return 0;
}

static const char *
add_module_path(cmd_parms *cmd, void *mconfig, const char *word)
{
    mp_server_config_t *config = server_config(cmd->server);
    const char *directory;
    const char *error;

    error = find_directory(&directory, cmd, word, "create the directory or "
                           "correct the path");
    if (error) {
        return error;
    }
    if (!config->module_path) {
        config->module_path = apr_array_make(cmd->pool, 2,
                                             sizeof(const char *));
    }
    if (!holds_text(config->module_path, directory)) {
        APR_ARRAY_PUSH(config->module_path, const char *) = directory;
    }
    show(mconfig, cmd, apr_array_pstrcat(cmd->pool, config->module_path, ':'));
    return NULL;
}

/* In a virtual host too it is the main server's: what is imported is imported
 * once for the process, in the order of the configuration. */
static const char *
add_import(cmd_parms *cmd, void *mconfig, const char *text, const char *name)
{
    mp_server_config_t *config = server_config(ap_server_conf);
    const char *colons = strstr(text, "::");
    mp_import_t *import;

    if (colons == text || (colons && !colons[2])) {
        return apr_psprintf(cmd->pool, "%s: '%s' is not 'module' or "
                            "'module::function'", cmd->cmd->name, text);
    }
    if (*text == '.' || *text == '~') {
        return apr_psprintf(cmd->pool, "%s: '%s' has no directory to be "
                            "relative to; write a module name or an absolute "
                            "path", cmd->cmd->name, text);
    }
    import = apr_array_push(config->imports);
    import->module = colons ? apr_pstrndup(cmd->pool, text,
                                           (apr_size_t)(colons - text))
                            : text;
    import->function = colons ? colons + 2 : NULL;
    import->interpreter = name;
    return NULL;
}

static const char *
add_shared_dict(cmd_parms *cmd, void *mconfig, const char *name,
                const char *provider)
{
    const char *error = refuse_virtual(cmd, name);

    if (!error) {
        error = mp_store_declare(server_config(cmd->server)->stores, cmd->pool,
                                 cmd->temp_pool, name, provider);
        error = error ? apr_psprintf(cmd->pool, "%s: %s", cmd->cmd->name,
                                     error) : NULL;
    }
    return error;
}

/* The directives. */

#define HANDLERS(name, where) \
    AP_INIT_RAW_ARGS(name, add_handlers, NULL, where, \
                     "module[::object] ... [| .ext ...]")
#define EARLY_HANDLERS(name) \
    AP_INIT_RAW_ARGS(name, add_handlers, NULL, RSRC_CONF, \
                     "module[::object] ...")

#define CHOICE(name, row, expected) \
    AP_INIT_TAKE1(name, set_choice, (void *)&(row), OR_ALL, expected)
#define TEXT(name, field, expected) \
    AP_INIT_TAKE1(name, set_text, (void *)offsetof(mp_dir_config_t, field), \
                  OR_ALL, expected)

#define FORM_LIMIT(name, key) \
    AP_INIT_TAKE1("PythonFormLimit" name, set_form_size, \
                  (void *)"mod_python.form.limit_" key, OR_ALL, \
                  "a number, with K, M or G; 0 is no limit")

const command_rec mp_config_commands[] = {
    EARLY_HANDLERS("PythonPostReadRequestHandler"),
    EARLY_HANDLERS("PythonTransHandler"),
    HANDLERS("PythonHeaderParserHandler", OR_ALL),
    HANDLERS("PythonInitHandler", OR_ALL),
    HANDLERS("PythonAccessHandler", OR_ALL),
    HANDLERS("PythonAuthenHandler", OR_ALL),
    HANDLERS("PythonAuthzHandler", OR_ALL),
    HANDLERS("PythonTypeHandler", OR_ALL),
    HANDLERS("PythonFixupHandler", OR_ALL),
    HANDLERS("PythonHandler", OR_ALL),
    HANDLERS("PythonLogHandler", OR_ALL),
    HANDLERS("PythonCleanupHandler", OR_ALL),
    AP_INIT_RAW_ARGS("PythonHandlerModule", add_handler_modules, NULL, OR_ALL,
                     "module ... [| .ext ...]"),
    AP_INIT_RAW_ARGS("PythonConnectionHandler", add_connection_handlers, NULL,
                     RSRC_CONF, "module[::object]"),
    AP_INIT_TAKE12("PythonInputFilter", add_filter, NULL,
                   RSRC_CONF | ACCESS_CONF, "module[::object] [name]"),
    AP_INIT_TAKE12("PythonOutputFilter", add_filter, NULL,
                   RSRC_CONF | ACCESS_CONF, "module[::object] [name]"),
    AP_INIT_RAW_ARGS("PythonAuthnProvider", set_authn_provider, NULL, OR_ALL,
                     "module[::function] [module[::function]]"),
    AP_INIT_TAKE2("PythonImport", add_import, NULL, RSRC_CONF,
                  "module[::function] interpreter"),
    TEXT("PythonPath", path,
         "a Python expression that gives a list of directories"),
    TEXT("PythonInterpreter", interpreter, "the name of an interpreter"),
    CHOICE("PythonInterpPerDirectory", interp_per_directory_row, "On or Off"),
    CHOICE("PythonInterpPerDirective", interp_per_directive_row, "On or Off"),
    CHOICE("PythonDebug", debug_row, "On or Off"),
    CHOICE("PythonEnablePdb", enable_pdb_row, "On or Off"),
    CHOICE("PythonAutoReload", autoreload_row, "On, Off or Background"),
    CHOICE("PythonReloadFailure", reload_failure_row, "keep or error"),
    AP_INIT_TAKE1("PythonReloadTimeout", set_reload_timeout, NULL, RSRC_CONF,
                  "seconds, 1 to 3600"),
    AP_INIT_TAKE1("PythonOptimize", set_optimize, (void *)&optimize_row,
                  RSRC_CONF, "On or Off"),
    AP_INIT_TAKE12("PythonOption", set_option, NULL, OR_ALL,
                   "a key and its value; without a value it is unset"),
    FORM_LIMIT("Fields", "fields"),
    FORM_LIMIT("FieldSize", "field_size"),
    FORM_LIMIT("Memory", "memory"),
    FORM_LIMIT("Files", "files"),
    FORM_LIMIT("FileSize", "file_size"),
    FORM_LIMIT("Headers", "headers"),
    FORM_LIMIT("HeaderSize", "header_size"),
    FORM_LIMIT("Body", "body"),
    AP_INIT_TAKE1("PythonFormSpoolSize", set_form_size,
                  (void *)"mod_python.form.spool_size", OR_ALL,
                  "bytes, with K, M or G"),
    AP_INIT_TAKE1("PythonFormCharset", set_form_charset,
                  (void *)"mod_python.form.charset", OR_ALL,
                  "the name of a charset"),
    AP_INIT_TAKE1("PythonHome", set_home, NULL, RSRC_CONF,
                  "the directory of a Python or of a virtual environment"),
    AP_INIT_ITERATE("PythonModulePath", add_module_path, NULL, RSRC_CONF,
                    "directories of reloadable modules"),
    AP_INIT_TAKE12("PythonSharedDict", add_shared_dict, NULL, RSRC_CONF,
                   "a name, and a provider with its arguments"),
    {.name = NULL},
};

/* Records and their merging. */

void *
mp_config_create_dir(apr_pool_t *pool, char *dir)
{
    mp_dir_config_t *config = apr_pcalloc(pool, sizeof(*config));

    config->directives = apr_table_make(pool, 4);
    config->options = apr_table_make(pool, 4);
    config->interp_per_directory = -1;
    config->interp_per_directive = -1;
    config->debug = -1;
    config->enable_pdb = -1;
    config->autoreload = -1;
    config->reload_failure = -1;
    return config;
}

static int
merge_choice(int outer, int inner)
{
    return inner < 0 ? outer : inner;
}

static apr_table_t *
merge_tables(apr_pool_t *pool, apr_table_t *outer, apr_table_t *inner)
{
    apr_table_t *merged;

    if (apr_is_empty_table(inner)) {
        return outer;
    }
    if (apr_is_empty_table(outer)) {
        return inner;
    }
    merged = apr_table_copy(pool, outer);
    apr_table_overlap(merged, inner, APR_OVERLAP_TABLES_SET);
    return merged;
}

static apr_hash_t *
merge_hashes(apr_pool_t *pool, apr_hash_t *outer, apr_hash_t *inner)
{
    if (!inner) {
        return outer;
    }
    return outer ? apr_hash_overlay(pool, inner, outer) : inner;
}

void *
mp_config_merge_dir(apr_pool_t *pool, void *outer_config, void *inner_config)
{
    const mp_dir_config_t *outer = outer_config;
    const mp_dir_config_t *inner = inner_config;
    mp_dir_config_t *merged = apr_pmemdup(pool, outer, sizeof(*outer));
    int phase, kind;

    merged->phases |= inner->phases;
    for (phase = 0; phase < MP_PHASE_COUNT; phase++) {
        if (inner->handlers[phase]) {
            merged->handlers[phase] = inner->handlers[phase];
        }
    }
    merged->by_extension = merge_hashes(pool, outer->by_extension,
                                        inner->by_extension);
    merged->extension_phases |= inner->extension_phases;
    for (kind = 0; kind < MP_FILTER_KINDS; kind++) {
        merged->filters[kind] = merge_hashes(pool, outer->filters[kind],
                                             inner->filters[kind]);
    }
    merged->directives = NULL; /* few ever ask */
    merged->outer = outer;
    merged->inner = inner;
    merged->options = merge_tables(pool, outer->options, inner->options);
    if (inner->interpreter) {
        merged->interpreter = inner->interpreter;
    }
    if (inner->path) {
        merged->path = inner->path;
    }
    if (inner->authn) {
        merged->authn = inner->authn;
    }
    merged->interp_per_directory = merge_choice(outer->interp_per_directory,
                                                inner->interp_per_directory);
    merged->interp_per_directive = merge_choice(outer->interp_per_directive,
                                                inner->interp_per_directive);
    merged->debug = merge_choice(outer->debug, inner->debug);
    merged->enable_pdb = merge_choice(outer->enable_pdb, inner->enable_pdb);
    merged->autoreload = merge_choice(outer->autoreload, inner->autoreload);
    merged->reload_failure = merge_choice(outer->reload_failure,
                                          inner->reload_failure);
    return merged;
}

void *
mp_config_create_server(apr_pool_t *pool, server_rec *s)
{
    mp_server_config_t *config = apr_pcalloc(pool, sizeof(*config));

    config->is_virtual = s->is_virtual != 0;
    config->reload_timeout = -1;
    config->imports = apr_array_make(pool, 2, sizeof(mp_import_t));
    config->stores = apr_array_make(pool, 1, sizeof(mp_store_t *));
    return config;
}

/* outer is the main server, inner a virtual host. */
void *
mp_config_merge_server(apr_pool_t *pool, void *outer_config,
                       void *inner_config)
{
    const mp_server_config_t *outer = outer_config;
    const mp_server_config_t *inner = inner_config;
    mp_server_config_t *merged = apr_pmemdup(pool, outer, sizeof(*outer));

    merged->is_virtual = inner->is_virtual;
    if (inner->module_path) {
        merged->module_path = inner->module_path;
    }
    if (inner->connection_handlers) {
        merged->connection_handlers = inner->connection_handlers;
    }
    merged->reload_timeout = merge_choice(outer->reload_timeout,
                                          inner->reload_timeout);
    return merged;
}

/* What is in force. */

const mp_dir_config_t *
mp_config_of_request(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &python_module);
}

const mp_dir_config_t *
mp_config_of_server_defaults(const server_rec *s)
{
    return ap_get_module_config(s->lookup_defaults, &python_module);
}

const mp_server_config_t *
mp_config_of_server(const server_rec *s)
{
    return server_config(s);
}

/* ".tar.gz" of "/srv/a.tar.gz", or NULL. */
static const char *
find_extension(const char *filename)
{
    const char *slash = strrchr(filename, '/');

    return strchr(slash ? slash + 1 : filename, '.');
}

const apr_array_header_t *
mp_config_handlers(const mp_dir_config_t *config, mp_phase_t phase,
                   const request_rec *r, const char **extension)
{
    const apr_array_header_t *handlers;
    const char *found;

    if (extension) {
        *extension = NULL;
    }
    if (!(config->extension_phases & (1u << phase)) || !r->filename) {
        return config->handlers[phase];
    }
    found = find_extension(r->filename);
    if (!found) {
        return config->handlers[phase];
    }
    handlers = apr_hash_get(config->by_extension,
                            apr_pstrcat(r->pool, mp_phases[phase].directive,
                                        found, NULL),
                            APR_HASH_KEY_STRING);
    if (!handlers) {
        return config->handlers[phase];
    }
    if (extension) {
        *extension = apr_pstrdup(r->pool, found);
    }
    return handlers;
}

int
mp_config_debug(const mp_dir_config_t *config)
{
    return config->debug > 0;
}

mp_reload_t
mp_config_autoreload(const mp_dir_config_t *config)
{
    return config->autoreload < 0 ? MP_RELOAD_ON
                                  : (mp_reload_t)config->autoreload;
}

mp_failure_policy_t
mp_config_reload_failure(const mp_dir_config_t *config)
{
    if (config->reload_failure >= 0) {
        return (mp_failure_policy_t)config->reload_failure;
    }
    return mp_config_debug(config) ? MP_FAILURE_ERROR : MP_FAILURE_KEEP;
}

apr_table_t *
mp_config_directives(const mp_dir_config_t *config, apr_pool_t *pool)
{
    if (config->directives) {
        return config->directives;
    }
    return merge_tables(pool, mp_config_directives(config->outer, pool),
                        mp_config_directives(config->inner, pool));
}

void
mp_config_settle_servers(server_rec *main_server, apr_pool_t *pool)
{
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        mp_dir_config_t *config = ap_get_module_config(s->lookup_defaults,
                                                       &python_module);

        config->directives = apr_table_copy(
            pool, mp_config_directives(config, pool));
        config->options = apr_table_copy(pool, config->options);
    }
}

apr_table_t *
mp_config_options(const mp_dir_config_t *config, apr_pool_t *pool)
{
    const apr_array_header_t *entries = apr_table_elts(config->options);
    apr_table_t *options = apr_table_make(pool, entries->nelts + 1);
    int i;

    for (i = 0; i < entries->nelts; i++) {
        const apr_table_entry_t *entry =
            &APR_ARRAY_IDX(entries, i, apr_table_entry_t);

        if (*entry->val) {
            apr_table_addn(options, entry->key, entry->val);
        }
    }
    return options;
}
