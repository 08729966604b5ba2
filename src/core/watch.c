/* watch.c - from paths to inotify watches, and from events back to paths.
 *
 * Called by the importer: add while it loads, is_quiet at every request,
 * collect and settle when that answered no. A watch is an event ring, shared
 * by the processes of a server (event_ring.c); a view owns its maps of watched
 * directories, which no other process can see.
 *
 * Surprising rules:
 * - The descriptor is shared, so a watch is never removed (another process may
 *   live on it) and masks are only ever added to. The kernel drops a watch
 *   with its directory, so their number is bounded by what is on the disk.
 * - A regular file that appears is WRITING, not ENTRY, while it looks as if
 *   open(O_CREAT) had just made it (classify_created). Its close() tells. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "core/watch.h"

#include "core/event_ring.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stddef.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define LINKS_MAX 40 /* the kernel's own limit on one path */
#define RESOLVE_ATTEMPTS 8

/* What is asked of every directory on the way to a watched one... */
#define PATH_EVENTS                                                           \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB          \
     | IN_DELETE_SELF | IN_MOVE_SELF)
/* ... and of the watched one. */
#define DIR_EVENTS (PATH_EVENTS | IN_MODIFY | IN_CLOSE_WRITE)
#define ADD_FLAGS (IN_ONLYDIR | IN_EXCL_UNLINK | IN_MASK_ADD)

/* The directory itself is not where or what it was. */
#define SELF_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

struct mp_watch_t {
    mp_event_ring_t *ring;
};

typedef struct dir_t dir_t;
typedef struct place_t place_t;
typedef struct point_t point_t;

/* A directory that the caller asked for, as the caller spells it. */
struct dir_t {
    const char *path;
    mp_watch_result_t result;
    const char *reason;
    point_t *points; /* all that its path depends on */
    int is_stale;    /* found by the collect that is running */
};

/* One inode (the same for all spellings and links), by the kernel's number. */
struct place_t {
    int wd;
    point_t *points; /* what is to be known of it; never NULL */
};

/* What one directory wants to know of one place: the fate of its entry name,
 * which is a part of the directory's path; or, without a name, everything,
 * because it is the directory. */
struct point_t {
    dir_t *dir;
    place_t *place;
    point_t *next_of_dir;
    point_t *next;  /* of the place */
    point_t **link; /* what points to this one in the place's list */
    char name[];
};

/* Key of a file that somebody is writing. */
typedef struct {
    int wd;
    char name[NAME_MAX + 1];
} file_key_t;

struct mp_watch_view_t {
    pthread_mutex_t lock;     /* of all below but settled; recursive */
    mp_event_ring_t *ring;
    int fd;                   /* of the ring; -1: no inotify */
    apr_pool_t *pool;         /* the hashes, and the dir_t's: they stay */
    apr_hash_t *dirs;         /* path -> dir_t * */
    apr_hash_t *places;       /* wd -> place_t * (malloc) */
    apr_hash_t *writing;      /* file_key_t -> itself (malloc) */
    uint64_t cursor;          /* read so far */
    _Atomic uint64_t settled; /* read by any thread */
};

/* One call of the reader's function. */
typedef struct {
    mp_change_t change;
    const char *dir;
    const mp_event_t *event; /* in the batch; NULL for a tree */
} news_item_t;

typedef struct {
    news_item_t *items; /* malloc */
    size_t count;
    size_t room;
} news_t;

/* The way to a directory, link by link. */
typedef struct {
    mp_watch_view_t *view;
    dir_t *dir;
    point_t *points;         /* found so far, the last one first */
    const char *reason;      /* static, when the result is POLLED */
    int links;               /* followed so far */
    char here[PATH_MAX];     /* directory reached, free of links; "" is / */
    char rest[2 * PATH_MAX]; /* what is still to be walked */
} walk_t;

/* Resolving met something that moved under its feet: try again. */
static const char restless[] = "keeps changing while it is looked at";

