/* test_multipart.c - core/multipart.c: parts, headers, every way to cut a
 * body, what is no boundary, what is malformed, limits. */
#include "unit.h"

#include <stdlib.h>

#include "core/multipart.h"

static mp_limits_t limits;
static char heard[8192]; /* "[name=value;]data" for each part */
static size_t heard_size;
static const char *reason;
static int stop_at_data; /* a fault that the data event answers */

static void
hear(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && heard_size < sizeof(heard) - 1; i++) {
        heard[heard_size++] = bytes[i] ? bytes[i] : '0';
    }
    heard[heard_size] = '\0';
}

static int
hear_begin(void *caller, char *headers, size_t size)
{
    hear("[", 1);
    for (size_t at = 0, is_value = 0; at < size; is_value = !is_value) {
        hear(headers + at, strlen(headers + at));
        hear(is_value ? ";" : "=", 1);
        at += strlen(headers + at) + 1;
    }
    hear("]", 1);
    return 0;
}

static int
hear_data(void *caller, const char *bytes, size_t size)
{
    hear(bytes, size);
    return stop_at_data;
}

static int
hear_end(void *caller)
{
    hear("|", 1);
    return 0;
}

static const mp_multipart_events_t events = {hear_begin, hear_data, hear_end};

static int
feed(const char *boundary, const char *body, size_t size, size_t piece)
{
    mp_multipart_t parser;
    heard_size = 0;
    heard[0] = '\0';
    int fault = mp_multipart_init(&parser, boundary, strlen(boundary), &events,
                                  NULL, &limits);
    for (size_t at = 0; at < size && !fault; at += piece) {
        const size_t length = size - at < piece ? size - at : piece;
        char *copy = malloc(length);
        memcpy(copy, body + at, length);
        fault = mp_multipart_feed(&parser, copy, length);
        free(copy);
    }
    if (!fault) {
        fault = mp_multipart_finish(&parser);
    }
    reason = parser.reason;
    mp_multipart_free(&parser);
    return fault;
}

/* However the body is cut, it gives these parts. */
static void
check_size(const char *boundary, const char *body, size_t size,
           const char *want)
{
    for (size_t piece = 1; piece <= size; piece++) {
        CHECK_INT(feed(boundary, body, size, piece), 0);
        CHECK_STR(heard, want);
    }
}

static void
check_parts(const char *body, const char *want)
{
    check_size("b", body, strlen(body), want);
}

static void
reads_parts(void)
{
    check_parts("--b\r\nA: 1\r\nB:2\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
                "[A=1;B=2;]one|[]two|");
    check_parts("--b\r\n\r\n\r\n--b--\r\n", "[]|");
    check_parts("--b--\r\n", "");
}

static void
keeps_data_whole(void)
{
    check_parts("--b\r\n\r\n\r\r\n\n\r\n\r\n--b--", "[]\r\r\n\n\r\n|");
    check_parts("--b\r\n\r\n\r\n-\r\n--\r\n--a\r\n--b--",
                "[]\r\n-\r\n--\r\n--a|");
    check_parts("--b\r\n\r\n--b\r\nA: 1\r\n\r\n--b--", "[]|[A=1;]|");
    check_parts("--b\r\n\r\n--a\r\n--b--", "[]--a|");
    check_parts("--b\r\n\r\nx--b\r\n--b--", "[]x--b|");
    check_size("b", "--b\r\n\r\n\0\xff\r\0\n\r\n--b--", 20,
               "[]0\xff\r0\n|");
}

static void
passes_by_what_is_no_boundary(void)
{
    check_parts("--b\r\n\r\nx\r\n--bb\r\n--b-\r\n--b x\r\n--b\r\r\n--b--",
                "[]x\r\n--bb\r\n--b-\r\n--b x\r\n--b\r|");
    check_parts("--b\r\n\r\nx\n--bb\n--b--", "[]x\n--bb|");
    check_parts("--b\r\n\r\nx\r\n--b                  \r\n--b--",
                "[]x\r\n--b                  |");
    check_parts("--b\r\n\r\nx\r\n--b\r\rn\r\n--b--", "[]x\r\n--b\r\rn|");
}

static void
tolerates(void)
{
    check_parts("--b\nA: 1\n\nx\n--b--\n", "[A=1;]x|");
    check_parts("--b \t\r\n\r\nx\r\n--b-- \r\n", "[]x|");
    check_parts("to whom it may concern\r\n--b\r\n\r\nx\r\n--b--the end\r\n"
                "--b\r\n", "[]x|");
    check_parts("\r\n--b\r\n\r\nx\r\n--b--", "[]x|");
}

