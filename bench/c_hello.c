/* c_hello.c - what a hello handler costs when no Python is involved.
 *
 * Loaded by the benchmarks' own httpd only; never installed.
 *
 *     CHello On       answer "Hello\n"
 *     CHello Flush    the same, and flush it to the client at once
 *     CHello Poll     as On, and ask an inotify descriptor whether it has
 *                     events: what a check for changes costs at least */
#include <poll.h>
#include <sys/inotify.h>

#define YARDSTICK c_hello
#define YARDSTICK_DIRECTIVE "CHello"
#include "yardstick.h"

static int watch = -1; /* this process' inotify descriptor; no events come */

static int
on(request_rec *r)
{
    static const char body[] = "Hello\n";

    ap_set_content_type(r, "text/plain");
    return ap_rwrite(body, sizeof(body) - 1, r) < 0
        ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

static int
flush(request_rec *r)
{
    int status = on(r);

    return status == OK && ap_rflush(r) < 0 ? HTTP_INTERNAL_SERVER_ERROR
                                            : status;
}

static int
ask(request_rec *r)
{
    struct pollfd ready = {.fd = watch, .events = POLLIN};

    if (watch < 0) {
        ready.fd = watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        inotify_add_watch(watch, "/", IN_DELETE_SELF);
    }
    return poll(&ready, 1, 0) != 0 ? HTTP_INTERNAL_SERVER_ERROR : on(r);
}

YARDSTICK_ANSWERS = {
    {"On", on},
    {"Flush", flush},
    {"Poll", ask},
    {NULL, NULL}
};
