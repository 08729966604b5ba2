/* entries.c - the entries behind an mp_table, one at a time.
 *
 * Called by table.c only. Reading compares keys as ASCII without case and
 * knows entries with a NULL value; writing is left to apr_table_*(), which
 * copy into the table's pool. */
#include "runtime/python.h"

#include "objects/entries.h"

#include "objects/proxy.h"

#include <string.h>

/* An own table moves to a new pool when it has written this much more than
 * it needs: a table that is written for ever stays as big as it is. */
#define SLACK (64 * 1024)

apr_table_t *
mp_entries_ptr(mp_table_t *self)
{
    if (!self->owner) {
        if (!self->table) { /* cleared by the collector */
            PyErr_SetString(self->state->expired_error,
                            "this mp_table is no longer valid");
        }
        return self->table;
    }
    char *base = mp_proxy_ptr(self->owner);
    if (!base) {
        return NULL;
    }
    if (self->table) {
        return self->table;
    }
    apr_table_t *table;
    memcpy(&table, base + self->offset, sizeof(table));
    if (!table) {
        PyErr_SetString(PyExc_RuntimeError,
                        "httpd has not made this table yet");
    }
    return table;
}

int
mp_entries_create(mp_table_t *self)
{
    if (apr_pool_create(&self->pool, NULL) != APR_SUCCESS) {
        self->pool = NULL;
        PyErr_NoMemory();
        return -1;
    }
    self->table = apr_table_make(self->pool, 5);
    self->written = 0;
    self->limit = SLACK;
    return 0;
}

int
mp_entries_next(mp_table_t *self, int *index, apr_table_entry_t *entry)
{
    const apr_table_t *table = mp_entries_ptr(self);
    if (!table) {
        return -1;
    }
    const apr_array_header_t *entries = apr_table_elts(table);
    while (*index < entries->nelts) {
        *entry = APR_ARRAY_IDX(entries, *index, apr_table_entry_t);
        (*index)++;
        if (entry->key) { /* APR allows itself entries without */
            return 1;
        }
    }
    return 0;
}

/* As ASCII without case. Nearly all pairs differ in their first bytes, and
 * this is the inner loop of every look-up. */
static inline int
is_same_key(const char *a, const char *b)
{
    for (;; a++, b++) {
        unsigned char x = (unsigned char)*a, y = (unsigned char)*b;
        if (x != y
            && ((x ^ y) != 0x20 || (unsigned)((x | 0x20) - 'a') > 25)) {
            return 0;
        }
        if (!x) {
            return 1;
        }
    }
}

/* The next entry of this key from *index on, which is moved behind it. NULL:
 * there is none. Nearly all keys differ in their first bytes. */
static inline const apr_table_entry_t *
next_of_key(const apr_array_header_t *entries, const char *key, int *index)
{
    const apr_table_entry_t *all = (const apr_table_entry_t *)entries->elts;
    const unsigned char first = (unsigned char)*key | 0x20;
    for (int i = *index; i < entries->nelts; i++) {
        const char *name = all[i].key;
        if (name && ((unsigned char)*name | 0x20) == first
            && is_same_key(name, key)) {
            *index = i + 1;
            return &all[i];
        }
    }
    *index = entries->nelts;
    return NULL;
}

int
mp_entries_next_match(mp_table_t *self, const char *key, int *index,
                      apr_table_entry_t *entry)
{
    const apr_table_t *table = mp_entries_ptr(self);
    if (!table) {
        return -1;
    }
    const apr_table_entry_t *found = next_of_key(apr_table_elts(table), key,
                                                 index);
    if (found) {
        *entry = *found;
    }
    return found != NULL;
}

int
mp_entries_count(mp_table_t *self)
{
    apr_table_entry_t entry;
    int index = 0;
    int count = 0;
    int more = mp_entries_next(self, &index, &entry);
    while (more > 0) {
        count++;
        more = mp_entries_next(self, &index, &entry);
    }
    return more < 0 ? -1 : count;
}

/* Count what was written; now and then leave the old pool, with everything
 * that was replaced or removed, behind. */
static void
account(mp_table_t *self, size_t written)
{
    if (!self->pool) {
        return;
    }
    self->written += written + sizeof(apr_table_entry_t);
    if (self->written < self->limit) {
        return;
    }
    apr_pool_t *pool;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return; /* the old one will do */
    }
    self->table = apr_table_clone(pool, self->table);
    apr_pool_destroy(self->pool);
    self->pool = pool;
    const apr_array_header_t *entries = apr_table_elts(self->table);
    size_t needed = 0;
    for (int i = 0; i < entries->nelts; i++) {
        apr_table_entry_t entry =
            APR_ARRAY_IDX(entries, i, apr_table_entry_t);
        needed += sizeof(entry) + (entry.key ? strlen(entry.key) : 0)
                  + (entry.val ? strlen(entry.val) : 0);
    }
    self->written = 0;
    self->limit = SLACK + 2 * needed;
}

int
mp_entries_view_key(mp_text_view_t *view, PyObject *key)
{
    return mp_text_string(view, key, MP_TEXT_PLAIN, "table key");
}

