/* Leaks a handle on purpose: leak checkers must notice, or they are of no use to the other tests. */
#include "bglssl.h"

#include <stdlib.h>

static bgl_ssl_config_t *volatile leaked;

int main(void)
{
    leaked = bgl_ssl_config_new();
    if (!leaked)
        return 2;
    leaked = NULL;
    return 0;
}
