/* Revocation lists of configs: given, or in files that change. */
#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { NO_LIST = 3, LIST_EXPIRED = 12, REVOKED = 23 };

/* The text of two files of the PKI, one behind the other. */
static void add_lists(bgl_ssl_config_t *config, const char *first, const char *second)
{
    const char *const files[] = {first, second};
    for (size_t i = 0; i < COUNT(files) && files[i]; i++) {
        size_t length;
        char *text = read_whole_file(pki(files[i]), &length);
        CHECK_OK(bgl_ssl_config_add_crls(config, text, length, BGL_SSL_FORMAT_AUTO));
        free(text);
    }
}

struct row {
    const char *name;
    const char *server;
    const char *first, *second;
    int policy;
    bgl_ssl_status_t expected;
    int verify_result;
};

#define OK BGL_SSL_OK
#define NO BGL_SSL_E_VERIFY
#define LEAF BGL_SSL_CRL_LEAF
#define CHAIN BGL_SSL_CRL_CHAIN
#define MISSING BGL_SSL_CRL_TOLERATE_MISSING

static const struct row rows[] = {
    {"a_certificate_that_is_not_listed", "good", "root.crl", NULL, CHAIN, OK, 0},
    {"a_certificate_that_is_listed", "revoked", "root.crl", NULL, CHAIN, NO, REVOKED},
    {"a_certificate_that_is_listed_by_its_issuer_only", "revoked", "root.crl", "intermediate.crl", LEAF, NO, REVOKED},
    {"a_certificate_without_a_list", "good", "intermediate.crl", NULL, CHAIN, NO, NO_LIST},
    {"a_certificate_without_a_list_where_that_is_tolerated", "good", "intermediate.crl", NULL, CHAIN + MISSING, OK, 0},
    {"a_listed_certificate_where_missing_lists_are_tolerated", "revoked", "root.crl", NULL, CHAIN + MISSING, NO, REVOKED},
    {"a_chain_with_all_lists", "chained", "root.crl", "intermediate.crl", CHAIN, OK, 0},
    {"a_chain_without_the_list_of_the_leafs_issuer", "chained", "root.crl", NULL, CHAIN, NO, NO_LIST},
    {"a_chain_without_the_list_of_the_cas_issuer", "chained", "intermediate.crl", NULL, CHAIN, NO, NO_LIST},
    {"a_chain_whose_leaf_alone_is_looked_for", "chained", "intermediate.crl", NULL, LEAF, OK, 0},
};

TEST_TABLE(a_server_shows, rows)
{
    static const int protocols[] = {BGLSSL_TLSV1_2, BGLSSL_TLSV1_3};
    const struct row *it = row;
    for (size_t i = 0; i < COUNT(protocols); i++) {
        struct ends ends;
        bgl_ssl_config_t *client = client_config();
        CHECK_OK(bgl_ssl_config_set_protocol(client, protocols[i]));
        add_lists(client, it->first, it->second);
        CHECK_OK(bgl_ssl_config_set_crl_policy(client, it->policy));
        try_connect_with(&ends, client, server_config(it->server));
        CHECK_INT(it->expected, ends.client_status);
        CHECK_INT(it->verify_result, ends.client_error.verify_result);
        free_ends(&ends);
    }
}

TEST(lists_without_a_verified_chain_are_refused)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    add_lists(client, "root.crl", NULL);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(client));
    bgl_ssl_config_free(client);
    client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    CHECK_OK(bgl_ssl_config_set_staple_policy(client, BGL_SSL_STAPLE_REQUIRE));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(client));
    bgl_ssl_config_free(client);
}

TEST(a_server_looks_for_its_clients)
{
    static const char *const clients[] = {"client", "revoked"};
    for (size_t i = 0; i < COUNT(clients); i++) {
        struct ends ends;
        bgl_ssl_config_t *client = client_config();
        bgl_ssl_config_t *server = server_config("good");
        set_certificate(client, clients[i]);
        set_ca(server, "root.pem");
        add_lists(server, "root.crl", NULL);
        try_connect_with(&ends, client, server);
        CHECK_INT(i == 0 ? OK : NO, ends.server_status);
        CHECK_INT(i == 0 ? 0 : REVOKED, ends.server_error.verify_result);
        free_ends(&ends);
    }
}

