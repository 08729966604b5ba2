/* test_watch.c - core/watch.c on real files, in one process and in several.
 *
 * Other programs may be at work beside the test's directory, and the watch
 * hears of that, since it watches all directories on the way: so nothing here
 * takes a view that is not quiet for an error, only one that wrongly is. */
#include "unit.h"

#include "core/watch.h"

#include <apr_general.h>
#include <apr_strings.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUIET_ATTEMPTS 1000
#define NOBODY 65534
#define FRESH_ROUNDS 3000
#define FRESH_READERS 3
#define KILL_ROUNDS 150

static char root[PATH_MAX]; /* a fresh directory for each test */
static apr_pool_t *pool;
static mp_watch_t *watch;
static mp_watch_view_t *view;
static char story[65536]; /* what the last collect told */

/* --- The stage ----------------------------------------------------------- */

/* A path below root, valid for seven more calls. */
static const char *
at(const char *name)
{
    static char paths[8][2 * PATH_MAX];
    static int turn;

    turn = (turn + 1) % 8;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", root, name);
    return paths[turn];
}

static void
must(int ok, const char *what)
{
    if (!ok) {
        printf("cannot go on: %s: %s\n", what, strerror(errno));
        exit(2);
    }
}

#define MUST(call) must((call) >= 0, #call)

static void
make_dir(const char *name)
{
    MUST(mkdir(at(name), 0755));
}

static void
make_link(const char *target, const char *name)
{
    MUST(symlink(target, at(name)));
}

static void
move(const char *from, const char *to)
{
    MUST(rename(at(from), at(to)));
}

/* Put a link in the place of another, as a careful deployment does. */
static void
flip(const char *target, const char *name)
{
    make_link(target, "flip.tmp");
    move("flip.tmp", name);
}

static int
open_file(const char *name, int flags)
{
    int fd = open(at(name), flags | O_CLOEXEC, 0644);

    MUST(fd);
    return fd;
}

static void
put(int fd, const char *text)
{
    MUST(write(fd, text, strlen(text)));
}

/* Truncate and write, as most editors do. */
static void
save(const char *name, const char *text)
{
    int fd = open_file(name, O_WRONLY | O_CREAT | O_TRUNC);

    put(fd, text);
    close(fd);
}

/* Write beside it and rename over it, as the others do. */
static void
save_by_rename(const char *name, const char *text)
{
    save("save.tmp", text);
    move("save.tmp", name);
}

static void
remove_tree(const char *path)
{
    char command[PATH_MAX + 32];

    snprintf(command, sizeof(command), "chmod -R u+rwx '%s'; rm -rf '%s'",
             path, path);
    must(system(command) == 0, command);
}

static void
nap(int milliseconds)
{
    struct timespec time = {milliseconds / 1000,
                            milliseconds % 1000 * 1000000L};

    nanosleep(&time, NULL);
}

static double
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* --- What the watch tells ------------------------------------------------ */

static void
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

static const char *
collect(mp_watch_view_t *of)
{
    story[0] = '\0';
    mp_watch_settle(of, mp_watch_collect(of, tell, NULL));
    return story;
}

/* 1 when of is quiet after some collects that told nothing. */
static int
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

static mp_watch_result_t
add(const char *name)
{
    return mp_watch_add(view, name[0] ? at(name) : root, NULL);
}

static void
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

static void
close_stage(void)
{
    mp_watch_view_destroy(view);
    apr_pool_destroy(pool);
    remove_tree(root);
}

/* --- Files --------------------------------------------------------------- */

static void
in_place_save(void)
{
    int fd;

    make_dir("d");
    save("d/a.py", "old");
    CHECK_INT(add("d"), MP_WATCH_OK);
    CHECK(calms_down(view));
    fd = open_file("d/a.py", O_WRONLY | O_TRUNC);
    put(fd, "ne");
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "writing d/a.py");
    put(fd, "w");
    CHECK_STR(collect(view), "writing d/a.py");
    close(fd);
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "entry d/a.py");
    CHECK(calms_down(view));
}

