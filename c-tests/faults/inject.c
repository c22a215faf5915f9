/* Counts the calls that may fail, and makes allocations of OpenSSL fail; system_calls.c makes system calls fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include "counting.h"

struct planning plan = {.failing = -1};

__thread uint32_t this_thread, calls_made;

void fault_plan(enum fault_kind kind, struct fault fault, bool from_program, struct fault_trace *trace)
{
    plan.kind = kind;
    plan.fault = fault;
    plan.from_program = from_program;
    plan.trace = trace;
    plan.bottom = (uintptr_t)__builtin_frame_address(0);
    note_callers();
}

void fault_begin(void)
{
    __atomic_store_n(&plan.armed, plan.trace != NULL, __ATOMIC_SEQ_CST);
}

void fault_end(void)
{
    __atomic_store_n(&plan.armed, false, __ATOMIC_SEQ_CST);
}

bool fault_has_fired(void)
{
    return plan.trace && __atomic_load_n(&plan.trace->fired, __ATOMIC_SEQ_CST);
}

struct walk {
    uintptr_t from;
    bool begun;
    uint64_t hash;
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *frame, void *data)
{
    struct walk *walk = data;
    if ((uintptr_t)_Unwind_GetCFA(frame) > plan.bottom)
        return _URC_NORMAL_STOP;
    uintptr_t address = (uintptr_t)_Unwind_GetIP(frame);
    walk->begun |= address == walk->from;
    if (walk->begun) {
        walk->hash = (walk->hash ^ address) * 0x9e3779b97f4a7c15;
        walk->hash ^= walk->hash >> 29;
    }
    return _URC_NO_REASON;
}

/* A hash of the return addresses from that one down to the scenario's. Runs are forks of one process, so it is the same in all of them. */
static uint64_t call_stack(const void *from)
{
    struct walk walk = {(uintptr_t)from, false, 1};
    _Unwind_Backtrace(add_frame, &walk);
    return walk.hash;
}

bool may_fail(enum fault_kind kind)
{
    return __atomic_load_n(&plan.armed, __ATOMIC_SEQ_CST) && plan.kind == kind;
}

bool is_tracing(void)
{
    return plan.fault.n == 0;
}

bool is_due(void)
{
    calls_made++;
    return !is_tracing() && calls_made == plan.fault.n && this_thread == plan.fault.thread;
}

void trace(uint64_t stack, uint32_t call)
{
    long index = __atomic_fetch_add(&plan.trace->count, 1, __ATOMIC_SEQ_CST);
    if (index < MAX_TRACED)
        plan.trace->calls[index] = (struct traced_call){stack, this_thread, calls_made & 0xffffff, call & 0xff};
}

/* ---- allocations ---- */

static void tell_allocation(uint64_t stack, const char *file, int line)
{
    const char *base = strstr(file, "/crypto/");
    if (!base)
        base = strstr(file, "/ssl/");
    snprintf(plan.trace->where, sizeof plan.trace->where, "allocation at %s:%d", base ? base + 1 : file, line);
    plan.trace->stack = stack;
    __atomic_store_n(&plan.trace->fired, true, __ATOMIC_SEQ_CST);
}

static bool allocation_fails(const void *caller, const char *file, int line)
{
    if (!may_fail(FAULT_ALLOCATION))
        return false;
    bool due = is_due();
    if (!due && !is_tracing())
        return false;
    uint64_t stack = call_stack(caller);
    if (!due) {
        trace(stack, 0);
        return false;
    }
    tell_allocation(stack, file ? file : "?", line);
    errno = ENOMEM; /* as malloc sets it */
    return true;
}

static void *allocate(size_t size, const char *file, int line)
{
    return size == 0 || allocation_fails(CALLER, file, line) ? NULL : malloc(size);
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

static void *reallocate(void *memory, size_t size, const char *file, int line)
{
    if (size == 0) {
        free(memory);
        return NULL;
    }
    return allocation_fails(CALLER, file, line) ? NULL : realloc(memory, size);
}

bool inject_into_allocations(void)
{
    typedef int set_functions(void *(*)(size_t, const char *, int), void *(*)(void *, size_t, const char *, int),
                              void (*)(void *, const char *, int));
    void *found = dlsym(RTLD_DEFAULT, "CRYPTO_set_mem_functions");
    set_functions *set;
    if (!found)
        return false;
    memcpy(&set, &found, sizeof set);
    return set(allocate, reallocate, release) == 1;
}