static const char out_of_memory[] = "out of memory";

/* File systems that change without telling, most of them because others can
 * write there without this kernel hearing of it.
 * (virtiofs says FUSE.) Numbers that linux/magic.h lacks are the kernel's. */
static const struct {
    uint32_t type;
    const char *reason;
} distrusted[] = {
    {NFS_SUPER_MAGIC, "on nfs"},    {0x517b, "on smb"},
    {0xff534d42, "on cifs"},        {0xfe534d42, "on smb"},
    {0x65735546, "on fuse"},        {V9FS_MAGIC, "on 9p"},
    {0x00c36400, "on ceph"},        {AFS_SUPER_MAGIC, "on afs"},
    {AFS_FS_MAGIC, "on afs"},       {CODA_SUPER_MAGIC, "on coda"},
    {0x564c, "on ncp"},             {0x7461636f, "on ocfs2"},
    {0x01161970, "on gfs2"},        {0x47504653, "on gpfs"},
    {0x0bd00bd0, "on lustre"},      {0x19830326, "on beegfs"},
    {0x786f4256, "on vboxsf"},      {0xbacbacbc, "on vmhgfs"},
    {0x7c7c6013, "on prl_fs"},      {PROC_SUPER_MAGIC, "on proc"},
    {SYSFS_MAGIC, "on sysfs"},
};

/* Why inotify refused. Whatever vanished between two looks is looked at again:
 * if it is gone for good, the next look says so. */
static const struct {
    int error;
    const char *reason;
} refusals[] = {
    {EACCES, "not readable"},
    {EPERM, "not readable"},
    {ENOSPC, "no inotify watches left (fs.inotify.max_user_watches)"},
    {EMFILE, "no inotify instances left (fs.inotify.max_user_instances)"},
    {ENFILE, "no file descriptors left (fs.file-max)"},
    {ENOSYS, "no inotify on this system"},
    {ENOMEM, out_of_memory},
    {ENOENT, restless},
    {ENOTDIR, restless},
    {ELOOP, restless},
};

static const char *
refusal_of(int error)
{
    size_t i;

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (refusals[i].error == error) {
            return refusals[i].reason;
        }
    }
    return "cannot be watched";
}

/* NULL when events from path can be trusted, else why not. */
static const char *
distrust_of(const char *path)
{
    struct statfs fs;
    size_t i;

    if (statfs(path, &fs) != 0) {
        return refusal_of(errno);
    }
    for (i = 0; i < sizeof(distrusted) / sizeof(distrusted[0]); i++) {
        if (distrusted[i].type == (uint32_t)fs.f_type) {
            return distrusted[i].reason;
        }
    }
    return NULL;
}

apr_status_t
mp_watch_create(mp_watch_t **watch, apr_pool_t *pool)
{
    mp_watch_t *made = apr_pcalloc(pool, sizeof(*made));
    apr_status_t rv = mp_event_ring_create(&made->ring, pool);

    if (rv == APR_SUCCESS) {
        *watch = made;
    }
    return rv;
}

/* --- A view's maps ------------------------------------------------------- */

/* Recursive, because whoever is told of a change may add directories. */
static int
init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes) != 0) {
        return -1;
    }
    int failed = pthread_mutexattr_settype(&attributes,
                                           PTHREAD_MUTEX_RECURSIVE) != 0
                 || pthread_mutex_init(lock, &attributes) != 0;
    pthread_mutexattr_destroy(&attributes);
    return failed ? -1 : 0;
}

