/* store.c - data that all children share, over httpd's small object caches.
 *
 * Called by the shared dictionaries. The parent creates the stores for each
 * configuration, the children inherit them. What the provider gets is a
 * record:
 *
 *     magic, expiry, length of the key, key, value
 *
 * under a hash of name and key. The surprising rule is why: shmcb chooses
 * the part of its memory by the first byte of an id and refuses short ones,
 * memcache limits its length, and neither tells when a value expires. The key
 * in the record makes sure that the value is the right one's, whatever
 * hashes collide. */
#include "server/store.h"

#include <ap_provider.h>
#include <ap_socache.h>
#include <apr_lib.h>
#include <apr_siphash.h>
#include <apr_strings.h>
#include <http_config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/log.h"
#include "server/mutex.h"

#define SHMCB "shmcb"
#define SHMCB_SIZE "8388608"
#define SESSIONS_SIZE "33554432"   /* what is not written to is not used */
#define ID_SIZE (2 * APR_SIPHASH_DSIZE)
#define LOCK_TIMEOUT apr_time_from_sec(10)
#define REMOTE_MAX apr_time_from_sec(30 * 24 * 3600)

struct mp_store_t {
    const char *name;
    const ap_socache_provider_t *provider;
    ap_socache_instance_t *instance;
    mp_mutex_t *mutex;
    server_rec *server;
    unsigned char seeds[2][APR_SIPHASH_KSIZE]; /* of ids; from its name */
    int is_local; /* in this machine: keeps things as long as it likes */
};

static apr_array_header_t *all; /* mp_store_t *; set in post_config */

/* ---- configuration ----------------------------------------------------- */

static const char *
check_name(apr_pool_t *pool, const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    if (!*name || name[length] || length > MP_STORE_NAME_MAX) {
        return apr_psprintf(pool, "'%s' is not a name of 1 to %d letters, "
                            "digits, '_' and '-'", name, MP_STORE_NAME_MAX);
    }
    return NULL;
}

static mp_store_t *
find_in(const apr_array_header_t *stores, const char *name)
{
    int i;

    for (i = 0; stores && i < stores->nelts; i++) {
        mp_store_t *store = APR_ARRAY_IDX(stores, i, mp_store_t *);

        if (!strcmp(store->name, name)) {
            return store;
        }
    }
    return NULL;
}

/* shmcb takes a size only behind a path, which it needs where the system has
 * no anonymous shared memory. */
static const char *
shmcb_arguments(apr_pool_t *pool, const char *name)
{
    const char *size = strcmp(name, MP_STORE_SESSIONS) ? SHMCB_SIZE
                                                       : SESSIONS_SIZE;

    return ap_runtime_dir_relative(pool, apr_pstrcat(pool, "python-", name,
                                                     "(", size, ")", NULL));
}

static const char *
create_instance(mp_store_t *store, apr_pool_t *pool, apr_pool_t *temporary,
                const char *provider, const char *arguments)
{
    const char *error;

    store->provider = ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, provider,
                                         AP_SOCACHE_PROVIDER_VERSION);
    if (!store->provider) {
        return apr_psprintf(pool, "there is no provider '%s'; load "
                            "mod_socache_%s", provider, provider);
    }
    store->is_local = !strcmp(provider, SHMCB) || !strcmp(provider, "dbm");
    if (!arguments && !strcmp(provider, SHMCB)) {
        arguments = shmcb_arguments(temporary, store->name);
    }
    error = store->provider->create(&store->instance, arguments, temporary,
                                    pool);
    return error ? apr_psprintf(pool, "%s: %s", provider, error) : NULL;
}

const char *
mp_store_declare(apr_array_header_t *stores, apr_pool_t *pool,
                 apr_pool_t *temporary, const char *name, const char *text)
{
    const char *error = check_name(pool, name);
    const char *colon = text ? strchr(text, ':') : NULL;
    const char *provider = text ? text : SHMCB;
    mp_store_t *store = apr_pcalloc(pool, sizeof(*store));

    if (!error && find_in(stores, name)) {
        error = apr_psprintf(pool, "'%s' is given twice", name);
    }
    if (!error) {
        store->name = apr_pstrdup(pool, name);
        if (colon) {
            provider = apr_pstrmemdup(pool, text, (apr_size_t)(colon - text));
        }
        error = create_instance(store, pool, temporary, provider,
                                colon ? colon + 1 : NULL);
    }
    if (!error) {
        APR_ARRAY_PUSH(stores, mp_store_t *) = store;
    }
    return error;
}

static apr_status_t
close_store(void *baton)
{
    mp_store_t *store = baton;

    store->provider->destroy(store->instance, store->server);
    return APR_SUCCESS;
}

/* So that stores which share a server in the network keep apart: a seed for
 * each half of an id. It is no secret, since the record has the key. */
