/* fields.h - names and values of a form, decoded, in one piece of memory.
 *
 * The parsers append to it as a body arrives; nothing is reserved for what
 * somebody says will come. Owns its two blocks, made with malloc because the
 * parsers run where there is no pool and no Python; the first ones may be
 * lent, since most forms are small. Names and values are
 * bytes with a length; they may hold NUL. */
#ifndef MP_CORE_FIELDS_H
#define MP_CORE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

/* Names and values are offsets into text, which moves as it grows. */
typedef struct {
    uint32_t name;
    uint32_t name_size;
    uint32_t value;
    uint32_t value_size;
    void *part;   /* the owner's: what else came with the field, or NULL */
    void *object; /* the owner's: what it has made of the field, or NULL */
} mp_field_t;

typedef struct {
    char *text;
    size_t size;      /* bytes of text in use */
    size_t room;
    mp_field_t *rows; /* in the order of the form */
    size_t count;
    size_t row_room;
    const mp_limits_t *limits; /* borrowed; of the parsers only */
    unsigned has_lent_text : 1; /* text is not its own */
    unsigned has_lent_rows : 1;
} mp_fields_t;

/* Empty; to be given back with mp_fields_free(). */
void mp_fields_init(mp_fields_t *fields, const mp_limits_t *limits);
void mp_fields_free(mp_fields_t *fields);

/* Begin in memory of somebody else, which outlives the fields; what does not
 * fit into it moves to memory of their own. Right after the init. */
void mp_fields_lend(mp_fields_t *fields, char *text, size_t size,
                    mp_field_t *rows, size_t count);

/* Room for so many further bytes of text. 0 or a fault. */
int mp_fields_reserve(mp_fields_t *fields, size_t more);

/* Append bytes to the text. 0 or a fault: of memory, or the limit of all
 * fields. The caller keeps to that of one field. */
int mp_fields_write(mp_fields_t *fields, const char *bytes, size_t size);

/* A further row, zeroed. NULL with *fault when there is none. */
mp_field_t *mp_fields_add(mp_fields_t *fields, int *fault);

#endif
