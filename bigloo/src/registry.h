/* registry.h: which connection an input port's stream belongs to.
 *
 * Bigloo's close primitive for input ports is given the FILE * and not the port. The caller
 * that takes an entry out closes the stream, so that a second close, of a clone or from
 * another thread, finds nothing to close.
 */
#ifndef BGLSSL_REGISTRY_H
#define BGLSSL_REGISTRY_H

#include <stdbool.h>
#include <stdio.h>

struct bglssl_link;

/* false when there is no memory for it. The registry does not keep the link alive. */
bool bglssl_registry_put(const FILE *file, struct bglssl_link *link);

/* The link of `file`, which is forgotten; NULL when there is none. With an owner: only if
 * it is that one, since addresses are used again once a stream is closed. */
struct bglssl_link *bglssl_registry_take(const FILE *file, const struct bglssl_link *owner);

#endif
