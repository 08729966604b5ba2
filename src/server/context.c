/* context.c - makes and ends our records on requests.
 *
 * Called by the hooks and the request object. Owns the records; what upper
 * layers hang on them they release in the end function.
 *
 * The surprising rule is when a record ends: in a pre-cleanup of its pool.
 * After an internal fast redirect (DirectoryIndex, MultiViews) the file name,
 * URI and headers of a request live in the pool of a sub-request, which is
 * destroyed before the plain cleanups of the main request run; programs may
 * still read them in their cleanups. A pre-cleanup of the main request comes
 * before those of its sub-requests, though, so the root's ends all records
 * that share its pins first, newest first, and its own last. */
#include "server/context.h"

#include <http_config.h>

#include "server/config.h"

typedef struct record_t record_t;
struct record_t {
    mp_request_t request; /* first: the part that others see */
    record_t *members;    /* of a root: the live records of its sub-requests
                             and redirects, newest first */
    record_t *older;      /* the next one in that list */
    int ended;
};

static mp_context_end_fn *end_function; /* set once, by register_hooks */

void
mp_context_set_end(mp_context_end_fn *end)
{
    end_function = end;
}

static void
leave_root(record_t *record)
{
    record_t *root = (record_t *)record->request.root;
    record_t **link = &root->members;

    while (*link) {
        if (*link == record) {
            *link = record->older;
            return;
        }
        link = &(*link)->older;
    }
}

static void
end_one(record_t *record)
{
    if (record->ended) {
        return;
    }
    record->ended = 1;
    record->request.ending = 1;
    leave_root(record);
    if (end_function) {
        end_function(&record->request);
    }
}

/* The pre-cleanup of the pool of a record. */
static apr_status_t
end_record(void *baton)
{
    record_t *record = baton;

    while (record->members) {
        end_one(record->members);
    }
    end_one(record);
    return APR_SUCCESS;
}

static request_rec *
find_first(request_rec *r)
{
    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    return r;
}

static record_t *
create_record(request_rec *r, record_t *root)
{
    record_t *record = apr_pcalloc(r->pool, sizeof(*record));

    record->request.r = r;
    record->request.phase = MP_PHASE_COUNT;
    if (root) {
        record->request.root = &root->request;
        record->older = root->members;
        root->members = record;
    }
    else {
        record->request.root = &record->request;
    }
    ap_set_module_config(r->request_config, &python_module, record);
    apr_pool_pre_cleanup_register(r->pool, record, end_record);
    return record;
}

mp_request_t *
mp_context_get(request_rec *r)
{
    mp_request_t *request = mp_context_find(r);
    request_rec *first;
    record_t *root = NULL;

    if (request) {
        return request;
    }
    first = find_first(r);
    if (first != r) {
        root = (record_t *)mp_context_get(first);
    }
    return &create_record(r, root)->request;
}

mp_request_t *
mp_context_find(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &python_module);
}

mp_holding_t *
mp_context_holding(mp_request_t *request, void *interp)
{
    mp_holding_t *holding = request->holdings;

    while (holding && holding->interp != interp) {
        holding = holding->next;
    }
    if (!holding) {
        holding = apr_pcalloc(request->r->pool, sizeof(*holding));
        holding->interp = interp;
        holding->next = request->holdings;
        request->holdings = holding;
    }
    return holding;
}
