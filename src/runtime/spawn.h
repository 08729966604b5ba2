/* spawn.h - processes and threads that programs start.
 *
 * Threads of worker and event block nearly all signals, because those are for
 * httpd's own; a process that is started with subprocess inherits that, and
 * cannot be told to end. Processes that are forked get theirs back in
 * importer/stage.c. The other way round with prefork: a thread that a program
 * starts inherits that nothing is blocked, and would take signals that are
 * httpd's. */
#ifndef MP_RUNTIME_SPAWN_H
#define MP_RUNTIME_SPAWN_H

#include "runtime/state.h"

/* For mp_exports_t: before anybody imports subprocess or threading. 0, or -1
 * with an exception. [attached] */
int mp_spawn_install(mp_state_t *state);

#endif