static void
reads_headers(void)
{
    check_parts("--b\r\nA:\r\n folded\r\n\tmore \r\n\r\n\r\n--b--",
                "[A=folded more;]|");
    check_parts("--b\r\nno colon\r\n goes on\r\nA : 1\r\n:none\r\n\r\n\r\n"
                "--b--", "[A=1;]|");
    check_size("b", "--b\r\nA\0: \0x\0y\0\r\n\r\n\r\n--b--", 26, "[A=x y;]|");
    check_parts("--b\r\nA:\r\nB:x:y\r\n\r\n\r\n--b--", "[A=;B=x:y;]|");
}

static void
knows_long_boundaries(void)
{
    static const char long_one[]
        = "----WebKitFormBoundary7MA4YWxkTrZu0gW'()+_,-./:=?0123456789abcde";
    char body[400];
    sprintf(body, "--%s\r\n\r\nx\r\n--%.30s\r\n--%s--\r\n", long_one, long_one,
            long_one);
    char want[100];
    sprintf(want, "[]x\r\n--%.30s|", long_one);
    check_size(long_one, body, strlen(body), want);
}

static void
refuses_boundaries(void)
{
    char too_long[MP_MULTIPART_MAX_BOUNDARY + 2];
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    CHECK_INT(feed("", "", 0, 1), MP_FAULT_MALFORMED);
    CHECK_INT(feed("a\nb", "", 0, 1), MP_FAULT_MALFORMED);
    CHECK_INT(feed(too_long, "", 0, 1), MP_FAULT_MALFORMED);
    CHECK(strstr(reason, "no usable boundary"));
    CHECK_INT(feed(too_long + 1, "", 0, 1), 0);
}

static void
check_malformed(const char *body, const char *why)
{
    for (size_t piece = 1; piece <= strlen(body); piece++) {
        CHECK_INT(feed("b", body, strlen(body), piece), MP_FAULT_MALFORMED);
        CHECK_STR(reason, why);
    }
}

static void
refuses_what_has_no_end(void)
{
    check_malformed("hello", "the boundary is not in the body");
    check_malformed("--", "the boundary is not in the body");
    check_malformed("--b\r\nA: 1\r\n", "the body ends in the headers of a "
                                       "part");
    check_malformed("--b\r\n\r\nx\r\n", "the body ends before its last "
                                        "boundary");
    check_malformed("--b\r\n\r\nx\r\n--b", "the body ends before its last "
                                           "boundary");
    check_malformed("--b\r\n\r\nx\r\n--b-", "the body ends before its last "
                                            "boundary");
    CHECK_INT(feed("b", "", 0, 1), 0);
}

static void
limits_headers(void)
{
    const char *two = "--b\r\nA: 1\r\nB: 2\r\n\r\nx\r\n--b--";
    limits.most[MP_LIMIT_HEADERS] = 2;
    CHECK_INT(feed("b", two, strlen(two), 3), 0);
    limits.most[MP_LIMIT_HEADERS] = 1;
    CHECK_INT(feed("b", two, strlen(two), 3),
              MP_FAULT_LIMIT(MP_LIMIT_HEADERS));
    limits = mp_limits_default;
    limits.most[MP_LIMIT_HEADER_SIZE] = 14;
    CHECK_INT(feed("b", two, strlen(two), 3), 0);
    limits.most[MP_LIMIT_HEADER_SIZE] = 13;
    CHECK_INT(feed("b", two, strlen(two), 3),
              MP_FAULT_LIMIT(MP_LIMIT_HEADER_SIZE));
    limits = mp_limits_default;
}

static void
stops_when_told(void)
{
    const char *body = "--b\r\n\r\nxyz\r\n--b\r\n\r\nmore\r\n--b--";
    stop_at_data = MP_FAULT_CALLER;
    CHECK_INT(feed("b", body, strlen(body), strlen(body)), MP_FAULT_CALLER);
    CHECK_STR(heard, "[]xyz");
    stop_at_data = 0;
}

int
main(void)
{
    limits = mp_limits_default;
    RUN(reads_parts, "parts are read wherever the body is cut");
    RUN(keeps_data_whole, "CR and LF in data are never lost");
    RUN(passes_by_what_is_no_boundary, "what begins like a boundary is data");
    RUN(tolerates, "LF alone, blanks, preamble and epilogue are tolerated");
    RUN(reads_headers, "headers may be folded, damaged and empty");
    RUN(knows_long_boundaries, "long boundaries are known whole");
    RUN(refuses_boundaries, "a boundary has a size and no line ends");
    RUN(refuses_what_has_no_end, "a body ends in its last boundary");
    RUN(limits_headers, "more headers than the limit are a fault");
    RUN(stops_when_told, "a fault of the caller stops the parser");
    return unit_report();
}
