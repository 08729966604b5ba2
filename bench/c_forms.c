/* c_forms.c - what forms.py asks of Python, done in C.
 *
 *     CForms get     parse the query string, answer three fields of it
 *     CForms post    parse the body, answer ten fields of it
 *     CForms upload  parse a multipart body, write the file to a temporary
 *                    one, answer its size and a field
 *
 * Nothing more than that: what it parses it trusts. Loaded by the benchmark's
 * own httpd only; never installed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <stdlib.h>

#define YARDSTICK c_forms
#define YARDSTICK_DIRECTIVE "CForms"
#include "yardstick.h"

#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_tables.h>

#define PIECE 65536
#define MAX_BODY 65536

/* ---- name=value&name=value ---- */

/* In place; answers the text. */
static char *
decode(char *text)
{
    char *out = text;
    const char *at;

    for (at = text; *at; at++) {
        if (*at == '%' && apr_isxdigit(at[1]) && apr_isxdigit(at[2])) {
            const char digits[] = {at[1], at[2], '\0'};

            *out++ = (char)strtol(digits, NULL, 16);
            at += 2;
        }
        else {
            *out++ = *at == '+' ? ' ' : *at;
        }
    }
    *out = '\0';
    return text;
}

static apr_table_t *
parse(apr_pool_t *pool, char *text)
{
    apr_table_t *fields = apr_table_make(pool, 10);

    while (text) {
        char *next = strchr(text, '&');
        char *value;

        if (next) {
            *next++ = '\0';
        }
        value = strchr(text, '=');
        if (value) {
            *value++ = '\0';
            apr_table_addn(fields, decode(text), decode(value));
        }
        text = next;
    }
    return fields;
}

static int
answer_get(request_rec *r)
{
    const apr_table_t *fields = parse(r->pool,
                                      apr_pstrdup(r->pool, r->args));

    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%s %s %s\n", apr_table_get(fields, "name"),
               apr_table_get(fields, "email"),
               apr_table_get(fields, "topic"));
    return OK;
}

static int
answer_post(request_rec *r)
{
    const apr_table_t *fields;
    char *body = apr_palloc(r->pool, MAX_BODY + 1);
    apr_size_t length = 0;
    long got;
    int i;

    ap_set_content_type(r, "text/plain");
    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK) {
        return HTTP_BAD_REQUEST;
    }
    if (ap_should_client_block(r)) {
        while (length < MAX_BODY
               && (got = ap_get_client_block(r, body + length,
                                             MAX_BODY - length)) > 0) {
            length += (apr_size_t)got;
        }
    }
    body[length] = '\0';
    fields = parse(r->pool, body);
    for (i = 0; i < 10; i++) {
        const char name[] = {'f', 'i', 'e', 'l', 'd', (char)('0' + i), '\0'};

        ap_rvputs(r, apr_table_get(fields, name), "\n", NULL);
    }
    return OK;
}

/* ---- multipart ---- */

typedef struct {
    request_rec *r;
    const char *delimiter;   /* CR LF -- boundary */
    apr_size_t delimiter_size;
    apr_file_t *file;        /* of the part that is read, or NULL */
    apr_off_t file_size;
    char *value;             /* of the last part that was none */
    apr_size_t value_size;
    int in_headers;
    char *rest;              /* what was not consumed of the last piece */
    apr_size_t rest_size;
} upload_t;

static apr_status_t
put(upload_t *upload, const char *bytes, apr_size_t size)
{
    if (upload->file) {
        upload->file_size += (apr_off_t)size;
        return apr_file_write_full(upload->file, bytes, size, NULL);
    }
    if (upload->value_size + size < 1024) {
        memcpy(upload->value + upload->value_size, bytes, size);
        upload->value_size += size;
    }
    return APR_SUCCESS;
}

static apr_status_t
begin_part(upload_t *upload, const char *headers, apr_size_t size)
{
    apr_pool_t *pool = upload->r->pool;
    const char *directory;
    apr_status_t status;

    upload->in_headers = 0;
    upload->file = NULL;
    if (!memmem(headers, size, "filename=", 9)) {
        upload->value_size = 0;
        return APR_SUCCESS;
    }
    status = apr_temp_dir_get(&directory, pool);
    if (status == APR_SUCCESS) {
        status = apr_file_mktemp(&upload->file,
                                 apr_pstrcat(pool, directory, "/upXXXXXX",
                                             NULL),
                                 APR_FOPEN_CREATE | APR_FOPEN_READ
                                     | APR_FOPEN_WRITE | APR_FOPEN_EXCL
                                     | APR_FOPEN_DELONCLOSE
                                     | APR_FOPEN_BUFFERED, pool);
    }
    if (status == APR_SUCCESS) {
        apr_file_buffer_set(upload->file, apr_palloc(pool, PIECE), PIECE);
    }
    return status;
}

