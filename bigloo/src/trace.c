/* trace.c: the lines of a trace, kept in the thread that did the handshake until Scheme asks for them: the library calls with
 * frames of its own on the stack, and Scheme may raise. */
#include <bigloo.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bglssl_bigloo.h"

/* What a thread keeps; of a handshake that nobody asks about, no more than this. */
#define MOST_LINES 256

struct lines {
  int count;
  char *text[MOST_LINES];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void drop(struct lines *lines) {
  while (lines->count > 0) free(lines->text[--lines->count]);
}

static void release_lines(void *object) {
  drop(object);
  free(object);
}

static void make_key(void) { pthread_key_create(&key, release_lines); }

static struct lines *own_lines(void) {
  struct lines *lines;

  pthread_once(&once, make_key);
  lines = pthread_getspecific(key);
  if (lines || !(lines = calloc(1, sizeof(*lines)))) return lines;
  if (pthread_setspecific(key, lines) == 0) return lines;
  free(lines);
  return NULL;
}

static void note(const char *peer, const char *line, void *unused) {
  struct lines *lines = own_lines();
  char *text;

  (void)unused;
  if (!lines || lines->count == MOST_LINES) return;
  text = malloc(strlen(peer) + strlen(line) + 2);
  if (!text) return;
  strcat(strcat(strcpy(text, peer), " "), line);
  lines->text[lines->count++] = text;
}

/* Before a handshake that is to be traced: an earlier one may have been left by an escape, before anybody asked for its lines. */
void bglssl_begin_trace(void) {
  struct lines *lines = own_lines();

  if (lines) drop(lines);
}

int bglssl_config_trace(void *config) { return bgl_ssl_config_set_trace(config, note, NULL); }

/* The handshake is over: a list of the lines, which this thread keeps no longer. Later messages are not traced. */
obj_t bglssl_take_trace(obj_t socket) {
  struct lines *lines = own_lines();
  void *handle = SOCKETP(socket) ? bglssl_socket_handle(socket) : NULL;
  obj_t list = BNIL;

  if (handle) bgl_ssl_socket_set_trace(handle, NULL, NULL);
  while (lines && lines->count > 0) {
    char *text = lines->text[--lines->count];

    list = MAKE_PAIR(string_to_bstring(text), list);
    free(text);
  }
  bglssl_keep(socket);
  return list;
}
