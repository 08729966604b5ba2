/* entries.c - the entries behind an mp_table, one at a time.
 *
 * Called by table.c only. Reading compares keys as APR does it, and knows
 * entries with a NULL value and keys with several; writing is left to
 * apr_table_*(), which copy into the table's pool. */
#include "runtime/python.h"

#include "objects/entries.h"

#include "objects/proxy.h"

#include <string.h>
#include <strings.h>

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

/* The first entry of key from entry on, or end. Keys are compared as APR does
 * it; nearly all differ in their first byte. */
static inline const apr_table_entry_t *
find_key(const apr_table_entry_t *entry, const apr_table_entry_t *end,
         const char *key)
{
    const unsigned char first = (unsigned char)*key | 0x20;
    while (entry < end
           && (!entry->key || ((unsigned char)*entry->key | 0x20) != first
               || strcasecmp(entry->key, key) != 0)) {
        entry++;
    }
    return entry;
}

/* What there is of one key. */
typedef struct {
    const char *value; /* the first; may be NULL */
    int count;         /* 2: two or more */
} matches_t;

/* 0, or -1 with an exception. apr_table_do() does the same and is slower
 * than this for as many entries as requests have. */
static inline int
find_matches(mp_table_t *self, const char *key, matches_t *found)
{
    const apr_table_t *table = mp_entries_ptr(self);
    *found = (matches_t){NULL, 0};
    if (!table) {
        return -1;
    }
    const apr_array_header_t *entries = apr_table_elts(table);
    const apr_table_entry_t *entry = (apr_table_entry_t *)entries->elts;
    const apr_table_entry_t *end = entry + entries->nelts;
    entry = find_key(entry, end, key);
    if (entry < end) {
        found->value = entry->val;
        found->count = find_key(entry + 1, end, key) < end ? 2 : 1;
    }
    return 0;
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

/* A key to look up. 0, or -1 with TypeError or ValueError. */
static int
view_key(mp_text_view_t *view, PyObject *key)
{
    return mp_text_string(view, key, MP_TEXT_PLAIN, "table key");
}

int
mp_entries_contain(mp_table_t *self, PyObject *key)
{
    mp_text_view_t name;
    if (view_key(&name, key) < 0) {
        return -1;
    }
    matches_t found;
    const int failed = find_matches(self, name.bytes, &found);
    mp_text_release(&name);
    return failed ? -1 : found.count > 0;
}

PyObject *
mp_entries_find_first(mp_table_t *self, PyObject *key)
{
    mp_text_view_t name;
    if (view_key(&name, key) < 0) {
        return NULL;
    }
    matches_t found;
    PyObject *value = NULL;
    if (find_matches(self, name.bytes, &found) == 0 && found.count) {
        value = mp_text_from(found.value);
    }
    mp_text_release(&name);
    return value;
}

/* All values of name as a list. NULL with an exception. */
static PyObject *
list_values(mp_table_t *self, const char *name)
{
    PyObject *list = PyList_New(0);
    apr_table_entry_t entry;
    int index = 0;
    int more = list ? mp_entries_next(self, &index, &entry) : -1;
    while (more > 0) {
        if (strcasecmp(entry.key, name) == 0) {
            PyObject *value = mp_text_from(entry.val);
            const int failed = !value || PyList_Append(list, value) < 0;
            Py_XDECREF(value);
            if (failed) {
                break;
            }
        }
        more = mp_entries_next(self, &index, &entry);
    }
    if (more) {
        Py_CLEAR(list);
    }
    return list;
}

PyObject *
mp_entries_find_all(mp_table_t *self, PyObject *key)
{
    mp_text_view_t name;
    if (view_key(&name, key) < 0) {
        return NULL;
    }
    matches_t found;
    PyObject *value = NULL;
    if (find_matches(self, name.bytes, &found) == 0 && found.count) {
        value = found.count == 1 ? mp_text_from(found.value)
                                 : list_values(self, name.bytes);
    }
    mp_text_release(&name);
    return value;
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
    if (view_key(&name, key) < 0) {
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
        is_only = !other || strcasecmp(key, other) != 0;
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
