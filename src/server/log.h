/* log.h - the one way to httpd's error log.
 *
 * From warning up every message carries a stable code MPYnnnn with an entry
 * in docs/errors.md (scripts/check_codes.py compares the two); a code is used
 * at one place. Below warning there is no code: use mp_log_plain. Messages are
 * lower case, name the thing, the cause and the next step, no trailing dot.
 *
 * [detached] A log may be a slow pipe: nobody writes to it while attached. */
#ifndef MP_SERVER_LOG_H
#define MP_SERVER_LOG_H

#include <httpd.h>
#include <http_log.h>

APLOG_USE_MODULE(python);

/* Where a line goes: the request's log, else the connection's, else the
 * server's, else the main log. All may be NULL. */
typedef struct {
    const request_rec *r;
    const conn_rec *c;
    const server_rec *s;
} mp_log_place_t;

#define MP_LOG_REQUEST(r) ((mp_log_place_t){(r), NULL, NULL})
#define MP_LOG_CONN(c) ((mp_log_place_t){NULL, (c), NULL})
#define MP_LOG_SERVER(s) ((mp_log_place_t){NULL, NULL, (s)})

/* mp_log(MP_LOG_REQUEST(r), APLOG_ERR, status, "MPY0001", "format", ...);
 * status: an apr_status_t or 0. */
#define mp_log(place, level, status, code, ...) \
    mp_log_write(__FILE__, __LINE__, place, level, status, code, __VA_ARGS__)
#define mp_log_plain(place, level, ...) \
    mp_log_write(__FILE__, __LINE__, place, level, 0, NULL, __VA_ARGS__)

void mp_log_write(const char *file, int line, mp_log_place_t place, int level,
                  apr_status_t status, const char *code, const char *format,
                  ...) __attribute__((format(printf, 7, 8)));

/* Write text line by line at level (empty lines left out), as one piece per
 * line, without a code: tracebacks, sys.stderr, long messages of programs. A
 * line that is too long for httpd becomes several. */
void mp_log_lines(mp_log_place_t place, int level, const char *text);

#endif
