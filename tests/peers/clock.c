/* Another time of day for the process that loads this first (LD_PRELOAD): the file ALEWIFE_TEST_CLOCK names how many seconds
   it differs from the machine's, as eight bytes in the machine's own order. Time that only runs is left alone. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t offset(void) {
    static int file = -2;
    int64_t seconds = 0;
    if (file == -2) {
        const char *path = getenv("ALEWIFE_TEST_CLOCK");
        file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    }
    if (file < 0 || pread(file, &seconds, sizeof seconds, 0) != sizeof seconds) return 0;
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    long failed = syscall(SYS_clock_gettime, clock, time);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += offset();
    return (int)failed;
}
