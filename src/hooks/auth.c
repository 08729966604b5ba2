/* auth.c - httpd asks a program: is this the password, may this user come in.
 *
 * Providers named "python" for mod_auth_basic, mod_auth_digest and
 * mod_authz_core, so that everything that is built on providers works with
 * them: several in one directive, aliases, Require sections, the cache of
 * mod_authn_socache. What the program may answer is a row of a table. The
 * rule: whatever goes wrong is an error of the server (500), never a grant. */
#include "runtime/python.h"

#include "hooks/auth.h"

#include "core/words.h"
#include "hooks/call.h"
#include "importer/api.h"
#include "runtime/error.h"
#include "runtime/text.h"
#include "server/config.h"
#include "server/handlers.h"
#include "server/log.h"

#include <apr_md5.h>
#include <apr_optional.h>
#include <apr_strings.h>
#include <http_request.h>
#include <mod_auth.h>

#define PROVIDER "python"

/* What a program is asked, and what it may answer. */
typedef struct {
    const char *directive;
    mp_phase_t phase;  /* whose default object it is */
    unsigned statuses; /* bit per int (or bool) that is an answer */
    int none;          /* what None says; -1: it is no answer */
    int text;          /* what a str says; -1: it is no answer */
    int error;         /* for httpd, when there is no answer */
    PyObject *(*decode)(const char *text); /* of the arguments */
    const char *expected;
} question_t;

#define BIT(status) (1u << (status))

static const question_t password_question = {
    "PythonAuthnProvider", MP_PHASE_AUTHN_PROVIDER,
    BIT(AUTH_DENIED) | BIT(AUTH_GRANTED) | BIT(AUTH_USER_NOT_FOUND)
        | BIT(AUTH_GENERAL_ERROR),
    AUTH_USER_NOT_FOUND, AUTH_USER_FOUND, AUTH_GENERAL_ERROR,
    mp_text_from_latin1,
    "True, False, None (no such user), the hash of the password, or one of "
    "apache.AUTH_*",
};

static const question_t realm_question = {
    "PythonAuthnProvider", MP_PHASE_AUTHN_PROVIDER,
    BIT(AUTH_DENIED) | BIT(AUTH_USER_NOT_FOUND) | BIT(AUTH_GENERAL_ERROR),
    AUTH_USER_NOT_FOUND, AUTH_USER_FOUND, AUTH_GENERAL_ERROR,
    mp_text_from_latin1,
    "the MD5 of 'user:realm:password' as 32 hexadecimal digits, or None (no "
    "such user)",
};

static const question_t access_question = {
    "Require python", MP_PHASE_AUTHZ_PROVIDER,
    BIT(AUTHZ_DENIED) | BIT(AUTHZ_GRANTED) | BIT(AUTHZ_NEUTRAL)
        | BIT(AUTHZ_GENERAL_ERROR) | BIT(AUTHZ_DENIED_NO_USER),
    -1, -1, AUTHZ_GENERAL_ERROR,
    mp_text_from,
    "True, False, or one of apache.AUTHZ_*",
};

/* ---- asking ------------------------------------------------------------- */

/* One question; lives on the caller's stack. */
typedef struct {
    mp_call_t call;
    const question_t *row;
    const apr_array_header_t *handlers;
    const mp_handler_t *handler;
    const char *text; /* the str that was the answer, in the request's pool */
} asking_t;

/* (request, *texts) */
static PyObject *
pack(const asking_t *asking, const char *const *texts, int count)
{
    PyObject *arguments = PyTuple_New(count + 1);
    if (!arguments) {
        return NULL;
    }
    PyTuple_SET_ITEM(arguments, 0, Py_NewRef(asking->call.proxy));
    for (int i = 0; i < count; i++) {
        PyObject *text = asking->row->decode(texts[i]);
        if (!text) {
            Py_DECREF(arguments);
            return NULL;
        }
        PyTuple_SET_ITEM(arguments, i + 1, text);
    }
    return arguments;
}

/* raise SERVER_RETURN(answer) is another way to return it. New reference, or
 * NULL with the exception that it is not. */
