/* hold.c: while the library is at work, and while a handle or a descriptor has no owner yet, the handlers of the thread's
 * signals wait, and so does its termination.
 *
 * The handler of a signal may escape, by a long jump, and the library and OpenSSL would be left in the middle of what they
 * do, with locks taken that all connections share. So meanwhile the runtime's table of this thread's handlers has a procedure
 * that notes the signal, and the handler is called afterwards. Blocking the signals would cost system calls, and give them to
 * another thread, which has handlers of its own, or none.
 */
#include <bigloo.h>

#include <signal.h>
#include <stdatomic.h>

#include "bglssl_bigloo.h"

/* As many as the runtime has. */
#define SIGNALS 32

struct handlers {
  volatile sig_atomic_t wait;
  volatile sig_atomic_t waiting[SIGNALS];
  obj_t procedure;
  /* Of the signals whose place the procedure has taken; else NULL. */
  obj_t replaced[SIGNALS];
};

/* The hold of this thread: how deep it is nested, its handlers (NULL: there are none; the runtime's table refers to them), and
 * whether the thread could be terminated before. */
static _Thread_local struct {
  int depth;
  struct handlers *handlers;
  int termination;
} held;

static struct handlers *hold_handlers(void);
static void release_handlers(struct handlers *handlers);

void bglssl_hold(void) {
  if (held.depth == 0) {
    held.handlers = hold_handlers();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &held.termination);
  }
  held.depth++;
}

void bglssl_release(void) {
  if (--held.depth > 0) return;
  pthread_setcancelstate(held.termination, NULL);
  release_handlers(held.handlers);
}

int bglssl_suspend_hold(void) {
  int depth = held.depth;

  if (depth > 0) {
    held.depth = 1;
    bglssl_release();
  }
  return depth;
}

void bglssl_resume_hold(int depth) {
  if (depth == 0) return;
  bglssl_hold();
  held.depth = depth;
}

/* ---- the handlers --------------------------------------------------------------------------- */

static obj_t note(obj_t procedure, obj_t number);
static bool can_wait(int number);

static struct handlers *hold_handlers(void) {
  struct handlers *handlers = NULL;
  obj_t *table;

  /* A thread that the collector knows, where finalizers run, and the runtime does not. */
  if (!BGL_CURRENT_DYNAMIC_ENV()) return NULL;
  table = BGL_SIG_HANDLERS();
  for (int n = 1; n < SIGNALS; n++) {
    if (!table[n] || !PROCEDUREP(table[n]) || !can_wait(n)) continue;
    if (!handlers) {
      handlers = (void *)GC_MALLOC(sizeof(*handlers));
      handlers->procedure = MAKE_FX_PROCEDURE(note, 1, 1);
      PROCEDURE_SET(handlers->procedure, 0, (obj_t)handlers);
    }
    handlers->replaced[n] = table[n];
    atomic_signal_fence(memory_order_seq_cst);
    table[n] = handlers->procedure;
  }
  /* Last: until here they may escape. */
  if (handlers) handlers->wait = 1;
  atomic_signal_fence(memory_order_seq_cst);
  return handlers;
}

/* The signals that tell of a fault in the code at work cannot wait. */
static bool can_wait(int number) {
  return number != SIGSEGV && number != SIGBUS && number != SIGFPE && number != SIGILL && number != SIGTRAP;
}

static obj_t call(obj_t procedure, obj_t number);
static void call_those_that_wait(struct handlers *handlers, int first);

/* The procedure. An escape may have left it in the table after the end of the hold. */
static obj_t note(obj_t procedure, obj_t number) {
  struct handlers *handlers = (void *)PROCEDURE_REF(procedure, 0);
  long n = CINT(number);

  if (!handlers->wait) return call(handlers->replaced[n], number);
  handlers->waiting[n] = 1;
  return BUNSPEC;
}

static void release_handlers(struct handlers *handlers) {
  obj_t *table;
  int first = 1;

  if (!handlers) return;
  table = BGL_SIG_HANDLERS();
  atomic_signal_fence(memory_order_seq_cst);
  handlers->wait = 0;
  for (int n = 1; n < SIGNALS; n++)
    if (handlers->replaced[n] && table[n] == handlers->procedure) table[n] = handlers->replaced[n];
  while (first < SIGNALS && !handlers->waiting[first]) first++;
  if (first < SIGNALS) call_those_that_wait(handlers, first);
}

/* Each may escape: until then the system keeps the later ones. */
static void call_those_that_wait(struct handlers *handlers, int first) {
  sigset_t before, later, one;

  sigemptyset(&later);
  for (int n = first + 1; n < SIGNALS; n++)
    if (handlers->waiting[n]) sigaddset(&later, n);
  pthread_sigmask(SIG_BLOCK, &later, &before);
  for (int n = first + 1; n < SIGNALS; n++)
    if (handlers->waiting[n]) raise(n);
  call(handlers->replaced[first], BINT(first));
  for (int n = first + 1; n < SIGNALS; n++) {
    if (!handlers->waiting[n] || sigismember(&before, n)) continue;
    sigemptyset(&one);
    sigaddset(&one, n);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
  }
}

static obj_t call(obj_t procedure, obj_t number) {
  if (PROCEDURE_ARITY(procedure) >= 0)
    return ((obj_t (*)(obj_t, obj_t))PROCEDURE_ENTRY(procedure))(procedure, number);
  return ((obj_t (*)(obj_t, obj_t, ...))PROCEDURE_ENTRY(procedure))(procedure, number, BEOA);
}
