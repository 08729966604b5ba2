/* addresses.c - a map from addresses to numbers. */
#include "runtime/python.h"

#include "importer/effects/addresses.h"

#include <stdint.h>

#define SMALLEST 32

static mp_address_t *
slot_of(mp_address_t *slots, size_t room, const void *address)
{
    uint64_t hash = ((uintptr_t)address >> 4) * UINT64_C(0x9E3779B97F4A7C15);
    size_t slot = (size_t)(hash >> 32) & (room - 1);
    while (slots[slot].address && slots[slot].address != address) {
        slot = (slot + 1) & (room - 1);
    }
    return &slots[slot];
}

static int
grow(mp_addresses_t *addresses)
{
    size_t room = addresses->room ? addresses->room * 4 : SMALLEST;
    mp_address_t *slots = PyMem_Calloc(room, sizeof(*slots));
    if (!slots) {
        return -1;
    }
    for (size_t i = 0; i < addresses->room; i++) {
        const mp_address_t *old = &addresses->slots[i];
        if (old->address) {
            *slot_of(slots, room, old->address) = *old;
        }
    }
    PyMem_Free(addresses->slots);
    addresses->slots = slots;
    addresses->room = room;
    return 0;
}

long *
mp_addresses_at(mp_addresses_t *addresses, const void *address)
{
    if (addresses->count * 2 >= addresses->room && grow(addresses) < 0) {
        return NULL;
    }
    mp_address_t *slot = slot_of(addresses->slots, addresses->room, address);
    if (!slot->address) {
        slot->address = address;
        addresses->count++;
    }
    return &slot->number;
}

int
mp_addresses_add(mp_addresses_t *addresses, const void *address)
{
    long *number = mp_addresses_at(addresses, address);
    return number ? (*number)++ == 0 : -1;
}

void
mp_addresses_clear(mp_addresses_t *addresses)
{
    PyMem_Free(addresses->slots);
    *addresses = (mp_addresses_t){NULL, 0, 0};
}