static void
whole_save_in_one_collect(void)
{
    make_dir("d");
    save("d/a.py", "old");
    add("d");
    save("d/a.py", "new");
    CHECK_STR(collect(view), "writing d/a.py, entry d/a.py");
}

static void
rename_over(void)
{
    make_dir("d");
    save("d/a.py", "old");
    add("d");
    save_by_rename("d/a.py", "new");
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "entry d/a.py");
}

static void
removal(void)
{
    make_dir("d");
    save("d/a.py", "old");
    add("d");
    MUST(unlink(at("d/a.py")));
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "entry d/a.py");
}

static void
half_made_file(void)
{
    int fd;

    make_dir("d");
    add("d");
    fd = open_file("d/a.py", O_WRONLY | O_CREAT | O_EXCL);
    CHECK_STR(collect(view), "writing d/a.py");
    put(fd, "new");
    CHECK_STR(collect(view), "writing d/a.py");
    MUST(fchmod(fd, 0600));
    CHECK_STR(collect(view), "writing d/a.py");
    close(fd);
    CHECK_STR(collect(view), "entry d/a.py");
    MUST(chmod(at("d/a.py"), 0644));
    CHECK_STR(collect(view), "entry d/a.py");
}

static void
half_made_file_seen_late(void)
{
    int fd;

    make_dir("d");
    add("d");
    fd = open_file("d/a.py", O_WRONLY | O_CREAT | O_EXCL);
    put(fd, "new");
    nap(20);
    CHECK_STR(collect(view), "writing d/a.py");
    close(fd);
    CHECK_STR(collect(view), "entry d/a.py");
}

static void
hard_link(void)
{
    make_dir("d");
    save("other.py", "text");
    add("d");
    MUST(link(at("other.py"), at("d/a.py")));
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "entry d/a.py");
}

static void
unnamed_file_gets_a_name(void)
{
    char path[64];
    int fd;

    make_dir("d");
    add("d");
    fd = open(at("d"), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
    MUST(fd);
    put(fd, "whole text");
    nap(30); /* more than a tick of the kernel's clock */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    MUST(linkat(AT_FDCWD, path, AT_FDCWD, at("d/a.py"), AT_SYMLINK_FOLLOW));
    CHECK_STR(collect(view), "entry d/a.py");
    close(fd);
}

static void
link_and_directory_entries(void)
{
    make_dir("d");
    add("d");
    make_link("/nowhere", "d/a.py");
    CHECK_STR(collect(view), "entry d/a.py");
    flip("/elsewhere", "d/a.py");
    CHECK_STR(collect(view), "entry d/a.py");
    make_dir("d/package");
    CHECK_STR(collect(view), "entry d/package");
}

static void
attributes(void)
{
    make_dir("d");
    save("d/a.py", "old");
    add("d");
    MUST(chmod(at("d/a.py"), 0600));
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "entry d/a.py");
    MUST(chmod(at("d"), 0700));
    CHECK_STR(collect(view), "tree d");
}

static void
reading_is_silent(void)
{
    char byte;
    int fd;

    make_dir("d");
    save("d/a.py", "old");
    add("d");
    CHECK(calms_down(view));
    fd = open_file("d/a.py", O_RDONLY);
    MUST(read(fd, &byte, 1));
    close(fd);
    CHECK(calms_down(view));
}

/* --- Directories and links ----------------------------------------------- */

static void
unrelated_places(void)
{
    int i;

    make_dir("d");
    make_dir("other");
    make_dir("other/deep");
    add("d");
    for (i = 0; i < QUIET_ATTEMPTS; i++) {
        collect(view);
        save("other/deep/a.py", "text");
        if (mp_watch_is_quiet(view)) {
            break;
        }
    }
    CHECK(i < QUIET_ATTEMPTS);
    save("beside.py", "text"); /* its directory is on the way to d */
    CHECK_STR(collect(view), "");
    CHECK(calms_down(view));
}

