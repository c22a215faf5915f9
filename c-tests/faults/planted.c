/* Mistakes that the harness must notice: what a careless library would do when a call fails. The calls are the
 * program's own. Each is named after the words of the report that it has to get. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "faults.h"

static void ignore(const struct scenario *scenario)
{
    (void)scenario;
}

/* OpenSSL is taken at run time, since the program is not linked with it. */
#define OPENSSL(result, name, arguments)                                                                               \
    result(*name) arguments;                                                                                           \
    void *found_##name = dlsym(RTLD_DEFAULT, #name);                                                                   \
    memcpy(&name, &found_##name, sizeof name);

/* A verification whose set-up fails is taken for a success. */
static void accepts(const struct scenario *scenario)
{
    ignore(scenario);
    OPENSSL(void *, X509_STORE_CTX_new, (void))
    OPENSSL(void, X509_STORE_CTX_free, (void *))
    OPENSSL(void *, X509_STORE_new, (void))
    OPENSSL(void, X509_STORE_free, (void *))
    OPENSSL(int, X509_STORE_CTX_init, (void *, void *, void *, void *))
    bool accepted = false;
    fault_begin();
    void *store = X509_STORE_new();
    void *ctx = X509_STORE_CTX_new();
    if (store && ctx && X509_STORE_CTX_init(ctx, store, NULL, NULL) != 1)
        accepted = true;
    fault_end();
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    if (accepted)
        FAIL("the client accepted a peer that it has to refuse");
}

static void crashes_on_allocation(const struct scenario *scenario)
{
    ignore(scenario);
    OPENSSL(char *, CRYPTO_strdup, (const char *, const char *, int))
    OPENSSL(void, CRYPTO_free, (void *, const char *, int))
    fault_begin();
    char *copy = CRYPTO_strdup("x", "planted.c", 1);
    fault_end();
    *(volatile char *)copy = 'y';
    CRYPTO_free(copy, "planted.c", 1);
}

static void leaks(const struct scenario *scenario)
{
    ignore(scenario);
    struct stat about;
    fault_begin();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &about) != 0)
        fd = -1;
    fault_end();
    if (fd >= 0)
        close(fd);
}

static void crashes(const struct scenario *scenario)
{
    ignore(scenario);
    fault_begin();
    FILE *file = fopen("/dev/null", "re");
    fault_end();
    if (!file)
        abort();
    fclose(file);
}

/* How often crashes_once has run, in all processes. */
static atomic_int *runs;

__attribute__((constructor)) static void share_runs(void)
{
    runs = mmap(NULL, sizeof *runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (runs == MAP_FAILED)
        abort();
}

/* In the second of its runs, before anything has failed in it; all others are good. */
static void crashes_once(const struct scenario *scenario)
{
    ignore(scenario);
    if ((*runs)++ == 1)
        raise(SIGILL);
    fault_begin();
    FILE *file = fopen("/dev/null", "re");
    fault_end();
    if (file)
        fclose(file);
}

static void hangs(const struct scenario *scenario)
{
    ignore(scenario);
    int fds[2];
    local_pair(fds);
    fault_begin();
    bool sent = send(fds[0], "x", 1, MSG_NOSIGNAL) == 1;
    fault_end();
    char byte;
    if (recv(fds[1], &byte, 1, 0) < 0 && sent)
        FAIL("recv");
    close(fds[0]);
    close(fds[1]);
}

static void spins(const struct scenario *scenario)
{
    ignore(scenario);
    fault_begin();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int64_t deadline = now_us() + 5 * SECOND;
    while (fd >= 0 && listen(fd, 1) != 0 && now_us() < deadline)
        ;
    fault_end();
    close(fd);
}

static void loses(const struct scenario *scenario)
{
    ignore(scenario);
    int fds[2];
    size_t told = 0;
    local_pair(fds);
    fault_begin();
    for (int i = 0; i < 10; i++) {
        if (send(fds[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE)
            break;
        told++;
    }
    fault_end();
    close(fds[0]);
    char bytes[20];
    ssize_t arrived = read_until_end(fds[1], bytes, sizeof bytes);
    close(fds[1]);
    if (arrived != (ssize_t)told)
        FAIL("%zu bytes were taken, %zd arrived before a clean end", told, arrived);
}

const struct scenario planted[] = {
    {"accepted", accepts, .from_program = true},
    {"killed_by_signal_11", crashes_on_allocation, .from_program = true},
    {"descriptors_open", leaks, .from_program = true},
    {"killed_by_signal_6", crashes, .from_program = true},
    {"killed_by_signal_4", crashes_once, .from_program = true},
    {"not_done_after", hangs, .from_program = true},
    {"while_it_failed", spins, .from_program = true, .for_ever = true},
    {"arrived_before_a_clean_end", loses, .from_program = true},
    {.name = NULL},
};