mp_watch_view_t *
mp_watch_view_create(mp_watch_t *watch)
{
    mp_watch_view_t *view = calloc(1, sizeof(*view));
    uint64_t position = mp_event_ring_position(watch->ring);

    if (!view) {
        return NULL;
    }
    if (init_lock(&view->lock) != 0) {
        free(view);
        return NULL;
    }
    if (apr_pool_create(&view->pool, NULL) != APR_SUCCESS) {
        pthread_mutex_destroy(&view->lock);
        free(view);
        return NULL;
    }
    apr_pool_tag(view->pool, "mp_watch_view");
    view->ring = watch->ring;
    view->fd = mp_event_ring_fd(watch->ring, NULL);
    view->dirs = apr_hash_make(view->pool);
    view->places = apr_hash_make(view->pool);
    view->writing = apr_hash_make(view->pool);
    view->cursor = position;
    atomic_init(&view->settled, position);
    return view;
}

static apr_ssize_t
key_length(const file_key_t *key)
{
    return (apr_ssize_t)(offsetof(file_key_t, name) + strlen(key->name));
}

static void
set_writing(mp_watch_view_t *view, const mp_event_t *event, int is_writing)
{
    file_key_t key = {.wd = event->wd};
    file_key_t *known;

    apr_cpystrn(key.name, event->name, sizeof(key.name));
    known = apr_hash_get(view->writing, &key, key_length(&key));
    if (is_writing && !known) {
        known = malloc(sizeof(*known));
        if (known) { /* without it a chmod looks like the end of writing */
            *known = key;
            apr_hash_set(view->writing, known, key_length(known), known);
        }
    }
    else if (!is_writing && known) {
        apr_hash_set(view->writing, known, key_length(known), NULL);
        free(known);
    }
}

static int
is_writing(mp_watch_view_t *view, const mp_event_t *event)
{
    file_key_t key = {.wd = event->wd};

    apr_cpystrn(key.name, event->name, sizeof(key.name));
    return apr_hash_get(view->writing, &key, key_length(&key)) != NULL;
}

/* Forget the files being written in one place, or everywhere for -1. */
static void
forget_writing(mp_watch_view_t *view, int wd)
{
    apr_hash_index_t *at = apr_hash_first(NULL, view->writing);
    file_key_t *key;

    while (at) {
        key = apr_hash_this_val(at);
        at = apr_hash_next(at); /* before its entry goes */
        if (wd == -1 || key->wd == wd) {
            apr_hash_set(view->writing, key, key_length(key), NULL);
            free(key);
        }
    }
}

static place_t *
find_place(mp_watch_view_t *view, int wd)
{
    return apr_hash_get(view->places, &wd, sizeof(wd));
}

/* NULL: out of memory. */
static point_t *
create_point(mp_watch_view_t *view, dir_t *dir, int wd, const char *name)
{
    size_t size = strlen(name) + 1;
    point_t *point = malloc(sizeof(*point) + size);
    place_t *place = find_place(view, wd);

    if (!point) {
        return NULL;
    }
    if (!place) {
        place = calloc(1, sizeof(*place));
        if (!place) {
            free(point);
            return NULL;
        }
        place->wd = wd;
        apr_hash_set(view->places, &place->wd, sizeof(place->wd), place);
    }
    memcpy(point->name, name, size);
    point->dir = dir;
    point->place = place;
    point->next_of_dir = NULL;
    point->next = place->points;
    point->link = &place->points;
    if (point->next) {
        point->next->link = &point->next;
    }
    place->points = point;
    return point;
}

/* A whole list of one directory's points; places without any go as well. */
static void
destroy_points(mp_watch_view_t *view, point_t *points)
{
    point_t *point;
    place_t *place;

    while (points) {
        point = points;
        place = point->place;
        points = point->next_of_dir;
        *point->link = point->next;
        if (point->next) {
            point->next->link = point->link;
        }
        free(point);
        if (!place->points) {
            forget_writing(view, place->wd);
            apr_hash_set(view->places, &place->wd, sizeof(place->wd), NULL);
            free(place);
        }
    }
}

void
mp_watch_view_after_fork(mp_watch_view_t *view)
{
    init_lock(&view->lock);
    mp_event_ring_after_fork(view->ring);
}

