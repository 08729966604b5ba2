/* store.h - data that all children share, over httpd's small object caches.
 *
 * A store has a name, and a provider of httpd's group "socache" behind it
 * (shmcb, memcache, redis, dbm). It is a cache: what is in it may vanish
 * before its time, when room is needed or the server restarts.
 *
 * Lengths that come from a provider are checked against what was asked for,
 * never allocated. */
#ifndef MP_SERVER_STORE_H
#define MP_SERVER_STORE_H

#include <apr_tables.h>
#include <apr_time.h>
#include <httpd.h>

#define MP_STORE_NAME_MAX 32
#define MP_STORE_KEY_MAX 1024    /* bytes */
#define MP_STORE_VALUE_MAX 65536 /* bytes */
#define MP_STORE_DEFAULT "default"
#define MP_STORE_SESSIONS "sessions"

typedef struct mp_store_t mp_store_t;

/* ---- configuration ---- */

/* While the configuration is read: a store for PythonSharedDict. text: the
 * provider, "provider:arguments", or NULL for shmcb. NULL, and the store is
 * appended to stores (mp_store_t *); or what is wrong. */
const char *mp_store_declare(apr_array_header_t *stores, apr_pool_t *pool,
                             apr_pool_t *temporary, const char *name,
                             const char *text);

/* post_config: open those of the configuration, and "default" and "sessions",
 * if they are not among them and mod_socache_shmcb is there. The cause of a
 * failure is in the log. */
apr_status_t mp_store_open_all(apr_array_header_t *stores, apr_pool_t *pool,
                               apr_pool_t *temporary, server_rec *s);
apr_status_t mp_store_child_init_all(apr_pool_t *pchild);

/* ---- use ---- */

/* The store of this name, or NULL. */
mp_store_t *mp_store_find(const char *name);

/* Nobody else changes the store between these two; a thread may nest them.
 * No Python meanwhile. APR_TIMEUP after 10 seconds. [detached] */
apr_status_t mp_store_lock(mp_store_t *store);
void mp_store_unlock(mp_store_t *store);

typedef struct {
    const void *bytes;
    apr_size_t size;
} mp_store_text_t;

/* A value as it was found. */
typedef struct {
    const void *bytes;  /* in memory */
    apr_size_t size;
    apr_time_t expires; /* or 0: never */
    void *memory;       /* of mp_store_forget() */
} mp_store_value_t;

/* All of them: [detached], and each by itself is atomic.
 *
 * expires: a time, or 0: as long as the provider keeps it, which is 30 days
 * at most where it is a server in the network. APR_EINVAL: key or value is
 * larger than the maximum. APR_ENOSPC: the provider has no room for it. */
apr_status_t mp_store_put(mp_store_t *store, mp_store_text_t key,
                          mp_store_text_t value, apr_time_t expires);
/* APR_NOTFOUND: it is not there, or its time is over. After APR_SUCCESS:
 * mp_store_forget(). */
apr_status_t mp_store_get(mp_store_t *store, mp_store_text_t key,
                          mp_store_value_t *value);
void mp_store_forget(mp_store_value_t *value);
/* APR_SUCCESS also when it is not there. */
apr_status_t mp_store_remove(mp_store_t *store, mp_store_text_t key);

#endif
