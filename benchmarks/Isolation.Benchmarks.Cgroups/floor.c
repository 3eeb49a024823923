// The same calls in C. usage: floor stats FILE... | cycle DIRECTORY:FILE=VALUE... | move PID FILE...; reads lines, answers nanoseconds for each.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }

static char buffer[65536];
static volatile unsigned long long sink;

// What a C program does with such a file: every number of it.
static void parse(const char *p, const char *end)
{
    while (p < end) {
        while (p < end && (*p < '0' || *p > '9')) p++;
        unsigned long long v = 0;
        while (p < end && *p >= '0' && *p <= '9') v = v * 10 + (*p++ - '0');
        sink += v;
    }
}

static void write_file(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) < 0) { perror(path); exit(1); }
    close(fd);
}

int main(int argc, char **argv)
{
    int fds[64];
    char line[64];
    if (!strcmp(argv[1], "stats"))
        for (int i = 2; i < argc; i++)
            if ((fds[i] = open(argv[i], O_RDONLY | O_CLOEXEC)) < 0) { perror(argv[i]); return 1; }
    while (fgets(line, sizeof line, stdin)) {
        long begin = now();
        if (!strcmp(argv[1], "stats")) {
            for (int i = 2; i < argc; i++) {
                long n = pread(fds[i], buffer, sizeof buffer, 0);
                if (n < 0) { perror(argv[i]); return 1; }
                parse(buffer, buffer + n);
            }
        } else if (!strcmp(argv[1], "cycle")) {
            // DIR:FILE=VALUE; FILE empty: the directory is made only
            for (int i = 2; i < argc; i++) {
                char spec[512]; snprintf(spec, sizeof spec, "%s", argv[i]);
                char *file = strchr(spec, ':'); *file++ = 0;
                if (mkdir(spec, 0755) < 0 && errno != EEXIST) { perror(spec); return 1; }
                char *value = strchr(file, '=');
                if (!value) continue;
                *value++ = 0;
                char path[1024]; snprintf(path, sizeof path, "%s/%s", spec, file);
                write_file(path, value);
            }
            for (int i = argc - 1; i >= 2; i--) {
                char spec[512]; snprintf(spec, sizeof spec, "%s", argv[i]); *strchr(spec, ':') = 0;
                if (rmdir(spec) < 0 && errno != ENOENT) { perror(spec); return 1; }
            }
        } else {
            for (int i = 3; i < argc; i++)
                write_file(argv[i], argv[2]);
        }
        printf("%ld\n", now() - begin);
        fflush(stdout);
    }
}
