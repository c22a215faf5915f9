/* The system calls that the library makes go through the functions below, because the dynamic linker looks for them in
 * the program first. Calls are told apart by where they return to: the program's own and libc's do not count. */
#define _GNU_SOURCE
#include "counting.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

enum call {
    ACCEPT4, BIND, CLOSE, CONNECT, EPOLL_CREATE1, EPOLL_CTL, EPOLL_WAIT, EVENTFD, FCNTL, FOPEN, FSTAT, GETADDRINFO,
    GETPEERNAME, GETRANDOM, GETSOCKNAME, GETSOCKOPT, IOCTL, LISTEN, OPEN, OPENDIR, POLL, PTHREAD_CREATE, READ, READDIR,
    RECV, RECVFROM, RECVMSG, SEND, SENDMSG, SENDTO, SETSOCKOPT, SHUTDOWN, SOCKET, STAT, TIMERFD_CREATE, TIMERFD_SETTIME,
    WRITE, WRITEV, CALLS
};

/* The errors that Linux gives for them, and that do not depend on wrong arguments. */
static const struct {
    const char *name;
    int errors[14];
} calls[CALLS] = {
    [ACCEPT4] = {"accept4", {EMFILE, ENFILE, ECONNABORTED, EINTR, EAGAIN, ENOBUFS, ENOMEM, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH, ETIMEDOUT}},
    [BIND] = {"bind", {EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOMEM}},
    [CLOSE] = {"close", {EINTR, EIO}},
    [CONNECT] = {"connect", {ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EACCES, EPERM, EINTR, EAGAIN, ENOBUFS}},
    [EPOLL_CREATE1] = {"epoll_create1", {EMFILE, ENFILE, ENOMEM}},
    [EPOLL_CTL] = {"epoll_ctl", {ENOMEM, ENOSPC}},
    [EPOLL_WAIT] = {"epoll_wait", {EINTR}},
    [EVENTFD] = {"eventfd", {EMFILE, ENFILE, ENOMEM}},
    [FCNTL] = {"fcntl", {EMFILE, ENOMEM}},
    [FOPEN] = {"fopen", {EMFILE, ENFILE, ENOENT, EACCES, ENOMEM, EINTR, EIO}},
    [FSTAT] = {"fstat", {EIO, ENOMEM, EOVERFLOW}},
    [GETADDRINFO] = {"getaddrinfo", {EMFILE, ENOMEM}},
    [GETPEERNAME] = {"getpeername", {ENOTCONN, ENOBUFS}},
    [GETRANDOM] = {"getrandom", {EINTR, ENOSYS}},
    [GETSOCKNAME] = {"getsockname", {ENOBUFS}},
    [GETSOCKOPT] = {"getsockopt", {ENOBUFS, ENOPROTOOPT}},
    [IOCTL] = {"ioctl", {EIO}},
    [LISTEN] = {"listen", {EADDRINUSE}},
    [OPEN] = {"open", {EMFILE, ENFILE, ENOENT, EACCES, ENOMEM, EINTR, EIO, ELOOP}},
    [OPENDIR] = {"opendir", {EMFILE, ENFILE, ENOENT, EACCES, ENOMEM}},
    [POLL] = {"poll", {EINTR, ENOMEM}},
    [PTHREAD_CREATE] = {"pthread_create", {EAGAIN}},
    [READ] = {"read", {EINTR, EIO, EAGAIN}},
    [READDIR] = {"readdir", {EIO}},
    [RECV] = {"recv", {EAGAIN, EINTR, ECONNRESET, ECONNREFUSED, ENOMEM, ETIMEDOUT, EHOSTUNREACH, ENOBUFS}},
    [RECVFROM] = {"recvfrom", {EAGAIN, EINTR, ECONNRESET, ECONNREFUSED, ENOMEM, ENOBUFS}},
    [RECVMSG] = {"recvmsg", {EAGAIN, EINTR, ECONNRESET, ECONNREFUSED, ENOMEM, ETIMEDOUT, EHOSTUNREACH, ENOBUFS}},
    [SEND] = {"send", {EAGAIN, EINTR, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EMSGSIZE, EPERM}},
    [SENDMSG] = {"sendmsg", {EAGAIN, EINTR, ECONNRESET, ENOBUFS, ENOMEM, EHOSTUNREACH, EMSGSIZE, EPERM}},
    [SENDTO] = {"sendto", {EAGAIN, EINTR, ECONNRESET, ENOBUFS, ENOMEM, EHOSTUNREACH, EMSGSIZE, EPERM}},
    [SETSOCKOPT] = {"setsockopt", {ENOBUFS, ENOMEM, ENOPROTOOPT}},
    [SHUTDOWN] = {"shutdown", {ENOTCONN}},
    [SOCKET] = {"socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT}},
    [STAT] = {"stat", {ENOENT, EACCES, ENOMEM, EIO}},
    [TIMERFD_CREATE] = {"timerfd_create", {EMFILE, ENFILE, ENOMEM}},
    [TIMERFD_SETTIME] = {"timerfd_settime", {ECANCELED}},
    [WRITE] = {"write", {EINTR, EAGAIN, EPIPE, EIO}},
    [WRITEV] = {"writev", {EINTR, EAGAIN, EPIPE, EIO}},
};

/* A call that fails this often in one run is made in a loop that waits for nothing. */
enum { SPINNING = 100000 };

static struct {
    uintptr_t from, to;
} text[64];
static int texts;

static int note_object(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    bool own = !info->dlpi_name || !info->dlpi_name[0];
    bool library = !own && (strstr(info->dlpi_name, "libbglssl") || strstr(info->dlpi_name, "libssl") ||
                            strstr(info->dlpi_name, "libcrypto"));
    if (!library && !(own && plan.from_program))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) && texts < 64) {
            text[texts].from = info->dlpi_addr + part->p_vaddr;
            text[texts++].to = info->dlpi_addr + part->p_vaddr + part->p_memsz;
        }
    }
    return 0;
}