static void
make_seeds(mp_store_t *store)
{
    static const unsigned char key[APR_SIPHASH_KSIZE] = "mod_python store";
    unsigned char *seeds = store->seeds[0];
    int i;

    for (i = 0; i < 2 * APR_SIPHASH_KSIZE / APR_SIPHASH_DSIZE; i++) {
        char *text = apr_psprintf(store->server->process->pconf, "%d %s", i,
                                  store->name);

        apr_siphash24_auth(seeds + i * APR_SIPHASH_DSIZE, text, strlen(text),
                           key);
    }
}

static apr_status_t
open_store(mp_store_t *store, apr_pool_t *pool, server_rec *s)
{
    static const struct ap_socache_hints hints = {
        ID_SIZE, 256, apr_time_from_sec(60)};
    char *name = apr_psprintf(pool, "py-%.13s", store->name);
    const char *type = strcmp(store->provider->name, SHMCB)
                           ? MP_MUTEX_OF_STORES : MP_MUTEX_OF_MEMORY;
    apr_status_t status = mp_mutex_create(&store->mutex, s, type, store->name,
                                          NULL);

    ap_str_tolower(name);
    store->server = s;
    make_seeds(store);
    if (status == APR_SUCCESS) {
        status = store->provider->init(store->instance, name, &hints, s,
                                       pool);
    }
    if (status != APR_SUCCESS) {
        mp_log(MP_LOG_SERVER(s), APLOG_CRIT, status, "MPY0606",
               "PythonSharedDict %s cannot be opened", store->name);
        return status;
    }
    apr_pool_cleanup_register(pool, store, close_store,
                              apr_pool_cleanup_null);
    return APR_SUCCESS;
}

apr_status_t
mp_store_open_all(apr_array_header_t *stores, apr_pool_t *pool,
                  apr_pool_t *temporary, server_rec *s)
{
    apr_status_t status = APR_SUCCESS;
    static const char *const usual[] = {MP_STORE_DEFAULT, MP_STORE_SESSIONS};
    int i;

    for (i = 0; i < 2; i++) {
        if (!find_in(stores, usual[i])) {
            /* Without a provider there is none; who asks for it is told. */
            mp_store_declare(stores, pool, temporary, usual[i], NULL);
        }
    }
    for (i = 0; i < stores->nelts && status == APR_SUCCESS; i++) {
        status = open_store(APR_ARRAY_IDX(stores, i, mp_store_t *), pool, s);
    }
    all = stores;
    return status;
}

apr_status_t
mp_store_child_init_all(apr_pool_t *pchild)
{
    apr_status_t status = APR_SUCCESS;
    int i;

    for (i = 0; i < all->nelts && status == APR_SUCCESS; i++) {
        status = mp_mutex_child_init(
            APR_ARRAY_IDX(all, i, mp_store_t *)->mutex, pchild);
    }
    return status;
}

mp_store_t *
mp_store_find(const char *name)
{
    return find_in(all, name);
}

/* ---- locking ----------------------------------------------------------- */

apr_status_t
mp_store_lock(mp_store_t *store)
{
    return mp_mutex_take(store->mutex, mp_mutex_thread(), LOCK_TIMEOUT);
}

void
mp_store_unlock(mp_store_t *store)
{
    (void)mp_mutex_drop(store->mutex, mp_mutex_thread());
}

/* For one call of the provider: some lock by themselves. */
static apr_status_t
begin(mp_store_t *store)
{
    return store->provider->flags & AP_SOCACHE_FLAG_NOTMPSAFE
               ? mp_store_lock(store) : APR_SUCCESS;
}

static void
end(mp_store_t *store)
{
    if (store->provider->flags & AP_SOCACHE_FLAG_NOTMPSAFE) {
        mp_store_unlock(store);
    }
}

/* ---- records ----------------------------------------------------------- */

typedef struct {
    unsigned char magic[4];
    unsigned char expires[8]; /* apr_time_t, the most significant first */
    unsigned char key_size[4];
} head_t;

static const unsigned char magic[4] = {'M', 'P', 'Y', 1};

#define RECORD_MAX (sizeof(head_t) + MP_STORE_KEY_MAX + MP_STORE_VALUE_MAX)

static void
write_number(unsigned char *bytes, int count, uint64_t number)
{
    while (count-- > 0) {
        bytes[count] = (unsigned char)number;
        number >>= 8;
    }
}

static uint64_t
read_number(const unsigned char *bytes, int count)
{
    uint64_t number = 0;

    while (count-- > 0) {
        number = number << 8 | *bytes++;
    }
    return number;
}

static void
make_id(const mp_store_t *store, mp_store_text_t key,
        unsigned char id[ID_SIZE])
{
    apr_siphash24_auth(id, key.bytes, key.size, store->seeds[0]);
    apr_siphash24_auth(id + APR_SIPHASH_DSIZE, key.bytes, key.size,
                       store->seeds[1]);
}

