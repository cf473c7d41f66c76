/* Loaded before the C library (LD_PRELOAD): counts what changes files under one folder, each call a named point, and has the
 * Nth fail: end the process before it, or half-way through it; or have the disk be full from there on.
 * Every writer goes through the C library: Python, safetensors (Rust), the lesson store (C++). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { COUNT, KILL, TORN, FULL, SHORT };
static char prefix[4096], without[4096];
static int kind, names = -1;
static long at;
static atomic_long count;

/* Begin to count at 1. `name` gets a line for each point; paths that hold `except` are no points. */
void faults_arm(const char *under, const char *except, const char *name, int what, long where) {
    snprintf(without, sizeof without, "%s", except);
    kind = what, at = where, count = 0;
    names = *name ? (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    snprintf(prefix, sizeof prefix, "%s", under);
}

void faults_disarm(void) { prefix[0] = 0; }

__attribute__((constructor)) static void from_environment(void) {
    const char *under = getenv("FAULTS_UNDER");
    if (under) faults_arm(under, getenv("FAULTS_EXCEPT"), "", atoi(getenv("FAULTS_KIND")), atol(getenv("FAULTS_AT")));
}

static int counted(const char *path) {
    return prefix[0] && path && !strncmp(path, prefix, strlen(prefix)) && !(without[0] && strstr(path, without));
}

/* What is to happen at this point: 0 nothing, 1 it fails for want of room, 2 half of it is done. `room`: whether it takes any. */
static int point(const char *call, const char *path, int room) {
    if (!counted(path)) return 0;
    long number = ++count;
    if (names >= 0) {
        char line[4400];
        int size = snprintf(line, sizeof line, "%s %s\n", call, path + strlen(prefix));
        syscall(SYS_write, names, line, size);
    }
    if (kind == KILL && number == at) syscall(SYS_exit_group, 97);
    if (kind == TORN && number == at) return 2;
    if (kind == FULL && number >= at && room) return 1;
    if (kind == SHORT && number >= at && room) return number == at ? 2 : 1;
    return 0;
}

static const char *of_fd(int fd, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, buffer, 4095);
    if (size < 0) return NULL;
    buffer[size] = 0;
    return buffer;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FULL_DISK do { errno = ENOSPC; return -1; } while (0)

#define WRITING(name, args, half, whole, path_fd) \
    do { \
        char buffer[4096]; \
        int what = prefix[0] ? point(#name, of_fd(path_fd, buffer), 1) : 0; \
        if (what == 1) FULL_DISK; \
        if (what == 2) { \
            ssize_t done = half; \
            if (kind == TORN) syscall(SYS_exit_group, 97); \
            if (done <= 0) FULL_DISK; \
            return done; \
        } \
        return whole; \
    } while (0)

ssize_t write(int fd, const void *data, size_t size) {
    WRITING(write, , REAL(write)(fd, data, size / 2), REAL(write)(fd, data, size), fd);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    WRITING(pwrite, , REAL(pwrite)(fd, data, size / 2, offset), REAL(pwrite)(fd, data, size, offset), fd);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    WRITING(pwrite64, , REAL(pwrite64)(fd, data, size / 2, offset), REAL(pwrite64)(fd, data, size, offset), fd);
}
ssize_t writev(int fd, const struct iovec *parts, int number) {
    WRITING(writev, , REAL(writev)(fd, parts, 1), REAL(writev)(fd, parts, number), fd);
}

/* A call that is done or not: half-way is done, and then the end. */
#define WHOLE(name, call, path, room) \
    do { \
        int what = prefix[0] ? point(#name, path, room) : 0; \
        if (what == 1 || (what == 2 && kind == SHORT)) FULL_DISK; \
        int result = call; \
        if (what == 2) syscall(SYS_exit_group, 97); \
        return result; \
    } while (0)

int fsync(int fd) { char buffer[4096]; WHOLE(fsync, REAL(fsync)(fd), of_fd(fd, buffer), 1); }
int fdatasync(int fd) { char buffer[4096]; WHOLE(fdatasync, REAL(fdatasync)(fd), of_fd(fd, buffer), 1); }
int ftruncate(int fd, off_t size) { char buffer[4096]; WHOLE(ftruncate, REAL(ftruncate)(fd, size), of_fd(fd, buffer), 0); }
int ftruncate64(int fd, off64_t size) { char buffer[4096]; WHOLE(ftruncate64, REAL(ftruncate64)(fd, size), of_fd(fd, buffer), 0); }
int rename(const char *from, const char *to) { WHOLE(rename, REAL(rename)(from, to), from, 1); }
int mkdir(const char *path, mode_t mode) { WHOLE(mkdir, REAL(mkdir)(path, mode), path, 1); }
int unlink(const char *path) { WHOLE(unlink, REAL(unlink)(path), path, 0); }
int rmdir(const char *path) { WHOLE(rmdir, REAL(rmdir)(path), path, 0); }

static int at_path(int folder, const char *path, char *whole) {
    char buffer[4096];
    if (path[0] == '/' || !of_fd(folder, buffer)) return snprintf(whole, 8192, "%s", path);
    return snprintf(whole, 8192, "%s/%s", buffer, path);
}
int unlinkat(int folder, const char *path, int flags) {
    char whole[8192];
    if (prefix[0]) at_path(folder, path, whole);
    WHOLE(unlinkat, REAL(unlinkat)(folder, path, flags), whole, 0);
}

#define CREATING(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (!(flags & O_CREAT) || access(path, F_OK) == 0) return REAL(name)(path, flags, mode); \
        WHOLE(name, REAL(name)(path, flags, mode), path, 1); \
    }
CREATING(open)
CREATING(open64)
