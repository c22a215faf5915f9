/* Reads a byte beyond an allocation on purpose: memory checkers must notice. */
#include "bglssl.h"

#include <stdlib.h>
#include <string.h>

int main(void)
{
    size_t length = strlen(bgl_ssl_version());
    char *copy = malloc(length);
    if (!copy)
        return 2;
    memcpy(copy, bgl_ssl_version(), length);
    /* Hides the size of the block from UBSan's check at compile time, which would come first. */
    volatile char *volatile block = copy;
    volatile char beyond = block[length];
    free(copy);
    return beyond == 1 ? 3 : 0;
}
