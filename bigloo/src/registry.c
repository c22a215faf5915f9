/* registry.c: a hash table in stripes, each with a lock held for a few instructions only. */
#include "registry.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#define STRIPES 64
#define CHAINS 64

struct entry {
  const FILE *file;
  struct bglssl_link *link;
  struct entry *next;
};

struct stripe {
  pthread_mutex_t lock;
  struct entry *chains[CHAINS];
};

static struct stripe stripes[STRIPES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void) {
  for (int i = 0; i < STRIPES; i++) pthread_mutex_init(&stripes[i].lock, NULL);
}

static struct stripe *stripe_of(const FILE *file, struct entry ***chain) {
  uint64_t hash = (uint64_t)(uintptr_t)file * UINT64_C(0x9E3779B97F4A7C15);
  struct stripe *stripe = &stripes[(hash >> 58) % STRIPES];

  pthread_once(&once, init);
  *chain = &stripe->chains[(hash >> 52) % CHAINS];
  return stripe;
}

bool bglssl_registry_put(const FILE *file, struct bglssl_link *link) {
  struct entry **chain;
  struct stripe *stripe = stripe_of(file, &chain);
  struct entry *entry = malloc(sizeof(*entry));

  if (!entry) return false;
  entry->file = file;
  entry->link = link;
  pthread_mutex_lock(&stripe->lock);
  entry->next = *chain;
  *chain = entry;
  pthread_mutex_unlock(&stripe->lock);
  return true;
}

struct bglssl_link *bglssl_registry_take(const FILE *file, const struct bglssl_link *owner) {
  struct entry **chain;
  struct stripe *stripe = stripe_of(file, &chain);
  struct bglssl_link *link = NULL;
  struct entry *found = NULL;

  pthread_mutex_lock(&stripe->lock);
  for (struct entry **at = chain; *at; at = &(*at)->next) {
    if ((*at)->file == file && (!owner || (*at)->link == owner)) {
      found = *at;
      *at = found->next;
      break;
    }
  }
  pthread_mutex_unlock(&stripe->lock);
  if (found) link = found->link;
  free(found);
  return link;
}
