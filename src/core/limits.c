/* limits.c - the limits of forms: their names, defaults and notation.
 *
 * The configuration reads them, the parsers keep to them. Owns nothing. */
#include "core/limits.h"

#include <apr_lib.h>

#define KIB INT64_C(1024)

/* More than any form that a person fills in, and bounded: a child that is
 * sent the worst keeps LimitMemory in memory and LimitFiles files open. */
const mp_limits_t mp_limits_default = {{
    [MP_LIMIT_FIELDS] = 1000,
    [MP_LIMIT_FIELD_SIZE] = 2 * KIB * KIB,
    [MP_LIMIT_MEMORY] = 16 * KIB * KIB,
    [MP_LIMIT_FILES] = 100,
    [MP_LIMIT_FILE_SIZE] = 0,
    [MP_LIMIT_HEADERS] = 32,
    [MP_LIMIT_HEADER_SIZE] = 16 * KIB,
    [MP_LIMIT_BODY] = KIB * KIB * KIB,
}};

const mp_limit_row_t mp_limit_rows[MP_LIMIT_COUNT] = {
    [MP_LIMIT_FIELDS] = {
        "PythonFormLimitFields", "mod_python.form.limit_fields",
        "fields"},
    [MP_LIMIT_FIELD_SIZE] = {
        "PythonFormLimitFieldSize", "mod_python.form.limit_field_size",
        "bytes in one field"},
    [MP_LIMIT_MEMORY] = {
        "PythonFormLimitMemory", "mod_python.form.limit_memory",
        "bytes in all fields that are not files"},
    [MP_LIMIT_FILES] = {
        "PythonFormLimitFiles", "mod_python.form.limit_files",
        "files"},
    [MP_LIMIT_FILE_SIZE] = {
        "PythonFormLimitFileSize", "mod_python.form.limit_file_size",
        "bytes in one file"},
    [MP_LIMIT_HEADERS] = {
        "PythonFormLimitHeaders", "mod_python.form.limit_headers",
        "headers in one part"},
    [MP_LIMIT_HEADER_SIZE] = {
        "PythonFormLimitHeaderSize", "mod_python.form.limit_header_size",
        "bytes in the headers of one part"},
    [MP_LIMIT_BODY] = {
        "PythonFormLimitBody", "mod_python.form.limit_body",
        "bytes in the body"},
};

/* Bits to shift for the unit behind the digits, or -1. */
static int
read_unit(const char *unit)
{
    if (!*unit) {
        return 0;
    }
    if (unit[1]) {
        return -1;
    }
    switch (*unit) {
    case 'k': case 'K':
        return 10;
    case 'm': case 'M':
        return 20;
    case 'g': case 'G':
        return 30;
    }
    return -1;
}

int
mp_limits_parse(const char *text, apr_int64_t *value)
{
    apr_int64_t number = 0;
    if (!apr_isdigit(*text)) {
        return -1;
    }
    for (; apr_isdigit(*text); text++) {
        if (number > (INT64_MAX - 9) / 10) {
            return -1;
        }
        number = 10 * number + (*text - '0');
    }
    const int shift = read_unit(text);
    if (shift < 0 || number > INT64_MAX >> shift) {
        return -1;
    }
    *value = number << shift;
    return 0;
}
