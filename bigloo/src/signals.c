/* signals.c: the handlers of signals wait while the library is at work.
 *
 * The handler of a signal may escape, by a long jump, and the library and OpenSSL would be left in the middle of what they
 * do, with locks taken that all connections share. So during a step, and while a configuration is made, the runtime's table
 * of this thread's handlers has a procedure that notes the signal, and the handler is called afterwards. Blocking the signals
 * would cost system calls, and give them to another thread, which has handlers of its own, or none.
 */
#include <bigloo.h>

#include <signal.h>
#include <stdatomic.h>

#include "bglssl_bigloo.h"

/* As many as the runtime has. */
#define SIGNALS 32

struct bglssl_hold {
  volatile sig_atomic_t holds;
  volatile sig_atomic_t waiting[SIGNALS];
  obj_t procedure;
  /* Of the signals whose place the procedure has taken; else NULL. */
  obj_t handlers[SIGNALS];
};

static obj_t call(obj_t procedure, obj_t number) {
  if (PROCEDURE_ARITY(procedure) >= 0)
    return ((obj_t (*)(obj_t, obj_t))PROCEDURE_ENTRY(procedure))(procedure, number);
  return ((obj_t (*)(obj_t, obj_t, ...))PROCEDURE_ENTRY(procedure))(procedure, number, BEOA);
}

/* The procedure. An escape may have left it in the table after the end of the hold. */
static obj_t note(obj_t procedure, obj_t number) {
  struct bglssl_hold *hold = (void *)PROCEDURE_REF(procedure, 0);
  long n = CINT(number);

  if (!hold->holds) return call(hold->handlers[n], number);
  hold->waiting[n] = 1;
  return BUNSPEC;
}

/* The signals that tell of a fault in the code at work cannot wait. */
static bool can_wait(int number) {
  return number != SIGSEGV && number != SIGBUS && number != SIGFPE && number != SIGILL && number != SIGTRAP;
}

struct bglssl_hold *bglssl_hold_signals(void) {
  struct bglssl_hold *hold = NULL;
  obj_t *handlers;

  /* A thread that the collector knows, where finalizers run, and the runtime does not. */
  if (!BGL_CURRENT_DYNAMIC_ENV()) return NULL;
  handlers = BGL_SIG_HANDLERS();
  for (int n = 1; n < SIGNALS; n++) {
    if (!handlers[n] || !PROCEDUREP(handlers[n]) || !can_wait(n)) continue;
    if (!hold) {
      hold = (void *)GC_MALLOC(sizeof(*hold));
      hold->procedure = MAKE_FX_PROCEDURE(note, 1, 1);
      PROCEDURE_SET(hold->procedure, 0, (obj_t)hold);
    }
    hold->handlers[n] = handlers[n];
    atomic_signal_fence(memory_order_seq_cst);
    handlers[n] = hold->procedure;
  }
  /* Last: until here the handlers may escape. */
  if (hold) hold->holds = 1;
  atomic_signal_fence(memory_order_seq_cst);
  return hold;
}

/* Calls the handlers of the signals that wait. Each may escape: until then the system keeps the later ones. */
static void call_handlers(struct bglssl_hold *hold, int first) {
  sigset_t before, later, one;

  sigemptyset(&later);
  for (int n = first + 1; n < SIGNALS; n++)
    if (hold->waiting[n]) sigaddset(&later, n);
  pthread_sigmask(SIG_BLOCK, &later, &before);
  for (int n = first + 1; n < SIGNALS; n++)
    if (hold->waiting[n]) raise(n);
  call(hold->handlers[first], BINT(first));
  for (int n = first + 1; n < SIGNALS; n++) {
    if (!hold->waiting[n] || sigismember(&before, n)) continue;
    sigemptyset(&one);
    sigaddset(&one, n);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
  }
}

/* A handler that was held may escape from here. */
void bglssl_release_signals(struct bglssl_hold *hold) {
  obj_t *handlers = BGL_SIG_HANDLERS();
  int first = 1, termination;

  if (!hold) return;
  atomic_signal_fence(memory_order_seq_cst);
  hold->holds = 0;
  for (int n = 1; n < SIGNALS; n++)
    if (hold->handlers[n] && handlers[n] == hold->procedure) handlers[n] = hold->handlers[n];
  while (first < SIGNALS && !hold->waiting[first]) first++;
  if (first == SIGNALS) return;
  termination = bglssl_allow_termination();
  call_handlers(hold, first);
  bglssl_disallow_termination(termination);
}
