/* source.h - one file's bytes as read, with its stamp and content hash. */
#ifndef MP_IMPORTER_SOURCE_H
#define MP_IMPORTER_SOURCE_H

#include <stdint.h>

#include "importer/importer.h"

/* What says, without reading, that a file is the one that was read. */
typedef struct {
    uint64_t device, inode;
    int64_t size, mtime_ns, ctime_ns;
} mp_stamp_t;

typedef struct {
    mp_stamp_t stamp;
    unsigned char hash[20];
    int64_t read_ns;   /* when: a stamp as young as this proves little */
} mp_source_id_t;

/* A malloc'd copy of a path for the system; NULL with an exception. */
char *mp_source_path(PyObject *path);

/* 0, or the errno. Does not need to be attached. */
int mp_source_stamp(const char *path, mp_stamp_t *stamp);
/* The same for a regular file: how many names it has; 0 for anything else. */
int mp_source_links(const char *path, mp_stamp_t *stamp);
int mp_source_same_stamp(const mp_stamp_t *a, const mp_stamp_t *b);

/* 1 when a file with this identity may have been changed within the same tick
 * of the clock after it was read, so that the stamp does not tell. */
int mp_source_is_racy(const mp_source_id_t *id);

/* Read a regular file whole: *id is of the bytes returned, because the file
 * did not change between the first look and the last. New bytes; NULL with
 * OSError. [attached; detaches for the disk] */
PyObject *mp_source_read(PyObject *path, mp_source_id_t *id);

#endif
