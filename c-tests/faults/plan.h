/* Which faults the runs of a scenario have. */
#ifndef FAULTS_PLAN_H
#define FAULTS_PLAN_H

#include "inject.h"

enum thoroughness {
    EACH_STACK, /* allocations: see plan.c */
    EVERY_CALL,
};

/* What call stacks have in common with those of other scenarios. */
struct stack_group {
    uint64_t number; /* the same where the same is expected */
    bool once;       /* those that were in one of them are not left out, but tried once more */
};

struct planned {
    struct fault fault;
    uint64_t stack;
    long order; /* of its call among all */
    bool done;
    bool tried_alone; /* after a bad run in which it did not happen */
};

struct plan {
    struct planned *faults; /* in the order of the calls */
    long count;
    long calls;  /* of the scenario */
    long stacks; /* that they came from, as far as that counts */
};

/* Of what was traced in a run without a fault. */
struct plan make_plan(enum fault_kind kind, enum thoroughness thoroughness, bool for_ever,
                      struct stack_group stack_group, const struct fault_trace *trace);
void free_plan(struct plan *plan);

/* Takes the run of a fault into account: it is done once a call failed, and that from the stack it was planned for. Where
 * several threads take part, a run may differ from what was traced. */
void note_run(enum fault_kind kind, struct planned *planned, const struct fault_trace *trace);

#endif
