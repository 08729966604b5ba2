/* log_items.h - %{name}^py in LogFormat: what a program has put into
 * req.log_items. */
#ifndef MP_HOOKS_LOG_ITEMS_H
#define MP_HOOKS_LOG_ITEMS_H

#include <apr_pools.h>

void mp_log_items_register(apr_pool_t *pool);

#endif
