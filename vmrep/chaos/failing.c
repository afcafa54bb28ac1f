/* Lets file operations fail, for script/chaos: preloaded (LD_PRELOAD) into a worker and into the
 * programs that it starts. Which operation that is, and what happens to it, is in a shared page
 * (the file that VMREP_CHAOS_PAGE names; failing.py has its layout, too). Only what lies below the
 * page's root is counted, and fails. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum operation { OPEN, CREATE, READ, WRITE, SYNC, RENAME, UNLINK, TRUNCATE, MKDIR, LOOK, OPERATIONS };
enum what { FAIL = 1, FAIL_AFTERWARDS, KILL, KILL_AFTERWARDS, KILL_PROGRAM, STOP };
enum who { WORKER = 1, PROGRAMS = 2 };

struct page {
    char root[1024];
    char happened_at[1024];
    _Atomic int64_t left;   /* until the fault: it happens when this falls to 0 */
    int64_t lasts;          /* how many operations it meets from then on */
    _Atomic int64_t happened;
    int32_t operations;     /* bits */
    int32_t whose;          /* bits */
    int32_t what;
    int32_t error;
    int32_t worker;         /* its process ID */
    int32_t ahead;          /* seconds that have passed for the worker's clock alone */
    _Atomic int64_t counted[OPERATIONS];
};

static struct page *page;

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("VMREP_CHAOS_PAGE");
    int descriptor = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0)
        return;
    void *mapped = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    page = mapped == MAP_FAILED ? NULL : mapped;
}

static int is_below(const char *path)
{
    size_t length = strlen(page->root);
    return length && !strncmp(path, page->root, length) && (path[length] == '/' || !path[length]);
}

/* What goes through a ring passes by everything below: qemu is told that there is none, and takes
 * threads. (`struct io_uring *ring`, of liburing.) */
int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
    (void)entries, (void)ring, (void)flags;
    return -ENOSYS;
}

static void note(enum operation operation, const char *path)
{
    static const char *names[] = {"open", "create", "read", "write", "sync", "rename", "unlink",
                                  "truncate", "mkdir", "look"};
    snprintf(page->happened_at, sizeof page->happened_at, "%s %s%s", names[operation],
             path + strlen(page->root), getpid() == page->worker ? "" : " (a program)");
}

/* The marker and the trial file are looked at before everything else: most operations are theirs. What
 * meets one operation alone is for the others. */
static int is_usual(const char *path)
{
    path += strlen(page->root);
    return !strcmp(path, "/vmrep-repository.json") || !strncmp(path, "/.vmrep-trial-", 14);
}

/* Whether the operation fails now; *afterwards: once it is done. */
static int meets(enum operation operation, const char *path, int *afterwards)
{
    *afterwards = 0;
    if (!page || !is_below(path) || (page->lasts <= 1 && is_usual(path)))
        return 0;
    atomic_fetch_add(&page->counted[operation], 1);
    enum who who = getpid() == page->worker ? WORKER : PROGRAMS;
    if (!page->what || !(page->operations >> operation & 1) || !(page->whose & who))
        return 0;
    int64_t left = atomic_fetch_sub(&page->left, 1) - 1;
    if (left > 0 || left <= -page->lasts)
        return 0;
    if (!atomic_fetch_add(&page->happened, 1))
        note(operation, path);
    switch (page->what) {
    case KILL:
        kill(page->worker, SIGKILL);
        return 0;
    case KILL_PROGRAM:
        kill(getpid(), SIGKILL);
        return 0;
    case STOP:
        kill(page->worker, SIGSTOP);
        return 0;
    case FAIL_AFTERWARDS:
    case KILL_AFTERWARDS:
        *afterwards = 1;
        return 0;
    }
    return 1;
}

static void path_of(int folder, const char *name, char *path, size_t size)
{
    char link[64];
    path[0] = 0;
    if (name && name[0] == '/') {
        snprintf(path, size, "%s", name);
        return;
    }
    snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, path, size - 1);
    path[length < 0 ? 0 : length] = 0;
    if (length > 0 && name && name[0])
        snprintf(path + length, size - length, "/%s", name);
}

/* The function of that name that would have been called. */
#define THE_REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define DO(operation, folder, name, call) \
    do { \
        char path[4096]; \
        int afterwards = 0, fails = 0; \
        if (page) { \
            int before = errno; \
            path_of(folder, name, path, sizeof path); \
            fails = meets(operation, path, &afterwards); \
            errno = before; \
        } \
        if (fails) { \
            errno = page->error; \
            return -1; \
        } \
        __auto_type result = (call); \
        if (afterwards && result >= 0) { \
            if (page->what == KILL_AFTERWARDS) \
                kill(page->worker, SIGKILL); \
            else { \
                errno = page->error; \
                return -1; \
            } \
        } \
        return result; \
    } while (0)

#define OPENS(name) \
    int name(const char *path_, int flags, ...) \
    { \
        THE_REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        DO(flags & O_CREAT ? CREATE : OPEN, AT_FDCWD, path_, real(path_, flags, mode)); \
    }
