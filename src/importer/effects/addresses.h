/* addresses.h - what is known of addresses: a map from them to numbers.
 *
 * For walks over objects. Knows nothing of what is at the addresses; begins as
 * zeroes. */
#ifndef MP_IMPORTER_ADDRESSES_H
#define MP_IMPORTER_ADDRESSES_H

#include <stddef.h>

typedef struct {
    const void *address;
    long number;
} mp_address_t;

typedef struct {
    mp_address_t *slots; /* open hash table */
    size_t room;         /* a power of two, or 0 */
    size_t count;
} mp_addresses_t;

/* Where the number of this address is kept, 0 if it is new; until the next
 * call. NULL: out of memory. */
long *mp_addresses_at(mp_addresses_t *addresses, const void *address);

/* Count it in. 1: it was not there; 0: it was; -1: out of memory. */
int mp_addresses_add(mp_addresses_t *addresses, const void *address);

void mp_addresses_clear(mp_addresses_t *addresses);

#endif
