/* reload.h - what PythonAutoReload means at the beginning of a request. */
#ifndef MP_HOOKS_RELOAD_H
#define MP_HOOKS_RELOAD_H

#include "importer/api.h"
#include "server/config.h"

/* Is this request or connection to refresh before it pins? No Python; on the
 * path of every request. */
static inline int mp_reload_is_due(mp_importer_t *importer,
                                   const mp_dir_config_t *config)
{
    switch (mp_config_autoreload(config)) {
    case MP_RELOAD_ON:
        return mp_importer_is_stale(importer);
    case MP_RELOAD_BACKGROUND:
        mp_importer_look_in_background(importer);
        return 0;
    default:
        return 0;
    }
}

#endif
