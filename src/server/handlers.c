/* handlers.c - the table of phases; handlers from their text, and their place.
 *
 * Called while the configuration is read (config.c), for each request
 * (directories of wildcard and regex sections) and by req.add_handler(). Owns
 * the slot counter. The surprising rule: a .htaccess file is parsed for each
 * request that passes it, in many threads; then everything is allocated in
 * the pool of the command and no slot is handed out. */
#include "server/handlers.h"

#include <apr_fnmatch.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

#include "core/words.h"

/* clang-format off */
const mp_phase_row_t mp_phases[MP_PHASE_ROWS] = {
    /*                                goes on after  takes    takes  server
       directive, default object       OK  DECLINED  "| .ext" added  only */
    {"PythonPostReadRequestHandler",
     "postreadrequesthandler",          1, 1,        0,       1,     1},
    {"PythonTransHandler",
     "transhandler",                    0, 1,        0,       1,     1},
    {"PythonHeaderParserHandler",
     "headerparserhandler",             1, 1,        1,       1,     0},
    {"PythonInitHandler",
     "inithandler",                     1, 1,        1,       1,     0},
    {"PythonAccessHandler",
     "accesshandler",                   1, 1,        1,       1,     0},
    {"PythonAuthenHandler",
     "authenhandler",                   0, 1,        1,       1,     0},
    {"PythonAuthzHandler",
     "authzhandler",                    0, 1,        1,       1,     0},
    {"PythonTypeHandler",
     "typehandler",                     0, 1,        1,       1,     0},
    {"PythonFixupHandler",
     "fixuphandler",                    1, 1,        1,       1,     0},
    {"PythonHandler",
     "handler",                         1, 1,        1,       1,     0},
    {"PythonLogHandler",
     "loghandler",                      1, 1,        1,       1,     0},
    {"PythonCleanupHandler",
     "cleanuphandler",                  1, 1,        1,       0,     0},
    {"PythonConnectionHandler",
     "connectionhandler",               0, 0,        0,       0,     1},
    {"PythonAuthnProvider",
     "check_password",                  0, 0,        0,       0,     0},
    {"Require python",
     "check_authorization",             0, 0,        0,       0,     0},
    {"PythonInputFilter",
     "inputfilter",                     0, 0,        0,       0,     0},
    {"PythonOutputFilter",
     "outputfilter",                    0, 0,        0,       0,     0},
};
/* clang-format on */

/* Sections that give their handlers a directory or a location. All others
 * (Files, If, Limit, VirtualHost, ...) leave it to what encloses them. */
typedef struct {
    const char *directive;
    int is_location;
    int is_regex;
} section_row_t;

static const section_row_t sections[] = {
    {"<Directory", 0, 0},
    {"<DirectoryMatch", 0, 1},
    {"<Location", 1, 0},
    {"<LocationMatch", 1, 1},
};

static int slots; /* handed out in this pass; the configuration is read by one
                     thread, before requests */

int
mp_phase_find(const char *directive)
{
    int phase;

    for (phase = 0; phase < MP_PHASE_ROWS; phase++) {
        if (!strcmp(mp_phases[phase].directive, directive)) {
            return phase;
        }
    }
    return -1;
}

void
mp_handlers_reset_slots(void)
{
    slots = 0;
}

int
mp_handlers_count_slots(void)
{
    return slots;
}

/* httpd's own test: a .htaccess file has one pool for everything. */
static int
is_htaccess(const cmd_parms *cmd)
{
    return cmd->pool == cmd->temp_pool;
}

const char *
mp_handlers_canonical(apr_pool_t *pool, const char *base, const char *dir)
{
    char *merged;
    size_t length;

    if (dir[0] != '/' && (!base || base[0] != '/')) {
        return NULL;
    }
    if (apr_filepath_merge(&merged, base, dir, APR_FILEPATH_TRUENAME, pool)
        != APR_SUCCESS) {
        return NULL;
    }
    length = strlen(merged);
    if (length > 0 && merged[length - 1] == '/') {
        return merged;
    }
    return apr_pstrcat(pool, merged, "/", NULL);
}

