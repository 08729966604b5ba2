/* shared_dict.h - apache.SharedDict: the stores of server/store.h for
 * programs. */
#ifndef MP_OBJECTS_SHARED_DICT_H
#define MP_OBJECTS_SHARED_DICT_H

#include "runtime/state.h"

extern PyType_Spec mp_shared_dict_spec;

#endif
