/* c_wsgi.c - what wsgi.py asks of WSGI applications, done in C.
 *
 *     CWsgi hello    answer "Hello\n"
 *     CWsgi environ  read 20 facts of the request, 10 of them headers, and
 *                    set 5 headers of the response
 *
 * Loaded by the benchmark's own httpd only; never installed. */
#define YARDSTICK c_wsgi
#define YARDSTICK_DIRECTIVE "CWsgi"
#include "yardstick.h"

static size_t
length_of(const char *text)
{
    return text ? strlen(text) : 0;
}

static const char *const in[] = {
    "Host", "User-Agent", "Accept", "Accept-Language", "Accept-Encoding",
    "Referer", "Cookie", "Cache-Control", "DNT", "Upgrade-Insecure-Requests",
};
static const char *const out[] = {
    "Cache-Control", "ETag", "Vary", "X-Frame-Options", "X-Some-Value",
};

static int
read_environ(request_rec *r)
{
    size_t length = 0;
    int i;

    for (i = 0; i < 10; i++) {
        length += length_of(apr_table_get(r->headers_in, in[i]));
    }
    length += length_of(r->method) + length_of(r->uri) + length_of(r->args)
              + length_of(r->protocol) + length_of(ap_http_scheme(r))
              + length_of(ap_get_server_name_for_url(r))
              + length_of(apr_itoa(r->pool, ap_get_server_port(r)))
              + length_of(r->useragent_ip) + length_of(ap_document_root(r))
              + length_of(ap_get_server_banner());
    for (i = 0; i < 5; i++) {
        apr_table_set(r->headers_out, out[i], "some value");
    }
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%lu\n", (unsigned long)length);
    return OK;
}

static int
hello(request_rec *r)
{
    static const char body[] = "Hello\n";

    ap_set_content_type(r, "text/plain");
    return ap_rwrite(body, sizeof(body) - 1, r) < 0
        ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

YARDSTICK_ANSWERS = {
    {"hello", hello},
    {"environ", read_environ},
    {NULL, NULL}
};
