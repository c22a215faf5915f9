/* Published vectors, read from the files in vectors/: a line is a vector, its fields are separated by spaces, bytes are
 * in hexadecimal, "-" is none, and # begins a comment. */
#ifndef VECTORS_H
#define VECTORS_H

#include <stdarg.h>
#include <strings.h>

#include "harness.h"

struct bytes {
    unsigned char *data;
    size_t length;
};

/* Where the vector comes from that is being checked. */
static char vector_place[128];

#define VECTOR_FIELDS 8

/* Calls `check` with the fields of each vector of vectors/FILE; at least one. */
static inline void each_vector(const char *file, int fields, void (*check)(char *field[]))
{
    char path[64];
    snprintf(path, sizeof path, "vectors/%s", file);
    size_t length;
    char *text = read_whole_file(path, &length);
    int line_number = 0, vectors = 0;
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        line_number++;
        if (line[0] == '#' || line[0] == '\0')
            continue;
        snprintf(vector_place, sizeof vector_place, "%s:%d", path, line_number);
        char *field[VECTOR_FIELDS];
        int count = 0;
        char *word;
        while ((word = strsep(&line, " ")) != NULL && count < VECTOR_FIELDS)
            field[count++] = word;
        if (count != fields)
            FAIL("%s has %d fields, not %d", vector_place, count, fields);
        check(field);
        vectors++;
    }
    free(text);
    CHECK(vectors > 0);
}

static inline int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *found = c ? strchr(digits, c) : NULL;
    if (!found)
        FAIL("%s: '%c' is no hexadecimal digit", vector_place, c);
    return (int)(found - digits);
}

/* Decodes a field in place. */
static inline struct bytes bytes_of(char *field)
{
    struct bytes bytes = {(unsigned char *)field, 0};
    if (strcmp(field, "-") == 0)
        return bytes;
    for (const char *c = field; *c; c += 2)
        bytes.data[bytes.length++] = (unsigned char)(hex_digit(c[0]) * 16 + hex_digit(c[1]));
    return bytes;
}

static inline void check_bytes(const char *file, int line, struct bytes expected, const void *actual, size_t length)
{
    if (expected.length != length)
        fail_at(file, line, "%s: %zu bytes, not %zu", vector_place, length, expected.length);
    if (memcmp(expected.data, actual, length) != 0)
        fail_at(file, line, "%s: other bytes", vector_place);
}

#define CHECK_BYTES(expected, actual, length) check_bytes(__FILE__, __LINE__, (expected), (actual), (length))

/* The public key as PEM, of its SubjectPublicKeyInfo in DER; freed by the caller. */
static inline char *pem_public_key(struct bytes der)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *pem = malloc(der.length * 2 + 100), *to = pem;
    CHECK(pem);
    to += sprintf(to, "-----BEGIN PUBLIC KEY-----\n");
    for (size_t i = 0; i < der.length; i += 3) {
        unsigned long group = 0;
        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (i + j < der.length ? der.data[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            *to++ = i + j > der.length ? '=' : digits[group >> (18 - 6 * j) & 63];
        if (i % 48 == 45)
            *to++ = '\n';
    }
    sprintf(to, "\n-----END PUBLIC KEY-----\n");
    return pem;
}

/* Whether a list of names, separated by colons, has this name, letter case ignored. Distributors build OpenSSL without
 * some algorithms; those that it lists must work, or be refused as the other tests say. */
static inline bool is_listed(size_t (*list)(char *, size_t), const char *name)
{
    static char names[32768];
    CHECK(list(names, sizeof names) < sizeof names);
    char *rest = names, *one;
    while ((one = strsep(&rest, ":")) != NULL)
        if (strcasecmp(one, name) == 0)
            return true;
    return false;
}

/* What a shell command prints, its final line end cut; in a buffer that the next call overwrites. */
static inline const char *output_of(const char *format, ...)
{
    static char output[8192];
    char command[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    FILE *pipe = popen(command, "r");
    CHECK(pipe);
    size_t length = fread(output, 1, sizeof output - 1, pipe);
    if (pclose(pipe) != 0)
        FAIL("%s failed", command);
    while (length > 0 && output[length - 1] == '\n')
        length--;
    output[length] = '\0';
    return output;
}

/* Bytes in hexadecimal; in a buffer that the next call overwrites. */
static inline const char *hex_of(const void *data, size_t length)
{
    static char text[4096];
    CHECK(length * 2 < sizeof text);
    for (size_t i = 0; i < length; i++)
        sprintf(text + 2 * i, "%02x", ((const unsigned char *)data)[i]);
    text[2 * length] = '\0';
    return text;
}

#endif
