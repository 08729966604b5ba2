/* filters.h - httpd's input and output filters, run by Python handlers. */
#ifndef MP_HOOKS_FILTERS_H
#define MP_HOOKS_FILTERS_H

#include <apr_pools.h>

/* Let the directives and req.add_*_filter() have filters. */
void mp_filters_hook(apr_pool_t *pool);

#endif