/* Where the handlers of a command stand. */

static const section_row_t *
find_section(const ap_directive_t *directive)
{
    size_t i;

    for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (!strcasecmp(sections[i].directive, directive->directive)) {
            return &sections[i];
        }
    }
    return NULL;
}

/* Read the argument of a section as httpd does: up to the last '>', one word,
 * or "~" and a regular expression. */
static const char *
read_section(mp_handler_t *place, cmd_parms *cmd,
             const ap_directive_t *directive, const section_row_t *section)
{
    const char *end = strrchr(directive->args, '>');
    const char *rest = end ? apr_pstrndup(cmd->pool, directive->args,
                                          (apr_size_t)(end - directive->args))
                           : directive->args;
    const char *argument = ap_getword_conf(cmd->pool, &rest);
    int is_regex = section->is_regex;

    if (!is_regex && !strcmp(argument, "~")) {
        argument = ap_getword_conf(cmd->pool, &rest);
        is_regex = 1;
    }
    if (is_regex) {
        place->regex = ap_pregcomp(cmd->pool, argument, AP_REG_EXTENDED);
        if (!place->regex) {
            return apr_psprintf(cmd->pool, "%s: '%s' of the enclosing %s> is "
                                "not a regular expression; correct it",
                                cmd->cmd->name, argument,
                                directive->directive);
        }
    }
    else if (!section->is_location) {
        const char *canonical = mp_handlers_canonical(cmd->pool, NULL,
                                                      argument);

        argument = canonical ? canonical : argument;
    }
    if (!is_regex && apr_fnmatch_test(argument)) {
        place->wildcard = argument;
    }
    if (section->is_location) {
        place->is_location = 1;
        place->directory = argument;
        place->location = argument;
    }
    else if (!place->regex && !place->wildcard) {
        place->directory = argument;
    }
    return NULL;
}

/* The directory of the .htaccess file. Within a section of it, cmd->path is
 * the argument of that section. */
static const char *
find_htaccess_directory(const cmd_parms *cmd)
{
    const char *directory = cmd->path;

    if (cmd->directive->parent && cmd->config_file) {
        directory = ap_make_dirstr_parent(cmd->pool, cmd->config_file->name);
    }
    return mp_handlers_canonical(cmd->pool, NULL, directory);
}

/* Fill in the part of a handler that all handlers of a command share. */
static const char *
find_place(mp_handler_t *place, cmd_parms *cmd)
{
    const ap_directive_t *directive;

    if (is_htaccess(cmd)) {
        place->directory = find_htaccess_directory(cmd);
        return NULL;
    }
    place->is_server = cmd->path == NULL;
    for (directive = cmd->directive->parent; directive;
         directive = directive->parent) {
        const section_row_t *section = find_section(directive);

        if (section) {
            return read_section(place, cmd, directive, section);
        }
    }
    return NULL;
}

/* Words and handlers. */

/* Handlers of the package for which httpd must find the file that a URL means,
 * wherever they stand, by the rules of its directory. */
static int
is_of_files(const char *module)
{
    static const char *const modules[] = {
        "mod_python.publisher", "mod_python.psp", "mod_python.cgihandler",
    };
    size_t i;

    for (i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
        if (!strcmp(module, modules[i])) {
            return 1;
        }
    }
    return 0;
}

static void
split_text(mp_handler_t *handler, apr_pool_t *pool, const char *text)
{
    const char *colons = strstr(text, "::");

    handler->text = text;
    if (colons) {
        handler->module = apr_pstrndup(pool, text,
                                       (apr_size_t)(colons - text));
        handler->object = colons + 2;
    }
    else {
        handler->module = text;
    }
    handler->is_of_files = is_of_files(handler->module);
}