static void
adding_twice(void)
{
    make_dir("d");
    CHECK_INT(add("d"), MP_WATCH_OK);
    CHECK_INT(add("d"), MP_WATCH_OK);
    save_by_rename("d/a.py", "new");
    CHECK_STR(collect(view), "entry d/a.py");
}

static void
odd_spellings(void)
{
    const char *reason = NULL;

    make_dir("d");
    make_dir("e");
    CHECK_INT(add("e/../d/."), MP_WATCH_OK);
    save_by_rename("d/a.py", "new");
    CHECK_STR(collect(view), "entry e/../d/./a.py");
    CHECK_INT(mp_watch_add(view, "/", NULL), MP_WATCH_OK);
    CHECK_INT(mp_watch_add(view, "no/root", &reason), MP_WATCH_POLLED);
    CHECK_STR(reason, "not an absolute path");
}

static void
missing_directory(void)
{
    CHECK_INT(add("a/b"), MP_WATCH_MISSING);
    CHECK(calms_down(view));
    make_dir("a");
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "tree a/b");
    CHECK_INT(add("a/b"), MP_WATCH_MISSING);
    make_dir("a/b");
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "tree a/b");
    CHECK_INT(add("a/b"), MP_WATCH_OK);
    save_by_rename("a/b/x.py", "new");
    CHECK_STR(collect(view), "entry a/b/x.py");
}

static void
filled_before_it_is_seen(void)
{
    int fd;

    CHECK_INT(add("a/b"), MP_WATCH_MISSING);
    make_dir("a");
    make_dir("a/b");
    save("a/b/x.py", "old");
    CHECK_STR(collect(view), "tree a/b");
    CHECK_INT(add("a/b"), MP_WATCH_OK);
    fd = open_file("a/b/x.py", O_WRONLY | O_TRUNC);
    CHECK(!mp_watch_is_quiet(view));
    close(fd);
    CHECK_STR(collect(view), "writing a/b/x.py, entry a/b/x.py");
}

static void
file_in_the_way(void)
{
    save("a", "a file");
    CHECK_INT(add("a"), MP_WATCH_MISSING);
    CHECK_INT(add("a/b"), MP_WATCH_MISSING);
    MUST(unlink(at("a")));
    make_dir("a");
    collect(view);
    CHECK_INT(add("a"), MP_WATCH_OK);
}

static void
removed_and_made_again(void)
{
    make_dir("d");
    CHECK_INT(add("d"), MP_WATCH_OK);
    MUST(rmdir(at("d")));
    CHECK_STR(collect(view), "tree d");
    CHECK_INT(add("d"), MP_WATCH_MISSING);
    make_dir("d");
    CHECK_STR(collect(view), "tree d");
    save_by_rename("d/a.py", "new");
    CHECK_STR(collect(view), "entry d/a.py");
}

static void
moved_away_and_back(void)
{
    make_dir("up");
    make_dir("up/d");
    CHECK_INT(add("up/d"), MP_WATCH_OK);
    move("up", "gone");
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "tree up/d");
    CHECK_INT(add("up/d"), MP_WATCH_MISSING);
    save("gone/d/a.py", "not ours");
    CHECK_STR(collect(view), "");
    move("gone", "up");
    CHECK_STR(collect(view), "tree up/d");
    CHECK_INT(add("up/d"), MP_WATCH_OK);
    save_by_rename("up/d/a.py", "new");
    CHECK_STR(collect(view), "entry up/d/a.py");
}

