/* filters.h - PythonInputFilter and PythonOutputFilter: names of filters.
 *
 * httpd's names of filters hold for the whole server and know no case; which
 * handler a name means is looked up in the section of the request. */
#ifndef MP_SERVER_FILTERS_H
#define MP_SERVER_FILTERS_H

#include <apr_hash.h>
#include <httpd.h>
#include <http_config.h>
#include <util_filter.h>

#include "server/handlers.h"

/* Also indices of arrays that have one of each. */
enum { MP_FILTER_OUTPUT, MP_FILTER_INPUT, MP_FILTER_KINDS };

/* The name under which filters run that a program registered for one request;
 * it is not for SetOutputFilter. */
#define MP_FILTER_NAME "MOD_PYTHON"

/* What httpd calls for our filters: once, by register_hooks. It also registers
 * MP_FILTER_NAME of both kinds. */
void mp_filters_register(ap_out_filter_func output, ap_in_filter_func input);

/* One of the two directives: tell httpd of the name (NULL: the handler's text)
 * and enter it into filters (array of MP_FILTER_KINDS: name in lower case ->
 * mp_handler_t *; made when there is none). NULL, or the text of a
 * configuration error. */
const char *mp_filters_add(apr_hash_t **filters, cmd_parms *cmd,
                           const char *handler, const char *name);

/* The handler of a name as httpd has it in ap_filter_rec_t; NULL: none.
 * filters may be NULL; pool: for what it needs meanwhile. */
const mp_handler_t *mp_filters_find(apr_hash_t *filters, apr_pool_t *pool,
                                    const char *name);

/* What names are found by: name in lower case, in pool. */
const char *mp_filters_key(apr_pool_t *pool, const char *name);

#endif