void
mp_watch_view_destroy(mp_watch_view_t *view)
{
    apr_hash_index_t *at;
    dir_t *dir;

    if (!view) {
        return;
    }
    for (at = apr_hash_first(NULL, view->dirs); at; at = apr_hash_next(at)) {
        dir = apr_hash_this_val(at);
        destroy_points(view, dir->points);
    }
    forget_writing(view, -1);
    apr_pool_destroy(view->pool);
    pthread_mutex_destroy(&view->lock);
    free(view);
}

/* --- From a path to its watches ------------------------------------------ */

/* Watch the directory reached, for the sake of name in it. NULL, or why it
 * cannot be done. */
static const char *
watch_here(walk_t *walk, const char *name, uint32_t events)
{
    const char *path = walk->here[0] ? walk->here : "/";
    const char *reason = distrust_of(path);
    point_t *point;
    int wd;

    if (reason) {
        return reason;
    }
    wd = inotify_add_watch(walk->view->fd, path,
                           events | ADD_FLAGS | IN_DONT_FOLLOW);
    if (wd < 0) {
        return refusal_of(errno);
    }
    point = create_point(walk->view, walk->dir, wd, name);
    if (!point) {
        return out_of_memory;
    }
    point->next_of_dir = walk->points;
    walk->points = point;
    return NULL;
}

static mp_watch_result_t
give_up(walk_t *walk, const char *reason)
{
    walk->reason = reason;
    return MP_WATCH_POLLED;
}

/* Put the target of the link at path before the rest of the way. */
static mp_watch_result_t
follow(walk_t *walk, const char *path)
{
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof(target));
    size_t rest = strlen(walk->rest);

    if (length <= 0) {
        return give_up(walk, restless);
    }
    walk->links++;
    if (walk->links > LINKS_MAX) {
        return MP_WATCH_MISSING; /* a loop; the links are watched */
    }
    if ((size_t)length + 1 + rest >= sizeof(walk->rest)) {
        return give_up(walk, "path too long");
    }
    memmove(walk->rest + length + 1, walk->rest, rest + 1);
    memcpy(walk->rest, target, (size_t)length);
    walk->rest[length] = '/';
    if (target[0] == '/') {
        walk->here[0] = '\0';
    }
    return MP_WATCH_OK;
}

/* There is no directory name here. blind: why nobody would tell if it came,
 * or NULL. */
static mp_watch_result_t
miss(walk_t *walk, int error, const char *blind)
{
    if (error != ENOENT && error != ENOTDIR && error != ELOOP
        && error != ENAMETOOLONG) {
        return give_up(walk, refusal_of(error));
    }
    return blind ? give_up(walk, blind) : MP_WATCH_MISSING;
}

/* Go from the directory reached to its entry name. The directory is watched
 * before the entry is looked at, so no change of it can be missed. A directory
 * on the way that cannot be watched (mode 711, say) does no more harm than
 * that its renaming goes unseen; but a link must be seen to flip. */
static mp_watch_result_t
step(walk_t *walk, const char *name)
{
    size_t length = strlen(walk->here);
    const char *blind;
    char path[PATH_MAX];
    struct stat info;

    if (length + 1 + strlen(name) >= sizeof(path)) {
        return give_up(walk, "path too long");
    }
    blind = watch_here(walk, name, PATH_EVENTS);
    memcpy(path, walk->here, length);
    path[length] = '/';
    strcpy(path + length + 1, name);
    if (lstat(path, &info) != 0) {
        return miss(walk, errno, blind);
    }
    if (S_ISDIR(info.st_mode)) {
        strcpy(walk->here, path);
        return MP_WATCH_OK;
    }
    if (S_ISLNK(info.st_mode) && !blind) {
        return follow(walk, path);
    }
    return miss(walk, ENOTDIR, blind);
}