void note_callers(void)
{
    texts = 0;
    dl_iterate_phdr(note_object, NULL);
}

int fault_choices(enum fault_kind kind, uint32_t call)
{
    int count = 0;
    if (kind == FAULT_ALLOCATION)
        return 1;
    while (count < 14 && calls[call].errors[count])
        count++;
    return count;
}

static bool is_counted(const void *caller)
{
    for (int i = 0; i < texts; i++)
        if ((uintptr_t)caller >= text[i].from && (uintptr_t)caller < text[i].to)
            return true;
    return false;
}

/* The error that this call has to give, or 0. */
static int fault(enum call call, const void *caller)
{
    if (!may_fail(FAULT_SYSTEM_CALL) || !is_counted(caller))
        return 0;
    bool again = plan.fault.for_ever && plan.failing == (int)call;
    bool due = is_due();
    if (is_tracing())
        trace(0, call);
    if (!due && !again)
        return 0;
    int error = calls[call].errors[plan.fault.choice % fault_choices(plan.kind, call)];
    if (again) {
        if (__atomic_add_fetch(&plan.failures, 1, __ATOMIC_SEQ_CST) == SPINNING) {
            fprintf(stderr, "%s was called %d times while it failed", calls[call].name, SPINNING);
            _exit(1);
        }
    } else {
        snprintf(plan.trace->where, sizeof plan.trace->where, "%s: %s%s", calls[call].name, strerror(error),
                 plan.fault.for_ever ? ", for ever" : "");
        /* Nothing is interrupted, or called too early, for ever. */
        if (error != EINTR && error != EAGAIN)
            plan.failing = call;
        __atomic_store_n(&plan.trace->fired, true, __ATOMIC_SEQ_CST);
    }
    errno = error;
    return error;
}

