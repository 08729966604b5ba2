/* test_spool.c - core/spool.c: bytes in memory, bytes in a file. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/spool.h"

static mp_spool_t spool;

/* Write so many bytes in pieces: byte i is i % 251. */
static int
fill(size_t size, size_t piece, size_t most)
{
    char *bytes = malloc(size + 1);
    int error = 0;
    mp_spool_init(&spool);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(i % 251);
    }
    for (size_t at = 0; at < size && !error; at += piece) {
        error = mp_spool_write(&spool, bytes + at,
                               size - at < piece ? size - at : piece, most,
                               "/tmp");
    }
    free(bytes);
    return error;
}

/* Does the file have them, from where it stands? */
static int
has_all(size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte;
        if (read(spool.fd, &byte, 1) != 1 || byte != i % 251) {
            return 0;
        }
    }
    char more;
    return read(spool.fd, &more, 1) == 0;
}

static void
keeps_few_in_memory(void)
{
    CHECK_INT(fill(1000, 7, 1000), 0);
    CHECK_INT(spool.fd, -1);
    CHECK_INT(spool.size, 1000);
    CHECK_INT(spool.total, 1000);
    CHECK_INT((unsigned char)spool.bytes[999], 999 % 251);
    mp_spool_free(&spool);
}

static void
writes_many_to_a_file(void)
{
    CHECK_INT(fill(200000, 7000, 1000), 0);
    CHECK(spool.fd >= 0);
    CHECK_INT(spool.total, 200000);
    CHECK(spool.room <= 65536); /* and holds little in memory */
    CHECK_INT(mp_spool_flush(&spool, "/tmp"), 0);
    CHECK(has_all(200000));
    mp_spool_free(&spool);
}

static void
flushes_to_a_file(void)
{
    CHECK_INT(fill(10, 10, 1000), 0);
    CHECK_INT(mp_spool_flush(&spool, "/tmp"), 0);
    CHECK(spool.fd >= 0);
    CHECK(has_all(10));
    mp_spool_free(&spool);
    CHECK_INT(fill(0, 1, 0), 0);
    CHECK_INT(mp_spool_flush(&spool, "/tmp"), 0);
    CHECK(has_all(0));
    mp_spool_free(&spool);
}

static void
closes_its_file(void)
{
    CHECK_INT(fill(10, 10, 1), 0);
    const int fd = spool.fd;
    CHECK(fd >= 0);
    mp_spool_free(&spool);
    CHECK_INT(lseek(fd, 0, SEEK_CUR), -1);
    CHECK_INT(errno, EBADF);
}

static void
tells_that_it_cannot(void)
{
    mp_spool_init(&spool);
    CHECK_INT(mp_spool_write(&spool, "x", 1, 0, "/nonexistent/directory"),
              ENOENT);
    mp_spool_free(&spool);
}

int
main(void)
{
    RUN(keeps_few_in_memory, "few bytes stay in memory");
    RUN(writes_many_to_a_file, "many bytes go to a file, in order");
    RUN(flushes_to_a_file, "a file can be had of few bytes, and of none");
    RUN(closes_its_file, "the file ends with the spool");
    RUN(tells_that_it_cannot, "a directory that is none is an error");
    return unit_report();
}
