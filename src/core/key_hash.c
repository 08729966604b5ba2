/* key_hash.c - FNV-1a, and then mixed, because its low bits alone are not
 * good. */
#include "core/key_hash.h"

uint64_t
mp_key_hash(const void *key, size_t size)
{
    const unsigned char *bytes = key;
    uint64_t hash = UINT64_C(14695981039346656037);
    size_t i;

    for (i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    return hash;
}