TEST(a_list_that_is_due_to_be_replaced_counts_only_where_that_is_tolerated)
{
    for (int tolerated = 0; tolerated < 2; tolerated++) {
        struct ends ends;
        bgl_ssl_config_t *client = client_config();
        add_lists(client, "brief.crl", NULL);
        CHECK_OK(bgl_ssl_config_set_verify_time(client, (int64_t)time(NULL) + 60 * 86400));
        if (tolerated)
            CHECK_OK(bgl_ssl_config_set_crl_policy(client, CHAIN + BGL_SSL_CRL_TOLERATE_EXPIRED));
        try_connect_with(&ends, client, server_config("good"));
        CHECK_INT(tolerated ? OK : NO, ends.client_status);
        CHECK_INT(tolerated ? 0 : LIST_EXPIRED, ends.client_error.verify_result);
        free_ends(&ends);
    }
}

/* ---- files ---- */

static void put(const char *name, const char *pki_file)
{
    size_t length;
    char *text = read_whole_file(pki(pki_file), &length);
    char fresh[512];
    snprintf(fresh, sizeof fresh, "%s", write_file("fresh", text, length));
    free(text);
    CHECK_INT(0, rename(fresh, own_path(name)));
}

static int client_status(const bgl_ssl_config_t *client, const char *name)
{
    struct ends ends;
    bgl_ssl_config_t *server = server_config(name);
    make_ends(&ends, client, server, "localhost");
    step_handshakes(&ends);
    int status = ends.client_status;
    free_ends(&ends);
    bgl_ssl_config_free(server);
    return status;
}

TEST(a_file_is_read_again_when_it_has_changed)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    put("lists.pem", "intermediate.crl");
    CHECK_OK(bgl_ssl_config_add_crl_file(client, own_path("lists.pem")));
    CHECK_OK(bgl_ssl_config_set_crl_policy(client, CHAIN + MISSING));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_INT(OK, client_status(client, "revoked"));
    put("lists.pem", "root.crl");
    CHECK_INT(NO, client_status(client, "revoked"));
    CHECK_INT(OK, client_status(client, "good"));
    write_file("lists.pem", "rubbish", 7);
    local_pair(fds);
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    CHECK_MESSAGE("lists.pem");
    unlink(own_path("lists.pem"));
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    CHECK_MESSAGE("lists.pem");
    close(fds[0]);
    close(fds[1]);
    put("lists.pem", "root.crl");
    CHECK_INT(OK, client_status(client, "good"));
    bgl_ssl_config_free(client);
}

TEST(a_directory_is_looked_through_again_when_it_has_changed)
{
    char directory[512];
    bgl_ssl_config_t *client = client_config();
    snprintf(directory, sizeof directory, "%s", own_path("lists"));
    CHECK_INT(0, mkdir(directory, 0700));
    put("lists/a.crl", "intermediate.crl");
    CHECK_OK(bgl_ssl_config_add_crl_file(client, directory));
    CHECK_INT(NO, client_status(client, "good"));
    put("lists/b.crl", "root.crl");
    CHECK_INT(OK, client_status(client, "good"));
    CHECK_INT(OK, client_status(client, "chained"));
    CHECK_INT(NO, client_status(client, "revoked"));
    unlink(own_path("lists/a.crl"));
    CHECK_INT(NO, client_status(client, "chained"));
    unlink(own_path("lists/b.crl"));
    rmdir(directory);
    bgl_ssl_config_free(client);
}

TEST(a_missing_file_is_an_error_when_the_config_is_frozen)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_add_crl_file(client, own_path("no-such-list")));
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_config_freeze(client));
    CHECK_MESSAGE("no-such-list");
    bgl_ssl_config_free(client);
}

TEST(a_session_is_not_resumed_under_other_lists)
{
    struct service service;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    put("lists.pem", "brief.crl");
    CHECK_OK(bgl_ssl_config_add_crl_file(client, own_path("lists.pem")));
    start_service(&service, server, 3, serve_echo, NULL);
    bgl_ssl_socket_t *socket = connect_to(client, service.port);
    check_echo(socket, "first");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    for (int changed = 0; changed < 2; changed++) {
        if (changed)
            put("lists.pem", "root.crl");
        socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", service.port, AF_INET, session));
        check_echo(socket, "again");
        CHECK_INT(!changed, bgl_ssl_socket_session_reused(socket));
        finish(socket);
    }
    bgl_ssl_session_free(session);
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_list_in_der_may_have_white_space_behind_it_and_nothing_else)
{
    static const struct { const char *behind; bgl_ssl_status_t expected; } ends[] = {
        {"", BGL_SSL_OK}, {"\n", BGL_SSL_OK}, {" \r\n", BGL_SSL_OK}, {"\nx", BGL_SSL_E_CONFIG}, {"0", BGL_SSL_E_CONFIG},
    };
    size_t length;
    char *list = read_whole_file(pki("root.der.crl"), &length);
    bgl_ssl_config_t *config = client_config();
    for (size_t i = 0; i < COUNT(ends); i++) {
        size_t more = strlen(ends[i].behind);
        char *text = malloc(length + more);
        memcpy(text, list, length);
        memcpy(text + length, ends[i].behind, more);
        CHECK_STATUS(ends[i].expected, bgl_ssl_config_add_crls(config, text, length + more, BGL_SSL_FORMAT_DER));
        CHECK_STATUS(ends[i].expected, bgl_ssl_config_add_crls(config, text, length + more, BGL_SSL_FORMAT_AUTO));
        free(text);
    }
    free(list);
    bgl_ssl_config_free(config);
}