static void
flipped_link(void)
{
    make_dir("release-1");
    make_dir("release-1/app");
    make_dir("release-2");
    make_dir("release-2/app");
    make_link("release-1", "current");
    CHECK_INT(add("current/app"), MP_WATCH_OK);
    CHECK_INT(add("release-1/app"), MP_WATCH_OK);
    save_by_rename("release-1/app/a.py", "one");
    CHECK_STR(collect(view),
              "entry release-1/app/a.py, entry current/app/a.py");
    flip("release-2", "current");
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "tree current/app");
    CHECK_INT(add("current/app"), MP_WATCH_OK);
    save_by_rename("release-2/app/a.py", "two");
    CHECK_STR(collect(view), "entry current/app/a.py");
    save_by_rename("release-1/app/a.py", "one again");
    CHECK_STR(collect(view), "entry release-1/app/a.py");
    MUST(unlink(at("current"))); /* the careless way */
    CHECK_STR(collect(view), "tree current/app");
    CHECK_INT(add("current/app"), MP_WATCH_MISSING);
    make_link("release-1", "current");
    CHECK_STR(collect(view), "tree current/app");
    CHECK_INT(add("current/app"), MP_WATCH_OK);
}

static void
chain_of_links(void)
{
    make_dir("x");
    make_dir("x/real-1");
    make_dir("x/real-2");
    make_link("real-1", "x/inner");
    make_link(at("x/inner"), "outer");
    make_link("nowhere/../outer", "broken");
    CHECK_INT(add("outer"), MP_WATCH_OK);
    CHECK_INT(add("broken"), MP_WATCH_MISSING);
    flip("real-2", "x/inner");
    CHECK_STR(collect(view), "tree outer");
    save_by_rename("x/real-2/a.py", "two");
    CHECK_STR(collect(view), "entry outer/a.py");
    make_dir("nowhere");
    CHECK_STR(collect(view), "tree broken");
    CHECK_INT(add("broken"), MP_WATCH_OK);
    save_by_rename("x/real-2/a.py", "three");
    CHECK(strstr(collect(view), "entry broken/a.py") != NULL);
}

static void
link_to_itself(void)
{
    make_dir("d");
    make_link("loop", "loop");
    CHECK_INT(add("loop"), MP_WATCH_MISSING);
    flip("d", "loop");
    CHECK_STR(collect(view), "tree loop");
    CHECK_INT(add("loop"), MP_WATCH_OK);
}

static void
many_flips(void)
{
    char text[32];
    int i;

    make_dir("r0");
    make_dir("r1");
    make_link("r0", "current");
    add("current");
    for (i = 1; i <= 200; i++) {
        flip(i % 2 ? "r1" : "r0", "current");
        if (i % 3 == 0) {
            CHECK_STR(collect(view), "tree current");
        }
    }
    collect(view);
    snprintf(text, sizeof(text), "r%d/a.py", 0);
    save_by_rename(text, "text");
    CHECK_STR(collect(view), "entry current/a.py");
    save_by_rename("r1/a.py", "text");
    CHECK_STR(collect(view), "");
}

