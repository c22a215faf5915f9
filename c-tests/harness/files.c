/* Files, the certificates in them, and configs made of these. */
#define _GNU_SOURCE
#include "harness.h"
#include "parts.h"

#define PATHS 64

static const char *kept_path(const char *directory, const char *file)
{
    static char paths[PATHS][512];
    static unsigned next;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    char *path = paths[next++ % PATHS];
    pthread_mutex_unlock(&lock);
    snprintf(path, sizeof paths[0], "%s/%s", directory, file);
    return path;
}

const char *pki(const char *file)
{
    const char *directory = getenv("BGLSSL_TEST_PKI");
    if (!directory)
        FAIL("BGLSSL_TEST_PKI is not set");
    return kept_path(directory, file);
}

const char *own_path(const char *name)
{
    return kept_path(case_directory, name);
}

char *read_whole_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        FAIL("%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *data = malloc((size_t)size + 1);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
        FAIL("%s: cannot be read", path);
    fclose(file);
    data[size] = '\0';
    if (length)
        *length = (size_t)size;
    return data;
}

const char *write_file(const char *name, const void *data, size_t length)
{
    const char *path = own_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, length, file) != length || fclose(file) != 0)
        FAIL("%s: %s", path, strerror(errno));
    return path;
}

bgl_ssl_certificate_t *certificate(const char *file)
{
    return MADE(bgl_ssl_certificate_t, bgl_ssl_load_certificate(pki(file)));
}

bgl_ssl_private_key_t *private_key(const char *file)
{
    return MADE(bgl_ssl_private_key_t, bgl_ssl_load_private_key(pki(file)));
}

void set_ca(bgl_ssl_config_t *config, const char *file)
{
    bgl_ssl_certificate_t *ca = certificate(file);
    const bgl_ssl_certificate_t *list[] = {ca};
    CHECK_OK(bgl_ssl_config_set_ca_certificates(config, list, 1));
    bgl_ssl_certificate_free(ca);
}

void set_accepted(bgl_ssl_config_t *config, const char *file)
{
    bgl_ssl_certificate_t *one = certificate(file);
    const bgl_ssl_certificate_t *list[] = {one};
    CHECK_OK(bgl_ssl_config_set_accepted_certificates(config, list, 1));
    bgl_ssl_certificate_free(one);
}

/* NAME.pem may hold a chain, leaf first. */
void set_certificate(bgl_ssl_config_t *config, const char *name)
{
    enum { LONGEST = 8 };
    char file[128];
    const bgl_ssl_certificate_t *chain[LONGEST];
    snprintf(file, sizeof file, "%s.pem", name);
    bgl_ssl_certificate_list_t *list = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki(file)));
    size_t count = bgl_ssl_certificate_list_length(list);
    CHECK(count >= 1 && count <= LONGEST);
    for (size_t i = 0; i < count; i++)
        chain[i] = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(list, i));
    snprintf(file, sizeof file, "%s.key", name);
    bgl_ssl_private_key_t *key = private_key(file);
    CHECK_OK(bgl_ssl_config_set_certificate_chain(config, chain, count, key));
    for (size_t i = 0; i < count; i++)
        bgl_ssl_certificate_free((bgl_ssl_certificate_t *)(uintptr_t)chain[i]);
    bgl_ssl_certificate_list_free(list);
    bgl_ssl_private_key_free(key);
}

void share_ticket_keys(bgl_ssl_config_t *server)
{
    static const unsigned char secret[32] = "known to both of the two servers";
    bgl_ssl_ticket_keys_t *keys =
        MADE(bgl_ssl_ticket_keys_t, bgl_ssl_ticket_keys_from_secret(secret, sizeof secret, 0));
    CHECK_OK(bgl_ssl_config_set_ticket_keys(server, keys));
    bgl_ssl_ticket_keys_free(keys);
}

bgl_ssl_config_t *client_config(void)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    set_ca(config, "root.pem");
    return config;
}

bgl_ssl_config_t *server_config(const char *name)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    set_certificate(config, name);
    return config;
}
