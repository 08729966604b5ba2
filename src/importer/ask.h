/* ask.h - modules by their full names: for portals, importlib and pickle. */
#ifndef MP_IMPORTER_ASK_H
#define MP_IMPORTER_ASK_H

#include "importer/generation.h"
#include "importer/importer.h"

/* The instance of this name that code with these globals (NULL: nobody hot) is
 * to see, and depends on from now on: that of the generation in sight, loaded
 * into it if another generation has one. Borrowed; NULL without an exception
 * when there is none. [attached] */
mp_instance_t *mp_ask_for(mp_importer_t *importer, PyObject *name,
                          PyObject *globals);

/* Load the module of this full name ("shop.models", "_mp_1234abcd.page") into
 * the generation in sight, for code that is not hot. 0, or -1 with
 * ImportError, or what its body raises. [attached] */
int mp_ask_load(mp_importer_t *importer, PyObject *name);

#endif
