/* optional.c - the functions that other modules of httpd may call.
 *
 * Each acquire of a thread is a frame, which remembers what the thread was
 * doing: it may come from a hook, detached, or from C code that a Python
 * handler has called, attached to whatever interpreter. */
#include "runtime/python.h"

#include "hooks/optional.h"

#include "objects/connection.h"
#include "objects/request.h"
#include "objects/server_info.h"
#include "runtime/error.h"
#include "runtime/interp.h"
#include "runtime/stream.h"
#include "runtime/thread.h"
#include "server/context.h"

#include <ap_mpm.h>
#include <mod_python.h>

#include <stdlib.h>

typedef struct frame_t frame_t;
struct frame_t {
    mp_thread_scope_t outer;
    mp_log_place_t place;       /* of before */
    mp_thread_pause_t pause;    /* of what the thread did before */
    frame_t *below;
};

static __thread frame_t *frames; /* the last acquire of this thread first */

/* A prefork child runs the cleanups of its pools in a signal handler when it
 * is to stop, maybe in the middle of Python. */
static int
may_be_interrupted(void)
{
    int threads = 0, state = 0;
    (void)ap_mpm_query(AP_MPMQ_IS_THREADED, &threads);
    (void)ap_mpm_query(AP_MPMQ_MPM_STATE, &state);
    return !threads && state == AP_MPMQ_STOPPING;
}

static PyInterpreterState *
mp_acquire_interpreter(const char *name)
{
    frame_t *frame;
    if (!Py_IsInitialized()
        || (mp_thread_is_in_python() && may_be_interrupted())) {
        return NULL;
    }
    frame = malloc(sizeof(*frame));
    if (!frame) {
        return NULL;
    }
    frame->pause = mp_thread_pause();
    mp_interp_t *interp = mp_interp_get(name ? name : MP_MAIN_INTERPRETER);
    if (!interp || mp_thread_enter(&frame->outer, interp, NULL) < 0) {
        mp_thread_end_pause(frame->pause);
        free(frame);
        return NULL;
    }
    frame->place = mp_thread_place();
    frame->below = frames;
    frames = frame;
    return interp->python;
}

static void
mp_release_interpreter(void)
{
    frame_t *frame = frames;
    if (!frame) {
        mp_log(mp_thread_place(), APLOG_ERR, 0, "MPY0412",
               "another module calls mp_release_interpreter() more often than "
               "mp_acquire_interpreter()");
        return;
    }
    mp_state_t *state = mp_thread_interp()->state;
    if (PyErr_Occurred()) {
        mp_error_log(state, mp_thread_place(), "MPY0413",
                     "another module has left an exception");
    }
    mp_stream_end_lines(state);
    mp_thread_set_place(frame->place);
    mp_thread_leave(&frame->outer);
    mp_thread_end_pause(frame->pause);
    frames = frame->below;
    free(frame);
}

/* Python sees the modules of the request, and writes to its log, until the
 * release. */
static void
work_for(mp_state_t *state, mp_request_t *request)
{
    const mp_holding_t *holding = mp_context_holding(request->root,
                                                     state->interp);
    if (frames) {
        mp_thread_set_place(MP_LOG_REQUEST(request->r));
        if (holding->pin) {
            mp_thread_set_pin(holding->pin);
        }
    }
}

static PyObject *
mp_get_request_object(request_rec *r)
{
    if (!mp_thread_is_attached()) {
        return NULL;
    }
    mp_state_t *state = mp_state_current();
    mp_request_t *request = mp_context_get(r);
    const mp_holding_t *holding = mp_context_holding(request, state->interp);
    if (request->ending && !holding->proxy) {
        PyErr_SetString(state->expired_error, "this request has ended");
        return NULL;
    }
    PyObject *object = mp_request_wrap(state, request);
    if (object) {
        work_for(state, request);
        Py_DECREF(object); /* the holding keeps it */
    }
    return object;
}

static PyObject *
mp_get_server_object(server_rec *s)
{
    return mp_thread_is_attached() ? mp_server_wrap(mp_state_current(), s)
                                   : NULL;
}

static PyObject *
mp_get_connection_object(conn_rec *c)
{
    return mp_thread_is_attached() ? mp_connection_wrap(mp_state_current(), c)
                                   : NULL;
}

void
mp_optional_register(void)
{
    APR_REGISTER_OPTIONAL_FN(mp_acquire_interpreter);
    APR_REGISTER_OPTIONAL_FN(mp_release_interpreter);
    APR_REGISTER_OPTIONAL_FN(mp_get_request_object);
    APR_REGISTER_OPTIONAL_FN(mp_get_server_object);
    APR_REGISTER_OPTIONAL_FN(mp_get_connection_object);
}
