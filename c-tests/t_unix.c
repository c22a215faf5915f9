/* TLS over Unix sockets: names, files, permissions, stale files, and queues that are full. */
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "harness.h"

static bgl_ssl_server_t *listen_on(const char *path, int mode)
{
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = bgl_ssl_listen_unix(config, path, 5, mode);
    bgl_ssl_config_free(config);
    return server;
}

static bgl_ssl_socket_t *connect_by(const char *path, const char *hostname)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, 20 * SECOND));
    bgl_ssl_socket_t *socket = bgl_ssl_connect_unix(config, path, hostname);
    bgl_ssl_config_free(config);
    return socket;
}

static void check_echo_over(const char *path)
{
    struct service service;
    start_service_on(&service, MADE(bgl_ssl_server_t, listen_on(path, 0600)), 1, serve_echo, NULL);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, connect_by(path, "localhost"));
    check_echo(socket, "over a Unix socket");
    char address[64] = "x";
    int port = 5;
    CHECK_INT(0, (long long)bgl_ssl_socket_peer_address(socket, address, sizeof address, &port));
    CHECK_INT(0, port);
    finish(socket);
    end_service(&service);
}

TEST(a_client_and_a_server_talk_over_a_file)
{
    check_echo_over(own_path("socket"));
    struct stat found;
    CHECK(stat(own_path("socket"), &found) != 0);
}

TEST(a_client_and_a_server_talk_by_an_abstract_name)
{
    char name[64];
    snprintf(name, sizeof name, "@bglssl-test-%d", (int)getpid());
    check_echo_over(name);
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, listen_on(name, 0));
    char address[108];
    int port = 5;
    CHECK_INT((long long)strlen(name), (long long)bgl_ssl_server_local_address(server, address, sizeof address, &port));
    CHECK_STRING(name, address);
    CHECK_INT(0, port);
    CHECK_REFUSED(BGL_SSL_E_IO, listen_on(name, 0));
    CHECK_INT(EADDRINUSE, last_error().sys_errno);
    bgl_ssl_server_free(server);
}

TEST(a_server_tells_its_path_and_has_no_port)
{
    const char *path = own_path("socket");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, listen_on(path, 0));
    char address[108];
    CHECK_INT((long long)strlen(path), (long long)bgl_ssl_server_local_address(server, address, sizeof address, NULL));
    CHECK_STRING(path, address);
    CHECK_INT(-1, bgl_ssl_server_port(server));
    CHECK_INT(BGL_SSL_E_UNSUPPORTED, last_error().code);
    bgl_ssl_server_free(server);
}

static int mode_of(const char *path)
{
    struct stat found;
    CHECK(lstat(path, &found) == 0);
    return (int)(found.st_mode & 0777);
}

TEST(the_file_has_the_permissions_that_are_asked_for)
{
    static const int modes[] = {0600, 0660, 0666, 0777, 0200};
    const char *path = own_path("socket");
    umask(027);
    for (size_t i = 0; i < COUNT(modes); i++) {
        bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, listen_on(path, modes[i]));
        CHECK_INT(modes[i], mode_of(path));
        bgl_ssl_server_free(server);
    }
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, listen_on(path, 0));
    CHECK_INT(0750, mode_of(path));
    bgl_ssl_server_free(server);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, listen_on(path, -1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, listen_on(path, 01777));
}

static int stale_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

TEST(a_file_that_nobody_listens_on_is_replaced)
{
    const char *path = own_path("socket");
    close(stale_socket(path));
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, listen_on(path, 0600));
    /* A server that is there keeps its file. */
    CHECK_REFUSED(BGL_SSL_E_IO, listen_on(path, 0600));
    CHECK_INT(EADDRINUSE, last_error().sys_errno);
    CHECK_MESSAGE(path);
    CHECK_INT(0600, mode_of(path));
    bgl_ssl_server_free(server);
}

struct starter {
    const bgl_ssl_config_t *config;
    const char *path;
    pthread_barrier_t *barrier;
    bgl_ssl_server_t *server;
    int failed_with;
};

static void *start_at_the_same_moment(void *data)
{
    struct starter *it = data;
    pthread_barrier_wait(it->barrier);
    it->server = bgl_ssl_listen_unix(it->config, it->path, 5, 0600);
    it->failed_with = it->server == NULL ? last_error().sys_errno : 0;
    return NULL;
}

