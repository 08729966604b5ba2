/* error_page.c - the page that PythonDebug On puts in place of a response. */
#include "hooks/error_page.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <unistd.h>

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<title>Mod_python error</title>\n<style>"
    "body{margin:2em auto;max-width:60em;padding:0 1em;"
    "font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff}"
    "pre{padding:1em;overflow:auto;border-left:4px solid #c33;"
    "background:#f7f4f4;font:14px/1.45 ui-monospace,monospace}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1em}"
    "dt{color:#777}dd{margin:0;overflow-wrap:anywhere}"
    "</style></head>\n<body>\n";

/* One row of the facts; nothing for a value that httpd does not have. */
static void
send_fact(request_rec *r, const char *name, const char *value)
{
    if (value && *value) {
        ap_rvputs(r, "<dt>", name, "</dt><dd>",
                  ap_escape_html2(r->pool, value, 0), "</dd>\n", NULL);
    }
}

static void
send_facts(mp_request_t *request, const mp_handler_t *handler,
           const char *phase, const char *interpreter)
{
    request_rec *r = request->r;
    ap_rputs("<dl>\n", r);
    send_fact(r, "Phase", phase);
    send_fact(r, "Handler", handler ? handler->text : NULL);
    send_fact(r, "Server", r->server->server_hostname);
    send_fact(r, "URI", r->uri);
    send_fact(r, "Location",
              handler ? mp_handlers_location(handler, r) : NULL);
    send_fact(r, "Directory", handler && !handler->is_location
                                  ? mp_handlers_directory(handler, r) : NULL);
    send_fact(r, "Filename", r->filename);
    send_fact(r, "PathInfo", r->path_info);
    send_fact(r, "Interpreter", interpreter);
    send_fact(r, "Process", apr_ltoa(r->pool, (long)getpid()));
    ap_rputs("</dl>\n", r);
}

void
mp_error_page_send(mp_request_t *request, const mp_handler_t *handler,
                   const char *phase, const char *interpreter,
                   const char *traceback)
{
    request_rec *r = request->r;
    const char *text = handler ? handler->text : "";
    r->status = HTTP_INTERNAL_SERVER_ERROR;
    r->status_line = NULL;
    apr_table_clear(r->headers_out);
    ap_set_content_type(r, "text/html; charset=utf-8");
    ap_rputs(page_head, r);
    ap_rvputs(r, "<pre>\nMod_python error: \"", phase, " ",
              ap_escape_html2(r->pool, text, 0), "\"\n\n",
              ap_escape_html2(r->pool, traceback, 0), "</pre>\n", NULL);
    send_facts(request, handler, phase, interpreter);
    ap_rputs("</body></html>\n", r);
}
