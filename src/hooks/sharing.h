/* sharing.h - what the processes of the server share, from configuration to
 * child: global locks and stores. */
#ifndef MP_HOOKS_SHARING_H
#define MP_HOOKS_SHARING_H

#include <apr_pools.h>

void mp_sharing_register(apr_pool_t *pool);

#endif