TEST(one_of_several_servers_that_start_at_the_same_moment_has_the_file)
{
    enum { STARTERS = 4, ROUNDS = 150 };
    const char *path = own_path("socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct starter starters[STARTERS];
    pthread_t threads[STARTERS];
    pthread_barrier_t barrier;
    bgl_ssl_config_t *config = server_config("good");
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    CHECK(pthread_barrier_init(&barrier, NULL, STARTERS) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        close(stale_socket(path));
        for (int i = 0; i < STARTERS; i++) {
            starters[i] = (struct starter){config, path, &barrier, NULL, 0};
            threads[i] = start_thread(start_at_the_same_moment, &starters[i]);
        }
        int started = 0;
        for (int i = 0; i < STARTERS; i++) {
            join_thread(threads[i]);
            started += starters[i].server != NULL;
            if (starters[i].server == NULL)
                CHECK_INT(EADDRINUSE, starters[i].failed_with);
        }
        CHECK_INT(1, started);
        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(client >= 0 && connect(client, (struct sockaddr *)&address, sizeof address) == 0);
        close(client);
        for (int i = 0; i < STARTERS; i++)
            bgl_ssl_server_free(starters[i].server);
    }
    pthread_barrier_destroy(&barrier);
    bgl_ssl_config_free(config);
}

TEST(a_lock_that_somebody_keeps_stops_no_server)
{
    char directory[200];
    const char *path = own_path("socket");
    snprintf(directory, sizeof directory, "%s", path);
    *strrchr(directory, '/') = '\0';
    int lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(lock >= 0 && flock(lock, LOCK_EX) == 0);
    close(stale_socket(path));
    bgl_ssl_server_free(MADE(bgl_ssl_server_t, listen_on(path, 0600)));
    CHECK(flock(lock, LOCK_UN) == 0);
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, listen_on(path, 0600));
    /* It is held no longer than the start takes. */
    CHECK(flock(lock, LOCK_EX | LOCK_NB) == 0);
    bgl_ssl_server_free(server);
    close(lock);
}

TEST(a_name_below_something_else_than_a_directory_fails_at_once)
{
    const char *fifo = own_path("fifo");
    char path[200];
    CHECK_INT(0, mkfifo(fifo, 0600));
    snprintf(path, sizeof path, "%s/socket", fifo);
    CHECK_REFUSED(BGL_SSL_E_IO, listen_on(path, 0600));
    CHECK_INT(ENOTDIR, last_error().sys_errno);
}

TEST(a_server_starts_in_a_directory_that_it_cannot_lock)
{
    const char *path = own_path("closed/socket");
    char directory[200];
    snprintf(directory, sizeof directory, "%s", path);
    *strrchr(directory, '/') = '\0';
    CHECK(mkdir(directory, 0300) == 0);
    if (access(directory, R_OK) == 0) {
        rmdir(directory);
        skip_test("a user who cannot read every file");
    }
    close(stale_socket(path));
    bgl_ssl_server_free(MADE(bgl_ssl_server_t, listen_on(path, 0600)));
    CHECK(rmdir(directory) == 0);
}

TEST(a_file_of_another_kind_is_left_alone)
{
    const char *path = write_file("data", "text", 4);
    CHECK_REFUSED(BGL_SSL_E_IO, listen_on(path, 0600));
    CHECK_INT(EADDRINUSE, last_error().sys_errno);
    size_t length;
    char *text = read_whole_file(path, &length);
    CHECK_INT(4, (long long)length);
    free(text);
    /* A link to a stale socket, too. */
    close(stale_socket(own_path("stale")));
    CHECK(symlink(own_path("stale"), own_path("link")) == 0);
    CHECK_REFUSED(BGL_SSL_E_IO, listen_on(own_path("link"), 0600));
    struct stat found;
    CHECK(lstat(own_path("link"), &found) == 0 && S_ISLNK(found.st_mode));
}

TEST(a_close_leaves_another_servers_file_alone)
{
    const char *path = own_path("socket");
    bgl_ssl_server_t *first = MADE(bgl_ssl_server_t, listen_on(path, 0600));
    CHECK(unlink(path) == 0);
    bgl_ssl_server_t *second = MADE(bgl_ssl_server_t, listen_on(path, 0600));
    CHECK_OK(bgl_ssl_server_close(first));
    bgl_ssl_server_free(first);
    CHECK_INT(0600, mode_of(path));
    CHECK_OK(bgl_ssl_server_close(second));
    struct stat found;
    CHECK(lstat(path, &found) != 0);
    bgl_ssl_server_free(second);
}

/* What was there when the file of a server's was removed: somebody who listened, and who held the directory's lock. */
static struct {
    const char *path;
    bool listened, locked;
} removal;

/* Stands before the system's. */
int unlink(const char *path)
{
    if (removal.path && strcmp(path, removal.path) == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char directory[200];
        snprintf(directory, sizeof directory, "%s", path);
        *strrchr(directory, '/') = '\0';
        strncpy(address.sun_path, path, sizeof address.sun_path - 1);
        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        removal.listened = connect(client, (struct sockaddr *)&address, sizeof address) == 0;
        removal.locked = flock(lock, LOCK_EX | LOCK_NB) != 0;
        close(lock);
        close(client);
    }
    return unlinkat(AT_FDCWD, path, 0);
}

