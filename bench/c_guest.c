/* c_guest.c - another module of httpd, which runs Python by the functions that
 * mod_python exports. Linked with Python; see bench/kinds/acquire.py.
 *
 * Handler guest: acquires the interpreters main, one and two, one inside the
 * other, and main inside those, and releases them in turn; looks each time
 * where it is; asks for the object of the request. Handler guest-thread: the
 * same, ten times, in a thread of its own, which then ends. Both answer "ok",
 * or what was wrong. */
#include <mod_python.h>

#include <pthread.h>

#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

#define TURNS 10 /* in a thread of ours */

typedef APR_OPTIONAL_FN_TYPE(mp_acquire_interpreter) acquire_fn;
typedef APR_OPTIONAL_FN_TYPE(mp_release_interpreter) release_fn;
typedef APR_OPTIONAL_FN_TYPE(mp_get_request_object) request_fn;
typedef APR_OPTIONAL_FN_TYPE(mp_get_server_object) server_fn;

static acquire_fn *acquire;
static release_fn *release;
static request_fn *request_object;
static server_fn *server_object;

static void
retrieve(void)
{
    acquire = APR_RETRIEVE_OPTIONAL_FN(mp_acquire_interpreter);
    release = APR_RETRIEVE_OPTIONAL_FN(mp_release_interpreter);
    request_object = APR_RETRIEVE_OPTIONAL_FN(mp_get_request_object);
    server_object = APR_RETRIEVE_OPTIONAL_FN(mp_get_server_object);
}

/* Is apache.interpreter this name? Attached. */
static int
is_in(const char *name)
{
    PyObject *apache = PyImport_ImportModule("mod_python.apache");
    PyObject *value = apache
        ? PyObject_GetAttrString(apache, "interpreter") : NULL;
    int same = value && PyUnicode_CompareWithASCIIString(value, name) == 0;

    Py_XDECREF(value);
    Py_XDECREF(apache);
    return same;
}

/* Attached. r: NULL in a thread that serves no request. */
static int
has_objects(request_rec *r, server_rec *s)
{
    PyObject *server = server_object(s);
    int found = server && (!r || request_object(r));

    Py_XDECREF(server);
    return found;
}

/* NULL, or what was wrong. */
static const char *
take_turns(request_rec *r, server_rec *s)
{
    static const char *const names[] = {NULL, "one", "two",
                                        "main_interpreter"};
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    const char *wrong = NULL;
    int depth;

    for (depth = 0; depth < COUNT; depth++) {
        if (!acquire(names[depth])) {
            wrong = "no interpreter";
            break;
        }
        if (!has_objects(r, s)) {
            wrong = "no object";
        }
    }
    while (depth-- > 0) {
        if (!is_in(names[depth] ? names[depth] : "main_interpreter")) {
            wrong = "the wrong interpreter";
        }
        release();
    }
    return wrong;
}

static void *
run_thread(void *data)
{
    const char *wrong = NULL;
    int turn;

    for (turn = 0; turn < TURNS && !wrong; turn++) {
        wrong = take_turns(NULL, data);
    }
    return (void *)wrong;
}

static const char *
in_a_thread(request_rec *r)
{
    pthread_t thread;
    void *wrong;

    if (pthread_create(&thread, NULL, run_thread, r->server) != 0) {
        return "no thread";
    }
    pthread_join(thread, &wrong);
    return wrong;
}

static int
handler(request_rec *r)
{
    const char *wrong;

    if (!r->handler || strncmp(r->handler, "guest", 5) != 0) {
        return DECLINED;
    }
    wrong = strcmp(r->handler, "guest") ? in_a_thread(r)
                                        : take_turns(r, r->server);
    ap_set_content_type(r, "text/plain");
    ap_rputs(wrong ? wrong : "ok", r);
    return OK;
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_hook_optional_fn_retrieve(retrieve, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_FIRST);
}

module AP_MODULE_DECLARE_DATA c_guest_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0
};