/* As somebody who is not root: root may read everything. */
static int
as_nobody(int (*test)(void))
{
    int status = 0;
    pid_t pid = fork();

    MUST(pid);
    if (pid == 0) {
        if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0) {
            _exit(99);
        }
        _exit(test());
    }
    MUST(waitpid(pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
try_closed_doors(void)
{
    const char *reason = "";

    if (mp_watch_add(view, at("closed"), &reason) != MP_WATCH_POLLED
        || strcmp(reason, "not readable") != 0) {
        return 1;
    }
    if (mp_watch_add(view, at("closed/link"), &reason) != MP_WATCH_POLLED) {
        return 2;
    }
    if (mp_watch_add(view, at("closed/missing"), &reason)
        != MP_WATCH_POLLED) {
        return 3;
    }
    return mp_watch_add(view, at("closed/open"), &reason) == MP_WATCH_OK ? 0
                                                                         : 4;
}

static void
closed_doors(void)
{
    make_dir("closed");
    make_dir("closed/open");
    make_link("open", "closed/link");
    MUST(chmod(at("closed"), 0111));
    CHECK_INT(as_nobody(try_closed_doors), 0);
}

/* --- Many readers -------------------------------------------------------- */

static void
two_views(void)
{
    mp_watch_view_t *second = mp_watch_view_create(watch);
    mp_watch_view_t *third;

    make_dir("d");
    make_dir("e");
    add("d");
    CHECK_INT(mp_watch_add(second, at("e"), NULL), MP_WATCH_OK);
    save_by_rename("d/a.py", "text");
    save_by_rename("e/b.py", "text");
    CHECK_STR(collect(view), "entry d/a.py");
    CHECK(!mp_watch_is_quiet(second)); /* although the queue is empty */
    third = mp_watch_view_create(watch);
    CHECK_INT(mp_watch_add(third, at("e"), NULL), MP_WATCH_OK);
    CHECK_STR(collect(second), "entry e/b.py");
    CHECK_STR(collect(third), ""); /* born after it */
    mp_watch_view_destroy(second);
    mp_watch_view_destroy(third);
}

static void
settled_too_early(void)
{
    uint64_t position;

    make_dir("d");
    add("d");
    story[0] = '\0';
    position = mp_watch_collect(view, tell, NULL);
    save_by_rename("d/a.py", "text");
    mp_watch_settle(view, position);
    CHECK(!mp_watch_is_quiet(view));
    mp_watch_collect(view, tell, NULL);
    CHECK(!mp_watch_is_quiet(view)); /* collected is not settled */
    CHECK_STR(story, "entry d/a.py");
}

static void
queue_overflow(void)
{
    long limit = 16384;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    int everything = 0;
    long i;

    if (file) {
        CHECK_INT(fscanf(file, "%ld", &limit), 1);
        fclose(file);
    }
    make_dir("d");
    make_link("d", "link");
    add("link");
    for (i = 0; i < limit / 2 + 10; i++) {
        make_link("nowhere", "d/burst");
        MUST(unlink(at("d/burst")));
    }
    make_dir("e");
    flip("e", "link"); /* its event is lost */
    for (i = 0; i < QUIET_ATTEMPTS && !mp_watch_is_quiet(view); i++) {
        everything += strstr(collect(view), "tree everything") != NULL;
    }
    CHECK(everything > 0);
    CHECK(i < QUIET_ATTEMPTS);
    save_by_rename("e/a.py", "text");
    CHECK_STR(collect(view), "entry link/a.py");
}

static void
ring_overflow(void)
{
    mp_watch_view_t *slow = mp_watch_view_create(watch);
    int everything = 0;
    int i;

    make_dir("d");
    add("d");
    mp_watch_add(slow, at("d"), NULL);
    for (i = 0; i < 6000; i++) {
        make_link("nowhere", "d/burst");
        MUST(unlink(at("d/burst")));
        if (i % 500 == 0) {
            everything += strstr(collect(view), "everything") != NULL;
        }
    }
    everything += strstr(collect(view), "everything") != NULL;
    CHECK_INT(everything, 0);
    CHECK(!mp_watch_is_quiet(slow));
    CHECK_STR(collect(slow), "tree everything");
    save_by_rename("d/a.py", "text");
    CHECK_STR(collect(slow), "entry d/a.py");
    mp_watch_view_destroy(slow);
}

static void
identical_events_are_one(void)
{
    int i;

    make_dir("d");
    save("d/a.py", "text");
    add("d");
    for (i = 0; i < 100; i++) {
        save_by_rename("d/a.py", "text");
    }
    CHECK_STR(collect(view), "entry d/a.py");
}

/* Ends a child: its exit status is the number of its failed checks. */
static void
leave(void)
{
    fflush(stdout);
    _exit(unit_failures > 100 ? 100 : unit_failures);
}

static void
join(pid_t pid)
{
    int status = 0;

    MUST(waitpid(pid, &status, 0));
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

static void
step_over(int pipe_end, int is_mine)
{
    char byte = 'x';

    MUST(is_mine ? write(pipe_end, &byte, 1) : read(pipe_end, &byte, 1));
}

static void
drained_by_another_process(void)
{
    int there[2];
    int back[2];
    pid_t pid;

    MUST(pipe(there));
    MUST(pipe(back));
    make_dir("d");
    add("d");
    pid = fork();
    MUST(pid);
    if (pid == 0) {
        unit_failures = 0;
        view = mp_watch_view_create(watch);
        CHECK_INT(add("d"), MP_WATCH_OK);
        step_over(back[1], 1);
        step_over(there[0], 0); /* the parent saved a.py and collected */
        CHECK(!mp_watch_is_quiet(view));
        CHECK_STR(collect(view), "entry d/a.py");
        save_by_rename("d/b.py", "text");
        CHECK_STR(collect(view), "entry d/b.py");
        step_over(back[1], 1);
        leave();
    }
    step_over(back[0], 0);
    save_by_rename("d/a.py", "text");
    CHECK_STR(collect(view), "entry d/a.py");
    step_over(there[1], 1);
    step_over(back[0], 0);
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "entry d/b.py");
    join(pid);
    close(there[0]);
    close(there[1]);
    close(back[0]);
    close(back[1]);
}

static void
parent_restarts(void)
{
    int go[2];
    pid_t pid;

    MUST(pipe(go));
    make_dir("d");
    pid = fork();
    MUST(pid);
    if (pid == 0) {
        unit_failures = 0;
        step_over(go[0], 0);
        CHECK_INT(add("d"), MP_WATCH_OK);
        CHECK(calms_down(view));
        save_by_rename("d/a.py", "text");
        CHECK(!mp_watch_is_quiet(view));
        CHECK_STR(collect(view), "entry d/a.py");
        leave();
    }
    mp_watch_view_destroy(view);
    apr_pool_clear(pool);
    must(mp_watch_create(&watch, pool) == APR_SUCCESS, "mp_watch_create");
    view = mp_watch_view_create(watch);
    step_over(go[1], 1);
    join(pid);
    close(go[0]);
    close(go[1]);
}

/* --- Freshness ----------------------------------------------------------- */

/* What writer and readers share. */
typedef struct {
    _Atomic int round; /* the last save that has returned */
    _Atomic int done[FRESH_READERS];
    _Atomic int misses;
    _Atomic int quiet; /* answers that could have been wrong */
    _Atomic int stop;
} game_t;

static void *
share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    must(memory != MAP_FAILED, "mmap");
    return memory;
}

static void
note_round(void *baton, mp_change_t change, const char *dir, const char *name)
{
    char text[16] = "";
    int *seen = baton;
    int fd;

    (void)dir;
    (void)name;
    if (change == MP_CHANGE_WRITING) {
        return;
    }
    fd = open(at("d/a.py"), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof(text) - 1) > 0 && atoi(text) > *seen) {
            *seen = atoi(text);
        }
        close(fd);
    }
}

