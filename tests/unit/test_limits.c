/* test_limits.c - core/limits.c: the notation of sizes, and what exceeds. */
#include "unit.h"

#include "core/limits.h"

static long long
parse(const char *text)
{
    apr_int64_t value;
    return mp_limits_parse(text, &value) < 0 ? -1 : value;
}

static void
reads_sizes(void)
{
    CHECK_INT(parse("0"), 0);
    CHECK_INT(parse("1000"), 1000);
    CHECK_INT(parse("2k"), 2048);
    CHECK_INT(parse("3M"), 3145728);
    CHECK_INT(parse("8G"), 8589934592);
}

static void
refuses_what_is_no_size(void)
{
    CHECK_INT(parse(""), -1);
    CHECK_INT(parse("-1"), -1);
    CHECK_INT(parse("1KB"), -1);
    CHECK_INT(parse("1 K"), -1);
    CHECK_INT(parse("1T"), -1);
    CHECK_INT(parse("99999999999999999999"), -1);
    CHECK_INT(parse("9999999999G"), -1);
}

static void
compares(void)
{
    mp_limits_t limits;
    limits = mp_limits_default;
    CHECK_INT(limits.most[MP_LIMIT_FIELDS], 1000);
    CHECK_INT(mp_limits_check(&limits, MP_LIMIT_FIELDS, 1000), 0);
    CHECK_INT(mp_limits_check(&limits, MP_LIMIT_FIELDS, 1001),
              MP_FAULT_LIMIT(MP_LIMIT_FIELDS));
    limits.most[MP_LIMIT_FIELDS] = 0;
    CHECK_INT(mp_limits_check(&limits, MP_LIMIT_FIELDS, UINT64_MAX), 0);
}

static void
names_all(void)
{
    for (int i = 0; i < MP_LIMIT_COUNT; i++) {
        CHECK(mp_limit_rows[i].directive && mp_limit_rows[i].option
              && mp_limit_rows[i].what);
    }
}

int
main(void)
{
    RUN(reads_sizes, "sizes are digits with K, M or G");
    RUN(refuses_what_is_no_size, "anything else is refused");
    RUN(compares, "what is more than the limit exceeds it; 0 is no limit");
    RUN(names_all, "each limit has its names");
    return unit_report();
}
