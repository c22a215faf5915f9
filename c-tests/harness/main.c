/* Of its own, since the program of faults/ has another. */
#include "parts.h"

/* Arguments: parts of names; without any, every case runs. */
int main(int argc, char **argv)
{
    return run_tests(argc, argv);
}
