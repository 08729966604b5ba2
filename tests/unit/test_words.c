/* test_words.c - core/words.c: all forms of quoting, and what is refused. */
#include "unit.h"

#include "core/words.h"

#include <apr_general.h>
#include <apr_strings.h>

static apr_pool_t *pool;

/* The words of text in brackets, bars as they are; or the error. */
static const char *
split(const char *text)
{
    apr_array_header_t *words = NULL;
    const char *error = mp_words_split(&words, pool, text);
    const char *all = "";
    const mp_word_t *word;
    int i;

    if (error) {
        return error;
    }
    for (i = 0; i < words->nelts; i++) {
        word = &APR_ARRAY_IDX(words, i, mp_word_t);
        all = word->is_bar
                  ? apr_pstrcat(pool, all, word->text, NULL)
                  : apr_pstrcat(pool, all, "[", word->text, "]", NULL);
    }
    return all;
}

static void
white_space(void)
{
    CHECK_STR(split(""), "");
    CHECK_STR(split(" \t\r\n\v\f"), "");
    CHECK_STR(split("a"), "[a]");
    CHECK_STR(split("  a\tb  \n c "), "[a][b][c]");
    CHECK_STR(split("m::o.a /x/y.py ~/z"), "[m::o.a][/x/y.py][~/z]");
}

static void
quotes(void)
{
    CHECK_STR(split("\"a b\" c"), "[a b][c]");
    CHECK_STR(split("'a b' c"), "[a b][c]");
    CHECK_STR(split("\"it's\" 'say \"x\"'"), "[it's][say \"x\"]");
    CHECK_STR(split("/my\" \"site/'a b'::x"), "[/my site/a b::x]");
    CHECK_STR(split("\"a\"'b'\"c\""), "[abc]");
    CHECK_STR(split("\" \""), "[ ]");
}

static void
empty_words(void)
{
    CHECK_STR(split("\"\""), "[]");
    CHECK_STR(split("''"), "[]");
    CHECK_STR(split("a \"\" b"), "[a][][b]");
    CHECK_STR(split("\"\"''"), "[]");
    CHECK_STR(split("\"\"|''"), "[]|[]");
    CHECK_STR(split("\"\"a"), "[a]");
}

static void
backslashes(void)
{
    CHECK_STR(split("\"a\\\"b\""), "[a\"b]");
    CHECK_STR(split("\"a\\\\\""), "[a\\]");
    CHECK_STR(split("\"\\a\\n\""), "[\\a\\n]");
    CHECK_STR(split("\"\\\\\\\"\""), "[\\\"]");
    CHECK_STR(split("'a\\' b"), "[a\\][b]");
    CHECK_STR(split("a\\ b \\|"), "[a\\][b][\\]|");
    CHECK_STR(split("\\\"a b\""), "[\\a b]");
}

static void
bars(void)
{
    CHECK_STR(split("|"), "|");
    CHECK_STR(split("a | .x .y"), "[a]|[.x][.y]");
    CHECK_STR(split("a|.x"), "[a]|[.x]");
    CHECK_STR(split("a| .x"), "[a]|[.x]");
    CHECK_STR(split("a |.x"), "[a]|[.x]");
    CHECK_STR(split("|a||b|"), "|[a]||[b]|");
    CHECK_STR(split("\"a b\"|'.x'"), "[a b]|[.x]");
}

static void
quoted_bars(void)
{
    apr_array_header_t *words = NULL;

    CHECK_STR(split("\"a|b\" 'c|d'"), "[a|b][c|d]");
    CHECK_STR(split("a\"|\"b"), "[a|b]");
    CHECK_STR(mp_words_split(&words, pool, "'|' |"), NULL);
    CHECK_INT(words->nelts, 2);
    CHECK_INT(APR_ARRAY_IDX(words, 0, mp_word_t).is_bar, 0);
    CHECK_STR(APR_ARRAY_IDX(words, 0, mp_word_t).text, "|");
    CHECK_INT(APR_ARRAY_IDX(words, 1, mp_word_t).is_bar, 1);
    CHECK_STR(APR_ARRAY_IDX(words, 1, mp_word_t).text, "|");
}

static void
open_quotes(void)
{
    static const char *const texts[] = {
        "\"", "'", "a \"b", "a 'b c", "\"a'", "'a\"", "\"a\\\"", "\"a\\",
        "a|\"b", "\"\"\"", "ok \"ok\" it's",
    };
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK_STR(split(texts[i]), "no closing quote");
    }
}

static void
foreign_letters(void)
{
    CHECK_STR(split("/h\xc3\xa9/\xc2\xa0 \xff|\x80"),
              "[/h\xc3\xa9/\xc2\xa0][\xff]|[\x80]");
}

/* Every other letter a word: the case that needs most room. */
static void
long_inputs(void)
{
    enum { SIZE = 200000 };
    apr_array_header_t *words = NULL;
    char *text = apr_palloc(pool, SIZE + 1);
    int i;

    for (i = 0; i < SIZE; i++) {
        text[i] = i % 2 ? '|' : 'a';
    }
    text[SIZE] = '\0';
    CHECK_STR(mp_words_split(&words, pool, text), NULL);
    CHECK_INT(words->nelts, SIZE);
    CHECK_STR(APR_ARRAY_IDX(words, SIZE - 2, mp_word_t).text, "a");
    memset(text, 'x', SIZE);
    CHECK_STR(mp_words_split(&words, pool, text), NULL);
    CHECK_INT(words->nelts, 1);
    CHECK_STR(APR_ARRAY_IDX(words, 0, mp_word_t).text, text);
}

int
main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    RUN(white_space, "white space separates words and is not part of them");
    RUN(quotes, "quotes hold white space and are removed");
    RUN(empty_words, "a quoted empty word is a word");
    RUN(backslashes, "a backslash counts in double quotes only");
    RUN(bars, "a bar is a word of its own, also when it sticks to others");
    RUN(quoted_bars, "a quoted bar is part of a word");
    RUN(open_quotes, "an open quote is refused");
    RUN(foreign_letters, "bytes above 127 are letters");
    RUN(long_inputs, "long inputs fit");
    apr_pool_destroy(pool);
    apr_terminate();
    return unit_report();
}
