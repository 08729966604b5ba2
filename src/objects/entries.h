/* entries.h - the entries behind an mp_table, one at a time.
 *
 * Where a table object's apr_table_t is, and how its entries are found, put
 * and removed; table.c makes a Python mapping of it.
 *
 * The surprising rule: making almost any Python object may run a collection
 * and with it any Python code, which may change this very table. So entries
 * are looked at one by one, by index, and never kept. */
#ifndef MP_OBJECTS_ENTRIES_H
#define MP_OBJECTS_ENTRIES_H

#include <apr_tables.h>

#include "runtime/state.h"
#include "runtime/text.h"

/* One of three: a live view of the table inside the struct of a proxy, found
 * again at each access because httpd swaps them; a live view of one table; or
 * a table of its own, with its own pool. */
typedef struct {
    PyObject_HEAD
    mp_state_t *state;
    PyObject *owner;     /* a proxy; NULL: the table is its own */
    size_t offset;       /* of an apr_table_t * in the struct of owner, */
    apr_table_t *table;  /* unless this is not NULL */
    apr_pool_t *pool;    /* of an own table; NULL in views */
    size_t written;      /* bytes that went into pool since it was made */
    size_t limit;        /* of written: time for a new pool */
    mp_text_rule_t rule; /* what names and values may hold */
} mp_table_t;

/* The table, borrowed, to be used before the next call into Python. NULL with
 * an exception (proxy.h). */
apr_table_t *mp_entries_ptr(mp_table_t *self);

/* Give self, fresh, a table of its own. 0, or -1 with an exception. */
int mp_entries_create(mp_table_t *self);

/* How many there are, duplicates included. -1 with an exception. */
int mp_entries_count(mp_table_t *self);

/* The entry at *index or the first after it that is there; *index moves behind
 * it. 1, 0 at the end, -1 with an exception. */
int mp_entries_next(mp_table_t *self, int *index, apr_table_entry_t *entry);

/* Is there an entry of key? 1, 0, -1 with an exception. */
int mp_entries_contain(mp_table_t *self, PyObject *key);

/* The first value of key. New reference; NULL without an exception when there
 * is none. */
PyObject *mp_entries_find_first(mp_table_t *self, PyObject *key);
/* All values of key: the str, or a list when there are several. */
PyObject *mp_entries_find_all(mp_table_t *self, PyObject *key);

/* Store with apr_table_set (replaces) or apr_table_add (appends). 0, or -1
 * with an exception. */
typedef void mp_entries_put_fn(apr_table_t *table, const char *key,
                               const char *value);
int mp_entries_put(mp_table_t *self, mp_entries_put_fn *put, PyObject *key,
                   PyObject *value);

/* Remove all entries of key. 0, also when there is none; -1 with an
 * exception. */
int mp_entries_remove(mp_table_t *self, PyObject *key);

/* Remove the last entry. 0, or -1 with an exception, KeyError when there is
 * none. *key and *value: new references. */
int mp_entries_pop(mp_table_t *self, PyObject **key, PyObject **value);

#endif
