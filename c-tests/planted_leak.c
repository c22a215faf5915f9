/* Leaks handles on purpose: leak checkers must notice, or they are of no use to the other tests. The stack may still hold one
 * of them, so there are some. */
#include "bglssl.h"

#include <stdlib.h>

static bgl_ssl_config_t *volatile leaked;

int main(void)
{
    for (int i = 0; i < 10; i++) {
        leaked = bgl_ssl_config_new();
        if (!leaked)
            return 2;
    }
    leaked = NULL;
    return 0;
}
