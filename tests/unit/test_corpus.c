/* test_corpus.c - the harnesses of tests/fuzz on the files of their corpus.
 *
 * A new harness is one #include and one row. */
#define FUZZ_REPLAY
#include "unit.h"

#include <dirent.h>
#include <sys/stat.h>

#include "../fuzz/fuzz_urlencoded.c"

#include "../fuzz/fuzz_multipart.c"

#include "../fuzz/fuzz_params.c"

#include "../fuzz/fuzz_pspscan.c"

#include "../fuzz/fuzz_cookie.c"

typedef int fuzz_fn(const uint8_t *data, size_t size);

static const struct {
    const char *name;
    fuzz_fn *run;
} harnesses[] = {
    {"urlencoded", fuzz_urlencoded},
    {"multipart", fuzz_multipart},
    {"params", fuzz_params},
    {"pspscan", fuzz_pspscan},
    {"cookie", fuzz_cookie},
};

static fuzz_fn *running;
static const char *running_name;

/* Run the harness on one file, in memory of exactly its size. */
static int
replay_file(const char *path)
{
    struct stat info;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &info) < 0) {
        return 0;
    }
    const size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size ? size : 1);
    const int is_read = fread(data, 1, size, file) == size;
    fclose(file);
    if (is_read) {
        running(data, size);
    }
    free(data);
    return is_read;
}

static void
replay(void)
{
    char path[4096];
    int count = 0;
    snprintf(path, sizeof(path), "tests/fuzz/corpus/%s", running_name);
    DIR *directory = opendir(path);
    CHECK(directory);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), "tests/fuzz/corpus/%s/%s", running_name,
                 entry->d_name);
        CHECK(replay_file(path));
        count++;
    }
    CHECK(count > 0);
    if (directory) {
        closedir(directory);
    }
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(harnesses) / sizeof(harnesses[0]); i++) {
        char claim[100];
        running = harnesses[i].run;
        running_name = harnesses[i].name;
        snprintf(claim, sizeof(claim), "the corpus of %s holds",
                 running_name);
        RUN(replay, claim);
    }
    return unit_report();
}
