/* session_cookie.c - the cookie that carries the id of a session.
 *
 * It is put among the headers that httpd keeps for errors as well, because a
 * login often answers with a redirect; internal redirects keep those, too. */
#include "runtime/python.h"

#include "web/session_cookie.h"

#include "runtime/text.h"
#include "runtime/thread.h"
#include "server/log.h"
#include "web/cookie.h"
#include "web/cookie_jar.h"
#include "web/signed_cookie.h"

#include <apr_strings.h>

#include <string.h>

/* ---- in ---------------------------------------------------------------- */

/* The id in a cookie of the right name. 1, 0 when it is not good, -1 with an
 * exception. */
static int
read_id(const mp_session_t *session, const mp_cookie_pair_t *pair,
        const char **id)
{
    size_t size = pair->value_size;
    *id = pair->value;
    if (session->secret) {
        int is_good = mp_signed_cookie_verify(session->secret, pair, 0, id,
                                              &size);
        if (is_good <= 0) {
            return is_good;
        }
    }
    return mp_session_id_is_valid(*id, size);
}

/* The note of the request that has the id which the client is sent: of a
 * session in another interpreter, or of another class. */
static const char *
note_name(const mp_session_t *session, const mp_request_t *root)
{
    return apr_pstrcat(root->r->pool, "mod_python session ",
                       session->settings->cookie_name, NULL);
}

/* Of several the last good one. 0, or -1 with an exception. */
static int
find_in_header(const mp_session_t *session, const char *header,
               const char **found)
{
    const char *name = session->settings->cookie_name;
    size_t name_size = strlen(name);
    const char *at = header, *end = header + strlen(header);
    mp_cookie_pair_t pair;
    while (mp_cookie_next(&at, end, &pair)) {
        if (pair.name_size == name_size
            && !memcmp(pair.name, name, name_size)) {
            const char *id;
            int is_good = read_id(session, &pair, &id);
            if (is_good < 0) {
                return -1;
            }
            *found = is_good ? id : *found;
        }
    }
    return 0;
}

int
mp_session_cookie_find(mp_session_t *session)
{
    mp_request_t *root = mp_session_root(session);
    if (!root) {
        return -1;
    }
    const mp_session_t *other = mp_session_find(session->state, root);
    if (other && other != session && Py_TYPE(other) == Py_TYPE(session)) {
        Py_XSETREF(session->sid, Py_XNewRef(other->sid));
        session->is_second = other->sid != NULL;
        return 0;
    }
    const char *noted = apr_table_get(root->r->notes, note_name(session,
                                                                root));
    if (noted) {
        session->is_second = 1;
        Py_XSETREF(session->sid, mp_text_from(noted));
        return session->sid ? 0 : -1;
    }
    const char *header = mp_cookie_jar_header(root->r);
    const char *id = NULL;
    if (!header) {
        return 0;
    }
    if (find_in_header(session, header, &id) < 0) {
        return -1;
    }
    if (id) {
        Py_XSETREF(session->sid, PyUnicode_FromStringAndSize(
                                     id, MP_SESSION_ID_SIZE));
    }
    return id && !session->sid ? -1 : 0;
}

/* ---- out --------------------------------------------------------------- */

/* c.<attribute> = text, unless that is NULL. */
static int
set_text(PyObject *cookie, mp_cookie_attribute_t attribute, const char *text)
{
    PyObject *value = text ? mp_text_from(text) : NULL;
    int failed = !text ? 0
                 : value ? mp_cookie_set(cookie, attribute, value) : -1;
    Py_XDECREF(value);
    return failed;
}

static int
set_attributes(PyObject *cookie, const mp_session_settings_t *settings,
               const mp_request_t *root)
{
    if (set_text(cookie, MP_COOKIE_DOMAIN, settings->domain) < 0
        || set_text(cookie, MP_COOKIE_PATH,
                    mp_session_settings_path(settings, root)) < 0
        || set_text(cookie, MP_COOKIE_SAMESITE, settings->samesite) < 0
        || (settings->is_secure
            && mp_cookie_set(cookie, MP_COOKIE_SECURE, Py_True) < 0)
        || (settings->is_httponly
            && mp_cookie_set(cookie, MP_COOKIE_HTTPONLY, Py_True) < 0)) {
        return -1;
    }
    return 0;
}