/* Cut the next name off the rest of the way; 0 when there is none. */
static int
next_name(walk_t *walk, char name[NAME_MAX + 2])
{
    const char *start = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(start, "/");
    size_t kept = length <= NAME_MAX ? length : NAME_MAX + 1;

    if (length == 0) {
        return 0;
    }
    memcpy(name, start, kept); /* too long stays too long: lstat() says so */
    name[kept] = '\0';
    memmove(walk->rest, start + length, strlen(start + length) + 1);
    return 1;
}

/* From the root to the directory itself. */
static mp_watch_result_t
walk_down(walk_t *walk)
{
    mp_watch_result_t result = MP_WATCH_OK;
    const char *reason;
    char name[NAME_MAX + 2];
    char *slash;

    while (result == MP_WATCH_OK && next_name(walk, name)) {
        if (strcmp(name, "..") == 0) {
            slash = strrchr(walk->here, '/');
            if (slash) {
                *slash = '\0';
            }
        }
        else if (strcmp(name, ".") != 0) {
            result = step(walk, name);
        }
    }
    if (result == MP_WATCH_OK) {
        reason = watch_here(walk, "", DIR_EVENTS);
        if (reason) {
            result = give_up(walk, reason);
        }
    }
    return result;
}

/* One attempt. After it the kernel itself is asked where the path leads: the
 * answer is the same wd if the walk went right and nothing moved meanwhile. */
static mp_watch_result_t
try_resolve(walk_t *walk, mp_watch_view_t *view, dir_t *dir)
{
    mp_watch_result_t result;
    int wd;

    walk->view = view;
    walk->dir = dir;
    walk->points = NULL;
    walk->reason = NULL;
    walk->links = 0;
    walk->here[0] = '\0';
    if (dir->path[0] != '/') {
        return give_up(walk, "not an absolute path");
    }
    if (strlen(dir->path) >= PATH_MAX) {
        return give_up(walk, "path too long");
    }
    strcpy(walk->rest, dir->path);
    result = walk_down(walk);
    if (result == MP_WATCH_OK) {
        wd = inotify_add_watch(view->fd, dir->path,
                               DIR_EVENTS | ADD_FLAGS);
        if (wd != walk->points->place->wd) {
            result = give_up(walk, restless);
        }
    }
    return result;
}

/* Find out anew what dir's path leads to, and watch it. */
static void
resolve(mp_watch_view_t *view, dir_t *dir)
{
    point_t *before = dir->points;
    walk_t walk;
    int attempt;
    int error;

    dir->points = NULL;
    dir->result = MP_WATCH_POLLED;
    if (mp_event_ring_fd(view->ring, &error) < 0) {
        dir->reason = refusal_of(error);
        return; /* as it was from the beginning: there are no points */
    }
    for (attempt = 0; attempt < RESOLVE_ATTEMPTS; attempt++) {
        destroy_points(view, dir->points);
        dir->result = try_resolve(&walk, view, dir);
        dir->reason = walk.reason;
        dir->points = walk.points;
        if (dir->reason != restless) {
            break;
        }
    }
    /* Not earlier: a place that stays keeps its files being written. */
    destroy_points(view, before);
}

static mp_watch_result_t
add_dir(mp_watch_view_t *view, const char *dir, const char **reason)
{
    dir_t *known = apr_hash_get(view->dirs, dir, APR_HASH_KEY_STRING);

    if (!known) {
        known = apr_pcalloc(view->pool, sizeof(*known));
        known->path = apr_pstrdup(view->pool, dir);
        known->result = MP_WATCH_MISSING;
        apr_hash_set(view->dirs, known->path, APR_HASH_KEY_STRING, known);
    }
    if (known->result != MP_WATCH_OK) {
        resolve(view, known); /* it may have come, or become readable */
    }
    if (reason && known->result == MP_WATCH_POLLED) {
        *reason = known->reason;
    }
    return known->result;
}

