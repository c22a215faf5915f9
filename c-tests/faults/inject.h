/* Makes one call of the library fail: the n-th allocation of OpenSSL, or the n-th system call. */
#ifndef INJECT_H
#define INJECT_H

#include <stdbool.h>

enum fault_kind { FAULT_ALLOCATION, FAULT_SYSTEM_CALL };

enum { MAX_TRACED = 30000 };

/* What a run tells its parent; in shared memory. */
struct fault_trace {
    long count;      /* calls between fault_begin and fault_end that could have failed */
    bool fired;      /* whether one did */
    char where[200]; /* which */
    unsigned char call[MAX_TRACED];
};

/* Before OpenSSL has allocated anything; false when the library has an OpenSSL of its own. */
bool inject_into_allocations(void);

/* What will fail: the n-th call (from 1; 0: none) of this kind. Of a system call, `choice` picks the error, and
 * `for_ever` makes all its later calls fail, too. `from_program` counts the program's own calls as well. */
void fault_plan(enum fault_kind kind, long n, int choice, bool for_ever, bool from_program, struct fault_trace *trace);

void fault_begin(void);
void fault_end(void);
/* Whether the planned call has failed already. */
bool fault_has_fired(void);

/* How many errors the traced call may give. */
int fault_choices(unsigned char call);

#endif
