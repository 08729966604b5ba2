/* fuzz.h - what the fuzzing harnesses are made of.
 *
 * A harness is one file, fuzz_NAME.c, with one function:
 *
 *     FUZZ(name) { ... data ... size ...; return 0; }
 *
 * `make fuzz` builds each with libFuzzer and sanitizers and begins with the
 * files of corpus/NAME. tests/unit/test_corpus.c includes them all and runs
 * each on those same files, so what was found once stays found. A harness
 * calls FUZZ_CHECK for what must be true of any input. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FUZZ_REPLAY
#define FUZZ(name) \
    static int fuzz_##name(const uint8_t *data, size_t size)
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#define FUZZ(name) \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#endif

#define FUZZ_CHECK(what)                                                      \
    do {                                                                      \
        if (!(what)) {                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__,      \
                    #what);                                                   \
            abort();                                                          \
        }                                                                     \
    } while (0)

/* The size of the next piece to feed: small ones, the same for the same
 * seed. */
static inline size_t
fuzz_piece(uint32_t *seed, size_t left)
{
    *seed = *seed * 1103515245u + 12345u;
    const size_t piece = 1 + (*seed >> 16) % 7;
    return piece < left ? piece : left;
}

#endif
