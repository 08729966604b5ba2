/* constants.h - the constants of apache, as rows. */
#ifndef MP_OBJECTS_CONSTANTS_H
#define MP_OBJECTS_CONSTANTS_H

#include "runtime/state.h"

/* Add them all to _apache. 0, or -1 with an exception. */
int mp_constants_add(mp_state_t *state);

#endif