PyObject *
mp_entries_find_first(mp_table_t *self, PyObject *key)
{
    mp_text_view_t name;
    if (mp_entries_view_key(&name, key) < 0) {
        return NULL;
    }
    apr_table_entry_t entry;
    int index = 0;
    PyObject *value = NULL;
    if (mp_entries_next_match(self, name.bytes, &index, &entry) > 0) {
        value = mp_text_from(entry.val);
    }
    mp_text_release(&name);
    return value;
}

/* The values of name from *index on, behind first, as a list. NULL with an
 * exception. */
static PyObject *
list_values(mp_table_t *self, const char *name, int index, PyObject *first)
{
    apr_table_entry_t entry;
    PyObject *list = PyList_New(1);
    if (!list) {
        return NULL;
    }
    PyList_SET_ITEM(list, 0, Py_NewRef(first));
    int more = mp_entries_next_match(self, name, &index, &entry);
    while (more > 0) {
        PyObject *value = mp_text_from(entry.val);
        if (!value || PyList_Append(list, value) < 0) {
            more = -1;
        }
        else {
            more = mp_entries_next_match(self, name, &index, &entry);
        }
        Py_XDECREF(value);
    }
    if (more < 0) {
        Py_CLEAR(list);
    }
    return list;
}

PyObject *
mp_entries_find_all(mp_table_t *self, PyObject *key)
{
    mp_text_view_t name;
    if (mp_entries_view_key(&name, key) < 0) {
        return NULL;
    }
    const apr_table_t *table = mp_entries_ptr(self);
    const apr_array_header_t *entries = table ? apr_table_elts(table) : NULL;
    int index = 0;
    const apr_table_entry_t *entry = entries
        ? next_of_key(entries, name.bytes, &index) : NULL;
    int behind = index;
    int several = entry && next_of_key(entries, name.bytes, &index);
    PyObject *found = entry ? mp_text_from(entry->val) : NULL;
    if (found && several) {
        Py_SETREF(found, list_values(self, name.bytes, behind, found));
    }
    mp_text_release(&name);
    return found;
}

int
mp_entries_put(mp_table_t *self, mp_entries_put_fn *put, PyObject *key,
               PyObject *value)
{
    mp_text_view_t name;
    mp_text_view_t text;
    int is_header = self->rule == MP_TEXT_HEADER;
    if (mp_text_string(&name, key, self->rule,
                       is_header ? "header name" : "table key")
        < 0) {
        return -1;
    }
    if (mp_text_string(&text, value, self->rule,
                       is_header ? "header value" : "table value")
        < 0) {
        mp_text_release(&name);
        return -1;
    }
    apr_table_t *table = mp_entries_ptr(self);
    if (table) {
        put(table, name.bytes, text.bytes);
        account(self, (size_t)name.size + (size_t)text.size + 2);
    }
    mp_text_release(&name);
    mp_text_release(&text);
    return table ? 0 : -1;
}

int
mp_entries_remove(mp_table_t *self, PyObject *key)
{
    mp_text_view_t name;
    if (mp_entries_view_key(&name, key) < 0) {
        return -1;
    }
    apr_table_t *table = mp_entries_ptr(self);
    if (table) {
        apr_table_unset(table, name.bytes);
    }
    mp_text_release(&name);
    return table ? 0 : -1;
}

/* Remove the last entry, which must be there and have a key. APR can only
 * remove all entries of a key: when it has several, the table is filled anew;
 * the strings stay where they are in its pool. 0, or -1 (out of memory). */
static int
remove_last(apr_table_t *table)
{
    const apr_array_header_t *entries = apr_table_elts(table);
    int count = entries->nelts - 1;
    const char *key = APR_ARRAY_IDX(entries, count, apr_table_entry_t).key;
    int is_only = 1;
    for (int i = 0; i < count && is_only; i++) {
        const char *other = APR_ARRAY_IDX(entries, i, apr_table_entry_t).key;
        is_only = !other || !is_same_key(key, other);
    }
    if (is_only) {
        apr_table_unset(table, key);
        return 0;
    }
    apr_table_entry_t *kept = PyMem_New(apr_table_entry_t, count);
    if (!kept) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(kept, entries->elts, sizeof(*kept) * (size_t)count);
    apr_table_clear(table);
    for (int i = 0; i < count; i++) {
        if (kept[i].key) {
            apr_table_addn(table, kept[i].key, kept[i].val);
        }
    }
    PyMem_Free(kept);
    return 0;
}

int
mp_entries_pop(mp_table_t *self, PyObject **key, PyObject **value)
{
    apr_table_t *table = mp_entries_ptr(self);
    if (!table) {
        return -1;
    }
    const apr_array_header_t *entries = apr_table_elts(table);
    apr_table_entry_t entry = {NULL, NULL, 0};
    if (entries->nelts > 0) {
        entry =
            APR_ARRAY_IDX(entries, entries->nelts - 1, apr_table_entry_t);
    }
    if (!entry.key) {
        PyErr_SetString(PyExc_KeyError, "popitem(): table is empty");
        return -1;
    }
    *key = mp_text_from(entry.key);
    *value = mp_text_from(entry.val);
    if (!*key || !*value || remove_last(table) < 0) {
        Py_CLEAR(*key);
        Py_CLEAR(*value);
        return -1;
    }
    return 0;
}