#define REAL(name)                                                                                                     \
    static __typeof__(name) *real;                                                                                     \
    if (!real) {                                                                                                       \
        void *found = dlsym(RTLD_NEXT, #name);                                                                         \
        memcpy(&real, &found, sizeof real);                                                                            \
    }
#define WRAP(result, name, call, failure, arguments, given)                                                            \
    result name arguments                                                                                              \
    {                                                                                                                  \
        REAL(name)                                                                                                     \
        if (fault(call, CALLER))                                                                                       \
            return failure;                                                                                            \
        return real given;                                                                                             \
    }

#pragma GCC diagnostic ignored "-Wnonnull-compare"
WRAP(int, accept4, ACCEPT4, -1, (int fd, struct sockaddr *restrict a, socklen_t *restrict l, int f), (fd, a, l, f))
WRAP(int, bind, BIND, -1, (int fd, const struct sockaddr *a, socklen_t l), (fd, a, l))
WRAP(int, epoll_create1, EPOLL_CREATE1, -1, (int flags), (flags))
WRAP(int, epoll_ctl, EPOLL_CTL, -1, (int e, int op, int fd, struct epoll_event *event), (e, op, fd, event))
WRAP(int, epoll_wait, EPOLL_WAIT, -1, (int e, struct epoll_event *events, int n, int ms), (e, events, n, ms))
WRAP(int, eventfd, EVENTFD, -1, (unsigned count, int flags), (count, flags))
WRAP(int, fstat, FSTAT, -1, (int fd, struct stat *s), (fd, s))
WRAP(int, fstat64, FSTAT, -1, (int fd, struct stat64 *s), (fd, s))
WRAP(int, getpeername, GETPEERNAME, -1, (int fd, struct sockaddr *restrict a, socklen_t *restrict l), (fd, a, l))
WRAP(ssize_t, getrandom, GETRANDOM, -1, (void *buffer, size_t size, unsigned flags), (buffer, size, flags))
WRAP(int, getsockname, GETSOCKNAME, -1, (int fd, struct sockaddr *restrict a, socklen_t *restrict l), (fd, a, l))
WRAP(int, getsockopt, GETSOCKOPT, -1, (int fd, int level, int name, void *restrict v, socklen_t *restrict l), (fd, level, name, v, l))
WRAP(int, listen, LISTEN, -1, (int fd, int backlog), (fd, backlog))
WRAP(DIR *, opendir, OPENDIR, NULL, (const char *path), (path))
WRAP(int, poll, POLL, -1, (struct pollfd *fds, nfds_t n, int ms), (fds, n, ms))
WRAP(int, ppoll, POLL, -1, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask), (fds, n, t, mask))
WRAP(ssize_t, read, READ, -1, (int fd, void *buffer, size_t size), (fd, buffer, size))
WRAP(struct dirent *, readdir, READDIR, NULL, (DIR *directory), (directory))
WRAP(struct dirent64 *, readdir64, READDIR, NULL, (DIR *directory), (directory))
WRAP(ssize_t, recv, RECV, -1, (int fd, void *buffer, size_t size, int flags), (fd, buffer, size, flags))
WRAP(ssize_t, recvfrom, RECVFROM, -1, (int fd, void *restrict b, size_t n, int f, struct sockaddr *restrict a, socklen_t *restrict l), (fd, b, n, f, a, l))
WRAP(ssize_t, recvmsg, RECVMSG, -1, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WRAP(ssize_t, send, SEND, -1, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(ssize_t, sendmsg, SENDMSG, -1, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(ssize_t, sendto, SENDTO, -1, (int fd, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t l), (fd, b, n, f, a, l))
WRAP(int, setsockopt, SETSOCKOPT, -1, (int fd, int level, int name, const void *v, socklen_t l), (fd, level, name, v, l))
WRAP(int, shutdown, SHUTDOWN, -1, (int fd, int how), (fd, how))
WRAP(int, socket, SOCKET, -1, (int family, int kind, int protocol), (family, kind, protocol))
WRAP(int, stat, STAT, -1, (const char *restrict path, struct stat *restrict s), (path, s))
WRAP(int, stat64, STAT, -1, (const char *restrict path, struct stat64 *restrict s), (path, s))
WRAP(int, timerfd_create, TIMERFD_CREATE, -1, (int clock, int flags), (clock, flags))
WRAP(int, timerfd_settime, TIMERFD_SETTIME, -1, (int fd, int flags, const struct itimerspec *t, struct itimerspec *old), (fd, flags, t, old))
WRAP(ssize_t, write, WRITE, -1, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(ssize_t, writev, WRITEV, -1, (int fd, const struct iovec *parts, int n), (fd, parts, n))
WRAP(FILE *, fopen, FOPEN, NULL, (const char *restrict path, const char *restrict mode), (path, mode))
WRAP(FILE *, fopen64, FOPEN, NULL, (const char *restrict path, const char *restrict mode), (path, mode))

/* Linux closes the descriptor whatever it says. */
int close(int fd)
{
    REAL(close)
    int error = fault(CLOSE, CALLER);
    int result = real(fd);
    if (error) {
        errno = error;
        return -1;
    }
    return result;
}

/* After EINTR the connection is being made all the same. */
int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    REAL(connect)
    int error = fault(CONNECT, CALLER);
    if (!error || error == EINTR) {
        int result = real(fd, address, length);
        if (!error)
            return result;
        errno = error;
    }
    return -1;
}

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict list)
{
    REAL(getaddrinfo)
    int error = fault(GETADDRINFO, CALLER);
    if (error)
        return error == ENOMEM ? EAI_MEMORY : EAI_SYSTEM;
    return real(node, service, hints, list);
}

static uint32_t threads;

struct numbered {
    void *(*run)(void *);
    void *data;
    uint32_t thread;
};

static void *run_numbered(void *data)
{
    struct numbered it = *(struct numbered *)data;
    free(data);
    this_thread = it.thread;
    return it.run(it.data);
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*run)(void *),
                   void *restrict data)
{
    REAL(pthread_create)
    int error = fault(PTHREAD_CREATE, CALLER);
    if (error)
        return error;
    struct numbered *it = malloc(sizeof *it);
    if (!it)
        return EAGAIN;
    *it = (struct numbered){run, data, __atomic_add_fetch(&threads, 1, __ATOMIC_SEQ_CST)};
    error = real(thread, attributes, run_numbered, it);
    if (error)
        free(it);
    return error;
}

/* To read or set flags cannot fail. */
#define WRAP_FCNTL(name)                                                                                               \
    int name(int fd, int command, ...)                                                                                 \
    {                                                                                                                  \
        REAL(fcntl)                                                                                                    \
        va_list arguments;                                                                                             \
        va_start(arguments, command);                                                                                  \
        long argument = va_arg(arguments, long);                                                                       \
        va_end(arguments);                                                                                             \
        if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && fault(FCNTL, CALLER))                                \
            return -1;                                                                                                 \
        return real(fd, command, argument);                                                                            \
    }

WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)

int ioctl(int fd, unsigned long request, ...)
{
    REAL(ioctl)
    va_list arguments;
    va_start(arguments, request);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return fault(IOCTL, CALLER) ? -1 : real(fd, request, argument);
}

#define WRAP_OPEN(name)                                                                                                \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        REAL(name)                                                                                                     \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        int mode = va_arg(arguments, int);                                                                             \
        va_end(arguments);                                                                                             \
        return fault(OPEN, CALLER) ? -1 : real(path, flags, mode);                                                     \
    }

WRAP_OPEN(open)
WRAP_OPEN(open64)
