/* constants.c - the constants of apache: one row each.
 *
 * The values are httpd's and APR's own, through their symbols; a few are of
 * the classic module alone and say so. */
#include "runtime/python.h"

#include "objects/constants.h"

#include "objects/finfo.h"

#include <ap_mpm.h>
#include <ap_mmn.h>
#include <apr_file_info.h>
#include <http_core.h>
#include <http_log.h>
#include <httpd.h>
#include <mod_auth.h>

typedef struct {
    const char *name;
    long value;
} number_t;

typedef struct {
    const char *name;
    const char *value;
} string_t;

#define SAME(symbol) {#symbol, symbol}

static const number_t statuses[] = {
    SAME(HTTP_CONTINUE),
    SAME(HTTP_SWITCHING_PROTOCOLS),
    SAME(HTTP_PROCESSING),
    {"HTTP_EARLY_HINTS", 103}, /* httpd 2.4.68 has no name for it */
    SAME(HTTP_OK),
    SAME(HTTP_CREATED),
    SAME(HTTP_ACCEPTED),
    SAME(HTTP_NON_AUTHORITATIVE),
    SAME(HTTP_NO_CONTENT),
    SAME(HTTP_RESET_CONTENT),
    SAME(HTTP_PARTIAL_CONTENT),
    SAME(HTTP_MULTI_STATUS),
    SAME(HTTP_ALREADY_REPORTED),
    SAME(HTTP_IM_USED),
    SAME(HTTP_MULTIPLE_CHOICES),
    SAME(HTTP_MOVED_PERMANENTLY),
    SAME(HTTP_MOVED_TEMPORARILY),
    SAME(HTTP_SEE_OTHER),
    SAME(HTTP_NOT_MODIFIED),
    SAME(HTTP_USE_PROXY),
    SAME(HTTP_TEMPORARY_REDIRECT),
    SAME(HTTP_PERMANENT_REDIRECT),
    SAME(HTTP_BAD_REQUEST),
    SAME(HTTP_UNAUTHORIZED),
    SAME(HTTP_PAYMENT_REQUIRED),
    SAME(HTTP_FORBIDDEN),
    SAME(HTTP_NOT_FOUND),
    SAME(HTTP_METHOD_NOT_ALLOWED),
    SAME(HTTP_NOT_ACCEPTABLE),
    SAME(HTTP_PROXY_AUTHENTICATION_REQUIRED),
    SAME(HTTP_REQUEST_TIME_OUT),
    SAME(HTTP_CONFLICT),
    SAME(HTTP_GONE),
    SAME(HTTP_LENGTH_REQUIRED),
    SAME(HTTP_PRECONDITION_FAILED),
    SAME(HTTP_REQUEST_ENTITY_TOO_LARGE),
    SAME(HTTP_REQUEST_URI_TOO_LARGE),
    SAME(HTTP_UNSUPPORTED_MEDIA_TYPE),
    SAME(HTTP_RANGE_NOT_SATISFIABLE),
    SAME(HTTP_EXPECTATION_FAILED),
    {"HTTP_IM_A_TEAPOT", 418}, /* httpd has no symbol for RFC 2324 */
    SAME(HTTP_MISDIRECTED_REQUEST),
    SAME(HTTP_UNPROCESSABLE_ENTITY),
    SAME(HTTP_LOCKED),
    SAME(HTTP_FAILED_DEPENDENCY),
    SAME(HTTP_UPGRADE_REQUIRED),
    SAME(HTTP_PRECONDITION_REQUIRED),
    SAME(HTTP_TOO_MANY_REQUESTS),
    SAME(HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE),
    SAME(HTTP_UNAVAILABLE_FOR_LEGAL_REASONS),
    SAME(HTTP_INTERNAL_SERVER_ERROR),
    SAME(HTTP_NOT_IMPLEMENTED),
    SAME(HTTP_BAD_GATEWAY),
    SAME(HTTP_SERVICE_UNAVAILABLE),
    SAME(HTTP_GATEWAY_TIME_OUT),
    SAME(HTTP_VERSION_NOT_SUPPORTED),
    SAME(HTTP_VARIANT_ALSO_VARIES),
    SAME(HTTP_INSUFFICIENT_STORAGE),
    SAME(HTTP_LOOP_DETECTED),
    SAME(HTTP_NOT_EXTENDED),
    SAME(HTTP_NETWORK_AUTHENTICATION_REQUIRED),
    {NULL, 0},
};

