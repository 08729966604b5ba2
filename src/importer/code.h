/* code.h - a module's source, read whole, and the code made of it.
 *
 * The holder of the stage lock only. [attached; detaches for the disk]
 * Functions answer 0, or -1 with OSError or what compile() raises. */
#ifndef MP_IMPORTER_CODE_H
#define MP_IMPORTER_CODE_H

#include "importer/importer.h"
#include "importer/instance.h"

/* Give the new instance its source, text and code: what the refresh has read;
 * or those of old (may be NULL), the version that this one replaces, because a
 * refresh has seen that its file did not change; or from the disk, where a
 * file that is being written is waited for. */
int mp_code_take(mp_importer_t *importer, mp_instance_t *instance,
                 mp_instance_t *old);

/* Compile what the refresh has read of the file of old, if it has, and if it
 * is Python: a syntax error is to be found before anything is executed. */
int mp_code_check(mp_importer_t *importer, const mp_instance_t *old);

#endif
