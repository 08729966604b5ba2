/* unit.h - what the C unit tests are made of.
 *
 * Every test program includes it once: tests are functions, run by RUN with
 * the claim that they prove; checks that fail print where and what, and the
 * test goes on. main() ends with `return unit_report();`. */
#ifndef UNIT_H
#define UNIT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* before any system header, for APR's sake */
#endif

#include <stdio.h>
#include <string.h>

static int unit_passed;
static int unit_failed;
static int unit_failures; /* failed checks of the test that is running */

static inline void
unit_run(const char *claim, void (*test)(void))
{
    unit_failures = 0;
    test();
    if (unit_failures == 0) {
        unit_passed++;
    }
    else {
        unit_failed++;
        printf("FAILED: %s\n", claim);
    }
    fflush(stdout);
}

static inline void
unit_check(int ok, const char *text, const char *file, int line)
{
    if (!ok) {
        unit_failures++;
        printf("%s:%d: not true: %s\n", file, line, text);
    }
}

static inline void
unit_check_int(long long is, long long want, const char *text,
               const char *file, int line)
{
    if (is != want) {
        unit_failures++;
        printf("%s:%d: %s is %lld, not %lld\n", file, line, text, is, want);
    }
}

static inline void
unit_check_str(const char *is, const char *want, const char *text,
               const char *file, int line)
{
    int same = is && want ? strcmp(is, want) == 0 : is == want;

    if (!same) {
        unit_failures++;
        printf("%s:%d: %s is\n    %s\n  not\n    %s\n", file, line, text,
               is ? is : "(null)", want ? want : "(null)");
    }
}

static inline int
unit_report(void)
{
    printf("%d passed, %d failed\n", unit_passed, unit_failed);
    return unit_failed > 0;
}

#define RUN(test, claim) unit_run(claim, test)
#define CHECK(what) unit_check((what) != 0, #what, __FILE__, __LINE__)
#define CHECK_INT(is, want)                                                   \
    unit_check_int((long long)(is), (long long)(want), #is, __FILE__, __LINE__)
#define CHECK_STR(is, want)                                                   \
    unit_check_str((is), (want), #is, __FILE__, __LINE__)

#endif