static const number_t results[] = {
    SAME(OK),
    SAME(DECLINED),
    SAME(DONE),
    {"REQ_PROCEED", OK}, /* names of the oldest mod_python */
    {"REQ_NOACTION", DECLINED},
    {"REQ_ABORTED", HTTP_INTERNAL_SERVER_ERROR},
    {NULL, 0},
};

static const number_t answers[] = {
    SAME(AUTH_DENIED), /* of PythonAuthnProvider */
    SAME(AUTH_GRANTED),
    SAME(AUTH_USER_FOUND),
    SAME(AUTH_USER_NOT_FOUND),
    SAME(AUTH_GENERAL_ERROR),
    SAME(AUTHZ_DENIED), /* of Require python */
    SAME(AUTHZ_GRANTED),
    SAME(AUTHZ_NEUTRAL),
    SAME(AUTHZ_GENERAL_ERROR),
    SAME(AUTHZ_DENIED_NO_USER),
    {NULL, 0},
};

static const number_t log_levels[] = {
    SAME(APLOG_EMERG),
    SAME(APLOG_ALERT),
    SAME(APLOG_CRIT),
    SAME(APLOG_ERR),
    SAME(APLOG_WARNING),
    SAME(APLOG_NOTICE),
    SAME(APLOG_INFO),
    SAME(APLOG_DEBUG),
    SAME(APLOG_TRACE1),
    SAME(APLOG_TRACE2),
    SAME(APLOG_TRACE3),
    SAME(APLOG_TRACE4),
    SAME(APLOG_TRACE5),
    SAME(APLOG_TRACE6),
    SAME(APLOG_TRACE7),
    SAME(APLOG_TRACE8),
    {"APLOG_NOERRNO", 0}, /* programs add it to a level; it means nothing */
    {NULL, 0},
};

static const number_t methods[] = {
    SAME(M_GET),
    SAME(M_PUT),
    SAME(M_POST),
    SAME(M_DELETE),
    SAME(M_CONNECT),
    SAME(M_OPTIONS),
    SAME(M_TRACE),
    SAME(M_PATCH),
    SAME(M_PROPFIND),
    SAME(M_PROPPATCH),
    SAME(M_MKCOL),
    SAME(M_COPY),
    SAME(M_MOVE),
    SAME(M_LOCK),
    SAME(M_UNLOCK),
    SAME(M_VERSION_CONTROL),
    SAME(M_CHECKOUT),
    SAME(M_UNCHECKOUT),
    SAME(M_CHECKIN),
    SAME(M_UPDATE),
    SAME(M_LABEL),
    SAME(M_REPORT),
    SAME(M_MKWORKSPACE),
    SAME(M_MKACTIVITY),
    SAME(M_BASELINE_CONTROL),
    SAME(M_MERGE),
    SAME(M_INVALID),
    {NULL, 0},
};

/* Places in the sequences that finfo objects and req.parsed_uri are. */
static const number_t places[] = {
    {"FINFO_MODE", MP_FINFO_MODE},
    {"FINFO_INO", MP_FINFO_INO},
    {"FINFO_DEV", MP_FINFO_DEV},
    {"FINFO_NLINK", MP_FINFO_NLINK},
    {"FINFO_UID", MP_FINFO_UID},
    {"FINFO_GID", MP_FINFO_GID},
    {"FINFO_USER", MP_FINFO_UID}, /* what the manual always called them */
    {"FINFO_GROUP", MP_FINFO_GID},
    {"FINFO_SIZE", MP_FINFO_SIZE},
    {"FINFO_ATIME", MP_FINFO_ATIME},
    {"FINFO_MTIME", MP_FINFO_MTIME},
    {"FINFO_CTIME", MP_FINFO_CTIME},
    {"FINFO_FNAME", MP_FINFO_FNAME},
    {"FINFO_NAME", MP_FINFO_NAME},
    {"FINFO_FILETYPE", MP_FINFO_FILETYPE},
    {"URI_SCHEME", 0},
    {"URI_HOSTINFO", 1},
    {"URI_USER", 2},
    {"URI_PASSWORD", 3},
    {"URI_HOSTNAME", 4},
    {"URI_PORT", 5},
    {"URI_PATH", 6},
    {"URI_QUERY", 7},
    {"URI_FRAGMENT", 8},
    {NULL, 0},
};

