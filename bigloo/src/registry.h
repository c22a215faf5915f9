/* registry.h: which connection a port's stream belongs to.
 *
 * Bigloo's close primitives are given the stream (a FILE *, or a descriptor) and not
 * the port. Whoever takes an entry out closes the stream, so that a second close, of a
 * clone or from another thread, finds nothing and harms nobody.
 */
#ifndef BGLSSL_REGISTRY_H
#define BGLSSL_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct bglssl_link;

static inline uintptr_t bglssl_key_of_file(const FILE *file) { return (uintptr_t)file; }
static inline uintptr_t bglssl_key_of_fd(int fd) { return ((uintptr_t)fd << 1) | 1; }

/* false when there is no memory for it. The registry does not keep the link alive. */
bool bglssl_registry_put(uintptr_t key, struct bglssl_link *link);

/* The link of `key`, which is forgotten; NULL when there is none. With an owner: only if it
 * is that one, since descriptors are used again once they are closed. */
struct bglssl_link *bglssl_registry_take(uintptr_t key, const struct bglssl_link *owner);

#endif
