/* pspscan.h - from a PSP page to the Python program that writes it.
 *
 * Knows neither httpd nor Python. Every line of the page is one line of the
 * program; where a page includes others, a table says which line of which
 * file each line of the program is. The program is in the page's encoding,
 * which may be any that agrees with ASCII. */
#ifndef MP_CORE_PSPSCAN_H
#define MP_CORE_PSPSCAN_H

#include <stddef.h>

/* How the program writes: text, as what stands in a triple-quoted literal,
 * between the first two; values between the others. */
typedef struct {
    const char *text_begin, *text_end;
    const char *value_begin, *value_end;
} mp_pspscan_style_t;

/* req.write("""text""",0) and req.write(str(value),0) */
extern const mp_pspscan_style_t mp_pspscan_classic;
/* _psp_["""text"""] and _psp_(value) */
extern const mp_pspscan_style_t mp_pspscan_quick;

typedef struct {
    const mp_pspscan_style_t *style;
    /* An included file's bytes, which must stay until the scan is over. name
     * is no C string. 0; not 0: the scan ends, result->error is NULL and the
     * caller knows why. NULL: a page that includes is an error. */
    int (*include)(void *baton, const char *name, size_t length,
                   const char **bytes, size_t *size);
    void *baton;
    size_t most_depth;    /* of files that include files */
    size_t most_includes; /* all in all */
    size_t most_bytes;    /* of the program */
} mp_pspscan_options_t;

/* Where a line of the program comes from. */
typedef struct {
    unsigned file; /* 0: the page; n: the n-th that was included */
    unsigned line; /* from 1 */
} mp_pspscan_line_t;

typedef struct {
    char *bytes;              /* the program, NUL-terminated */
    size_t size;
    mp_pspscan_line_t *lines; /* of each line of the program; NULL when the
                                 page includes nothing */
    size_t line_count;
    size_t include_count;
    const char *error;        /* what is wrong with the page: a constant */
    mp_pspscan_line_t where;  /* and where it begins */
} mp_pspscan_result_t;

/* Scan a page. 0: result has the program; -1: see result->error. The result
 * is to be freed in both cases. */
int mp_pspscan(const char *page, size_t size,
               const mp_pspscan_options_t *options,
               mp_pspscan_result_t *result);
void mp_pspscan_free(mp_pspscan_result_t *result);

#endif
