/* source.c - reads a file so that bytes and stamp belong together. */
#include "runtime/python.h"

#include "importer/source.h"

#include "runtime/thread.h"

#include <apr_sha1.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL
/* Two changes within this much of each other may bear the same stamp. */
#define RACY_NS (50 * 1000000LL)
#define MOST_READS 100

static void
fill_stamp(mp_stamp_t *stamp, const struct stat *info)
{
    memset(stamp, 0, sizeof(*stamp)); /* it is compared as bytes */
    stamp->device = info->st_dev;
    stamp->inode = info->st_ino;
    stamp->size = info->st_size;
    stamp->mtime_ns = info->st_mtim.tv_sec * NS + info->st_mtim.tv_nsec;
    stamp->ctime_ns = info->st_ctim.tv_sec * NS + info->st_ctim.tv_nsec;
}

char *
mp_source_path(PyObject *path)
{
    PyObject *bytes = PyUnicode_EncodeFSDefault(path);
    if (!bytes) {
        return NULL;
    }
    char *copy = strdup(PyBytes_AS_STRING(bytes));
    Py_DECREF(bytes);
    if (!copy) {
        PyErr_NoMemory();
    }
    return copy;
}

int
mp_source_stamp(const char *path, mp_stamp_t *stamp)
{
    struct stat info;
    if (stat(path, &info) < 0) {
        return errno;
    }
    fill_stamp(stamp, &info);
    return 0;
}

int
mp_source_links(const char *path, mp_stamp_t *stamp)
{
    struct stat info;
    if (stat(path, &info) < 0 || !S_ISREG(info.st_mode)) {
        return 0;
    }
    fill_stamp(stamp, &info);
    return (int)info.st_nlink;
}

int
mp_source_same_stamp(const mp_stamp_t *a, const mp_stamp_t *b)
{
    return !memcmp(a, b, sizeof(*a));
}

int
mp_source_is_racy(const mp_source_id_t *id)
{
    return id->read_ns - id->stamp.mtime_ns < RACY_NS
           || id->read_ns - id->stamp.ctime_ns < RACY_NS;
}

/* Everything from the descriptor to the end; malloc'd. 0 or errno. */
static int
read_all(int fd, size_t expected, char **bytes, size_t *size)
{
    size_t room = expected + 1; /* so that the end is seen at once */
    *bytes = malloc(room);
    *size = 0;
    while (*bytes) {
        ssize_t got = read(fd, *bytes + *size, room - *size);
        if (got < 0 && errno != EINTR) {
            return errno;
        }
        if (got == 0) {
            return 0;
        }
        *size += got > 0 ? (size_t)got : 0;
        if (*size == room) {
            char *more = realloc(*bytes, room *= 2);
            if (!more) {
                return ENOMEM;
            }
            *bytes = more;
        }
    }
    return ENOMEM;
}

/* One attempt: 0, errno, or -1 when the file changed under our hands. */
static int
read_once(const char *path, char **bytes, size_t *size, mp_stamp_t *stamp)
{
    struct stat before, after;
    mp_stamp_t later;
    int error = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno;
    }
    if (fstat(fd, &before) < 0) {
        error = errno;
    }
    else if (!S_ISREG(before.st_mode)) {
        error = S_ISDIR(before.st_mode) ? EISDIR : EINVAL;
    }
    else {
        error = read_all(fd, (size_t)before.st_size, bytes, size);
    }
    if (!error && fstat(fd, &after) < 0) {
        error = errno;
    }
    close(fd);
    if (!error) {
        fill_stamp(stamp, &before);
        fill_stamp(&later, &after);
        error = mp_source_same_stamp(stamp, &later)
                && (size_t)stamp->size == *size ? 0 : -1;
    }
    return error;
}

PyObject *
mp_source_read(PyObject *path, mp_source_id_t *id)
{
    char *bytes = NULL;
    size_t size = 0;
    struct timespec now;
    int error = -1;
    char *name = mp_source_path(path);
    if (!name) {
        return NULL;
    }
    mp_thread_suspended_t held = mp_thread_suspend();
    memset(id, 0, sizeof(*id));
    for (int i = 0; error == -1 && i < MOST_READS; i++) {
        free(bytes);
        bytes = NULL;
        clock_gettime(CLOCK_REALTIME, &now);
        error = read_once(name, &bytes, &size, &id->stamp);
    }
    id->read_ns = now.tv_sec * NS + now.tv_nsec;
    if (!error) {
        apr_sha1_ctx_t sha1;
        apr_sha1_init(&sha1);
        apr_sha1_update_binary(&sha1, (unsigned char *)bytes,
                               (unsigned)size);
        apr_sha1_final(id->hash, &sha1);
    }
    mp_thread_resume(held);
    PyObject *result = NULL;
    if (error) {
        errno = error == -1 ? EBUSY : error;
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    }
    else {
        result = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
    }
    free(bytes);
    free(name);
    return result;
}