/* Look all the time, so as to be in the middle of a drain when others ask. */
static void
play_reader(game_t *game, int self)
{
    mp_watch_view_t *mine = mp_watch_view_create(watch);
    int seen = 0;
    int checked = 0;
    int round;

    mp_watch_add(mine, at("d"), NULL);
    atomic_store(&game->done[self], 0);
    while (checked < FRESH_ROUNDS && !atomic_load(&game->stop)) {
        round = atomic_load(&game->round);
        if (mp_watch_is_quiet(mine)) {
            if (round > checked) {
                atomic_fetch_add(&game->quiet, 1);
            }
            if (seen < round) {
                atomic_fetch_add(&game->misses, 1);
                seen = round; /* count it once */
            }
        }
        else {
            mp_watch_settle(mine, mp_watch_collect(mine, note_round, &seen));
        }
        if (seen >= round) {
            checked = round;
            atomic_store(&game->done[self], round);
        }
        sched_yield();
    }
    mp_watch_view_destroy(mine);
}

static void
play_writer(game_t *game)
{
    double end = now() + 20;
    char text[16];
    int round;
    int i;

    for (round = 1; round <= FRESH_ROUNDS; round++) {
        snprintf(text, sizeof(text), "%08d", round);
        if (round % 2) {
            save("d/a.py", text);
        }
        else {
            save_by_rename("d/a.py", text);
        }
        atomic_store(&game->round, round);
        for (i = 0; i < FRESH_READERS; i++) {
            while (atomic_load(&game->done[i]) < round && now() < end) {
                sched_yield();
            }
        }
    }
}

