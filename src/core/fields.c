/* fields.c - names and values of a form, decoded, in one piece of memory.
 *
 * Called by the parsers and by whoever runs them. Owns its two blocks. */
#include "core/fields.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROWS 8

void
mp_fields_init(mp_fields_t *fields, const mp_limits_t *limits)
{
    memset(fields, 0, sizeof(*fields));
    fields->limits = limits;
}

void
mp_fields_free(mp_fields_t *fields)
{
    if (!fields->has_lent_text) {
        free(fields->text);
    }
    if (!fields->has_lent_rows) {
        free(fields->rows);
    }
    mp_fields_init(fields, NULL);
}

void
mp_fields_lend(mp_fields_t *fields, char *text, size_t size, mp_field_t *rows,
               size_t count)
{
    fields->text = text;
    fields->room = size;
    fields->rows = rows;
    fields->row_room = count;
    fields->has_lent_text = fields->has_lent_rows = 1;
}

/* A block of another size with the first bytes of the old one, which is left
 * alone when it is lent. */
static void *
resize(void *block, int is_lent, size_t used, size_t size)
{
    if (!is_lent) {
        return realloc(block, size);
    }
    void *own = malloc(size);
    if (own && used) {
        memcpy(own, block, used);
    }
    return own;
}

int
mp_fields_reserve(mp_fields_t *fields, size_t more)
{
    if (more <= fields->room - fields->size) {
        return 0;
    }
    size_t room = fields->size + more;
    if (room > UINT32_MAX) { /* rows count in 32 bits */
        return MP_FAULT_LIMIT(MP_LIMIT_MEMORY);
    }
    if (room < 2 * fields->room) {
        room = 2 * fields->room;
    }
    char *text = resize(fields->text, fields->has_lent_text, fields->size,
                        room);
    if (!text) {
        return MP_FAULT_MEMORY;
    }
    fields->text = text;
    fields->has_lent_text = 0;
    fields->room = room;
    return 0;
}

int
mp_fields_write(mp_fields_t *fields, const char *bytes, size_t size)
{
    int fault = mp_limits_check(fields->limits, MP_LIMIT_MEMORY,
                                fields->size + size);
    if (!fault) {
        fault = mp_fields_reserve(fields, size);
    }
    if (!fault && size) {
        memcpy(fields->text + fields->size, bytes, size);
        fields->size += size;
    }
    return fault;
}

mp_field_t *
mp_fields_add(mp_fields_t *fields, int *fault)
{
    *fault = mp_limits_check(fields->limits, MP_LIMIT_FIELDS,
                             fields->count + 1);
    if (*fault) {
        return NULL;
    }
    if (fields->count == fields->row_room) {
        const size_t room = fields->row_room ? 2 * fields->row_room
                                             : FIRST_ROWS;
        mp_field_t *rows = resize(fields->rows, fields->has_lent_rows,
                                  fields->count * sizeof(*rows),
                                  room * sizeof(*rows));
        if (!rows) {
            *fault = MP_FAULT_MEMORY;
            return NULL;
        }
        fields->rows = rows;
        fields->row_room = room;
        fields->has_lent_rows = 0;
    }
    mp_field_t *row = &fields->rows[fields->count++];
    memset(row, 0, sizeof(*row));
    return row;
}
