/* table.h - mp_table: apr_table_t as a Python mapping.
 *
 * A live view reads the table through its owner each time, so it follows
 * internal redirects, which swap tables inside the struct, and expires with
 * its owner. A table made by Python has a pool of its own. */
#ifndef MP_OBJECTS_TABLE_H
#define MP_OBJECTS_TABLE_H

#include <apr_tables.h>

#include "runtime/state.h"
#include "runtime/text.h"

extern PyType_Spec mp_table_spec;
extern PyType_Spec mp_table_iterator_spec;

/* A live view of the table at offset in the struct of owner (a proxy of
 * ours): offsetof(request_rec, headers_in). rule: what values may hold.
 * New reference; NULL with an exception. */
PyObject *mp_table_view(PyObject *owner, size_t offset, mp_text_rule_t rule);

/* A live view of one table that lives as long as owner's struct does. */
PyObject *mp_table_wrap(PyObject *owner, apr_table_t *table,
                        mp_text_rule_t rule);

#endif