/* A file of which the end is missing, wherever it was cut; but not between two lists, which nothing shows. */
TEST(a_list_that_is_cut_off_spoils_those_before_it)
{
    size_t good_length, bad_length;
    char *good = read_whole_file(pki("intermediate.crl"), &good_length);
    char *bad = read_whole_file(pki("root.crl"), &bad_length);
    char *text = malloc(good_length + bad_length);
    memcpy(text, good, good_length);
    memcpy(text + good_length, bad, bad_length);
    bgl_ssl_config_t *config = client_config();
    for (size_t cut = strlen("-----B"); cut + 2 < bad_length; cut += cut < 30 ? 1 : 37) {
        CHECK_STATUS(BGL_SSL_E_CONFIG,
                     bgl_ssl_config_add_crls(config, text, good_length + cut, BGL_SSL_FORMAT_AUTO));
        write_file("cut.pem", text, good_length + cut);
        bgl_ssl_config_t *of_file = client_config();
        CHECK_OK(bgl_ssl_config_add_crl_file(of_file, own_path("cut.pem")));
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(of_file));
        CHECK_MESSAGE("cut.pem");
        bgl_ssl_config_free(of_file);
    }
    free(good);
    free(bad);
    free(text);
    bgl_ssl_config_free(config);
}

TEST(what_is_no_list_is_refused)
{
    size_t length;
    char *text = read_whole_file(pki("root.crl"), &length);
    bgl_ssl_config_t *config = client_config();
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_add_crls(config, "rubbish", 7, BGL_SSL_FORMAT_AUTO));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_add_crls(config, NULL, 0, BGL_SSL_FORMAT_AUTO));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_add_crls(config, text, length / 2, BGL_SSL_FORMAT_PEM));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_add_crls(config, text, length, BGL_SSL_FORMAT_DER));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_crls(config, text, length, 9));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_crls(NULL, text, length, BGL_SSL_FORMAT_AUTO));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_crl_file(config, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_crl_policy(config, 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_crl_policy(config, 3));
    free(text);
    bgl_ssl_config_free(config);
}

/* OpenSSL sees no list there, and would go on without it. */
TEST(an_indented_list_is_damaged)
{
    static const char *const indentations[] = {" ", "\t", "    "};
    size_t one, other;
    char *first = read_whole_file(pki("intermediate.crl"), &one), *second = read_whole_file(pki("root.crl"), &other);
    char *text = malloc(one + 5 * other + 8);
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    for (size_t i = 0; i < COUNT(indentations); i++) {
        memcpy(text, first, one);
        char *end = text + one;
        for (char *line = second; *line; line = strchr(line, '\n') + 1)
            end += sprintf(end, "%s%.*s", indentations[i], (int)(strchr(line, '\n') + 1 - line), line);
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_add_crls(config, text, (size_t)(end - text), BGL_SSL_FORMAT_PEM));
        CHECK_MESSAGE("indented");
    }
    free(text);
    free(first);
    free(second);
    bgl_ssl_config_free(config);
}

/* ---- what is in a directory and cannot be read ---- */

TEST(an_entry_of_a_directory_that_leads_nowhere_is_an_error)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_INT(0, mkdir(own_path("lists"), 0700));
    put("lists/one.crl", "intermediate.crl");
    CHECK_INT(0, symlink("not-there", own_path("lists/two.crl")));
    CHECK_OK(bgl_ssl_config_add_crl_file(client, own_path("lists")));
    CHECK_OK(bgl_ssl_config_set_crl_policy(client, CHAIN + MISSING));
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_config_freeze(client));
    CHECK_MESSAGE("two.crl");
    bgl_ssl_config_free(client);
}