mp_watch_result_t
mp_watch_add(mp_watch_view_t *view, const char *dir, const char **reason)
{
    pthread_mutex_lock(&view->lock);
    mp_watch_result_t result = add_dir(view, dir, reason);
    pthread_mutex_unlock(&view->lock);
    return result;
}

/* --- From events to changes ---------------------------------------------- */

/* 0, or -1 when out of memory. */
static int
add_news(news_t *news, mp_change_t change, const char *dir,
         const mp_event_t *event)
{
    size_t room = news->room ? news->room * 2 : 64;
    news_item_t *items;

    if (news->count == news->room) {
        items = realloc(news->items, room * sizeof(*items));
        if (!items) {
            return -1;
        }
        news->items = items;
        news->room = room;
    }
    news->items[news->count].change = change;
    news->items[news->count].dir = dir;
    news->items[news->count].event = event;
    news->count++;
    return 0;
}

/* Something appeared by name. link(), symlink(), mkdir() and mknod() make
 * nothing but this event, so it must count; open(O_CREAT) makes it too, before
 * the first byte is written, and the close() that follows counts instead.
 *
 * What open() is making has one name, and its contents and its inode changed
 * at the same moment. A file that is complete when it gets its name (linkat()
 * of an unnamed file) has the inode changed later by the link. If both fell
 * into one tick of the kernel's clock, such a file is taken for one being
 * written: the caller has to bound its patience with WRITING anyway. */
static mp_change_t
classify_created(const dir_t *dir, const mp_event_t *event)
{
    char path[PATH_MAX];
    struct stat info;

    if (event->mask & IN_ISDIR) {
        return MP_CHANGE_ENTRY;
    }
    if (strlen(dir->path) + 1 + strlen(event->name) >= sizeof(path)) {
        return MP_CHANGE_ENTRY;
    }
    strcpy(path, dir->path);
    strcat(path, "/");
    strcat(path, event->name);
    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode)
        || info.st_nlink > 1) {
        return MP_CHANGE_ENTRY;
    }
    if (info.st_size > 0
        && (info.st_mtim.tv_sec != info.st_ctim.tv_sec
            || info.st_mtim.tv_nsec != info.st_ctim.tv_nsec)) {
        return MP_CHANGE_ENTRY;
    }
    return MP_CHANGE_WRITING;
}

/* What an event on an entry means to those who watch its directory, and who
 * is writing after it. */
static mp_change_t
classify(mp_watch_view_t *view, const dir_t *dir, const mp_event_t *event)
{
    mp_change_t change = MP_CHANGE_ENTRY;

    if (event->mask & IN_MODIFY) {
        change = MP_CHANGE_WRITING;
    }
    else if (event->mask & IN_CREATE) {
        change = classify_created(dir, event);
    }
    else if ((event->mask & IN_ATTRIB) && is_writing(view, event)) {
        change = MP_CHANGE_WRITING; /* fchmod() before close() ends nothing */
    }
    set_writing(view, event, change == MP_CHANGE_WRITING);
    return change;
}

/* Does the event at this point put the point's directory in doubt? */
static int
is_upsetting(const point_t *point, const mp_event_t *event)
{
    if (event->mask & SELF_EVENTS) {
        return 1;
    }
    if (event->name[0] == '\0') {
        return (event->mask & IN_ATTRIB) != 0; /* chmod of the place */
    }
    return (event->mask & PATH_EVENTS) != 0
        && strcmp(point->name, event->name) == 0;
}

/* Mark and report the directories whose way changed. 0, or -1 when out of
 * memory. */
static int
report_trees(mp_watch_view_t *view, const mp_event_batch_t *batch,
             news_t *news)
{
    const mp_event_t *event = batch->events;
    const mp_event_t *end = event + batch->count;
    const place_t *place;
    point_t *point;

    for (; event < end; event++) {
        place = find_place(view, event->wd);
        for (point = place ? place->points : NULL; point;
             point = point->next) {
            if (!point->dir->is_stale && is_upsetting(point, event)) {
                point->dir->is_stale = 1;
                if (add_news(news, MP_CHANGE_TREE, point->dir->path, NULL)) {
                    return -1;
                }
            }
        }
    }
    return 0;
}

