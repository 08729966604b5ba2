/* watch_stage.h - real files, and what a view tells of them.
 *
 * For the tests of the file watcher: every test gets a fresh directory, a
 * watch and a view, and speaks of files by their names below that directory.
 *
 * Other programs may be at work beside the directory, and the watch hears of
 * that, since it watches all directories on the way: so no test may take a
 * view that is not quiet for an error, only one that wrongly is. */
#ifndef WATCH_STAGE_H
#define WATCH_STAGE_H

#include "unit.h"

#include "core/watch.h"

#include <apr_general.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUIET_ATTEMPTS 1000

static char root[PATH_MAX]; /* a fresh directory for each test */
static apr_pool_t *pool;
static mp_watch_t *watch;
static mp_watch_view_t *view;
static char story[65536]; /* what the last collect told */

/* --- The stage ----------------------------------------------------------- */

/* A path below root, valid for seven more calls. */
static inline const char *
at(const char *name)
{
    static char paths[8][2 * PATH_MAX];
    static int turn;

    turn = (turn + 1) % 8;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", root, name);
    return paths[turn];
}

static inline void
must(int ok, const char *what)
{
    if (!ok) {
        printf("cannot go on: %s: %s\n", what, strerror(errno));
        exit(2);
    }
}

#define MUST(call) must((call) >= 0, #call)

static inline void
make_dir(const char *name)
{
    MUST(mkdir(at(name), 0755));
}

static inline void
make_link(const char *target, const char *name)
{
    MUST(symlink(target, at(name)));
}

static inline void
move(const char *from, const char *to)
{
    MUST(rename(at(from), at(to)));
}

/* Put a link in the place of another, as a careful deployment does. */
static inline void
flip(const char *target, const char *name)
{
    make_link(target, "flip.tmp");
    move("flip.tmp", name);
}

static inline int
open_file(const char *name, int flags)
{
    int fd = open(at(name), flags | O_CLOEXEC, 0644);

    MUST(fd);
    return fd;
}

static inline void
put(int fd, const char *text)
{
    MUST(write(fd, text, strlen(text)));
}

/* Truncate and write, as most editors do. */
static inline void
save(const char *name, const char *text)
{
    int fd = open_file(name, O_WRONLY | O_CREAT | O_TRUNC);

    put(fd, text);
    close(fd);
}

/* Write beside it and rename over it, as the others do. */
static inline void
save_by_rename(const char *name, const char *text)
{
    save("save.tmp", text);
    move("save.tmp", name);
}

static inline void
remove_tree(const char *path)
{
    char command[2 * PATH_MAX + 32];

    snprintf(command, sizeof(command), "chmod -R u+rwx '%s'; rm -rf '%s'",
             path, path);
    must(system(command) == 0, command);
}

static inline void
nap(int milliseconds)
{
    struct timespec time = {milliseconds / 1000,
                            milliseconds % 1000 * 1000000L};

    nanosleep(&time, NULL);
}

static inline double
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* --- What the watch tells ------------------------------------------------ */

static inline void
tell(void *baton, mp_change_t change, const char *dir, const char *name)
{
    static const char *const words[] = {"writing", "entry", "tree"};
    size_t length = strlen(story);
    size_t skip = strlen(root) + 1;

    (void)baton;
    if (!dir) {
        dir = "everything";
        skip = 0;
    }
    snprintf(story + length, sizeof(story) - length, "%s%s %s%s%s",
             length ? ", " : "", words[change], dir + skip, name ? "/" : "",
             name ? name : "");
}

static inline const char *
collect(mp_watch_view_t *of)
{
    story[0] = '\0';
    mp_watch_settle(of, mp_watch_collect(of, tell, NULL));
    return story;
}

/* 1 when of is quiet after some collects that told nothing. */
static inline int
calms_down(mp_watch_view_t *of)
{
    int i;

    for (i = 0; i < QUIET_ATTEMPTS; i++) {
        if (mp_watch_is_quiet(of)) {
            return 1;
        }
        if (*collect(of)) {
            return 0;
        }
    }
    return 0;
}

static inline mp_watch_result_t
add(const char *name)
{
    return mp_watch_add(view, name[0] ? at(name) : root, NULL);
}

static inline void
open_stage(void)
{
    const char *temporary = getenv("TMPDIR");
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/mp-watch-XXXXXX",
             temporary ? temporary : "/tmp");
    must(mkdtemp(path) != NULL, path);
    must(realpath(path, root) != NULL, path);
    MUST(chmod(root, 0755));
    apr_pool_create(&pool, NULL);
    must(mp_watch_create(&watch, pool) == APR_SUCCESS, "mp_watch_create");
    view = mp_watch_view_create(watch);
    must(view != NULL, "mp_watch_view_create");
}

static inline void
close_stage(void)
{
    mp_watch_view_destroy(view);
    apr_pool_destroy(pool);
    remove_tree(root);
}

typedef struct {
    void (*test)(void);
    const char *claim;
} stage_test_t;

static inline void
run_on_stage(const stage_test_t *tests, size_t count)
{
    size_t i;

    apr_initialize();
    for (i = 0; i < count; i++) {
        open_stage();
        RUN(tests[i].test, tests[i].claim);
        close_stage();
    }
    apr_terminate();
}

#endif