/* The delimiter in these bytes, or NULL. Faster than memmem(). */
static const char *
find_delimiter(const upload_t *upload, const char *at, apr_size_t size)
{
    const char *end = at + size;

    while ((at = memchr(at, '\r', (apr_size_t)(end - at)))) {
        if ((apr_size_t)(end - at) < upload->delimiter_size) {
            return NULL;
        }
        if (at[1] == '\n'
            && !memcmp(at, upload->delimiter, upload->delimiter_size)) {
            return at;
        }
        at++;
    }
    return NULL;
}

/* Consume what can be of these bytes; answers how much. */
static apr_size_t
consume(upload_t *upload, const char *bytes, apr_size_t size)
{
    const char *at = bytes, *end = bytes + size;

    for (;;) {
        const apr_size_t left = (apr_size_t)(end - at);
        const char *found = upload->in_headers
            ? memmem(at, left, "\r\n\r\n", 4)
            : find_delimiter(upload, at, left);

        if (found && upload->in_headers) {
            begin_part(upload, at, (apr_size_t)(found - at));
            at = found + 4;
        }
        else if (found) {
            put(upload, at, (apr_size_t)(found - at));
            upload->in_headers = 1;
            at = found + upload->delimiter_size;
        }
        else {
            if (!upload->in_headers && left > upload->delimiter_size) {
                const apr_size_t safe = left - upload->delimiter_size;

                put(upload, at, safe);
                at += safe;
            }
            return (apr_size_t)(at - bytes);
        }
    }
}

static apr_status_t
feed(upload_t *upload, const char *bytes, apr_size_t size)
{
    apr_size_t used;

    memcpy(upload->rest + upload->rest_size, bytes, size);
    size += upload->rest_size;
    used = consume(upload, upload->rest, size);
    upload->rest_size = size - used;
    memmove(upload->rest, upload->rest + used, upload->rest_size);
    return APR_SUCCESS;
}

static apr_status_t
read_body(upload_t *upload)
{
    request_rec *r = upload->r;
    apr_bucket_brigade *brigade = apr_brigade_create(
        r->pool, r->connection->bucket_alloc);
    int ended = 0;

    while (!ended) {
        apr_status_t status = ap_get_brigade(r->input_filters, brigade,
                                             AP_MODE_READBYTES,
                                             APR_BLOCK_READ, PIECE);

        while (status == APR_SUCCESS && !APR_BRIGADE_EMPTY(brigade)) {
            apr_bucket *bucket = APR_BRIGADE_FIRST(brigade);
            const char *bytes;
            apr_size_t size;

            if (APR_BUCKET_IS_EOS(bucket)) {
                ended = 1;
            }
            else {
                status = apr_bucket_read(bucket, &bytes, &size,
                                         APR_BLOCK_READ);
                if (status == APR_SUCCESS) {
                    status = feed(upload, bytes, size);
                }
            }
            apr_bucket_delete(bucket);
        }
        if (status != APR_SUCCESS) {
            return status;
        }
    }
    return APR_SUCCESS;
}

static int
answer_upload(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    const char *boundary = type ? strstr(type, "boundary=") : NULL;
    upload_t upload = {r};

    ap_set_content_type(r, "text/plain");
    if (!boundary) {
        return HTTP_BAD_REQUEST;
    }
    upload.delimiter = apr_pstrcat(r->pool, "\r\n--", boundary + 9, NULL);
    upload.delimiter_size = strlen(upload.delimiter);
    upload.value = apr_pcalloc(r->pool, 1024);
    upload.rest = apr_palloc(r->pool, 2 * PIECE);
    memcpy(upload.rest, "\r\n", 2); /* before the first boundary */
    upload.rest_size = 2;
    if (read_body(&upload) != APR_SUCCESS) {
        return HTTP_BAD_REQUEST;
    }
    if (upload.file) {
        apr_file_flush(upload.file);
    }
    ap_rprintf(r, "%s %" APR_OFF_T_FMT "\n", upload.value, upload.file_size);
    return OK;
}

YARDSTICK_ANSWERS = {
    {"get", answer_get},
    {"post", answer_post},
    {"upload", answer_upload},
    {NULL, NULL}
};
