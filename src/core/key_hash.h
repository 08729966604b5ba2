/* key_hash.h - a number for a key that is the same in every process, which
 * Python's hash() is not. */
#ifndef MP_CORE_KEY_HASH_H
#define MP_CORE_KEY_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of any bytes. Not a secret: clients can choose keys of one number. */
uint64_t mp_key_hash(const void *key, size_t size);

#endif