TEST(a_list_whose_link_comes_to_lead_nowhere_is_not_forgotten)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    CHECK_INT(0, mkdir(own_path("lists"), 0700));
    put("lists/one.crl", "intermediate.crl");
    put("root.crl", "root.crl");
    CHECK_INT(0, symlink("../root.crl", own_path("lists/two.crl")));
    CHECK_OK(bgl_ssl_config_add_crl_file(client, own_path("lists")));
    CHECK_OK(bgl_ssl_config_set_crl_policy(client, CHAIN + MISSING));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_INT(NO, client_status(client, "revoked"));
    CHECK_INT(0, unlink(own_path("root.crl")));
    local_pair(fds);
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    CHECK_MESSAGE("two.crl");
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client);
}

/* ---- an anchor that is not self-signed: RFC 5280 looks for no list of its issuer ---- */

struct anchored {
    const char *name, *first, *second;
    int policy;
};

static const struct anchored anchored[] = {
    {"the_list_of_the_anchor", "intermediate.crl", NULL, CHAIN},
    {"the_lists_of_the_anchor_and_of_its_issuer", "intermediate.crl", "root.crl", CHAIN},
    {"both_lists_where_missing_ones_are_tolerated", "intermediate.crl", "root.crl", CHAIN + MISSING},
};

TEST_TABLE(an_anchor_that_is_not_self_signed_works_with, anchored)
{
    const struct anchored *it = row;
    struct ends ends;
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    set_ca(client, "intermediate.pem");
    add_lists(client, it->first, it->second);
    CHECK_OK(bgl_ssl_config_set_crl_policy(client, it->policy));
    try_connect_with(&ends, client, server_config("chained"));
    CHECK_INT(0, ends.client_error.verify_result);
    CHECK_INT(OK, ends.client_status);
    free_ends(&ends);
}

/* ---- a file that changes twice in one tick of the file system's clock ---- */

static bool coarse;

/* Times as file systems of whole seconds have them, and all of them before Linux 6.13 have at intervals of milliseconds. */
__attribute__((visibility("default"))) int statx(int dir, const char *restrict path, int flags, unsigned mask,
                                                 struct statx *restrict out)
{
    int result = (int)syscall(SYS_statx, dir, path, flags, mask, out);
    if (result == 0 && coarse)
        out->stx_mtime.tv_nsec = out->stx_ctime.tv_nsec = 0;
    return result;
}

static void overwrite(const char *path, const char *pki_file)
{
    static char text[4000];
    size_t length;
    char *list = read_whole_file(pki(pki_file), &length);
    CHECK(length < sizeof text);
    memset(text, '\n', sizeof text);
    memcpy(text, list, length);
    free(list);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    CHECK_INT((long long)sizeof text, pwrite(fd, text, sizeof text, 0));
    close(fd);
}

TEST(a_change_in_the_tick_in_which_the_file_was_read_is_noticed)
{
    char path[512];
    snprintf(path, sizeof path, "%s", own_path("lists.pem"));
    bgl_ssl_config_t *client = client_config();
    coarse = true;
    /* All of it within one second. */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    usleep((useconds_t)((1010000000 - now.tv_nsec) / 1000));
    overwrite(path, "intermediate.crl");
    CHECK_OK(bgl_ssl_config_add_crl_file(client, path));
    CHECK_OK(bgl_ssl_config_set_crl_policy(client, CHAIN + MISSING));
    CHECK_INT(OK, client_status(client, "revoked"));
    overwrite(path, "root.crl");
    CHECK_INT(NO, client_status(client, "revoked"));
    bgl_ssl_config_free(client);
}

/* ---- a leaf that is trusted itself, whose key usage has no cRLSign: it is the anchor ---- */

struct pinned {
    const char *name, *leaf, *list;
    bgl_ssl_status_t expected;
    int verify_result;
};

static const struct pinned pinned[] = {
    {"without_the_list_of_its_issuer", "good", "intermediate.crl", OK, 0},
    {"with_the_list_of_its_issuer", "good", "root.crl", OK, 0},
    {"that_signs_no_lists_with_the_list_of_its_issuer", "signs-only", "root.crl", OK, 0},
    {"that_its_issuer_has_revoked", "revoked", "root.crl", NO, REVOKED},
};

TEST_TABLE(a_leaf_that_is_trusted_itself, pinned)
{
    const struct pinned *it = row;
    struct ends ends;
    char file[64];
    snprintf(file, sizeof file, "%s.pem", it->leaf);
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    set_ca(client, file);
    add_lists(client, it->list, NULL);
    CHECK_OK(bgl_ssl_config_set_crl_policy(client, CHAIN));
    try_connect_with(&ends, client, server_config(it->leaf));
    CHECK_INT(it->verify_result, ends.client_error.verify_result);
    CHECK_INT(it->expected, ends.client_status);
    free_ends(&ends);
}
