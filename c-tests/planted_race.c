/* Two threads count without a lock, on purpose: race checkers must notice. */
#include "bglssl.h"

#include <pthread.h>
#include <stddef.h>

static volatile long count;

static void *count_up(void *data)
{
    for (int i = 0; i < 10000; i++)
        count++;
    return data;
}

int main(void)
{
    pthread_t thread;
    if (!bgl_ssl_version() || pthread_create(&thread, NULL, count_up, NULL) != 0)
        return 2;
    count_up(NULL);
    pthread_join(thread, NULL);
    return 0;
}