/* All of them, or those that report_trees() found. */
static void
resolve_dirs(mp_watch_view_t *view, int all)
{
    apr_hash_index_t *at;
    dir_t *dir;

    for (at = apr_hash_first(NULL, view->dirs); at; at = apr_hash_next(at)) {
        dir = apr_hash_this_val(at);
        if (all || dir->is_stale) {
            dir->is_stale = 0;
            resolve(view, dir);
        }
    }
}

/* The first point from here on whose directory is the place itself. */
static const point_t *
find_owner(const point_t *point)
{
    while (point && point->name[0] != '\0') {
        point = point->next;
    }
    return point;
}

static int
repeats_last(const news_t *news, mp_change_t change, const mp_event_t *event)
{
    const news_item_t *last;

    if (news->count == 0) {
        return 0;
    }
    last = &news->items[news->count - 1];
    return last->event && last->change == change
        && last->event->wd == event->wd
        && strcmp(last->event->name, event->name) == 0;
}

/* Report one event on an entry in every spelling of its directory. 0, or -1
 * when out of memory. */
static int
report_entry(mp_watch_view_t *view, const mp_event_t *event, news_t *news)
{
    const place_t *place = find_place(view, event->wd);
    const point_t *owner = place ? find_owner(place->points) : NULL;
    mp_change_t change;

    if (!owner || event->name[0] == '\0') {
        return 0;
    }
    change = classify(view, owner->dir, event);
    if (repeats_last(news, change, event)) {
        return 0;
    }
    for (; owner; owner = find_owner(owner->next)) {
        if (add_news(news, change, owner->dir->path, event) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Turn a batch into news, the trees first: who forgets all that he knew of a
 * tree must not forget what is reported after it. 0, or -1 when out of
 * memory. */
static int
read_batch(mp_watch_view_t *view, const mp_event_batch_t *batch, news_t *news)
{
    size_t i;

    if (report_trees(view, batch, news) != 0) {
        return -1;
    }
    if (news->count > 0) {
        resolve_dirs(view, 0);
    }
    for (i = 0; i < batch->count; i++) {
        if (report_entry(view, &batch->events[i], news) != 0) {
            return -1;
        }
    }
    return 0;
}

uint64_t
mp_watch_collect(mp_watch_view_t *view, mp_watch_change_fn *fn, void *baton)
{
    const news_item_t *item;
    news_t news = {0};
    mp_event_batch_t batch;
    size_t i;

    pthread_mutex_lock(&view->lock);
    mp_event_ring_take(view->ring, view->cursor, &batch);
    view->cursor = batch.position;
    if (!batch.is_lost && read_batch(view, &batch, &news) != 0) {
        batch.is_lost = 1;
    }
    if (batch.is_lost) {
        forget_writing(view, -1);
        resolve_dirs(view, 1);
        fn(baton, MP_CHANGE_TREE, NULL, NULL);
    }
    else {
        for (i = 0; i < news.count; i++) {
            item = &news.items[i];
            fn(baton, item->change, item->dir,
               item->event ? item->event->name : NULL);
        }
    }
    pthread_mutex_unlock(&view->lock);
    free(news.items);
    free(batch.events);
    return batch.position;
}

int
mp_watch_is_quiet(mp_watch_view_t *view)
{
    return mp_event_ring_is_quiet(view->ring, atomic_load(&view->settled));
}

void
mp_watch_settle(mp_watch_view_t *view, uint64_t position)
{
    atomic_store(&view->settled, position);
}

void
mp_watch_wait(mp_watch_view_t *view, uint64_t position, int timeout_ms)
{
    mp_event_ring_wait(view->ring, position, timeout_ms);
}
