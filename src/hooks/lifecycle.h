/* lifecycle.h - configuration passes, start and end of child processes. */
#ifndef MP_HOOKS_LIFECYCLE_H
#define MP_HOOKS_LIFECYCLE_H

#include <apr_pools.h>

void mp_lifecycle_register(apr_pool_t *pool);

#endif
