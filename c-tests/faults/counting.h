/* What the two kinds of failures share: the plan, and how calls are counted. */
#ifndef FAULTS_COUNTING_H
#define FAULTS_COUNTING_H

#include "inject.h"

#define CALLER __builtin_return_address(0)

extern struct planning {
    enum fault_kind kind;
    struct fault fault;
    bool from_program;
    struct fault_trace *trace;
    bool armed;
    uintptr_t bottom; /* of the stack, as far as it counts */
    int failing;      /* the call that fails for ever, or -1 */
    long failures;
} plan;

/* This thread's number, and how many calls it made that could have failed. */
extern __thread uint32_t this_thread, calls_made;

/* Whether a call of this kind may be the one. */
bool may_fail(enum fault_kind kind);
/* Counts; true when this one is to fail. */
bool is_due(void);
/* Whether none is to, and all are told. */
bool is_tracing(void);
void trace(uint64_t stack, uint32_t call);

/* From now on the system calls of the library count, and of the program if the plan says so. */
void note_callers(void);

#endif
