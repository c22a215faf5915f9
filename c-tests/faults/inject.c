/* The system calls that the library makes go through the functions below, because the dynamic linker looks for them in
 * the program first. Calls are told apart by where they return to: the program's own and libc's do not count. */
#define _GNU_SOURCE
#include "inject.h"

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
    [RECVMSG] = {"recvmsg", {EAGAIN, EINTR, ECONNRESET, ECONNREFUSED, ENOMEM, ENOBUFS}},
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
    enum fault_kind kind;
    long n;
    int choice;
    bool for_ever;
    bool from_program;
    struct fault_trace *trace;
    bool armed;
    int failing; /* the call that fails for ever, or -1 */
    long failures;
} plan = {.failing = -1};

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

void fault_plan(enum fault_kind kind, long n, int choice, bool for_ever, bool from_program, struct fault_trace *trace)
{
    plan.kind = kind;
    plan.n = n;
    plan.choice = choice;
    plan.for_ever = for_ever;
    plan.from_program = from_program;
    plan.trace = trace;
    texts = 0;
    dl_iterate_phdr(note_object, NULL);
}

void fault_begin(void)
{
    __atomic_store_n(&plan.armed, plan.trace != NULL, __ATOMIC_SEQ_CST);
}

void fault_end(void)
{
    __atomic_store_n(&plan.armed, false, __ATOMIC_SEQ_CST);
}

bool fault_has_fired(void)
{
    return plan.trace && __atomic_load_n(&plan.trace->fired, __ATOMIC_SEQ_CST);
}

/* Counts; true when this one is to fail. */
static bool is_due(unsigned char call)
{
    long index = __atomic_add_fetch(&plan.trace->count, 1, __ATOMIC_SEQ_CST);
    if (index <= MAX_TRACED)
        plan.trace->call[index - 1] = call;
    return index == plan.n;
}

/* ---- allocations ---- */

static void describe_allocation(const char *file, int line)
{
    const char *base = strstr(file, "/crypto/");
    if (!base)
        base = strstr(file, "/ssl/");
    snprintf(plan.trace->where, sizeof plan.trace->where, "allocation at %s:%d", base ? base + 1 : file, line);
    __atomic_store_n(&plan.trace->fired, true, __ATOMIC_SEQ_CST);
}

static bool allocation_fails(const char *file, int line)
{
    if (!__atomic_load_n(&plan.armed, __ATOMIC_SEQ_CST) || plan.kind != FAULT_ALLOCATION || !is_due(0))
        return false;
    describe_allocation(file ? file : "?", line);
    errno = ENOMEM; /* as malloc sets it */
    return true;
}

static void *allocate(size_t size, const char *file, int line)
{
    return size == 0 || allocation_fails(file, line) ? NULL : malloc(size);
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

static void *reallocate(void *memory, size_t size, const char *file, int line)
{
    if (size == 0) {
        free(memory);
        return NULL;
    }
    return allocation_fails(file, line) ? NULL : realloc(memory, size);
}

bool inject_into_allocations(void)
{
    typedef int set_functions(void *(*)(size_t, const char *, int), void *(*)(void *, size_t, const char *, int),
                              void (*)(void *, const char *, int));
    void *found = dlsym(RTLD_DEFAULT, "CRYPTO_set_mem_functions");
    set_functions *set;
    if (!found)
        return false;
    memcpy(&set, &found, sizeof set);
    return set(allocate, reallocate, release) == 1;
}

/* ---- system calls ---- */

int fault_choices(unsigned char call)
{
    int count = 0;
    if (plan.kind == FAULT_ALLOCATION)
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
    if (!__atomic_load_n(&plan.armed, __ATOMIC_SEQ_CST) || plan.kind != FAULT_SYSTEM_CALL || !is_counted(caller))
        return 0;
    bool again = plan.for_ever && plan.failing == (int)call;
    if (!is_due((unsigned char)call) && !again)
        return 0;
    int error = calls[call].errors[plan.choice % fault_choices((unsigned char)call)];
    if (again) {
        if (__atomic_add_fetch(&plan.failures, 1, __ATOMIC_SEQ_CST) == SPINNING) {
            fprintf(stderr, "%s was called %d times while it failed", calls[call].name, SPINNING);
            _exit(1);
        }
    } else {
        snprintf(plan.trace->where, sizeof plan.trace->where, "%s: %s%s", calls[call].name, strerror(error),
                 plan.for_ever ? ", for ever" : "");
        /* Nothing is interrupted, or called too early, for ever. */
        if (error != EINTR && error != EAGAIN)
            plan.failing = call;
        __atomic_store_n(&plan.trace->fired, true, __ATOMIC_SEQ_CST);
    }
    errno = error;
    return error;
}

#define CALLER __builtin_return_address(0)
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

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*run)(void *),
                   void *restrict data)
{
    REAL(pthread_create)
    int error = fault(PTHREAD_CREATE, CALLER);
    return error ? error : real(thread, attributes, run, data);
}

int fcntl(int fd, int command, ...)
{
    REAL(fcntl)
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    /* To read or set flags cannot fail. */
    if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && fault(FCNTL, CALLER))
        return -1;
    return real(fd, command, argument);
}

int fcntl64(int fd, int command, ...)
{
    REAL(fcntl)
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && fault(FCNTL, CALLER))
        return -1;
    return real(fd, command, argument);
}

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
