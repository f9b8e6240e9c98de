/* One call to the file system fails, or is the last thing that the process does: LD_PRELOAD, armed by fault_arm().

   Counted are the calls of this process on paths below one folder, from 1. The chosen one fails with an error number, or
   the process is killed right before or right after it. What a library does by system calls of its own, past the C
   library, is not seen. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FAIL = 0, KILL_BEFORE = 1, KILL_AFTER = 2 };

static char root[PATH_MAX];
static size_t root_length;
static long chosen, count;
static int action, number, log_to = -1;

/* Count the calls below `folder`, an absolute path; number `nth` (0: none) fails with `error`, or kills.
   Each call is noted in the file that `log` is open for, if it is not -1. */
void fault_arm(const char *folder, long nth, int what, int error, int log) {
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    count = 0, chosen = nth, action = what, number = error, log_to = log;
}

long fault_count(void) { return count; }

static void die(void) { syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGKILL); }

static int is_below(const char *path) {
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

/* The path of an open file or folder; empty if it has none. */
static void path_of(int opened, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", opened);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
}

static void full_path(int folder, const char *name, char *path) {
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return;
    }
    char before[PATH_MAX];
    if (folder == AT_FDCWD) {
        long length = syscall(SYS_getcwd, before, sizeof before);
        before[length > 0 ? length - 1 : 0] = 0;
    } else {
        path_of(folder, before);
    }
    snprintf(path, PATH_MAX, "%.2000s/%.2000s", before, name);
}

/* Note a call; whether it is to fail. KILL_BEFORE does not come back. */
static int fails(const char *kind, const char *path, int *kill_after) {
    *kill_after = 0;
    if (!root_length || !is_below(path)) return 0;
    long now = ++count;
    if (log_to >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%ld %s %s\n", now, kind, path + root_length);
        syscall(SYS_write, log_to, line, length);
    }
    if (now != chosen) return 0;
    if (action == KILL_BEFORE) die();
    if (action == KILL_AFTER) *kill_after = 1;
    if (action != FAIL) return 0;
    errno = number;
    return 1;
}

static int fails_at(const char *kind, int folder, const char *name, int *kill_after) {
    char path[PATH_MAX];
    *kill_after = 0;
    if (!root_length || !name) return 0;
    full_path(folder, name, path);
    return fails(kind, path, kill_after);
}

static int fails_of(const char *kind, int opened, int *kill_after) {
    char path[PATH_MAX];
    *kill_after = 0;
    if (!root_length) return 0;
    path_of(opened, path);
    return fails(kind, path, kill_after);
}

#define REAL(type, name, parameters)                                                                                   \
    static type(*real) parameters;                                                                                     \
    if (!real) real = (type(*) parameters)dlsym(RTLD_NEXT, #name)

#define THROUGH(type, call, failed)                                                                                    \
    do {                                                                                                               \
        if (failed_now) return failed;                                                                                 \
        type result = call;                                                                                            \
        int before = errno;                                                                                            \
        if (kill_after) die();                                                                                         \
        errno = before;                                                                                                \
        return result;                                                                                                 \
    } while (0)

/* A call on the name `path`, relative to the folder `at`. */
#define BY_NAME(type, name, kind, parameters, at, path, arguments, failed)                                             \
    type name parameters {                                                                                             \
        REAL(type, name, parameters);                                                                                  \
        int kill_after, failed_now = fails_at(kind, at, path, &kill_after);                                            \
        THROUGH(type, real arguments, failed);                                                                         \
    }

/* A call on the open file `opened`. */
#define BY_FILE(type, name, kind, parameters, opened, arguments)                                                       \
    type name parameters {                                                                                             \
        REAL(type, name, parameters);                                                                                  \
        int kill_after, failed_now = fails_of(kind, opened, &kill_after);                                              \
        THROUGH(type, real arguments, -1);                                                                             \
    }

/* open and its kin have a mode only where they may create a file. */
#define OPENING(name, at, parameters, path, arguments)                                                                 \
    int name parameters {                                                                                              \
        REAL(int, name, parameters);                                                                                   \
        mode_t mode = 0;                                                                                               \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                                                         \
            va_list more;                                                                                              \
            va_start(more, flags);                                                                                     \
            mode = va_arg(more, mode_t);                                                                               \
            va_end(more);                                                                                              \
        }                                                                                                              \
        const char *kind = flags & (O_WRONLY | O_RDWR) ? "open-to-write" : "open";                                     \
        int kill_after, failed_now = fails_at(kind, at, path, &kill_after);                                            \
        THROUGH(int, real arguments, -1);                                                                              \
    }

OPENING(open, AT_FDCWD, (const char *path, int flags, ...), path, (path, flags, mode))
OPENING(open64, AT_FDCWD, (const char *path, int flags, ...), path, (path, flags, mode))
OPENING(openat, at, (int at, const char *path, int flags, ...), path, (at, path, flags, mode))
OPENING(openat64, at, (int at, const char *path, int flags, ...), path, (at, path, flags, mode))

