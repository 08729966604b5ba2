/* test_event_ring.c - core/event_ring.c, seen through core/watch.c: nobody who
 * shares a ring misses an event, whoever drains, lags or dies. */
#include "watch_stage.h"

#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define FRESH_ROUNDS 3000
#define FRESH_READERS 3
#define KILL_ROUNDS 150
#define ASKERS 4
#define ASK_ROUNDS 200

/* --- Lost events --------------------------------------------------------- */

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

/* --- Many processes ------------------------------------------------------ */

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

static int is_dawdling;

/* What the ring asked the kernel, and what the kernel is to refuse. */
static struct {
    _Atomic int polls, epolls, creates;
    _Atomic int now;        /* threads in epoll_wait() */
    _Atomic int collisions; /* threads that met another one there */
    _Atomic int epoll;      /* the last one asked */
    int refuse_create, refuse_ctl;
} asked;

/* Now and then let the others overtake. */
static void
dawdle(void)
{
    static _Atomic unsigned int turn;
    const struct timespec time = {.tv_nsec = 20000};

    if (is_dawdling && atomic_fetch_add(&turn, 1) % 7 == 0) {
        nanosleep(&time, NULL);
    }
}

/* In place of the C library's, to stretch the moments that matter: before the
 * queue is looked at, and after events were taken out of it. */
int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec time = {timeout / 1000, timeout % 1000 * 1000000L};

    asked.polls++;
    dawdle();
    return ppoll(fds, count, timeout < 0 ? NULL : &time, NULL);
}

int
epoll_create1(int flags)
{
    asked.creates++;
    if (asked.refuse_create) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_epoll_create1, flags);
}

int
epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (asked.refuse_ctl) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

int
epoll_wait(int epoll, struct epoll_event *events, int room, int timeout)
{
    int rc;

    if (atomic_fetch_add(&asked.now, 1) > 0) {
        asked.collisions++;
    }
    asked.epolls++;
    asked.epoll = epoll;
    dawdle();
    rc = (int)syscall(SYS_epoll_pwait, epoll, events, room, timeout, NULL, 0);
    dawdle();
    atomic_fetch_sub(&asked.now, 1);
    return rc;
}

ssize_t
read(int fd, void *buffer, size_t size)
{
    ssize_t got = syscall(SYS_read, fd, buffer, size);

    dawdle();
    return got;
}

