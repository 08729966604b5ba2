/* spool.h - bytes that arrive: in memory while they are few, then in a file.
 *
 * The file has no name, so it goes with its last descriptor whatever happens
 * to the process. Blocks on disk. Owns its buffer and its descriptor. */
#ifndef MP_CORE_SPOOL_H
#define MP_CORE_SPOOL_H

#include <stddef.h>

#include <apr.h>

typedef struct {
    char *bytes;       /* malloc; all of it, or what waits to be written */
    size_t size;       /* of bytes in use */
    size_t room;
    apr_uint64_t total;
    int fd;            /* -1: everything is in memory */
} mp_spool_t;

void mp_spool_init(mp_spool_t *spool);
/* Free the buffer and close the file. */
void mp_spool_free(mp_spool_t *spool);

/* Append. What would be more than `most` bytes in memory goes to a file in
 * directory. 0, or an errno. */
int mp_spool_write(mp_spool_t *spool, const char *bytes, size_t size,
                   size_t most, const char *directory);

/* Write what is in memory to the file, made if there is none, and go to its
 * beginning. 0, or an errno; spool->fd is the file. */
int mp_spool_flush(mp_spool_t *spool, const char *directory);

#endif
