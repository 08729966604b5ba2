/* connections.h - PythonConnectionHandler. */
#ifndef MP_HOOKS_CONNECTIONS_H
#define MP_HOOKS_CONNECTIONS_H

#include <apr_pools.h>

void mp_connections_register(apr_pool_t *pool);

#endif
