/* Says which OpenSSL bglssl runs with: the smallest program, for the build files beside it. */
#include <bglssl.h>
#include <stdio.h>

int main(void)
{
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    if (config == NULL)
        return 1;
    printf("bglssl with %s\n", bgl_ssl_version());
    bgl_ssl_config_free(config);
    return 0;
}
