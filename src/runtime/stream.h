/* stream.h - sys.stdout, sys.stderr and _apache.log_here: what Python code
 * writes goes to the error log, line by line, to the log of the request that
 * runs in the writing thread. */
#ifndef MP_RUNTIME_STREAM_H
#define MP_RUNTIME_STREAM_H

#include "runtime/state.h"

extern PyType_Spec mp_stream_spec;
extern PyMethodDef mp_stream_functions[];

/* Replace sys.stdout (level notice) and sys.stderr (level err) of the
 * interpreter of state. 0, or -1 with an exception. [attached] */
int mp_stream_install(mp_state_t *state);

/* A phase is over: lines that it left unfinished go to its log, not in front
 * of what the next request writes. [attached] */
void mp_stream_end_lines(mp_state_t *state);

#endif
