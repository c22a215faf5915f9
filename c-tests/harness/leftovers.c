/* What a case leaves open, once the library's own threads have ended. */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>

int open_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        FAIL("cannot list /proc/self/fd: %s", strerror(errno));
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* The task directory of a thread of the library's, which may outlive its call: one that runs getaddrinfo, or the one
 * that looks after closed connections until their peers have ended them too. */
static bool is_the_librarys(const char *task)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", task);
    FILE *file = fopen(path, "r");
    if (!file)
        return false; /* ended meanwhile */
    bool found = fgets(name, sizeof name, file) && strncmp(name, "bglssl-", 7) == 0;
    fclose(file);
    return found;
}

static bool library_is_at_work(void)
{
    bool found = false;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        FAIL("cannot list /proc/self/task: %s", strerror(errno));
    while (!found && (entry = readdir(tasks)) != NULL)
        found = is_the_librarys(entry->d_name);
    closedir(tasks);
    return found;
}

/* What such a thread holds until it ends is neither leaked memory nor a leaked descriptor. That it ends is checked by the
 * watchdog. */
static void wait_for_library(void)
{
    while (library_is_at_work())
        usleep(10000);
}

int open_descriptors_at_rest(int expected)
{
    wait_for_library();
    int count = open_descriptors();
    /* A thread has its name, by which it is found, only a moment after its start. */
    for (int i = 0; count != expected && i < 200 * slowness(); i++) {
        usleep(10000);
        wait_for_library();
        count = open_descriptors();
    }
    return count;
}
