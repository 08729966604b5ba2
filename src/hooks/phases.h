/* phases.h - one runner for all phases of a request. */
#ifndef MP_HOOKS_PHASES_H
#define MP_HOOKS_PHASES_H

#include <apr_pools.h>

/* Register the hooks of the request phases. */
void mp_phases_register(apr_pool_t *pool);

#endif
