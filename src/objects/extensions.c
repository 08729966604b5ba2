/* extensions.c - req.get_addhandler_exts(): which file extensions lead here.
 *
 * mod_mime keeps that to itself, so the directives are read: those of the
 * configuration files, in the sections that this request is in. A .htaccess
 * file is not among them. */
#include "runtime/python.h"

#include "objects/request.h"

#include "runtime/text.h"

#include <apr_fnmatch.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <string.h>

static int
is_our_name(const char *name)
{
    return !strcasecmp(name, "mod_python")
           || !strcasecmp(name, "python-program");
}

/* "AddHandler mod_python .py .psp": "py psp " behind what there is. */
static const char *
add_extensions(request_rec *r, const char *found, const char *args)
{
    const char *name = ap_getword_conf(r->pool, &args);
    while (is_our_name(name) && *args) {
        const char *extension = ap_getword_conf(r->pool, &args);
        found = apr_pstrcat(r->pool, found, extension + (*extension == '.'),
                            " ", NULL);
    }
    return found;
}

/* Is a path at or below the directory or the URL of a section? */
static int
is_below(const char *path, const char *section)
{
    size_t length = strlen(section);
    while (length > 1 && section[length - 1] == '/') {
        length--;
    }
    return path && !strncmp(path, section, length)
           && (length == 1 || !path[length] || path[length] == '/');
}

/* The path itself, or a directory above it. */
static int
matches_regex(request_rec *r, const char *path, const char *pattern)
{
    ap_regex_t *regex = path ? ap_pregcomp(r->pool, pattern, AP_REG_EXTENDED)
                             : NULL;
    char *part = regex ? apr_pstrdup(r->pool, path) : NULL;
    int matches = 0;
    while (part && !matches) {
        matches = ap_regexec(regex, part, 0, NULL, 0) == 0;
        char *slash = strrchr(part, '/');
        if (slash) {
            *slash = '\0';
        }
        part = slash ? part : NULL;
    }
    return matches;
}

/* <Directory>, <Location> and their kin, by the argument behind the name. */
static int
matches_path(request_rec *r, const char *path, const char *args, int is_regex)
{
    const char *section = ap_getword_conf(r->pool, &args);
    if (!strcmp(section, "~")) {
        is_regex = 1;
        section = ap_getword_conf(r->pool, &args);
    }
    if (is_regex) {
        return matches_regex(r, path, section);
    }
    if (apr_fnmatch_test(section)) {
        return path && apr_fnmatch(section, path, APR_FNM_PATHNAME) == 0;
    }
    return is_below(path, section);
}

/* Is the request in this section? */
static int
is_inside(request_rec *r, const ap_directive_t *section)
{
    const char *name = section->directive;
    /* The arguments end in '>'. */
    size_t length = strlen(section->args);
    const char *args = apr_pstrndup(r->pool, section->args,
                                    length ? length - 1 : 0);
    if (!strcasecmp(name, "<VirtualHost")) {
        return r->server->defn_name
               && !strcmp(r->server->defn_name, section->filename)
               && r->server->defn_line_number
                      == (unsigned)section->line_num;
    }
    if (!strncasecmp(name, "<Directory", 10)) {
        return matches_path(r, r->filename, args, name[10] != '\0');
    }
    if (!strncasecmp(name, "<Location", 9)) {
        return matches_path(r, r->uri, args, name[9] != '\0');
    }
    return 1;
}

static const char *
collect(request_rec *r, const ap_directive_t *directive, const char *found)
{
    for (; directive; directive = directive->next) {
        if (!strcasecmp(directive->directive, "AddHandler")) {
            found = add_extensions(r, found, directive->args);
        }
        else if (directive->first_child && is_inside(r, directive)) {
            found = collect(r, directive->first_child, found);
        }
    }
    return found;
}

PyObject *
mp_request_get_addhandler_exts(PyObject *self, PyObject *unused)
{
    request_rec *r = mp_request_ptr_kept(self);
    if (!r) {
        return NULL;
    }
    return mp_text_from(collect(r, ap_conftree, ""));
}