BY_NAME(FILE *, fopen, "open-stream", (const char *path, const char *mode), AT_FDCWD, path, (path, mode), NULL)
BY_NAME(FILE *, fopen64, "open-stream", (const char *path, const char *mode), AT_FDCWD, path, (path, mode), NULL)
BY_NAME(DIR *, opendir, "open-folder", (const char *path), AT_FDCWD, path, (path), NULL)
BY_NAME(int, stat, "stat", (const char *path, struct stat *to), AT_FDCWD, path, (path, to), -1)
BY_NAME(int, lstat, "stat", (const char *path, struct stat *to), AT_FDCWD, path, (path, to), -1)
BY_NAME(int, stat64, "stat", (const char *path, struct stat64 *to), AT_FDCWD, path, (path, to), -1)
BY_NAME(int, lstat64, "stat", (const char *path, struct stat64 *to), AT_FDCWD, path, (path, to), -1)
BY_NAME(int, access, "access", (const char *path, int mode), AT_FDCWD, path, (path, mode), -1)
BY_NAME(int, fstatat, "stat", (int at, const char *path, struct stat *to, int flags), at, path, (at, path, to, flags), -1)
BY_NAME(int, fstatat64, "stat", (int at, const char *path, struct stat64 *to, int flags), at, path, (at, path, to, flags), -1)
BY_NAME(int, mkdir, "mkdir", (const char *path, mode_t mode), AT_FDCWD, path, (path, mode), -1)
BY_NAME(int, mkdirat, "mkdir", (int at, const char *path, mode_t mode), at, path, (at, path, mode), -1)
BY_NAME(int, rmdir, "rmdir", (const char *path), AT_FDCWD, path, (path), -1)
BY_NAME(int, unlink, "unlink", (const char *path), AT_FDCWD, path, (path), -1)
BY_NAME(int, unlinkat, "unlink", (int at, const char *path, int flags), at, path, (at, path, flags), -1)
BY_NAME(int, chmod, "chmod", (const char *path, mode_t mode), AT_FDCWD, path, (path, mode), -1)
BY_NAME(int, fchmodat, "chmod", (int at, const char *path, mode_t mode, int flags), at, path, (at, path, mode, flags), -1)
BY_NAME(int, truncate, "truncate", (const char *path, off_t length), AT_FDCWD, path, (path, length), -1)
BY_NAME(int, link, "link", (const char *from, const char *to), AT_FDCWD, to, (from, to), -1)
BY_NAME(int, symlink, "link", (const char *from, const char *to), AT_FDCWD, to, (from, to), -1)
BY_NAME(int, rename, "rename", (const char *from, const char *to), AT_FDCWD, to, (from, to), -1)
BY_NAME(int, renameat, "rename", (int a, const char *from, int b, const char *to), b, to, (a, from, b, to), -1)
BY_NAME(int, renameat2, "rename", (int a, const char *from, int b, const char *to, unsigned flags), b, to,
        (a, from, b, to, flags), -1)

BY_FILE(ssize_t, read, "read", (int file, void *to, size_t size), file, (file, to, size))
BY_FILE(ssize_t, pread, "read", (int file, void *to, size_t size, off_t at), file, (file, to, size, at))
BY_FILE(ssize_t, pread64, "read", (int file, void *to, size_t size, off64_t at), file, (file, to, size, at))
BY_FILE(ssize_t, write, "write", (int file, const void *from, size_t size), file, (file, from, size))
BY_FILE(ssize_t, pwrite, "write", (int file, const void *from, size_t size, off_t at), file, (file, from, size, at))
BY_FILE(ssize_t, pwrite64, "write", (int file, const void *from, size_t size, off64_t at), file, (file, from, size, at))
BY_FILE(ssize_t, writev, "write", (int file, const struct iovec *from, int parts), file, (file, from, parts))
BY_FILE(ssize_t, copy_file_range, "write",
        (int file, off64_t *from, int other, off64_t *to, size_t size, unsigned flags), other,
        (file, from, other, to, size, flags))
BY_FILE(int, fsync, "fsync", (int file), file, (file))
BY_FILE(int, fdatasync, "fsync", (int file), file, (file))
BY_FILE(int, fstat, "stat-file", (int file, struct stat *to), file, (file, to))
BY_FILE(int, fstat64, "stat-file", (int file, struct stat64 *to), file, (file, to))
BY_FILE(int, ftruncate, "truncate", (int file, off_t length), file, (file, length))
BY_FILE(int, ftruncate64, "truncate", (int file, off64_t length), file, (file, length))
BY_FILE(int, fchmod, "chmod", (int file, mode_t mode), file, (file, mode))

/* A file is closed also where close() reports an error, as on NFS, where it can be the first to know of a full disk. */
int close(int file) {
    REAL(int, close, (int));
    int kill_after, failed_now = fails_of("close", file, &kill_after), error = errno;
    int result = real(file), before = errno;
    if (kill_after) die();
    errno = failed_now ? error : before;
    return failed_now ? -1 : result;
}