/* Into memory of RECORD_MAX bytes; the length. */
static unsigned
make_record(unsigned char *record, mp_store_text_t key,
            mp_store_text_t value, apr_time_t expires)
{
    head_t *head = (head_t *)record;

    memcpy(head->magic, magic, sizeof(magic));
    write_number(head->expires, sizeof(head->expires), (uint64_t)expires);
    write_number(head->key_size, sizeof(head->key_size), key.size);
    memcpy(record + sizeof(*head), key.bytes, key.size);
    memcpy(record + sizeof(*head) + key.size, value.bytes, value.size);
    return (unsigned)(sizeof(*head) + key.size + value.size);
}

/* Is this the record of the key, whole and of our making? */
static int
read_record(const unsigned char *record, unsigned length,
            mp_store_text_t key, mp_store_value_t *value)
{
    const head_t *head = (const head_t *)record;

    if (length < sizeof(*head) + key.size
        || memcmp(head->magic, magic, sizeof(magic))
        || read_number(head->key_size, sizeof(head->key_size)) != key.size
        || memcmp(record + sizeof(*head), key.bytes, key.size)) {
        return 0;
    }
    value->bytes = record + sizeof(*head) + key.size;
    value->size = length - sizeof(*head) - key.size;
    value->expires = (apr_time_t)read_number(head->expires,
                                             sizeof(head->expires));
    return !value->expires || value->expires > apr_time_now();
}

/* ---- values ------------------------------------------------------------ */

/* A pool and a record's worth of memory, for the time of one call. */
static apr_status_t
make_room(apr_pool_t **pool, unsigned char **record)
{
    apr_status_t status = apr_pool_create(pool, NULL);

    if (status != APR_SUCCESS) {
        return status;
    }
    *record = malloc(RECORD_MAX);
    if (!*record) {
        apr_pool_destroy(*pool);
        return APR_ENOMEM;
    }
    return APR_SUCCESS;
}

/* When the provider may forget it. */
static apr_time_t
provider_expiry(const mp_store_t *store, apr_time_t expires)
{
    apr_time_t latest = apr_time_now() + REMOTE_MAX;

    if (store->is_local) {
        return expires ? expires : APR_INT64_MAX;
    }
    return expires && expires < latest ? expires : latest;
}

apr_status_t
mp_store_put(mp_store_t *store, mp_store_text_t key, mp_store_text_t value,
             apr_time_t expires)
{
    unsigned char id[ID_SIZE];
    unsigned char *record;
    apr_pool_t *pool;
    apr_status_t status;

    if (key.size > MP_STORE_KEY_MAX || value.size > MP_STORE_VALUE_MAX) {
        return APR_EINVAL;
    }
    status = make_room(&pool, &record);
    if (status != APR_SUCCESS) {
        return status;
    }
    make_id(store, key, id);
    status = begin(store);
    if (status == APR_SUCCESS) {
        unsigned length = make_record(record, key, value, expires);

        status = store->provider->store(store->instance, store->server, id,
                                        sizeof(id),
                                        provider_expiry(store, expires),
                                        record, length, pool);
        end(store);
    }
    free(record);
    apr_pool_destroy(pool);
    return status;
}

apr_status_t
mp_store_get(mp_store_t *store, mp_store_text_t key, mp_store_value_t *value)
{
    unsigned char id[ID_SIZE];
    unsigned length = RECORD_MAX;
    unsigned char *record;
    apr_pool_t *pool;
    apr_status_t status = make_room(&pool, &record);

    if (status != APR_SUCCESS) {
        return status;
    }
    make_id(store, key, id);
    status = begin(store);
    if (status == APR_SUCCESS) {
        status = store->provider->retrieve(store->instance, store->server, id,
                                           sizeof(id), record, &length, pool);
        end(store);
    }
    if (status == APR_EGENERAL && !strcmp(store->provider->name, "dbm")) {
        status = APR_NOTFOUND; /* its word for it */
    }
    if (status == APR_SUCCESS
        && (length > RECORD_MAX || !read_record(record, length, key, value))) {
        status = APR_NOTFOUND;
    }
    value->memory = record;
    if (status != APR_SUCCESS) {
        mp_store_forget(value);
    }
    apr_pool_destroy(pool);
    return status;
}

void
mp_store_forget(mp_store_value_t *value)
{
    free(value->memory);
    value->memory = NULL;
    value->bytes = NULL;
}

apr_status_t
mp_store_remove(mp_store_t *store, mp_store_text_t key)
{
    unsigned char id[ID_SIZE];
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, NULL);

    if (status != APR_SUCCESS) {
        return status;
    }
    make_id(store, key, id);
    status = begin(store);
    if (status == APR_SUCCESS) {
        status = store->provider->remove(store->instance, store->server, id,
                                         sizeof(id), pool);
        end(store);
    }
    apr_pool_destroy(pool);
    return status == APR_NOTFOUND ? APR_SUCCESS : status;
}
