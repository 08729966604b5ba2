/* words.h - splits the arguments of a directive into words.
 *
 * Words are separated by white space; a word, or a part of one, may be quoted
 * with " or ' and then hold white space and the bar; inside double quotes a
 * backslash keeps the next " or \ as it is. An unquoted | is a word of its own
 * kind, with or without white space round it. */
#ifndef MP_CORE_WORDS_H
#define MP_CORE_WORDS_H

#include <apr_tables.h>

typedef struct {
    const char *text; /* quotes removed; "" for a quoted empty word */
    int is_bar;       /* an unquoted | */
} mp_word_t;

/* words: array of mp_word_t, allocated with their texts in pool. The answer is
 * NULL, or what is wrong with the text ("no closing quote"), a static
 * string. */
const char *mp_words_split(apr_array_header_t **words, apr_pool_t *pool,
                           const char *text);

#endif