static PyObject *
take_server_return(mp_state_t *state)
{
    if (!PyErr_ExceptionMatches(state->server_return)) {
        return NULL;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *args = PyObject_GetAttrString(exc, "args");
    PyObject *answer = NULL;
    if (args && PyTuple_Check(args) && PyTuple_GET_SIZE(args) == 1) {
        answer = Py_NewRef(PyTuple_GET_ITEM(args, 0));
        Py_DECREF(exc);
    }
    else {
        PyErr_SetRaisedException(exc);
    }
    Py_XDECREF(args);
    return answer;
}

/* What the program returns. New reference; NULL with an exception. */
static PyObject *
call_program(asking_t *asking, const char *const *texts, int count)
{
    const mp_call_t *call = &asking->call;
    PyObject *answer = NULL;
    PyObject *callable = mp_importer_resolve(
        call->interp->state->importer, call->pin, asking->handler,
        asking->row->phase, call->request->r, call->proxy);
    PyObject *arguments = callable ? pack(asking, texts, count) : NULL;
    if (arguments) {
        answer = PyObject_CallObject(callable, arguments);
    }
    Py_XDECREF(arguments);
    Py_XDECREF(callable);
    return answer ? answer : take_server_return(call->interp->state);
}

/* The status that an answer stands for; -1 with TypeError or ValueError. */
static int
translate(asking_t *asking, PyObject *answer)
{
    const question_t *row = asking->row;
    if (answer == Py_None && row->none >= 0) {
        return row->none;
    }
    if (PyUnicode_Check(answer) && row->text >= 0) {
        asking->text = mp_text_copy(asking->call.request->r->pool, answer,
                                    MP_TEXT_PLAIN, "the answer");
        return asking->text ? row->text : -1;
    }
    if (!PyLong_Check(answer)) {
        /* not its value, which may be a secret */
        PyErr_Format(PyExc_TypeError, "the answer is of type %.80s; return %s",
                     Py_TYPE(answer)->tp_name, row->expected);
        return -1;
    }
    int overflow;
    long status = PyLong_AsLongAndOverflow(answer, &overflow);
    if (overflow || status < 0 || status > AUTHZ_DENIED_NO_USER
        || !(row->statuses & BIT(status))) {
        PyErr_Format(PyExc_ValueError, "the answer is %R; return %s", answer,
                     row->expected);
        return -1;
    }
    return (int)status;
}

static void
log_failure(asking_t *asking)
{
    const mp_call_t *call = &asking->call;
    char what[512];
    snprintf(what, sizeof(what), "%s %s (interpreter '%s', pid %ld)",
             asking->row->directive, asking->handler->text,
             call->interp->name, (long)getpid());
    mp_error_log(call->interp->state, MP_LOG_REQUEST(call->request->r),
                 "MPY0420", what);
}

/* While it runs, req.hlist is on the handler, and what it adds with
 * req.add_handler() belongs to the handler's directory. [attached] */
static int
ask_attached(asking_t *asking, int index, const char *const *texts, int count)
{
    mp_request_t *request = asking->call.request;
    const apr_array_header_t *running = request->running;
    const int running_index = request->running_index;
    PyObject *answer = NULL;
    request->running = asking->handlers;
    request->running_index = index;
    if (mp_call_prepare(&asking->call) == 0) {
        answer = call_program(asking, texts, count);
    }
    int status = answer ? translate(asking, answer) : -1;
    Py_XDECREF(answer);
    if (status < 0) {
        log_failure(asking);
        status = asking->row->error;
    }
    request->running = running;
    request->running_index = running_index;
    return status;
}

/* Ask the handler at index. The status for httpd; *text: the answer, where it
 * was a str. [detached] */
static int
ask(request_rec *r, const question_t *row, const apr_array_header_t *handlers,
    int index, const char *const *texts, int count, const char **text)
{
    asking_t asking = {
        .row = row,
        .handlers = handlers,
        .handler = APR_ARRAY_IDX(handlers, index, const mp_handler_t *),
    };
    if (mp_call_begin(&asking.call, r, asking.handler, NULL, row->directive)
        < 0) {
        return row->error;
    }
    int status = ask_attached(&asking, index, texts, count);
    mp_call_end(&asking.call);
    if (text) {
        *text = asking.text;
    }
    return status;
}

/* ---- authentication ----------------------------------------------------- */

/* The handlers of PythonAuthnProvider: 0 checks passwords, 1 gives the hash
 * for Digest. NULL when there is none, which is logged. */
static const apr_array_header_t *
find_provider(request_rec *r)
{
    const apr_array_header_t *handlers = mp_config_of_request(r)->authn;
    if (!handlers) {
        mp_log(MP_LOG_REQUEST(r), APLOG_ERR, 0, "MPY0421",
               "the provider python is asked for %s, but there is no "
               "PythonAuthnProvider; add one", r->uri);
    }
    return handlers;
}

/* Only what has a hash can be cached: mod_authn_socache compares it. */
static void
store(request_rec *r, const char *user, const char *realm, const char *hash)
{
    APR_OPTIONAL_FN_TYPE(ap_authn_cache_store) *cache
        = APR_RETRIEVE_OPTIONAL_FN(ap_authn_cache_store);
    if (cache) {
        cache(r, PROVIDER, user, realm, hash);
    }
}

static authn_status
check_password(request_rec *r, const char *user, const char *password)
{
    const apr_array_header_t *handlers = find_provider(r);
    const char *const texts[] = {user, password};
    const char *hash = NULL;
    if (!handlers) {
        return AUTH_GENERAL_ERROR;
    }
    int status = ask(r, &password_question, handlers, 0, texts, 2, &hash);
    if (!hash) {
        return (authn_status)status;
    }
    store(r, user, NULL, hash);
    return apr_password_validate(password, hash) == APR_SUCCESS
               ? AUTH_GRANTED : AUTH_DENIED;
}

static authn_status
get_realm_hash(request_rec *r, const char *user, const char *realm,
               char **found)
{
    const apr_array_header_t *handlers = find_provider(r);
    const char *const texts[] = {user, realm};
    const char *hash = NULL;
    if (!handlers) {
        return AUTH_GENERAL_ERROR;
    }
    int status = ask(r, &realm_question, handlers, 1, texts, 2, &hash);
    if (hash) {
        store(r, user, realm, hash);
        *found = apr_pstrdup(r->pool, hash);
    }
    return (authn_status)status;
}

/* ---- authorization ------------------------------------------------------ */

/* The arguments of one Require, as parsed. */
typedef struct {
    apr_array_header_t *handlers; /* one */
    const char *const *texts;     /* the words after it */
    int count;
} requirement_t;

/* Require is httpd's own directive, which an administrator may have listed for
 * .htaccess files without a thought of programs: what holds for handler
 * directives holds for it, too. */
static int
may_name_programs(const cmd_parms *cmd)
{
    return cmd->pool != cmd->temp_pool /* not in an .htaccess file */
           || cmd->override & OR_ALL
           || (cmd->override_list
               && apr_table_get(cmd->override_list, "PythonAuthzHandler"));
}

static const char *
parse_require_line(cmd_parms *cmd, const char *line, const void **parsed)
{
    requirement_t *requirement = apr_pcalloc(cmd->pool, sizeof(*requirement));
    apr_array_header_t *words;
    const char *error = mp_words_split(&words, cmd->pool, line);
    if (error) {
        return apr_psprintf(cmd->pool, "Require python: %s in '%s'; close "
                            "every quote with the same kind of quote", error,
                            line);
    }
    const char **texts = apr_pcalloc(cmd->pool, sizeof(*texts)
                                     * (apr_size_t)(words->nelts + 1));
    for (int i = 0; i < words->nelts; i++) {
        const mp_word_t *word = &APR_ARRAY_IDX(words, i, mp_word_t);
        texts[i] = word->is_bar ? "|" : word->text;
    }
    if (!words->nelts) {
        return "Require python: no function; write 'module::function', and "
               "after it the function's arguments";
    }
    requirement->handlers = apr_array_make(cmd->pool, 1,
                                           sizeof(mp_handler_t *));
    requirement->texts = texts + 1;
    requirement->count = words->nelts - 1;
    *parsed = requirement;
    if (!may_name_programs(cmd)) {
        return "Require python: not allowed here; AllowOverrideList must name "
               "PythonAuthzHandler, too, because both run programs";
    }
    return mp_handlers_parse_word(requirement->handlers, cmd, texts[0]);
}

static authz_status
check_authorization(request_rec *r, const char *line, const void *parsed)
{
    const requirement_t *requirement = parsed;
    return (authz_status)ask(r, &access_question, requirement->handlers, 0,
                             requirement->texts, requirement->count, NULL);
}

/* ---- registration ------------------------------------------------------- */

static const authn_provider authentication = {check_password, get_realm_hash};

static const authz_provider authorization = {
    check_authorization,
    parse_require_line,
};

/* Programs may look at the URI: httpd is to ask for sub-requests, too. (Where
 * one is for a file of the same directory httpd never does.) */
void
mp_auth_register(apr_pool_t *pool)
{
    ap_register_auth_provider(pool, AUTHN_PROVIDER_GROUP, PROVIDER,
                              AUTHN_PROVIDER_VERSION, &authentication,
                              AP_AUTH_INTERNAL_PER_URI);
    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, PROVIDER,
                              AUTHZ_PROVIDER_VERSION, &authorization,
                              AP_AUTH_INTERNAL_PER_URI);
}
