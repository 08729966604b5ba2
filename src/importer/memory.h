/* memory.h - what generations remember of handlers: the modules they led to.
 *
 * Most have a slot; those made for one request, and those whose directory is
 * known by the request only, are remembered by what they say and where they
 * stand. [attached] */
#ifndef MP_IMPORTER_MEMORY_H
#define MP_IMPORTER_MEMORY_H

#include <httpd.h>

#include "importer/generation.h"
#include "server/handlers.h"

/* Does this handler have a slot? */
int mp_memory_has_slot(const mp_handler_t *handler);

/* What the others are remembered by: a new reference; NULL with an
 * exception. */
PyObject *mp_memory_key(const mp_handler_t *handler, request_rec *r);

/* What the search for a handler's module depends on besides the directive:
 * nothing ("") where that has a directory, else the document root. */
const char *mp_memory_root(const mp_handler_t *handler, request_rec *r);

/* The module that the generation remembers for this handler, borrowed; NULL
 * without an exception: none. */
PyObject *mp_memory_find(mp_generation_t *generation,
                          const mp_handler_t *handler, request_rec *r);

/* May a handler that it remembers be another module's now? changed: set of
 * paths. 1, 0, or -1 with an exception. */
int mp_memory_is_touched(mp_generation_t *generation, PyObject *changed);

/* generation is to remember what base does, but for the modules of old (dict:
 * name -> instance) and what changed may have given another meaning. 0, or -1
 * with an exception. */
int mp_memory_take_over(mp_generation_t *generation, mp_generation_t *base,
                         PyObject *old, PyObject *changed);

#endif
