/* fuzz_params.c - core/params.c: all that is found lies inside the text. */
#include "fuzz.h"

#include "core/params.h"

FUZZ(params)
{
    char *text = malloc(size ? size : 1);
    const char *end = text + size;
    mp_params_t params;
    size_t count = 0;
    if (size) {
        memcpy(text, data, size);
    }
    mp_params_init(&params, text, size);
    FUZZ_CHECK(params.first.size <= size);
    while (mp_params_next(&params)) {
        FUZZ_CHECK(params.name.text >= text && params.value.text >= text);
        FUZZ_CHECK(params.name.text + params.name.size <= end);
        FUZZ_CHECK(params.value.text + params.value.size <= end);
        mp_span_t value = params.value;
        if (mp_params_decode(&value) == 0) {
            FUZZ_CHECK(value.size < params.value.size);
            FUZZ_CHECK(value.text + value.size <= end);
        }
        FUZZ_CHECK(++count <= size);
    }
    free(text);
    return 0;
}