PyObject *
mp_session_cookie_make(mp_session_t *session)
{
    mp_request_t *root = mp_session_root(session);
    PyObject *name = root ? mp_text_from(session->settings->cookie_name)
                          : NULL;
    PyObject *cookie = name
        ? mp_cookie_create(session->state,
                           session->secret ? MP_TYPE_SIGNED_COOKIE
                                           : MP_TYPE_COOKIE,
                           name, session->sid ? session->sid : Py_None)
        : NULL;
    Py_XDECREF(name);
    if (cookie) {
        ((mp_cookie_t *)cookie)->secret = Py_XNewRef(session->secret);
        if (set_attributes(cookie, session->settings, root) < 0) {
            Py_CLEAR(cookie);
        }
    }
    return cookie;
}

typedef struct {
    apr_array_header_t *others; /* const char * */
    const char *name;
    size_t size;
} sorting_t;

static int
sort_cookie(void *baton, const char *key, const char *value)
{
    sorting_t *sorting = baton;
    if (strncmp(value, sorting->name, sorting->size)
        || value[sorting->size] != '=') {
        APR_ARRAY_PUSH(sorting->others, const char *) = value;
    }
    return 1;
}

/* The cookies that are to be sent, without the one of this name. */
static void
take_out(apr_table_t *headers, apr_pool_t *pool, const char *name)
{
    sorting_t sorting = {apr_array_make(pool, 4, sizeof(char *)), name,
                         strlen(name)};
    apr_table_do(sort_cookie, &sorting, headers, "Set-Cookie", NULL);
    apr_table_unset(headers, "Set-Cookie");
    for (int i = 0; i < sorting.others->nelts; i++) {
        apr_table_addn(headers, "Set-Cookie",
                       APR_ARRAY_IDX(sorting.others, i, const char *));
    }
}

/* Note which id the client is sent; NULL: none. 0, or -1 with an exception. */
static int
note_id(const mp_session_t *session, mp_request_t *root, PyObject *sid)
{
    const char *name = note_name(session, root);
    if (!sid) {
        apr_table_unset(root->r->notes, name);
        return 0;
    }
    const char *id = mp_text_copy(root->r->pool, sid, MP_TEXT_HEADER, "sid");
    if (!id) {
        return -1;
    }
    apr_table_setn(root->r->notes, name, id);
    return 0;
}

/* Send str(cookie), which expires at once or not. */
static int
send_cookie(mp_session_t *session, PyObject *cookie, int expires)
{
    PyObject *text = PyObject_Str(cookie);
    mp_request_t *root = text ? mp_session_root(session) : NULL;
    const char *copy = root ? mp_text_copy(root->r->pool, text,
                                           MP_TEXT_HEADER, "cookie") : NULL;
    Py_XDECREF(text);
    if (!copy) {
        return -1;
    }
    if (root->r->sent_bodyct) {
        mp_thread_suspended_t held = mp_thread_suspend();
        mp_log(MP_LOG_REQUEST(root->r), APLOG_WARNING, 0, "MPY0524",
               "the cookie of the session comes too late: the response has "
               "begun; get the session before the first output is sent");
        mp_thread_resume(held);
    }
    if (note_id(session, root, expires ? NULL : session->sid) < 0) {
        return -1;
    }
    apr_table_t *headers = root->r->err_headers_out;
    if (apr_table_get(headers, "Set-Cookie")) {
        take_out(headers, root->r->pool, session->settings->cookie_name);
        apr_table_addn(headers, "Set-Cookie", copy);
    }
    else {
        mp_cookie_jar_add(headers, copy);
    }
    return 0;
}

static PyObject *
make_by_class(mp_session_t *session)
{
    return mp_session_is_plain(session)
               ? mp_session_cookie_make(session)
               : PyObject_CallMethodNoArgs(
                     (PyObject *)session,
                     mp_web_of(session->state)->names.make_cookie);
}

int
mp_session_cookie_send(mp_session_t *session)
{
    PyObject *cookie = make_by_class(session);
    int failed = cookie ? send_cookie(session, cookie, 0) : -1;
    Py_XDECREF(cookie);
    return failed;
}

int
mp_session_cookie_expire(mp_session_t *session)
{
    PyObject *cookie = make_by_class(session);
    PyObject *never = cookie ? PyLong_FromLong(0) : NULL;
    int failed = !never || PyObject_SetAttrString(cookie, "expires", never) < 0
                 || send_cookie(session, cookie, 1) < 0;
    Py_XDECREF(never);
    Py_XDECREF(cookie);
    return failed ? -1 : 0;
}
