/* test_watch.c - core/watch.c: what is reported of files, directories and
 * links, and in which spelling. */
#include "watch_stage.h"

#include <sys/wait.h>

#define NOBODY 65534

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

static void
distrusted_file_system(void)
{
    const char *reason = NULL;

    make_link("/proc/self/task", "link");
    CHECK_INT(mp_watch_add(view, at("link"), &reason), MP_WATCH_POLLED);
    CHECK_STR(reason, "on proc");
    flip("/", "link");
    CHECK_STR(collect(view), "tree link");
    CHECK_INT(add("link"), MP_WATCH_OK);
}

/* --- Views --------------------------------------------------------------- */

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

/* --- The programme ------------------------------------------------------- */

static const stage_test_t tests[] = {
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
    {distrusted_file_system, "where no events can be trusted is polled"},
    {two_views, "views are independent"},
    {settled_too_early, "an event after collect is not settled away"},
    {identical_events_are_one, "identical changes are reported once"},
};

int
main(void)
{
    run_on_stage(tests, sizeof(tests) / sizeof(tests[0]));
    return unit_report();
}