static void
freshness(void)
{
    game_t *game = share(sizeof(*game));
    pid_t readers[FRESH_READERS];
    int i;

    make_dir("d");
    save("d/a.py", "00000000");
    for (i = 0; i < FRESH_READERS; i++) {
        atomic_store(&game->done[i], -1);
        readers[i] = fork();
        MUST(readers[i]);
        if (readers[i] == 0) {
            unit_failures = 0;
            play_reader(game, i);
            leave();
        }
    }
    for (i = 0; i < FRESH_READERS; i++) {
        while (atomic_load(&game->done[i]) < 0) {
            sched_yield();
        }
    }
    play_writer(game);
    atomic_store(&game->stop, 1);
    for (i = 0; i < FRESH_READERS; i++) {
        join(readers[i]);
        CHECK_INT(atomic_load(&game->done[i]), FRESH_ROUNDS);
    }
    CHECK_INT(atomic_load(&game->misses), 0);
    munmap(game, sizeof(*game));
}

static void *
ask_all_the_time(void *data)
{
    game_t *game = data;

    while (!atomic_load(&game->stop)) {
        if (mp_watch_is_quiet(view)) {
            atomic_fetch_add(&game->quiet, 1);
        }
    }
    return NULL;
}

static void
questions_from_threads(void)
{
    game_t *game = share(sizeof(*game));
    pthread_t threads[2];
    char name[32];
    int i;

    make_dir("d");
    add("d");
    for (i = 0; i < 2; i++) {
        must(pthread_create(&threads[i], NULL, ask_all_the_time, game) == 0,
             "pthread_create");
    }
    for (i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "d/n%d", i);
        save_by_rename(name, "text");
        CHECK(!mp_watch_is_quiet(view));
        CHECK(strstr(collect(view), name) != NULL);
        sched_yield();
    }
    atomic_store(&game->stop, 1);
    for (i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    munmap(game, sizeof(*game));
}

/* --- Killed in the middle ------------------------------------------------ */

