/* Loaded before the C library: calls that move bytes move fewer of them than they could, as every system may. How many of
 * each it has shortened it writes into the file SHORT_LOG at the end; SHORT_SEED decides which. A name that the C library
 * does not have, or that the program does not call, is never asked for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { READ, WRITE, RECV, SEND, READV, WRITEV, PREAD, PWRITE, SENDFILE, CALLS };
static const char *const names[CALLS] = {"read", "write", "recv", "send", "readv", "writev", "pread", "pwrite", "sendfile"};
static unsigned shortened[CALLS];
static unsigned threads;

static uint64_t next(void) {
    static __thread uint64_t state;
    if (state == 0) {
        const char *seed = getenv("SHORT_SEED");
        state = (seed ? strtoull(seed, 0, 10) : 1) * 1000003 + __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    }
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* An eventfd takes its eight bytes or none, and a datagram is whole. */
static int may_be_short(int fd) {
    struct stat stat;
    if (fstat(fd, &stat) != 0) return 0;
    if (S_ISREG(stat.st_mode) || S_ISFIFO(stat.st_mode)) return 1;
    int kind = 0;
    socklen_t size = sizeof kind;
    return S_ISSOCK(stat.st_mode) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_STREAM;
}

/* How many of len bytes are to be asked for: at least one, and every other time all. */
static size_t fewer(int call, int fd, size_t len) {
    uint64_t random = next();
    if (len < 2 || random % 2 == 0 || !may_be_short(fd)) return len;
    __atomic_add_fetch(&shortened[call], 1, __ATOMIC_RELAXED);
    size_t most = random % 3 == 0 && len > 16 ? 16 : len - 1;
    return 1 + (random >> 8) % most;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t read(int fd, void *to, size_t len) { REAL(read); return real(fd, to, fewer(READ, fd, len)); }
ssize_t write(int fd, const void *from, size_t len) { REAL(write); return real(fd, from, fewer(WRITE, fd, len)); }

ssize_t recv(int fd, void *to, size_t len, int flags) {
    REAL(recv);
    return real(fd, to, flags & MSG_PEEK ? len : fewer(RECV, fd, len), flags);
}
ssize_t recvfrom(int fd, void *to, size_t len, int flags, struct sockaddr *who, socklen_t *size) {
    REAL(recvfrom);
    return real(fd, to, flags & MSG_PEEK ? len : fewer(RECV, fd, len), flags, who, size);
}
ssize_t send(int fd, const void *from, size_t len, int flags) {
    REAL(send);
    return real(fd, from, fewer(SEND, fd, len), flags);
}
ssize_t sendto(int fd, const void *from, size_t len, int flags, const struct sockaddr *who, socklen_t size) {
    REAL(sendto);
    return real(fd, from, fewer(SEND, fd, len), flags, who, size);
}

/* The first piece, or less of it. */
ssize_t readv(int fd, const struct iovec *pieces, int count) {
    REAL(readv);
    if (count < 1) return real(fd, pieces, count);
    struct iovec first = pieces[0];
    first.iov_len = fewer(READV, fd, first.iov_len);
    return first.iov_len < pieces[0].iov_len ? real(fd, &first, 1) : real(fd, pieces, count);
}
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    REAL(writev);
    if (count < 1) return real(fd, pieces, count);
    struct iovec first = pieces[0];
    first.iov_len = fewer(WRITEV, fd, first.iov_len);
    return first.iov_len < pieces[0].iov_len ? real(fd, &first, 1) : real(fd, pieces, count);
}

ssize_t pread(int fd, void *to, size_t len, off_t at) { REAL(pread); return real(fd, to, fewer(PREAD, fd, len), at); }
ssize_t pread64(int fd, void *to, size_t len, off64_t at) { REAL(pread64); return real(fd, to, fewer(PREAD, fd, len), at); }
ssize_t pwrite(int fd, const void *from, size_t len, off_t at) { REAL(pwrite); return real(fd, from, fewer(PWRITE, fd, len), at); }
ssize_t pwrite64(int fd, const void *from, size_t len, off64_t at) { REAL(pwrite64); return real(fd, from, fewer(PWRITE, fd, len), at); }

ssize_t sendfile(int to, int from, off_t *at, size_t len);
ssize_t sendfile64(int to, int from, off64_t *at, size_t len);
ssize_t sendfile(int to, int from, off_t *at, size_t len) { REAL(sendfile); return real(to, from, at, fewer(SENDFILE, to, len)); }
ssize_t sendfile64(int to, int from, off64_t *at, size_t len) { REAL(sendfile64); return real(to, from, at, fewer(SENDFILE, to, len)); }

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("SHORT_LOG");
    FILE *log = path ? fopen(path, "w") : 0;
    if (!log) return;
    for (int call = 0; call < CALLS; call++) fprintf(log, "%s %u\n", names[call], shortened[call]);
    fclose(log);
}
