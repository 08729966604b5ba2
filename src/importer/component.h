/* component.h - executes what a refresh has reached, part by part.
 *
 * Reached modules that do not depend on each other fall into components, which
 * stand and fall separately. The holder of the stage lock only. [attached] */
#ifndef MP_IMPORTER_COMPONENT_H
#define MP_IMPORTER_COMPONENT_H

#include "importer/reach.h"
#include "importer/staging.h"

/* One refresh; on the stack of the thread that runs it. */
typedef struct {
    mp_reach_t reach;
    apr_time_t began_at;
    int may_widen;        /* something changed since it was tried last */
    PyObject *failures;   /* list of (exception, file, modules) */
    mp_staging_t staging; /* borrows old, reasons, sources and hidden of
                             reach */
} mp_refresh_t;

/* Execute all components into staging.next, in the order in which their first
 * members began. One that fails leaves nothing there, and its modules in
 * staging.failed. 0, or -1 when that could not be seen to. */
int mp_component_run_all(mp_refresh_t *refresh);

/* Instances of table that `wanted` does not have are retired. */
void mp_component_retire(mp_refresh_t *refresh, PyObject *table,
                         PyObject *wanted);

#endif
