/* interpreter.h - which interpreter serves a request: the classic rules
 * (api.md section 10). */
#ifndef MP_HOOKS_INTERPRETER_H
#define MP_HOOKS_INTERPRETER_H

#include "runtime/interp.h"
#include "server/config.h"

/* By the request's settings; first: the first handler of the phase. NULL when
 * it cannot be made; the cause is in the log. [detached] */
mp_interp_t *mp_interpreter_of_request(request_rec *r,
                                       const mp_dir_config_t *config,
                                       const mp_handler_t *first);

/* By the settings of a connection's base server. [detached] */
mp_interp_t *mp_interpreter_of_server(server_rec *server);

#endif