/* What writer and readers share. */
typedef struct {
    _Atomic int round; /* the last save that has returned */
    _Atomic int done[FRESH_READERS];
    _Atomic int misses;
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

static void *
ask_all_the_time(void *data)
{
    _Atomic int *stop = data;

    while (!atomic_load(stop)) {
        mp_watch_is_quiet(view);
    }
    return NULL;
}

/* Look all the time, so as to be in the middle of a drain when others ask. */
static void
play_reader(game_t *game, int self)
{
    mp_watch_view_t *mine = mp_watch_view_create(watch);
    _Atomic int stop = 0;
    pthread_t other;
    int seen = 0;
    int checked = 0;
    int round;

    /* Another thread of the process asks beside it. */
    must(pthread_create(&other, NULL, ask_all_the_time, &stop) == 0,
         "pthread_create");
    mp_watch_add(mine, at("d"), NULL);
    atomic_store(&game->done[self], 0);
    while (checked < FRESH_ROUNDS && !atomic_load(&game->stop)) {
        round = atomic_load(&game->round);
        if (!mp_watch_is_quiet(mine)) {
            mp_watch_settle(mine, mp_watch_collect(mine, note_round, &seen));
        }
        else if (seen < round) {
            atomic_fetch_add(&game->misses, 1);
            seen = round; /* count it once */
        }
        if (seen >= round) {
            checked = round;
            atomic_store(&game->done[self], round);
        }
        sched_yield();
    }
    atomic_store(&stop, 1);
    pthread_join(other, NULL);
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
            is_dawdling = 1;
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

static void
questions_from_threads(void)
{
    _Atomic int stop = 0;
    pthread_t threads[2];
    char name[32];
    int i;

    make_dir("d");
    add("d");
    for (i = 0; i < 2; i++) {
        must(pthread_create(&threads[i], NULL, ask_all_the_time, &stop) == 0,
             "pthread_create");
    }
    for (i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "d/n%d", i);
        save_by_rename(name, "text");
        CHECK(!mp_watch_is_quiet(view));
        CHECK(strstr(collect(view), name) != NULL);
        sched_yield();
    }
    atomic_store(&stop, 1);
    for (i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* --- Which system call asks ---------------------------------------------- */

static int
count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    must(dir != NULL, "/proc/self/fd");
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

/* A save must be seen, by way of the epoll instance or of poll(). */
static void
check_freshness(const char *name, int by_epoll)
{
    int polls = asked.polls;
    int epolls = asked.epolls;
    int quiet;

    CHECK(calms_down(view));
    polls = asked.polls;
    epolls = asked.epolls;
    quiet = mp_watch_is_quiet(view);
    CHECK_INT(asked.polls - polls, !by_epoll);
    CHECK_INT(asked.epolls - epolls, by_epoll);
    CHECK(quiet || *collect(view) == '\0'); /* of others: see the stage */
    save_by_rename(name, "text");
    CHECK(!mp_watch_is_quiet(view));
    CHECK(!mp_watch_is_quiet(view)); /* it goes on being said */
    CHECK(strstr(collect(view), name) != NULL);
}

static void
one_system_call(void)
{
    int before = count_descriptors();

    make_dir("d");
    add("d");
    asked.creates = 0;
    check_freshness("d/a.py", 1);
    check_freshness("d/b.py", 1);
    CHECK_INT(asked.creates, 1);
    CHECK_INT(count_descriptors(), before + 1);
}

static void
descriptors_go_with_the_pool(void)
{
    apr_pool_t *other;
    mp_watch_t *second;
    mp_watch_view_t *reader;
    int before = count_descriptors();

    apr_pool_create(&other, NULL);
    must(mp_watch_create(&second, other) == APR_SUCCESS, "mp_watch_create");
    reader = mp_watch_view_create(second);
    mp_watch_is_quiet(reader);
    CHECK_INT(count_descriptors(), before + 2);
    CHECK(fcntl(asked.epoll, F_GETFD) & FD_CLOEXEC);
    mp_watch_view_destroy(reader);
    apr_pool_destroy(other);
    CHECK_INT(count_descriptors(), before);
}

/* Each has its own, whether it says that it was forked or not. */
static void
asked_on_both_sides_of_a_fork(void)
{
    int says_so;
    int before;
    pid_t pid;

    make_dir("d");
    add("d");
    check_freshness("d/a.py", 1);
    for (says_so = 0; says_so < 2; says_so++) {
        pid = fork();
        MUST(pid);
        if (pid == 0) {
            unit_failures = 0;
            before = count_descriptors();
            asked.creates = 0;
            if (says_so) {
                mp_watch_view_after_fork(view);
                CHECK_INT(count_descriptors(), before - 1);
            }
            check_freshness("d/b.py", 1);
            CHECK_INT(asked.creates, 1);
            CHECK_INT(count_descriptors(), before + !says_so);
            mp_watch_view_after_fork(view); /* its own it keeps */
            check_freshness("d/c.py", 1);
            CHECK_INT(asked.creates, 1);
            leave();
        }
        join(pid);
        asked.creates = 0;
        CHECK(strstr(collect(view), "d/c.py") != NULL);
        check_freshness("d/d.py", 1);
        CHECK_INT(asked.creates, 0);
    }
}

static void
no_instance_to_be_had(void)
{
    int before = count_descriptors();

    make_dir("d");
    add("d");
    asked.creates = 0;
    asked.refuse_create = 1;
    check_freshness("d/a.py", 0);
    asked.refuse_create = 0;
    check_freshness("d/b.py", 0);
    CHECK_INT(asked.creates, 1);
    CHECK_INT(count_descriptors(), before);
}

static void
no_item_to_be_had(void)
{
    int before = count_descriptors();

    make_dir("d");
    add("d");
    asked.refuse_ctl = 1;
    check_freshness("d/a.py", 0);
    asked.refuse_ctl = 0;
    check_freshness("d/b.py", 0);
    CHECK_INT(count_descriptors(), before);
}

static void
instance_closed_by_somebody(void)
{
    make_dir("d");
    add("d");
    check_freshness("d/a.py", 1);
    MUST(close(asked.epoll));
    mp_watch_is_quiet(view);
    check_freshness("d/b.py", 0);
}

typedef struct {
    pthread_barrier_t barrier;
    _Atomic int missed;
} crowd_t;

static void *
ask_together(void *data)
{
    crowd_t *crowd = data;
    int i;

    for (i = 0; i < ASK_ROUNDS; i++) {
        pthread_barrier_wait(&crowd->barrier);
        if (mp_watch_is_quiet(view)) {
            atomic_fetch_add(&crowd->missed, 1);
        }
    }
    return NULL;
}

/* Nobody takes the event away: it must be there for each of them. */
static void
asked_by_many_threads_at_once(void)
{
    pthread_t threads[ASKERS];
    crowd_t crowd = {0};
    int i;

    make_dir("d");
    add("d");
    pthread_barrier_init(&crowd.barrier, NULL, ASKERS);
    asked.creates = 0;
    asked.collisions = 0;
    asked.polls = 0;
    asked.epolls = 0;
    is_dawdling = 1;
    save_by_rename("d/a.py", "text");
    for (i = 0; i < ASKERS; i++) {
        must(pthread_create(&threads[i], NULL, ask_together, &crowd) == 0,
             "pthread_create");
    }
    for (i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    is_dawdling = 0;
    pthread_barrier_destroy(&crowd.barrier);
    CHECK_INT(crowd.missed, 0);
    CHECK_INT(asked.creates, 1);
    CHECK_INT(asked.collisions, 0);
    CHECK_INT(asked.polls + asked.epolls, ASKERS * ASK_ROUNDS);
    CHECK(asked.epolls >= ASK_ROUNDS);
}

/* The event makes the instance of each process ready; when one process takes
 * it, the instance of the other must become silent again, not deaf. */
static void
instance_of_a_process_that_lags(void)
{
    int there[2];
    int back[2];
    int i;
    pid_t pid;

    MUST(pipe(there));
    MUST(pipe(back));
    make_dir("d");
    add("d");
    pid = fork();
    MUST(pid);
    if (pid == 0) {
        unit_failures = 0;
        asked.creates = 0;
        view = mp_watch_view_create(watch);
        add("d");
        check_freshness("d/c.py", 1);
        for (i = 0; i < 50; i++) {
            step_over(back[1], 1);
            step_over(there[0], 0); /* the parent saved and collected */
            CHECK(!mp_watch_is_quiet(view));
            CHECK(strstr(collect(view), "d/a.py") != NULL);
            CHECK(calms_down(view));
            step_over(back[1], 1);
            step_over(there[0], 0); /* the parent saved */
            CHECK(!mp_watch_is_quiet(view));
            CHECK(strstr(collect(view), "d/b.py") != NULL);
        }
        CHECK_INT(asked.creates, 1);
        leave();
    }
    for (i = 0; i < 50; i++) {
        step_over(back[0], 0);
        save_by_rename("d/a.py", "text");
        CHECK(strstr(collect(view), "d/a.py") != NULL);
        step_over(there[1], 1);
        step_over(back[0], 0);
        save_by_rename("d/b.py", "text");
        step_over(there[1], 1);
    }
    join(pid);
    close(there[0]);
    close(there[1]);
    close(back[0]);
    close(back[1]);
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

static const stage_test_t tests[] = {
    {queue_overflow, "after an overflow of the queue everything is new"},
    {ring_overflow, "a view that the ring left behind sees everything new"},
    {drained_by_another_process, "events drained elsewhere are not missed"},
    {parent_restarts, "a restart of the parent disturbs no child"},
    {freshness, "no process is quiet after a save returned"},
    {questions_from_threads, "is_quiet may be asked from any thread"},
    {one_system_call, "is_quiet asks an epoll instance, made once"},
    {descriptors_go_with_the_pool, "a ring leaves no descriptor behind"},
    {asked_on_both_sides_of_a_fork, "a forked process makes its own instance"},
    {no_instance_to_be_had, "without an epoll instance poll() is asked"},
    {no_item_to_be_had, "an epoll instance that cannot watch is closed"},
    {instance_closed_by_somebody, "a closed epoll instance is given up"},
    {asked_by_many_threads_at_once,
     "one thread at a time asks the instance, and all see the event"},
    {instance_of_a_process_that_lags,
     "an instance whose event another process took hears the next one"},
    {killed_while_draining, "a drainer killed in the middle costs a rescan"},
    {killed_at_random, "killed drainers lose nothing"},
    {waiting_beside_a_drainer, "wait ends when another process drained"},
    {waiting_in_vain, "wait ends at its time limit"},
};

int
main(void)
{
    run_on_stage(tests, sizeof(tests) / sizeof(tests[0]));
    return unit_report();
}
