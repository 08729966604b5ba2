/* log.c - writes to httpd's error log.
 *
 * Called from every layer above. Owns nothing. The surprising rule: httpd
 * escapes what is not printable ASCII and cuts the finished line, so a long
 * text is cut into pieces here by its escaped length, between characters. */
#include "server/log.h"

#include <http_core.h>
#include <http_main.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a piece may take of httpd's line of MAX_STRING_LEN bytes: the rest is
 * for the time, the place and whatever else ErrorLogFormat puts before it. */
#define PIECE_MAX (MAX_STRING_LEN - 2048)

static int
is_wanted(mp_log_place_t place, int level)
{
    const server_rec *s = place.s ? place.s : ap_server_conf;

    if (place.r) {
        return APLOG_R_IS_LEVEL(place.r, level);
    }
    if (place.c) {
        return APLOG_C_IS_LEVEL(place.c, level);
    }
    return !s || APLOG_IS_LEVEL(s, level);
}

static void
write_line(const char *file, int line, mp_log_place_t place, int level,
           apr_status_t status, const char *code, const char *text)
{
    const char *separator = code ? ": " : "";

    if (!code) {
        code = "";
    }
    if (place.r) {
        ap_log_rerror(file, line, APLOG_MODULE_INDEX, level, status, place.r,
                      "%s%s%s", code, separator, text);
    }
    else if (place.c) {
        ap_log_cerror(file, line, APLOG_MODULE_INDEX, level, status, place.c,
                      "%s%s%s", code, separator, text);
    }
    else {
        ap_log_error(file, line, APLOG_MODULE_INDEX, level, status,
                     place.s ? place.s : ap_server_conf, "%s%s%s", code,
                     separator, text);
    }
}

void
mp_log_write(const char *file, int line, mp_log_place_t place, int level,
             apr_status_t status, const char *code, const char *format, ...)
{
    char text[MAX_STRING_LEN];
    va_list args;
    int length;

    if (!is_wanted(place, level)) {
        return;
    }
    /* libc's, not APR's: callers may use all that printf() knows. */
    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_line(file, line, place, level, status, code,
               length < 0 ? format : text);
}

/* The bytes that httpd writes for this one: "\xNN", or a doubled backslash. */
static size_t
escaped_length(unsigned char byte)
{
    if (byte < 0x20 || byte >= 0x7f) {
        return 4;
    }
    return byte == '\\' ? 2 : 1;
}

static int
continues_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* How many of the length bytes at text fit into one line of the log. */
static size_t
measure_piece(const char *text, size_t length)
{
    size_t room = PIECE_MAX;
    size_t fitting = 0;
    size_t whole;

    while (fitting < length) {
        size_t cost = escaped_length((unsigned char)text[fitting]);

        if (cost > room) {
            break;
        }
        room -= cost;
        fitting++;
    }
    if (fitting == length) {
        return length;
    }
    whole = fitting;
    while (whole > 0 && fitting - whole < 4
           && continues_character(text[whole])) {
        whole--;
    }
    /* Not UTF-8: then any place is as good. */
    return whole > 0 && !continues_character(text[whole]) ? whole : fitting;
}

static void
write_pieces(mp_log_place_t place, int level, const char *text, size_t length)
{
    char piece[PIECE_MAX + 1];

    while (length > 0) {
        size_t size = measure_piece(text, length);

        memcpy(piece, text, size);
        piece[size] = '\0';
        write_line(__FILE__, __LINE__, place, level, 0, NULL, piece);
        text += size;
        length -= size;
    }
}

void
mp_log_lines(mp_log_place_t place, int level, const char *text)
{
    if (!is_wanted(place, level)) {
        return;
    }
    while (*text) {
        size_t length = strcspn(text, "\n");
        size_t shown = length;

        if (shown > 0 && text[shown - 1] == '\r') {
            shown--;
        }
        write_pieces(place, level, text, shown);
        text += length;
        if (*text) {
            text++;
        }
    }
}
