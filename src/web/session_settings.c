/* session_settings.c - what PythonOptions say about sessions.
 *
 * The options are looked at once for each session object, entry by entry:
 * most requests have few of them. They are those that req.get_options() shows,
 * so a program may set them, too. */
#include "runtime/python.h"

#include "web/session_settings.h"

#include "core/cookie.h"
#include "server/config.h"
#include "server/store.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_ssl.h>

#include <stdlib.h>
#include <string.h>

#define PREFIX "mod_python.session."

enum {
    TYPE, COOKIE_NAME, DOMAIN, PATH, APPLICATION, STORE, SAMESITE, SECURE,
    HTTPONLY, TIMEOUT, ABSOLUTE_TIMEOUT, LOCK_TIMEOUT, OPTIONS
};

/* The names behind the prefix, and those of old. */
static const struct {
    const char *name;
    const char *old;
} options[OPTIONS] = {
    [TYPE] = {"session_type", "session"},
    [COOKIE_NAME] = {"cookie_name", "session_cookie_name"},
    [DOMAIN] = {"application_domain", NULL},
    [PATH] = {"application_path", "ApplicationPath"},
    [APPLICATION] = {"application", NULL},
    [STORE] = {"store", NULL},
    [SAMESITE] = {"cookie_samesite", NULL},
    [SECURE] = {"cookie_secure", NULL},
    [HTTPONLY] = {"cookie_httponly", NULL},
    [TIMEOUT] = {"timeout", NULL},
    [ABSOLUTE_TIMEOUT] = {"absolute_timeout", NULL},
    [LOCK_TIMEOUT] = {"lock_timeout", NULL},
};

/* ---- looking ----------------------------------------------------------- */

typedef struct {
    const char *value;
    int is_old; /* given by the old name: the new one wins */
} found_t;

static void
take_entry(found_t found[OPTIONS], const apr_table_entry_t *entry)
{
    int is_new = !ap_cstr_casecmpn(entry->key, PREFIX, strlen(PREFIX));
    const char *key = is_new ? entry->key + strlen(PREFIX) : entry->key;
    for (int i = 0; i < OPTIONS; i++) {
        const char *name = is_new ? options[i].name : options[i].old;
        if (name && !ap_cstr_casecmp(key, name)
            && (is_new || !found[i].value || found[i].is_old)) {
            found[i].value = entry->val;
            found[i].is_old = !is_new;
            return;
        }
    }
}

static void
find_options(found_t found[OPTIONS], mp_request_t *request)
{
    const mp_dir_config_t *config = mp_config_of_request(request->r);
    const apr_table_t *table = request->options_section == config
                                   ? request->options : config->options;
    if (!table) {
        return;
    }
    const apr_array_header_t *entries = apr_table_elts(table);
    for (int i = 0; i < entries->nelts; i++) {
        const apr_table_entry_t *entry
            = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);
        if (*entry->val) { /* "" is unset */
            take_entry(found, entry);
        }
    }
}

/* ---- reading ----------------------------------------------------------- */

static int
refuse(int option, const char *value, const char *wanted)
{
    PyErr_Format(PyExc_ValueError, "PythonOption " PREFIX "%s must be %s, not "
                 "'%s'", options[option].name, wanted, value);
    return -1;
}

/* yes/no, true/false, on/off, 1/0; fallback when it is not given. -1 with an
 * exception. */
static int
read_flag(const found_t *found, int option, int fallback)
{
    static const char *const words[][4] = {{"0", "no", "off", "false"},
                                           {"1", "yes", "on", "true"}};
    const char *text = found[option].value;
    for (int i = 0; text && i < 8; i++) {
        if (!ap_cstr_casecmp(text, words[i / 4][i % 4])) {
            return i / 4;
        }
    }
    return text ? refuse(option, text, "On or Off") : fallback;
}

static int
read_seconds(const found_t *found, int option, double *seconds)
{
    const char *text = found[option].value;
    if (!text) {
        return 0;
    }
    char *end = NULL;
    *seconds = strtod(text, &end);
    if (end == text || *end || !(*seconds >= 0 && *seconds < 1e10)) {
        return refuse(option, text, "a number of seconds");
    }
    return 0;
}

