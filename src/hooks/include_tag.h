/* include_tag.h - <!--#python eval="..." --> and exec= in pages of
 * mod_include. */
#ifndef MP_HOOKS_INCLUDE_TAG_H
#define MP_HOOKS_INCLUDE_TAG_H

#include <apr_pools.h>

/* Register the element with mod_include, if that is there, in post_config. */
void mp_include_tag_register(apr_pool_t *pool);

#endif
