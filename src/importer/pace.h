/* pace.h - a stage is not to be felt by the requests beside it. */
#ifndef MP_IMPORTER_PACE_H
#define MP_IMPORTER_PACE_H

#include "runtime/python.h"

/* What a stage changed of the interpreter, to be given back. */
typedef struct {
    PyObject *interval;   /* float: sys.getswitchinterval(), or NULL */
    PyObject *thresholds; /* tuple: gc.get_threshold(), or NULL */
} mp_pace_t;

/* A stage begins, in this thread: others get the GIL sooner, and the collector
 * leaves what is old alone. What cannot be had is done without. [attached] */
void mp_pace_begin(mp_pace_t *pace);

/* It is over: all is as it was, but for what a program has set itself
 * meanwhile. An exception in flight survives. [attached] */
void mp_pace_end(mp_pace_t *pace);

#endif
