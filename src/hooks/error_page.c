/* error_page.c - the page that PythonDebug On puts in place of a response. */
#include "runtime/python.h"

#include "hooks/error_page.h"

#include "importer/report.h"
#include "runtime/text.h"
#include "runtime/thread.h"

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
    "dt{color:#666}dd{margin:0;overflow-wrap:anywhere}"
    "h2{margin:2.5em 0 0;font-size:1em;letter-spacing:.05em}"
    "h3{margin:0 0 .5em;font:600 15px/1.5 ui-monospace,monospace;"
    "overflow-wrap:anywhere}"
    "section{margin:1em 0;padding:.8em 1em;border:1px solid #ddd;"
    "border-left:4px solid #bbb;font-size:14px}"
    "section.loaded{border-left-color:#38a}"
    "section.failed{border-left-color:#c33}section dl{margin:0}"
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

/* The modules that the request uses; nothing if that cannot be said. */
static void
send_modules(request_rec *r, const mp_handler_t *handler)
{
    mp_thread_scope_t outer;
    mp_interp_t *interp = mp_thread_interp();
    mp_text_view_t view = {0};
    char *text = NULL;
    if (!interp || mp_thread_enter(&outer, interp, mp_thread_pin()) < 0) {
        return;
    }
    PyObject *page = mp_report_page(interp->state, handler, r);
    if (page && mp_text_view(&view, page, "modules") == 0) {
        text = apr_pstrmemdup(r->pool, view.bytes, (apr_size_t)view.size);
        mp_text_release(&view);
    }
    Py_XDECREF(page);
    PyErr_Clear(); /* the page is of another exception, which it has shown */
    mp_thread_leave(&outer);
    if (text) {
        ap_rputs(text, r);
    }
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
    send_modules(r, handler);
    ap_rputs("</body></html>\n", r);
}