mp_handler_t *
mp_handlers_make(apr_pool_t *pool, const char *text, const char *directory,
                 const mp_handler_t *parent)
{
    mp_handler_t *handler = apr_pcalloc(pool, sizeof(*handler));

    split_text(handler, pool, apr_pstrdup(pool, text));
    handler->directory = directory ? apr_pstrdup(pool, directory) : NULL;
    handler->parent = parent;
    handler->slot = -1;
    return handler;
}

static const char *
check_handler(const cmd_parms *cmd, const mp_handler_t *handler)
{
    const char *name = cmd->cmd->name;
    const char *text = handler->text;

    if (!*text) {
        return apr_psprintf(cmd->pool, "%s: \"\" names no handler; write "
                            "'module' or 'module::object'", name);
    }
    if (!*handler->module) {
        return apr_psprintf(cmd->pool, "%s: '%s' names no module before '::'; "
                            "write 'module::object'", name, text);
    }
    if (handler->object && !*handler->object) {
        return apr_psprintf(cmd->pool, "%s: '%s' names no object after '::'; "
                            "name one, or leave out the '::'", name, text);
    }
    if (mp_phase_find(name) == MP_PHASE_CONNECTION
        && (text[0] == '.' || text[0] == '~')) {
        return apr_psprintf(cmd->pool, "%s: '%s' has no directory to be "
                            "relative to; write a module name or an absolute "
                            "path", name, text);
    }
    return NULL;
}

static const char *
add_handler(apr_array_header_t *handlers, const cmd_parms *cmd,
            const mp_handler_t *place, const char *text)
{
    mp_handler_t *handler = apr_pmemdup(cmd->pool, place, sizeof(*place));
    const char *error;

    split_text(handler, cmd->pool, text);
    error = check_handler(cmd, handler);
    if (error) {
        return error;
    }
    handler->slot = is_htaccess(cmd) ? -1 : slots++;
    APR_ARRAY_PUSH(handlers, mp_handler_t *) = handler;
    return NULL;
}

static const char *
add_extension(apr_array_header_t *extensions, const cmd_parms *cmd,
              const char *text)
{
    if (text[0] != '.' || !text[1]) {
        return apr_psprintf(cmd->pool, "%s: '%s' is not an extension; after "
                            "the bar write extensions with their dot, as in "
                            "'| .py'", cmd->cmd->name, text);
    }
    APR_ARRAY_PUSH(extensions, const char *) = text;
    return NULL;
}

static int
takes_extension(const cmd_parms *cmd)
{
    int phase = mp_phase_find(cmd->cmd->name);

    return phase < 0 || mp_phases[phase].takes_extension;
}

/* Handlers up to the bar, extensions behind it. */
static const char *
add_words(apr_array_header_t *handlers, apr_array_header_t *extensions,
          const cmd_parms *cmd, const mp_handler_t *place,
          const apr_array_header_t *words)
{
    const char *name = cmd->cmd->name;
    const char *error = NULL;
    int bars = 0;
    int i;

    for (i = 0; i < words->nelts && !error; i++) {
        const mp_word_t *word = &APR_ARRAY_IDX(words, i, mp_word_t);

        if (word->is_bar) {
            bars++;
        }
        else if (bars) {
            error = add_extension(extensions, cmd, word->text);
        }
        else {
            error = add_handler(handlers, cmd, place, word->text);
        }
    }
    if (error) {
        return error;
    }
    if (bars > 1) {
        return apr_psprintf(cmd->pool, "%s: more than one '|'; write "
                            "'handler ... | .ext ...', and quote a bar that "
                            "belongs to a handler", name);
    }
    if (bars && !extensions->nelts) {
        return apr_psprintf(cmd->pool, "%s: no extension after '|'; write "
                            "one, as in '| .py', or leave out the bar", name);
    }
    return NULL;
}

