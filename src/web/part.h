/* part.h - what came with one field of a multipart body: its headers, and the
 * bytes of a file.
 *
 * Made by the reader of the body while it is detached, so it is plain memory;
 * owned by the row of the form, then by the StringField or Field that is made
 * of it. */
#ifndef MP_WEB_PART_H
#define MP_WEB_PART_H

#include "runtime/python.h"

#include "core/params.h"
#include "core/spool.h"

#define MP_CHARSET_SIZE 32 /* name of a charset, with its NUL */

typedef struct {
    char *headers;      /* name NUL value NUL ...; malloc */
    size_t headers_size;
    mp_spool_t spool;   /* of a file that no callback took */
    apr_uint64_t size;  /* bytes of a file */
    PyObject *file;     /* what the program's file_callback gave, or NULL */
    unsigned is_file : 1;
    unsigned is_nameless : 1;
    char charset[MP_CHARSET_SIZE]; /* mp_part_decode() */
} mp_part_t;

/* NULL when out of memory. A copy of headers. [detached] */
mp_part_t *mp_part_create(const char *headers, size_t size,
                          const char *charset);
/* [attached; detaches to close a file] */
void mp_part_destroy(mp_part_t *part);

/* The value of a header, or NULL; name in lower case. */
const char *mp_part_header(const char *headers, size_t size,
                           const char *name);

/* Text of a form: UTF-8; what is not is read in charset, if one is declared
 * ("" is none), else each wrong byte becomes a surrogate. New str; NULL with
 * an exception. */
PyObject *mp_part_decode(const char *text, size_t size, const char *charset);

/* The file name that a Content-Disposition gives: that of filename*, which is
 * decoded already, else of filename. text is changed. 1, or 0: there is
 * none. name, which may be NULL, likewise: its text is NULL without one. */
int mp_part_disposition(char *text, mp_span_t *name, mp_span_t *filename);

/* The directory for files: what tempfile.gettempdir() says. New reference;
 * NULL with an exception. */
PyObject *mp_part_directory(void);

#endif
