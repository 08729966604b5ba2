/* c_filter.c - what an output filter costs when no Python is involved.
 *
 * The yardstick of filter.py: a handler that answers with 16 KiB of text, and
 * an output filter that upper-cases it, byte by byte with apr_toupper() into
 * new heap buckets, as the example module of httpd does (mod_case_filter).
 * Loaded by the benchmark's own httpd only; never installed. The filter has
 * the name c-upper; "SetHandler c-text" answers. */
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <util_filter.h>

#include <apr_lib.h>

#define SIZE 16384

static char body[SIZE]; /* "abc...zabc..."; made once */

static int
answer(request_rec *r)
{
    apr_bucket_alloc_t *buckets = r->connection->bucket_alloc;
    apr_bucket_brigade *brigade;

    if (!r->handler || strcmp(r->handler, "c-text") != 0) {
        return DECLINED;
    }
    brigade = apr_brigade_create(r->pool, buckets);
    ap_set_content_type(r, "text/plain");
    APR_BRIGADE_INSERT_TAIL(brigade,
                            apr_bucket_immortal_create(body, SIZE, buckets));
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(buckets));
    return ap_pass_brigade(r->output_filters, brigade) == APR_SUCCESS
        ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static apr_status_t
upper(ap_filter_t *f, apr_bucket_brigade *in)
{
    apr_bucket_brigade *out = apr_brigade_create(f->r->pool,
                                                 f->c->bucket_alloc);

    apr_table_unset(f->r->headers_out, "Content-Length");
    while (!APR_BRIGADE_EMPTY(in)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(in);
        const char *data;
        apr_size_t size, i;
        apr_status_t status;
        char *copy;

        if (APR_BUCKET_IS_METADATA(bucket)) {
            APR_BUCKET_REMOVE(bucket);
            APR_BRIGADE_INSERT_TAIL(out, bucket);
            continue;
        }
        status = apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ);
        if (status != APR_SUCCESS) {
            return status;
        }
        copy = apr_bucket_alloc(size, f->c->bucket_alloc);
        for (i = 0; i < size; i++) {
            copy[i] = (char)apr_toupper(data[i]);
        }
        APR_BRIGADE_INSERT_TAIL(out,
                                apr_bucket_heap_create(copy, size,
                                                       apr_bucket_free,
                                                       f->c->bucket_alloc));
        apr_bucket_delete(bucket);
    }
    return ap_pass_brigade(f->next, out);
}

static void
register_hooks(apr_pool_t *pool)
{
    size_t i;

    for (i = 0; i < SIZE; i++) {
        body[i] = (char)('a' + i % 26);
    }
    ap_hook_handler(answer, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_output_filter("c-upper", upper, NULL, AP_FTYPE_RESOURCE);
}

AP_DECLARE_MODULE(c_filter) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0
};