#define OPENS_AT(name) \
    int name(int folder, const char *path_, int flags, ...) \
    { \
        THE_REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        DO(flags & O_CREAT ? CREATE : OPEN, folder, path_, real(folder, path_, flags, mode)); \
    }
/* result name(int file, ARGUMENTS) */
#define OF_FILE(operation, result_, name, declared, given) \
    result_ name declared \
    { \
        THE_REAL(name); \
        DO(operation, file, NULL, real given); \
    }
#define OF_PATH(operation, name, declared, given) \
    int name declared \
    { \
        THE_REAL(name); \
        DO(operation, AT_FDCWD, path_, real given); \
    }
#define OF_PATH_AT(operation, name, declared, given) \
    int name declared \
    { \
        THE_REAL(name); \
        DO(operation, folder, path_, real given); \
    }

OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)
int __open_2(const char *path_, int flags);
int __open64_2(const char *path_, int flags);
int __openat64_2(int folder, const char *path_, int flags);
OF_PATH(OPEN, __open_2, (const char *path_, int flags), (path_, flags))
OF_PATH(OPEN, __open64_2, (const char *path_, int flags), (path_, flags))
OF_PATH_AT(OPEN, __openat64_2, (int folder, const char *path_, int flags), (folder, path_, flags))

OF_FILE(READ, ssize_t, read, (int file, void *to, size_t size), (file, to, size))
OF_FILE(READ, ssize_t, pread, (int file, void *to, size_t size, off_t at), (file, to, size, at))
OF_FILE(READ, ssize_t, pread64, (int file, void *to, size_t size, off64_t at), (file, to, size, at))
OF_FILE(READ, ssize_t, readv, (int file, const struct iovec *to, int count), (file, to, count))
OF_FILE(READ, ssize_t, preadv, (int file, const struct iovec *to, int count, off_t at),
        (file, to, count, at))
OF_FILE(READ, ssize_t, preadv64, (int file, const struct iovec *to, int count, off64_t at),
        (file, to, count, at))
OF_FILE(WRITE, ssize_t, write, (int file, const void *from, size_t size), (file, from, size))
OF_FILE(WRITE, ssize_t, pwrite, (int file, const void *from, size_t size, off_t at),
        (file, from, size, at))
OF_FILE(WRITE, ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at),
        (file, from, size, at))
OF_FILE(WRITE, ssize_t, writev, (int file, const struct iovec *from, int count), (file, from, count))
OF_FILE(WRITE, ssize_t, pwritev, (int file, const struct iovec *from, int count, off_t at),
        (file, from, count, at))
OF_FILE(WRITE, ssize_t, pwritev64, (int file, const struct iovec *from, int count, off64_t at),
        (file, from, count, at))
OF_FILE(SYNC, int, fsync, (int file), (file))
OF_FILE(SYNC, int, fdatasync, (int file), (file))
OF_FILE(TRUNCATE, int, ftruncate, (int file, off_t size), (file, size))
OF_FILE(TRUNCATE, int, ftruncate64, (int file, off64_t size), (file, size))
OF_FILE(TRUNCATE, int, fallocate, (int file, int mode, off_t at, off_t size), (file, mode, at, size))
OF_FILE(TRUNCATE, int, fallocate64, (int file, int mode, off64_t at, off64_t size),
        (file, mode, at, size))

OF_PATH(TRUNCATE, truncate, (const char *path_, off_t size), (path_, size))
OF_PATH(TRUNCATE, truncate64, (const char *path_, off64_t size), (path_, size))
OF_PATH(RENAME, rename, (const char *path_, const char *to), (path_, to))
OF_PATH_AT(RENAME, renameat, (int folder, const char *path_, int other, const char *to),
           (folder, path_, other, to))
OF_PATH(UNLINK, unlink, (const char *path_), (path_))
OF_PATH_AT(UNLINK, unlinkat, (int folder, const char *path_, int flags), (folder, path_, flags))
OF_PATH(UNLINK, rmdir, (const char *path_), (path_))
OF_PATH(MKDIR, mkdir, (const char *path_, mode_t mode), (path_, mode))
OF_PATH_AT(MKDIR, mkdirat, (int folder, const char *path_, mode_t mode), (folder, path_, mode))

OF_PATH(LOOK, stat, (const char *path_, struct stat *facts), (path_, facts))
OF_PATH(LOOK, stat64, (const char *path_, struct stat64 *facts), (path_, facts))
OF_PATH(LOOK, lstat, (const char *path_, struct stat *facts), (path_, facts))
OF_PATH(LOOK, lstat64, (const char *path_, struct stat64 *facts), (path_, facts))
OF_PATH_AT(LOOK, fstatat, (int folder, const char *path_, struct stat *facts, int flags),
           (folder, path_, facts, flags))
OF_PATH_AT(LOOK, fstatat64, (int folder, const char *path_, struct stat64 *facts, int flags),
           (folder, path_, facts, flags))
