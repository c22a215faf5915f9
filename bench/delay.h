/* A line that holds each packet for a while, for networks whose round trips take time. */
#ifndef BENCH_DELAY_H
#define BENCH_DELAY_H

/* Carries frames between two network devices, each of which they reach so many microseconds late. Never returns. */
_Noreturn void run_delay_line(const char *const devices[2], long microseconds);

/* Has a device send packets whose checksums are complete, which such a line cannot do for them. */
void complete_checksums(const char *device);

#endif