/* Otherwise one that starts could take the file for stale, put its own there, and see that removed. */
TEST(the_file_goes_while_the_server_still_listens_and_no_other_one_starts)
{
    struct stat found;
    const char *path = own_path("socket");
    for (int close_first = 0; close_first < 2; close_first++) {
        bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, listen_on(path, 0600));
        removal.path = path;
        removal.listened = removal.locked = false;
        if (close_first)
            CHECK_OK(bgl_ssl_server_close(server));
        bgl_ssl_server_free(server);
        CHECK(removal.listened);
        CHECK(removal.locked);
        CHECK(lstat(path, &found) != 0);
        removal.path = NULL;
    }
}

TEST(a_child_process_leaves_the_file_alone)
{
    const char *path = own_path("socket");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, listen_on(path, 0600));
    pid_t child = fork();
    if (child == 0) {
        bgl_ssl_server_close(server);
        bgl_ssl_server_free(server);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK_INT(0600, mode_of(path));
    bgl_ssl_server_free(server);
}

TEST(names_that_cannot_be_are_refused)
{
    char name[300];
    memset(name, 'x', sizeof name);
    name[107] = '\0';
    /* This one can be; there is no such file. */
    CHECK_REFUSED(BGL_SSL_E_IO, connect_by(name, "localhost"));
    CHECK_INT(ENOENT, last_error().sys_errno);
    CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    name[107] = 'x', name[108] = '\0';
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, connect_by(name, "localhost"));
    CHECK_MESSAGE("108 bytes");
    CHECK_MESSAGE("107");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, listen_on(name, 0));
    name[0] = '@';
    CHECK_REFUSED(BGL_SSL_E_IO, connect_by(name, "localhost"));
    CHECK_INT(ECONNREFUSED, last_error().sys_errno);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, connect_by("@", "localhost"));
    CHECK_REFUSED(BGL_SSL_E_IO, connect_by("", "localhost"));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, connect_by(NULL, "localhost"));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, listen_on(NULL, 0));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_unix(NULL, "x", NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_listen_unix(NULL, "x", 5, 0));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, connect_by("x", "not a name"));
    const char *missing = own_path("no/such/directory");
    CHECK_REFUSED(BGL_SSL_E_IO, listen_on(missing, 0));
    CHECK_MESSAGE(missing);
}

TEST(a_name_to_verify_must_be_known)
{
    const char *path = own_path("socket");
    struct service service;
    start_service_on(&service, MADE(bgl_ssl_server_t, listen_on(path, 0600)), 1, serve_nothing, NULL);
    CHECK_REFUSED(BGL_SSL_E_CONFIG, connect_by(path, NULL));
    CHECK_REFUSED(BGL_SSL_E_NAME, connect_by(path, "other.example"));
    CHECK_MESSAGE(path);
    end_service(&service);
    CHECK(service.refused == 1);
    CHECK(strstr(service.last_refusal.message, path) != NULL);
}

TEST(datagrams_do_not_run_over_them)
{
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_listen_unix(config, own_path("socket"), 5, 0));
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_connect_unix(config, own_path("socket"), "localhost"));
    bgl_ssl_config_free(config);
}

TEST(a_queue_that_is_full_is_waited_for)
{
    const char *path = own_path("socket");
    int listener = stale_socket(path), clients[8], count = 0;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    CHECK(listen(listener, 0) == 0);
    for (; count < 8; count++) {
        clients[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(clients[count], (struct sockaddr *)&address, sizeof address) != 0)
            break;
    }
    CHECK(count < 8 && errno == EAGAIN);
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, 50 * MS));
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_connect_unix(config, path, "localhost"));
    CHECK(now_us() - began >= 50 * MS);
    CHECK_MESSAGE(path);
    bgl_ssl_config_free(config);
    for (int i = 0; i <= count; i++)
        close(clients[i]);
    close(listener);
}

/* The descriptor at whose close another server starts on this path. */
static atomic_int ends = -1;
static bgl_ssl_server_t *successor;

/* Stands in for the C library's. */
int close(int fd)
{
    int result = (int)syscall(SYS_close, fd);
    if (fd >= 0 && fd == ends) {
        ends = -1;
        successor = listen_on(own_path("socket"), 0600);
    }
    return result;
}

/* As a close does, it gives its file up first: the successor's may have the number that the file had. */
TEST(a_server_that_is_freed_leaves_its_successors_file_alone)
{
    struct stat found;
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, listen_on(own_path("socket"), 0600));
    ends = bgl_ssl_server_fd(server);
    bgl_ssl_server_free(server);
    CHECK_INT(-1, ends);
    CHECK(successor != NULL);
    CHECK_INT(0, stat(own_path("socket"), &found));
    bgl_ssl_server_free(successor);
}
