/* body.h: the body of an HTTP response: see body.c. */
#ifndef BGLSSL_BODY_H
#define BGLSSL_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bglssl_body_state {
  /* No HTTP, or a body that ends with the stream. */
  BGLSSL_BODY_NONE,
  /* `left` bytes of the body, or of a chunk. */
  BGLSSL_BODY_DATA,
  /* What is between chunks: a chunk's size, what may follow it, the end of a chunk's bytes; and the lines after
   * the last one. */
  BGLSSL_BODY_SIZE,
  BGLSSL_BODY_EXTENSION,
  BGLSSL_BODY_CHUNK_END,
  BGLSSL_BODY_TRAILER,
  BGLSSL_BODY_TRAILER_LINE,
  BGLSSL_BODY_END,
  /* The chunks are damaged. */
  BGLSSL_BODY_BAD
};

struct bglssl_body {
  enum bglssl_body_state state;
  bool chunked;
  int digits;
  int64_t left;
};

void bglssl_body_begin(struct bglssl_body *body, int64_t length, bool chunked);
size_t bglssl_body_decode(struct bglssl_body *body, char *data, size_t size);
void bglssl_body_attach(struct bglssl_body *body, obj_t port, BGL_LONGLONG_T length, bool_t chunked,
                        long position);

/* Whether nothing more of the stream belongs to it. */
static inline bool bglssl_body_is_over(const struct bglssl_body *body) {
  return body->state == BGLSSL_BODY_END || body->state == BGLSSL_BODY_BAD;
}

#endif