const char *
mp_handlers_parse(apr_array_header_t *handlers,
                  apr_array_header_t **extensions, cmd_parms *cmd,
                  const char *arguments, int silent)
{
    const char *name = cmd->cmd->name;
    int before = handlers->nelts;
    mp_handler_t place = {0};
    apr_array_header_t *words;
    const char *error;
    int i;

    *extensions = apr_array_make(cmd->pool, 2, sizeof(const char *));
    error = mp_words_split(&words, cmd->pool, arguments);
    if (error) {
        return apr_psprintf(cmd->pool, "%s: %s in '%s'; close every quote "
                            "with the same kind of quote", name, error,
                            arguments);
    }
    for (i = 0; i < words->nelts; i++) {
        if (APR_ARRAY_IDX(words, i, mp_word_t).is_bar
            && !takes_extension(cmd)) {
            return apr_pstrcat(cmd->pool, name, " does not accept "
                               "\"| .ext\" syntax.", NULL);
        }
    }
    error = find_place(&place, cmd);
    if (error) {
        return error;
    }
    place.silent = silent != 0;
    error = add_words(handlers, *extensions, cmd, &place, words);
    if (!error && handlers->nelts == before) {
        error = apr_psprintf(cmd->pool, "%s: no handler in '%s'; write "
                             "'module' or 'module::object'", name, arguments);
    }
    return error;
}

const char *
mp_handlers_parse_word(apr_array_header_t *handlers, cmd_parms *cmd,
                       const char *text)
{
    mp_handler_t place = {0};
    const char *error = find_place(&place, cmd);

    return error ? error : add_handler(handlers, cmd, &place, text);
}

/* Places that depend on the request. */

static int
matches_prefix(const mp_handler_t *handler, char *prefix, size_t length)
{
    int matches;

    if (handler->wildcard) {
        return apr_fnmatch(handler->wildcard, prefix, APR_FNM_PATHNAME)
               == APR_SUCCESS;
    }
    if (!ap_regexec(handler->regex, prefix, 0, NULL, 0)) {
        return 1;
    }
    if (length < 2) {
        return 0;
    }
    /* "^/srv/[^/]+$" names a directory too. */
    prefix[length - 1] = '\0';
    matches = !ap_regexec(handler->regex, prefix, 0, NULL, 0);
    prefix[length - 1] = '/';
    return matches;
}

/* The shortest directory on the way to r->filename that matches; the innermost
 * one where only the file's own name does. */
static const char *
resolve_directory(const mp_handler_t *handler, const request_rec *r)
{
    size_t innermost = 0;
    size_t length;
    char *path;
    size_t i;

    if (!r->filename || r->filename[0] != '/') {
        return NULL;
    }
    length = strlen(r->filename);
    path = apr_palloc(r->pool, length + 2);
    memcpy(path, r->filename, length + 1);
    if (r->finfo.filetype == APR_DIR && path[length - 1] != '/') {
        path[length++] = '/';
        path[length] = '\0';
    }
    for (i = 0; i < length; i++) {
        char next = path[i + 1];

        if (path[i] != '/') {
            continue;
        }
        innermost = i + 1;
        path[innermost] = '\0';
        if (matches_prefix(handler, path, innermost)) {
            return path;
        }
        path[innermost] = next;
    }
    path[innermost] = '\0';
    return path;
}

const char *
mp_handlers_directory(const mp_handler_t *handler, const request_rec *r)
{
    if (handler->is_location || (!handler->wildcard && !handler->regex)) {
        return handler->directory;
    }
    return resolve_directory(handler, r);
}

const char *
mp_handlers_location(const mp_handler_t *handler, const request_rec *r)
{
    ap_regmatch_t match[1];

    if (!handler->is_location) {
        return NULL;
    }
    if (handler->regex) {
        if (!r->uri || ap_regexec(handler->regex, r->uri, 1, match, 0)) {
            return NULL;
        }
        return apr_pstrndup(r->pool, r->uri + match[0].rm_so,
                            (apr_size_t)(match[0].rm_eo - match[0].rm_so));
    }
    if (handler->wildcard) {
        if (!r->uri
            || apr_fnmatch(handler->wildcard, r->uri, APR_FNM_PATHNAME)) {
            return NULL;
        }
        return r->uri;
    }
    return handler->location;
}