static int
read_samesite(const found_t *found, const char **samesite)
{
    static const char *const words[] = {"Lax", "Strict", "None", NULL};
    const char *text = found[SAMESITE].value;
    *samesite = text ? NULL : "Lax";
    for (int i = 0; text && words[i]; i++) {
        if (!ap_cstr_casecmp(text, words[i])) {
            *samesite = words[i];
        }
    }
    if (text && !*samesite && ap_cstr_casecmp(text, "Off")) {
        return refuse(SAMESITE, text, "Lax, Strict, None or Off");
    }
    return 0;
}

/* The directory that the running handler was configured for, or NULL. */
static const char *
find_directory(const mp_request_t *request)
{
    const mp_handler_t *handler = request->running
        ? APR_ARRAY_IDX(request->running, request->running_index,
                        const mp_handler_t *)
        : NULL;
    return handler && !handler->is_location
               ? mp_handlers_directory(handler, request->r) : NULL;
}

/* What follows the host of a URL, if it has one: a proxy may be asked for all
 * of it. */
static const char *
asked_path(const char *url)
{
    const char *host = url && *url != '/' ? strstr(url, "://") : NULL;
    const char *path = host ? strchr(host + 3, '/') : url;
    return path ? path : "";
}

/* That directory as a path on the server; "/" where it is none, and where the
 * client asked for something else: it would never send the cookie back. */
const char *
mp_session_settings_path(const mp_session_settings_t *settings,
                         const mp_request_t *root)
{
    const char *directory = settings->directory;
    const char *base = settings->document_root;
    size_t length = strlen(base);
    if (settings->path) {
        return settings->path;
    }
    while (length && base[length - 1] == '/') {
        length--;
    }
    if (!directory || strncmp(directory, base, length)
        || directory[length] != '/') {
        return "/";
    }
    const char *path = ap_os_escape_path(root->r->pool, directory + length,
                                         1);
    const char *asked = asked_path(root->r->unparsed_uri);
    return !strncmp(asked, path, strlen(path))
                   && mp_cookie_is_part(path, strlen(path))
               ? path : "/";
}

/* The texts of an .htaccess file go with the request that read it. */
static const char *
keep(mp_request_t *request, const char *text)
{
    return text && request != request->root
               ? apr_pstrdup(request->root->r->pool, text) : text;
}

static int
read_all(mp_session_settings_t *settings, const found_t *found,
         mp_request_t *request)
{
    int is_https = ap_ssl_conn_is_ssl(request->r->connection) != 0;
    int is_secure = read_flag(found, SECURE, is_https);
    int is_httponly = is_secure < 0 ? -1 : read_flag(found, HTTPONLY, 1);
    if (is_httponly < 0
        || read_samesite(found, &settings->samesite) < 0
        || read_seconds(found, TIMEOUT, &settings->timeout) < 0
        || read_seconds(found, ABSOLUTE_TIMEOUT, &settings->absolute_timeout)
               < 0
        || read_seconds(found, LOCK_TIMEOUT, &settings->lock_timeout) < 0) {
        return -1;
    }
    const char *path = found[PATH].value;
    const char *name = found[COOKIE_NAME].value;
    const char *application = found[APPLICATION].value;
    const char *store = found[STORE].value;
    settings->is_secure = (unsigned)is_secure;
    settings->is_httponly = (unsigned)is_httponly;
    settings->type = keep(request, found[TYPE].value);
    settings->cookie_name = name ? keep(request, name) : "pysid";
    settings->domain = keep(request, found[DOMAIN].value);
    settings->path = keep(request, path);
    settings->directory = path ? NULL
                               : keep(request, find_directory(request));
    settings->document_root = keep(request, ap_document_root(request->r));
    settings->application = application ? keep(request, application) : "";
    settings->store = store ? keep(request, store) : MP_STORE_SESSIONS;
    return 0;
}

const mp_session_settings_t *
mp_session_settings_read(mp_request_t *request)
{
    found_t found[OPTIONS] = {{0}};
    mp_session_settings_t *settings
        = apr_pcalloc(request->root->r->pool, sizeof(*settings));
    find_options(found, request);
    return read_all(settings, found, request) < 0 ? NULL : settings;
}
