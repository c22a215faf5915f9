/* Which calls of a scenario are made to fail. Many come from the same place in the same way: what follows a failure there is
 * the same but for what happened before, so that the first, the second and the last stand for all. And most of these places
 * are in other scenarios as well. Where a peer is to be refused, the first has to fail in each of them; where none is, it is
 * enough that it did in one. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>

static void *allocated(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        perror("calloc");
        exit(1);
    }
    return memory;
}

static int by_stack(const void *a, const void *b)
{
    const struct planned *one = a, *other = b;
    if (one->stack != other->stack)
        return one->stack < other->stack ? -1 : 1;
    return (one->order > other->order) - (one->order < other->order);
}

static int by_order(const void *a, const void *b)
{
    const struct planned *one = a, *other = b;
    if (one->order != other->order)
        return one->order < other->order ? -1 : 1;
    return (one->fault.choice > other->fault.choice) - (one->fault.choice < other->fault.choice);
}

/* The stacks of all scenarios so far; a hash table. */
static struct {
    uint64_t *stacks; /* 0: none */
    size_t space, count;
} seen;

static uint64_t *place_of(uint64_t stack)
{
    size_t at = stack % seen.space;
    while (seen.stacks[at] && seen.stacks[at] != stack)
        at = (at + 1) % seen.space;
    return &seen.stacks[at];
}

static void make_space(void)
{
    uint64_t *old = seen.stacks;
    size_t old_space = seen.space;
    seen.space = old_space ? 2 * old_space : 1 << 16;
    seen.stacks = allocated(seen.space, sizeof *seen.stacks);
    for (size_t i = 0; i < old_space; i++)
        if (old[i])
            *place_of(old[i]) = old[i];
    free(old);
}

/* Whether it was there already. */
static bool add_seen(uint64_t stack)
{
    if (2 * seen.count >= seen.space)
        make_space();
    uint64_t *place = place_of(stack);
    if (*place == stack)
        return true;
    *place = stack;
    seen.count++;
    return false;
}

/* Keeps those that stand for others. */
static void keep_representatives(struct plan *plan, struct stack_group stack_group)
{
    long kept = 0;
    qsort(plan->faults, (size_t)plan->count, sizeof *plan->faults, by_stack);
    for (long from = 0, to = 0; from < plan->count; from = to) {
        while (to < plan->count && plan->faults[to].stack == plan->faults[from].stack)
            to++;
        struct planned last = plan->faults[to - 1];
        bool known = add_seen((plan->faults[from].stack ^ stack_group.number * 0x9e3779b97f4a7c15) | 1);
        plan->stacks++;
        if (!known || stack_group.once)
            plan->faults[kept++] = plan->faults[from];
        if (known)
            continue;
        if (to - from > 2)
            plan->faults[kept++] = plan->faults[from + 1];
        if (to - from > 1)
            plan->faults[kept++] = last;
    }
    plan->count = kept;
    qsort(plan->faults, (size_t)plan->count, sizeof *plan->faults, by_order);
}

struct plan make_plan(enum fault_kind kind, enum thoroughness thoroughness, bool for_ever,
                      struct stack_group stack_group, const struct fault_trace *trace)
{
    struct plan plan = {NULL, 0, 0, 0};
    long traced = trace->count < MAX_TRACED ? trace->count : MAX_TRACED;
    for (long i = 0; i < traced; i++)
        plan.calls += fault_choices(kind, trace->calls[i].call);
    plan.faults = allocated((size_t)plan.calls, sizeof *plan.faults);
    for (long i = 0; i < traced; i++) {
        const struct traced_call *call = &trace->calls[i];
        for (int choice = 0; choice < fault_choices(kind, call->call); choice++)
            plan.faults[plan.count++] =
                (struct planned){{call->thread, call->n, choice, for_ever}, call->stack, i, false, false};
    }
    if (kind == FAULT_ALLOCATION && thoroughness == EACH_STACK)
        keep_representatives(&plan, stack_group);
    return plan;
}

void free_plan(struct plan *plan)
{
    free(plan->faults);
}

void note_run(enum fault_kind kind, struct planned *planned, const struct fault_trace *trace)
{
    if (trace->fired && (kind == FAULT_SYSTEM_CALL || trace->stack == planned->stack))
        planned->done = true;
}
