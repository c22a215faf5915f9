/* Makes one call of the library fail: the n-th allocation of OpenSSL, or the n-th system call. */
#ifndef INJECT_H
#define INJECT_H

#include <stdbool.h>
#include <stdint.h>

enum fault_kind { FAULT_ALLOCATION, FAULT_SYSTEM_CALL };

enum { MAX_TRACED = 1000000 };

/* A call that could have failed. Each thread counts its own, so that two threads that run at different speeds the next
 * time do not change what the numbers mean. */
struct traced_call {
    uint64_t stack;  /* a hash of the return addresses; allocations only */
    uint32_t thread; /* in the order of their creation; 0 is the first */
    uint32_t n : 24; /* of this thread's, from 1 */
    uint32_t call : 8;
};

/* What a run tells its parent; in shared memory. */
struct fault_trace {
    long count;      /* calls between fault_begin and fault_end that could have failed, if none was to */
    bool fired;      /* whether one did */
    uint64_t stack;  /* its hash */
    char where[200]; /* which */
    struct traced_call calls[MAX_TRACED];
};

/* Before OpenSSL has allocated anything; false when the library has an OpenSSL of its own. */
bool inject_into_allocations(void);

/* What will fail: a thread's n-th call (from 1; 0: none does, and all are traced) of this kind. Of a system call, `choice`
 * picks the error, and `for_ever` makes all its later calls fail, too. `from_program` counts the program's own calls as
 * well. To be called by what calls the scenario: call stacks begin above its caller. */
struct fault {
    uint32_t thread, n;
    int choice;
    bool for_ever;
};

void fault_plan(enum fault_kind kind, struct fault fault, bool from_program, struct fault_trace *trace);

void fault_begin(void);
void fault_end(void);
/* Whether the planned call has failed already. */
bool fault_has_fired(void);

/* How many errors the traced call may give. */
int fault_choices(enum fault_kind kind, uint32_t call);

#endif
