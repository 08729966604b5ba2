/* c_pages.c - what pages.py asks of the publisher and of PSP, done in C.
 *
 *     CPages publisher   two fields of the query string, in a sentence
 *     CPages psp         a page with a table of ten rows
 *
 * Loaded by the benchmark's own httpd only; never installed. */
#include <stdlib.h>

#define YARDSTICK c_pages
#define YARDSTICK_DIRECTIVE "CPages"
#include "yardstick.h"

#include <apr_lib.h>

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

static const char *
find(const char *const *names, char *const *values, int count,
     const char *name)
{
    int i;

    for (i = 0; i < count; i++) {
        if (!strcmp(names[i], name)) {
            return values[i];
        }
    }
    return "";
}

static int
publish(request_rec *r)
{
    const char *names[16];
    char *values[16], *state, *pair;
    int count = 0;
    char *text = apr_pstrdup(r->pool, r->args ? r->args : "");

    if (r->method_number != M_GET || !r->path_info
        || strcmp(r->path_info, "/greet")) {
        return HTTP_NOT_FOUND;
    }
    for (pair = apr_strtok(text, "&", &state); pair && count < 16;
         pair = apr_strtok(NULL, "&", &state)) {
        char *value = strchr(pair, '=');

        if (value) {
            *value++ = '\0';
            names[count] = decode(pair);
            values[count++] = decode(value);
        }
    }
    ap_set_content_type(r, "text/plain");
    ap_rvputs(r, "Hello, ", find(names, values, count, "person"), " of ",
              find(names, values, count, "company"), "!\n", NULL);
    return OK;
}

static const char *const people[] = {
    "Ada", "Blaise", "Charles", "Dorothy", "Edsger", "Frances", "Grace",
    "Howard", "Ivan", "Jean",
};

static int
write_page(request_rec *r)
{
    int i;

    ap_set_content_type(r, "text/html");
    ap_rputs("<html><head><title>People</title></head>\n<body>\n<table>\n", r);
    for (i = 0; i < 10; i++) {
        ap_rvputs(r, "<tr><td>", apr_itoa(r->pool, i), "</td><td>", people[i],
                  "</td></tr>\n", NULL);
    }
    ap_rputs("</table>\n</body></html>\n", r);
    return OK;
}

YARDSTICK_ANSWERS = {
    {"publisher", publish},
    {"psp", write_page},
    {NULL, NULL}
};
