/* port_lock.c: the runtime's lock of an output port, in a mutex that also knows which thread holds it.
 *
 * The runtime calls a port's primitive with the lock held, and expects a primitive that raises to release it. But a port
 * that is being closed it flushes without the lock, and without wanting a condition; nothing else tells the two apart.
 */
#define _GNU_SOURCE
#include <bigloo.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "link.h"

struct port_lock {
  obj_t inner;
  /* 0: nobody. */
  _Atomic pthread_t holder;
  /* How many times it has it: the inner one may be recursive. */
  int depth;
};

static int note_taken(struct port_lock *lock, int error) {
  if (error) return error;
  atomic_store_explicit(&lock->holder, pthread_self(), memory_order_relaxed);
  lock->depth++;
  return 0;
}

static bool is_own(struct port_lock *lock) {
  pthread_t holder = atomic_load_explicit(&lock->holder, memory_order_relaxed);

  return holder && pthread_equal(holder, pthread_self());
}

static int take(void *object) {
  struct port_lock *lock = object;

  return note_taken(lock, BGL_MUTEX_LOCK(lock->inner));
}

static int try(void *object) {
  struct port_lock *lock = object;

  return note_taken(lock, BGL_MUTEX_TRYLOCK(lock->inner));
}

/* The runtime does so twice where a copy to the port raises. */
static int release(void *object) {
  struct port_lock *lock = object;

  if (!is_own(lock)) return EPERM;
  if (--lock->depth == 0) atomic_store_explicit(&lock->holder, 0, memory_order_relaxed);
  return BGL_MUTEX_UNLOCK(lock->inner);
}

static bool take_until(struct port_lock *lock, int64_t deadline) {
  while (try(lock) != 0) {
    if (bglssl_time_left(deadline) <= 0) return false;
    bglssl_wait_for_one(NULL, 0, WRITER_RECHECK_US);
  }
  return true;
}

static int try_for(void *object, long milliseconds) {
  return take_until(object, bglssl_microseconds() + milliseconds * 1000L) ? 0 : ETIMEDOUT;
}

static struct port_lock *lock_of(obj_t port) { return (void *)BGL_MUTEX_SYSMUTEX(OUTPUT_PORT(port).mutex); }

void bglssl_port_lock_attach(obj_t port) {
  struct port_lock *lock;
  obj_t mutex = (void *)GC_MALLOC(BGL_MUTEX_SIZE + sizeof(*lock));

  memcpy(mutex, CREF(OUTPUT_PORT(port).mutex), BGL_MUTEX_SIZE);
  mutex = BREF(mutex);
  BGL_MUTEX(mutex).syslock = take;
  BGL_MUTEX(mutex).systrylock = try;
  BGL_MUTEX(mutex).systimedlock = try_for;
  BGL_MUTEX(mutex).sysunlock = release;
#ifdef BGL_INLINE_MUTEX
  lock = (void *)BGL_MUTEX_SYSMUTEX(mutex);
#else
  lock = BGL_MUTEX_SYSMUTEX(mutex) = (void *)GC_MALLOC(sizeof(*lock));
#endif
  lock->inner = OUTPUT_PORT(port).mutex;
  atomic_init(&lock->holder, 0);
  lock->depth = 0;
  OUTPUT_PORT(port).mutex = mutex;
}

/* Whether this thread holds the lock of a port that has one of these. */
bool bglssl_port_lock_is_own(obj_t port) { return is_own(lock_of(port)); }

/* Takes it, until `deadline`; whether it has it then. */
bool bglssl_port_lock_take(obj_t port, int64_t deadline) { return take_until(lock_of(port), deadline); }
