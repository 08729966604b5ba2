/* words.c - splits the arguments of a directive into words.
 *
 * Called while the configuration is read. One pass, one buffer: removing
 * quotes never makes a text longer, so all words of a text and the zero bytes
 * that end them fit into twice its length. */
#include "core/words.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* Copy a quoted part, from at (behind the opening quote) to out. Answers where
 * the text goes on behind the closing quote, or NULL if there is none. */
static const char *
copy_quoted(const char *at, char quote, char **out)
{
    char *to = *out;

    while (*at != '\0' && *at != quote) {
        if (quote == '"' && *at == '\\' && (at[1] == '"' || at[1] == '\\')) {
            at++;
        }
        *to++ = *at++;
    }
    *out = to;
    return *at == quote ? at + 1 : NULL;
}

/* Copy one word that is not a bar, in the same way. */
static const char *
copy_word(const char *at, char **out)
{
    while (at && *at != '\0' && *at != '|' && !apr_isspace(*at)) {
        if (*at == '"' || *at == '\'') {
            at = copy_quoted(at + 1, *at, out);
        }
        else {
            *(*out)++ = *at++;
        }
    }
    return at;
}

static const char *
skip_space(const char *at)
{
    while (apr_isspace(*at)) {
        at++;
    }
    return at;
}

const char *
mp_words_split(apr_array_header_t **words, apr_pool_t *pool, const char *text)
{
    apr_array_header_t *found = apr_array_make(pool, 4, sizeof(mp_word_t));
    char *out = apr_palloc(pool, 2 * strlen(text) + 1);
    const char *at;
    mp_word_t *word;

    for (at = skip_space(text); *at != '\0'; at = skip_space(at)) {
        word = apr_array_push(found);
        word->is_bar = *at == '|';
        if (word->is_bar) {
            word->text = "|";
            at++;
            continue;
        }
        word->text = out;
        at = copy_word(at, &out);
        if (!at) {
            return "no closing quote";
        }
        *out++ = '\0';
    }
    *words = found;
    return NULL;
}
