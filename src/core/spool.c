/* spool.c - bytes that arrive: in memory while they are few, then in a file.
 *
 * Called by the reader of forms, one spool for each file that is sent. Owns
 * its buffer and its descriptor. The surprising rule: once there is a file,
 * bytes are still collected, because a write for each piece that arrives
 * costs more than copying it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#endif
#include "core/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROOM 1024
#define BLOCK 65536 /* collected before it is written */

void
mp_spool_init(mp_spool_t *spool)
{
    memset(spool, 0, sizeof(*spool));
    spool->fd = -1;
}

void
mp_spool_free(mp_spool_t *spool)
{
    free(spool->bytes);
    if (spool->fd >= 0) {
        close(spool->fd);
    }
    mp_spool_init(spool);
}

/* A file that nobody else can find. The descriptor, or -1 with errno. */
static int
make_file(const char *directory)
{
    char name[4096];
    int fd = -1;
#ifdef O_TMPFILE
    fd = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR
                    && errno != ENOENT && errno != EINVAL)) {
        return fd;
    }
#endif
    const int size = snprintf(name, sizeof(name), "%s/mod_python.XXXXXX",
                              directory);
    if (size < 0 || (size_t)size >= sizeof(name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) {
        unlink(name);
    }
    return fd;
}

static int
write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        const ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

static int
write_waiting(mp_spool_t *spool, const char *directory)
{
    if (spool->fd < 0) {
        spool->fd = make_file(directory);
        if (spool->fd < 0) {
            return errno;
        }
    }
    const int error = write_all(spool->fd, spool->bytes, spool->size);
    spool->size = 0;
    return error;
}

static int
keep(mp_spool_t *spool, const char *bytes, size_t size)
{
    if (spool->size + size > spool->room) {
        size_t room = spool->room ? 2 * spool->room : FIRST_ROOM;
        if (room < spool->size + size) {
            room = spool->size + size;
        }
        else if (room > BLOCK && spool->size + size <= BLOCK) {
            room = BLOCK;
        }
        char *grown = realloc(spool->bytes, room);
        if (!grown) {
            return ENOMEM;
        }
        spool->bytes = grown;
        spool->room = room;
    }
    memcpy(spool->bytes + spool->size, bytes, size);
    spool->size += size;
    return 0;
}

int
mp_spool_write(mp_spool_t *spool, const char *bytes, size_t size, size_t most,
               const char *directory)
{
    if (!size) {
        return 0;
    }
    spool->total += size;
    if (spool->fd < 0) {
        if (spool->size + size <= most) {
            return keep(spool, bytes, size);
        }
    }
    else if (spool->size + size <= BLOCK) {
        return keep(spool, bytes, size);
    }
    const int error = write_waiting(spool, directory);
    return error ? error : write_all(spool->fd, bytes, size);
}

int
mp_spool_flush(mp_spool_t *spool, const char *directory)
{
    int error = write_waiting(spool, directory);
    free(spool->bytes);
    spool->bytes = NULL;
    spool->room = 0;
    if (!error && lseek(spool->fd, 0, SEEK_SET) < 0) {
        error = errno;
    }
    return error;
}
