/* auth.h - Python as a provider of authentication and authorization:
 * AuthBasicProvider python, AuthDigestProvider python, Require python. */
#ifndef MP_HOOKS_AUTH_H
#define MP_HOOKS_AUTH_H

#include <apr_pools.h>

/* Register the providers. */
void mp_auth_register(apr_pool_t *pool);

#endif
