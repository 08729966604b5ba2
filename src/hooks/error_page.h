/* error_page.h - what the client sees of an exception, with PythonDebug On. */
#ifndef MP_HOOKS_ERROR_PAGE_H
#define MP_HOOKS_ERROR_PAGE_H

#include "server/context.h"
#include "server/handlers.h"

/* Send an HTML page of status 500 with the traceback (UTF-8 text) and where it
 * happened, everything escaped. [detached] */
void mp_error_page_send(mp_request_t *request, const mp_handler_t *handler,
                        const char *phase, const char *interpreter,
                        const char *traceback);

#endif
