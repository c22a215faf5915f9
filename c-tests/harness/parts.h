/* What the parts of the harness share, beside harness.h. */
#ifndef HARNESS_PARTS_H
#define HARNESS_PARTS_H

#include "harness.h"

enum { EXIT_FAILED = 1, EXIT_SKIPPED = 77 };

/* A case tells its parent here why it failed or was skipped. */
extern int why_fd;
/* The directory of the case that runs. */
extern char case_directory[64];

const char *status_name(bgl_ssl_status_t status);
/* Runs the cases whose names hold one of the arguments, or all; the exit status. */
int run_tests(int argc, char **argv);

#endif
