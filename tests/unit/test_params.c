/* test_params.c - core/params.c: header values with parameters. */
#include "unit.h"

#include <stdlib.h>

#include "core/params.h"

static char shown[1000];

/* "first|name=value|name=value" of a text, in memory of its size. */
static const char *
split(const char *text)
{
    const size_t size = strlen(text);
    char *copy = malloc(size ? size : 1);
    char *out = shown;
    mp_params_t params;
    memcpy(copy, text, size);
    mp_params_init(&params, copy, size);
    out += sprintf(out, "%.*s", (int)params.first.size, params.first.text);
    while (mp_params_next(&params)) {
        out += sprintf(out, "|%.*s=%.*s", (int)params.name.size,
                       params.name.text, (int)params.value.size,
                       params.value.text);
    }
    free(copy);
    return shown;
}

static void
splits(void)
{
    CHECK_STR(split("text/plain"), "text/plain");
    CHECK_STR(split(" Text/HTML ; Charset = UTF-8 ;q=1"),
              "text/html|charset=UTF-8|q=1");
    CHECK_STR(split("multipart/form-data; boundary=x; charset=utf-8"),
              "multipart/form-data|boundary=x|charset=utf-8");
    CHECK_STR(split(""), "");
    CHECK_STR(split(";;a=;b;=c;"), "|a=|=c");
}

static void
removes_quotes(void)
{
    CHECK_STR(split("a; b=\"c;d=e\"; f=\"\""), "a|b=c;d=e|f=");
    CHECK_STR(split("a; b=\"x\\\"y\\\\z\""), "a|b=x\"y\\z");
    CHECK_STR(split("a; b=\"x\" y; c=1"), "a|b=x|c=1");
    CHECK_STR(split("a; b=\"never closed; c=1"), "a|b=never closed; c=1");
    CHECK_STR(split("a; b=\"end\\"), "a|b=end\\");
}

static void
keeps_backslashes_of_paths(void)
{
    CHECK_STR(split("form-data; filename=\"C:\\dir\\file.txt\""),
              "form-data|filename=C:\\dir\\file.txt");
    CHECK_STR(split("form-data; filename=C:\\file"),
              "form-data|filename=C:\\file");
}

/* The decoded text, or NULL. */
static const char *
decode(const char *text)
{
    mp_span_t span = {shown, strlen(text)};
    memcpy(shown, text, span.size);
    if (mp_params_decode(&span) < 0) {
        return NULL;
    }
    span.text[span.size] = '\0';
    return span.text;
}

static void
decodes_extended_values(void)
{
    CHECK_STR(decode("UTF-8''na%C3%AFve%20x"), "na\xc3\xafve x");
    CHECK_STR(decode("us-ascii'en'a%zz%4"), "a%zz%4");
    CHECK_STR(decode("utf-8''"), "");
    CHECK_STR(decode("koi8-r''x"), NULL);
    CHECK_STR(decode("utf-8'x"), NULL);
    CHECK_STR(decode(""), NULL);
}

static void
compares_spans(void)
{
    char text[] = "name";
    CHECK(mp_span_is((mp_span_t){text, 4}, "name"));
    CHECK(!mp_span_is((mp_span_t){text, 3}, "name"));
    CHECK(!mp_span_is((mp_span_t){text, 4}, "names"));
}

int
main(void)
{
    RUN(splits, "parameters are separated, names in lower case");
    RUN(removes_quotes, "quotes and their backslashes are removed");
    RUN(keeps_backslashes_of_paths, "other backslashes stay");
    RUN(decodes_extended_values, "extended values become UTF-8");
    RUN(compares_spans, "a span is the text or is not");
    return unit_report();
}