/* From now on this process dies when it reads. */
static void
die_at_read(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_read, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    prctl(PR_SET_DUMPABLE, 0); /* leave no core dump */
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void
killed_while_draining(void)
{
    int status = 0;
    pid_t pid;

    make_dir("d");
    make_dir("e");
    make_link("d", "link");
    add("link");
    CHECK(calms_down(view));
    flip("e", "link");
    pid = fork();
    MUST(pid);
    if (pid == 0) {
        die_at_read();
        collect(view);
        _exit(0);
    }
    MUST(waitpid(pid, &status, 0));
    CHECK(WIFSIGNALED(status));
    CHECK(!mp_watch_is_quiet(view));
    CHECK_STR(collect(view), "tree everything");
    collect(view);
    CHECK(calms_down(view));
    save_by_rename("e/a.py", "text");
    CHECK_STR(collect(view), "entry link/a.py");
}

static void
drain_for_ever(void)
{
    view = mp_watch_view_create(watch);
    mp_watch_add(view, at("d"), NULL);
    for (;;) {
        if (!mp_watch_is_quiet(view)) {
            collect(view);
        }
    }
}

static void
killed_at_random(void)
{
    char name[32];
    int status;
    int round;
    int i;
    pid_t pid;

    make_dir("d");
    add("d");
    for (round = 0; round < KILL_ROUNDS; round++) {
        pid = fork();
        MUST(pid);
        if (pid == 0) {
            drain_for_ever();
        }
        for (i = 0; i < 20 + round % 20; i++) {
            save("d/noise", "noise");
        }
        MUST(kill(pid, SIGKILL));
        snprintf(name, sizeof(name), "d/n%d", round);
        save_by_rename(name, "text");
        CHECK(!mp_watch_is_quiet(view));
        collect(view);
        CHECK(strstr(story, name) || strstr(story, "everything"));
        MUST(waitpid(pid, &status, 0));
    }
    collect(view);
    CHECK(calms_down(view));
}

/* --- Waiting ------------------------------------------------------------- */

static void
waiting_beside_a_drainer(void)
{
    double start;
    uint64_t position;
    pid_t pid;

    make_dir("d");
    add("d");
    position = mp_watch_collect(view, tell, NULL);
    mp_watch_settle(view, position);
    pid = fork();
    MUST(pid);
    if (pid == 0) {
        nap(30);
        save_by_rename("d/a.py", "text");
        for (;;) {
            collect(view);
        }
    }
    start = now();
    while (mp_watch_is_quiet(view) && now() < start + 5) {
        mp_watch_wait(view, position, 5000);
    }
    CHECK(now() - start < 2);
    CHECK(!mp_watch_is_quiet(view));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void
waiting_in_vain(void)
{
    double start;
    int i;

    for (i = 0; i < QUIET_ATTEMPTS; i++) {
        start = now();
        story[0] = '\0';
        mp_watch_wait(view, mp_watch_collect(view, tell, NULL), 20);
        if (now() - start >= 0.019) {
            break;
        }
    }
    CHECK(i < QUIET_ATTEMPTS);
    CHECK(now() - start < 5);
}

/* --- The programme ------------------------------------------------------- */

static const struct {
    void (*test)(void);
    const char *claim;
} tests[] = {
    {in_place_save, "a save in place is writing until close() makes it entry"},
    {whole_save_in_one_collect, "writing comes before the entry that ends it"},
    {rename_over, "a rename over a file is one entry change"},
    {removal, "an unlinked file is an entry change"},
    {half_made_file, "a file that open() made is writing until it is closed"},
    {half_made_file_seen_late, "a half-written new file is writing"},
    {hard_link, "a hard link is an entry at once"},
    {unnamed_file_gets_a_name, "a complete file that gets a name is an entry"},
    {link_and_directory_entries, "links and directories are entries at once"},
    {attributes, "chmod of a file is an entry, of the directory a tree"},
    {reading_is_silent, "reading a file disturbs nobody"},
    {unrelated_places, "what happens elsewhere is not reported"},
    {adding_twice, "a directory added twice is reported once"},
    {odd_spellings, "dots in a path are kept in the reports"},
    {missing_directory, "a missing directory is reported when it appears"},
    {filled_before_it_is_seen, "a directory filled at once loses nothing"},
    {file_in_the_way, "a file where a directory should be means missing"},
    {removed_and_made_again, "a directory that is made again is watched"},
    {moved_away_and_back, "a parent that is renamed is a tree change"},
    {flipped_link, "a link that flips is a tree change in its spelling only"},
    {chain_of_links, "every link of a chain of links is watched"},
    {link_to_itself, "a link to itself means missing"},
    {many_flips, "after many flips the last target is watched"},
    {closed_doors, "what cannot be read is polled, unless it is on the way"},
    {two_views, "views are independent"},
    {settled_too_early, "an event after collect is not settled away"},
    {queue_overflow, "after an overflow of the queue everything is new"},
    {ring_overflow, "a view that the ring left behind sees everything new"},
    {identical_events_are_one, "identical changes are reported once"},
    {drained_by_another_process, "events drained elsewhere are not missed"},
    {parent_restarts, "a restart of the parent disturbs no child"},
    {freshness, "no process is quiet after a save returned"},
    {questions_from_threads, "is_quiet may be asked from any thread"},
    {killed_while_draining, "a drainer killed in the middle costs a rescan"},
    {killed_at_random, "killed drainers lose nothing"},
    {waiting_beside_a_drainer, "wait ends when another process drained"},
    {waiting_in_vain, "wait ends at its time limit"},
};

int
main(void)
{
    size_t i;

    apr_initialize();
    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        open_stage();
        RUN(tests[i].test, tests[i].claim);
        close_stage();
    }
    apr_terminate();
    return unit_report();
}