static const number_t request_kinds[] = {
    SAME(REMOTE_HOST),
    SAME(REMOTE_NAME),
    SAME(REMOTE_NOLOOKUP),
    SAME(REMOTE_DOUBLE_REV),
    SAME(PROXYREQ_NONE),
    SAME(PROXYREQ_PROXY),
    SAME(PROXYREQ_REVERSE),
    SAME(PROXYREQ_RESPONSE),
    SAME(AP_REQ_ACCEPT_PATH_INFO),
    SAME(AP_REQ_REJECT_PATH_INFO),
    SAME(AP_REQ_DEFAULT_PATH_INFO),
    SAME(REQUEST_NO_BODY),
    SAME(REQUEST_CHUNKED_ERROR),
    SAME(REQUEST_CHUNKED_DECHUNK),
    SAME(AP_CONN_UNKNOWN),
    SAME(AP_CONN_CLOSE),
    SAME(AP_CONN_KEEPALIVE),
    {NULL, 0},
};

static const number_t server_facts[] = {
    SAME(AP_MPMQ_NOT_SUPPORTED),
    SAME(AP_MPMQ_STATIC),
    SAME(AP_MPMQ_DYNAMIC),
    SAME(AP_MPMQ_MAX_DAEMON_USED),
    SAME(AP_MPMQ_IS_THREADED),
    SAME(AP_MPMQ_IS_FORKED),
    SAME(AP_MPMQ_HARD_LIMIT_DAEMONS),
    SAME(AP_MPMQ_HARD_LIMIT_THREADS),
    SAME(AP_MPMQ_MAX_THREADS),
    SAME(AP_MPMQ_MIN_SPARE_DAEMONS),
    SAME(AP_MPMQ_MIN_SPARE_THREADS),
    SAME(AP_MPMQ_MAX_SPARE_DAEMONS),
    SAME(AP_MPMQ_MAX_SPARE_THREADS),
    SAME(AP_MPMQ_MAX_REQUESTS_DAEMON),
    SAME(AP_MPMQ_MAX_DAEMONS),
    SAME(MODULE_MAGIC_NUMBER_MAJOR),
    SAME(MODULE_MAGIC_NUMBER_MINOR),
    {NULL, 0},
};

static const number_t files[] = {
    SAME(APR_NOFILE),
    SAME(APR_REG),
    SAME(APR_DIR),
    SAME(APR_CHR),
    SAME(APR_BLK),
    SAME(APR_PIPE),
    SAME(APR_LNK),
    SAME(APR_SOCK),
    SAME(APR_UNKFILE),
    SAME(APR_FINFO_LINK),
    SAME(APR_FINFO_MTIME),
    SAME(APR_FINFO_CTIME),
    SAME(APR_FINFO_ATIME),
    SAME(APR_FINFO_SIZE),
    SAME(APR_FINFO_CSIZE),
    SAME(APR_FINFO_DEV),
    SAME(APR_FINFO_INODE),
    SAME(APR_FINFO_NLINK),
    SAME(APR_FINFO_TYPE),
    SAME(APR_FINFO_USER),
    SAME(APR_FINFO_GROUP),
    SAME(APR_FINFO_UPROT),
    SAME(APR_FINFO_GPROT),
    SAME(APR_FINFO_WPROT),
    SAME(APR_FINFO_ICASE),
    SAME(APR_FINFO_NAME),
    SAME(APR_FINFO_MIN),
    SAME(APR_FINFO_IDENT),
    SAME(APR_FINFO_OWNER),
    SAME(APR_FINFO_PROT),
    SAME(APR_FINFO_NORM),
    SAME(APR_FINFO_DIRENT),
    {NULL, 0},
};

static const number_t *const groups[] = {
    statuses, results,       answers,      log_levels, methods,
    places,   request_kinds, server_facts, files,
};

static const string_t strings[] = {
    SAME(CGI_MAGIC_TYPE),
    SAME(INCLUDES_MAGIC_TYPE),
    SAME(INCLUDES_MAGIC_TYPE3),
    SAME(DIR_MAGIC_TYPE),
    {"REQ_EXIT", "REQ_EXIT"}, /* of the oldest mod_python */
    {NULL, NULL},
};

int
mp_constants_add(mp_state_t *state)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        for (const number_t *row = groups[i]; row->name; row++) {
            if (PyModule_AddIntConstant(state->module, row->name, row->value)
                < 0) {
                return -1;
            }
        }
    }
    for (const string_t *row = strings; row->name; row++) {
        if (PyModule_AddStringConstant(state->module, row->name, row->value)
            < 0) {
            return -1;
        }
    }
    return 0;
}
