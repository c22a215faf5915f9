/* body.c: the body of an HTTP response, taken out of the stream that carries it.
 *
 * The input port of an https URL is the socket's own, so that time-outs, char-ready? and send-chars
 * work as on any socket. What its reads get is decoded here, in place: no framing makes bytes more.
 */
#include <bigloo.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "body.h"

/* More digits than any chunk's size needs. */
#define MOST_DIGITS 15

static int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* What one byte of the framing, which is no byte of a chunk, leads to. */
static enum bglssl_body_state next_state(struct bglssl_body *body, char c) {
  int digit = digit_value(c);

  switch (body->state) {
  case BGLSSL_BODY_SIZE:
    if (digit >= 0 && body->digits < MOST_DIGITS) {
      body->left = body->left * 16 + digit;
      body->digits++;
      return BGLSSL_BODY_SIZE;
    }
    if (body->digits == 0) return BGLSSL_BODY_BAD;
    if (c == ';' || c == ' ' || c == '\t') return BGLSSL_BODY_EXTENSION;
    /* fall through */
  case BGLSSL_BODY_EXTENSION:
    if (c == '\r') return BGLSSL_BODY_EXTENSION;
    if (c != '\n') return body->state == BGLSSL_BODY_EXTENSION ? BGLSSL_BODY_EXTENSION : BGLSSL_BODY_BAD;
    return body->left > 0 ? BGLSSL_BODY_DATA : BGLSSL_BODY_TRAILER;
  case BGLSSL_BODY_CHUNK_END:
    if (c == '\r') return BGLSSL_BODY_CHUNK_END;
    body->left = 0;
    body->digits = 0;
    return c == '\n' ? BGLSSL_BODY_SIZE : BGLSSL_BODY_BAD;
  case BGLSSL_BODY_TRAILER:
    if (c == '\r') return BGLSSL_BODY_TRAILER;
    return c == '\n' ? BGLSSL_BODY_END : BGLSSL_BODY_TRAILER_LINE;
  case BGLSSL_BODY_TRAILER_LINE:
    return c == '\n' ? BGLSSL_BODY_TRAILER : BGLSSL_BODY_TRAILER_LINE;
  default:
    return body->state;
  }
}

void bglssl_body_begin(struct bglssl_body *body, int64_t length, bool chunked) {
  body->chunked = chunked;
  body->digits = 0;
  body->left = chunked ? 0 : length;
  body->state = chunked ? BGLSSL_BODY_SIZE
                : length > 0 ? BGLSSL_BODY_DATA
                : length == 0 ? BGLSSL_BODY_END
                              : BGLSSL_BODY_NONE;
}

/* Leaves at the beginning of `data` what belongs to the body, and says how much that is. */
size_t bglssl_body_decode(struct bglssl_body *body, char *data, size_t size) {
  size_t in = 0, out = 0;

  if (body->state == BGLSSL_BODY_NONE) return size;
  while (in < size && body->state != BGLSSL_BODY_END && body->state != BGLSSL_BODY_BAD) {
    if (body->state == BGLSSL_BODY_DATA) {
      size_t n = (int64_t)(size - in) < body->left ? size - in : (size_t)body->left;

      memmove(data + out, data + in, n);
      in += n;
      out += n;
      body->left -= (int64_t)n;
      if (body->left == 0) body->state = body->chunked ? BGLSSL_BODY_CHUNK_END : BGLSSL_BODY_END;
    } else {
      body->state = next_state(body, data[in++]);
    }
  }
  return out;
}

/* Where the port stands now, the body begins: what its buffer holds already is decoded, too. `position`:
 * how many bytes of the whole are left out. */
void bglssl_body_attach(struct bglssl_body *body, obj_t port, BGL_LONGLONG_T length, bool_t chunked,
                        long position) {
  char *buffered = (char *)&RGC_BUFFER_REF(port, INPUT_PORT(port).matchstop);
  size_t available = (size_t)RGC_BUFFER_AVAILABLE(port), kept;

  bglssl_body_begin(body, length, chunked);
  kept = bglssl_body_decode(body, buffered, available);
  INPUT_PORT(port).bufpos -= (long)(available - kept);
  INPUT_PORT(port).filepos = position;
}
