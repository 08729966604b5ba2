/* c_objects.c - what objects.py asks of Python, done in C.
 *
 *     CObjects headers  read 10 headers of the request, set 5 of the response
 *     CObjects echo     read the whole body, write it back
 *     CObjects stream   1 MiB in pieces of 16 KiB
 *     CObjects flush    the same, flushed after each piece
 *
 * Loaded by the benchmark's own httpd only; never installed. */
#define YARDSTICK c_objects
#define YARDSTICK_DIRECTIVE "CObjects"
#include "yardstick.h"

#define PIECE 16384
#define PIECES 64

static const char *const in[] = {
    "Host", "User-Agent", "Accept", "Accept-Language", "Accept-Encoding",
    "Referer", "Cookie", "Cache-Control", "DNT", "Upgrade-Insecure-Requests",
};
static const char *const out[] = {
    "Cache-Control", "ETag", "Vary", "X-Frame-Options", "X-Some-Value",
};

static int
headers(request_rec *r)
{
    size_t length = 0;
    int i;

    ap_set_content_type(r, "application/octet-stream");
    for (i = 0; i < 10; i++) {
        const char *value = apr_table_get(r->headers_in, in[i]);

        length += value ? strlen(value) : 0;
    }
    for (i = 0; i < 5; i++) {
        apr_table_set(r->headers_out, out[i], "some value");
    }
    ap_rprintf(r, "%lu\n", (unsigned long)length);
    return OK;
}

/* As req.read() and req.write(): the body in one piece. */
static int
echo(request_rec *r)
{
    apr_size_t room = 65536, length = 0;
    char *body = NULL;
    long got;

    ap_set_content_type(r, "application/octet-stream");
    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK) {
        return HTTP_BAD_REQUEST;
    }
    if (ap_should_client_block(r)) {
        body = apr_palloc(r->pool, room);
        while (length < room
               && (got = ap_get_client_block(r, body + length, room - length))
                      > 0) {
            length += (apr_size_t)got;
        }
    }
    ap_rwrite(body, (int)length, r);
    return OK;
}

static int
send_pieces(request_rec *r, int flush)
{
    static const char piece[PIECE];
    int i;

    ap_set_content_type(r, "application/octet-stream");
    for (i = 0; i < PIECES; i++) {
        if (ap_rwrite(piece, PIECE, r) < 0 || (flush && ap_rflush(r) < 0)) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

static int
stream(request_rec *r)
{
    return send_pieces(r, 0);
}

static int
flush(request_rec *r)
{
    return send_pieces(r, 1);
}

YARDSTICK_ANSWERS = {
    {"headers", headers},
    {"echo", echo},
    {"stream", stream},
    {"flush", flush},
    {NULL, NULL}
};
