// Makes launches on request: one line in, nanoseconds out. Lines: a floor's name, or "spawn" and a command.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/sched.h>

extern char **environ;
static int self_pidfd, pidfd, init_pidfd = -1;
static volatile int failed_step = -1, failed_errno;

#include "raw.h"

static long fail(int step, long r) { failed_step = step; failed_errno = -r; return -1; }

static char child_stack[65536] __attribute__((aligned(64)));

// clone3 with shared memory, the parent suspended until exec; the child runs on a stack of its own.
static __attribute__((noinline)) long start(unsigned long flags, long (*child)(void))
{
    struct clone_args a = { 0 };
    unsigned long all = ~0UL, old;
    a.flags = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
    a.pidfd = (unsigned long)&pidfd;
    a.stack = (unsigned long)child_stack;
    a.stack_size = sizeof child_stack;
    raw(SYS_rt_sigprocmask, SIG_SETMASK, (unsigned long)&all, (unsigned long)&old, 8, 0, 0);
    long r;
#if defined(__x86_64__)
    register long (*fn)(void) __asm__("rbx") = child;
    __asm__ volatile("syscall; test %%rax,%%rax; jnz 1f; xor %%ebp,%%ebp; call *%%rbx; mov $127,%%edi; mov $231,%%eax; syscall; 1:"
        : "=a"(r) : "a"(SYS_clone3), "D"(&a), "S"(sizeof a), "r"(fn) : "rcx", "r11", "memory");
#else
    register long x0 __asm__("x0") = (long)&a;
    register long x1 __asm__("x1") = sizeof a, x8 __asm__("x8") = SYS_clone3;
    register long (*fn)(void) __asm__("x19") = child;
    __asm__ volatile("svc #0; cbnz x0, 1f; blr x19; mov x0,#127; mov x8,#94; svc #0; 1:" : "+r"(x0) : "r"(x1), "r"(x8), "r"(fn) : "memory", "x30");
    r = x0;
#endif
    raw(SYS_rt_sigprocmask, SIG_SETMASK, (unsigned long)&old, 0, 8, 0, 0);
    return r;
}

// What the static program in place of the sealed image is told: descriptors in digits from a to p.
static char image_digits[1024];
static char *image_arguments[] = { image_digits, 0 };

static void write_hexadecimal(char **digits, unsigned value)
{
    for (int shift = 28; shift >= 0; shift -= 4) *(*digits)++ = 'a' + (value >> shift & 15);
}

// Takes over the init and the program's process from the intermediate one, and waits until the program is executed; by the library's calls.
static long adopt(long intermediate, int socket, int report)
{
    if (intermediate < 0) return intermediate;
    long ids[2] = { 0, 0 };
    int pidfds[2], message[2], ready = 0;
    union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof pidfds)]; } control;
    struct iovec vector = { ids, sizeof ids };
    struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    struct pollfd first[] = { { socket, POLLIN }, { pidfd, POLLIN } };
    siginfo_t info;
    ppoll(first, 2, 0, 0);
    if (recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == sizeof ids) {
        memcpy(pidfds, CMSG_DATA(&control.header), sizeof pidfds);
        waitid(P_PIDFD, pidfd, &info, WEXITED | __WALL);
        close(pidfd);
        init_pidfd = pidfds[0];
        pidfd = pidfds[1];
    }

    close(socket);
    struct pollfd second[] = { { report, 0 }, { pidfd, POLLIN } };
    ppoll(second, 2, 0, 0);
    fcntl(report, F_SETFL, O_NONBLOCK);
    while (read(report, message, sizeof message) == sizeof message) {
        if (message[0] < 0) ready = 1;
        else { failed_step = message[0]; failed_errno = message[1]; }
    }

    close(report);
    return ready ? ids[1] : -1;
}

#include "floors.h"

static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }

static void reap(long pid)
{
    siginfo_t info = { 0 };
    if (pid < 0 || failed_step >= 0) { printf("failed %d %d %ld\n", failed_step, failed_errno, pid); fflush(stdout); exit(1); }
    waitid(P_PIDFD, pidfd, &info, WEXITED | __WALL);
    close(pidfd);
    if (init_pidfd >= 0) {
        siginfo_t last;
        syscall(SYS_pidfd_send_signal, init_pidfd, SIGKILL, 0, 0);
        waitid(P_PIDFD, init_pidfd, &last, WEXITED | __WALL);
        close(init_pidfd);
        init_pidfd = -1;
    }

    if (info.si_code != CLD_EXITED || info.si_status != 0) { printf("status %d %d\n", info.si_code, info.si_status); fflush(stdout); exit(1); }
}

int main(void)
{
    static char line[65536];
    self_pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    fcntl(self_pidfd, F_SETFD, FD_CLOEXEC);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        long begin, end;
        if (!strncmp(line, "spawn ", 6)) {
            char *argv[256]; int n = 0;
            for (char *word = strtok(line + 6, "\x01"); word && n < 255; word = strtok(0, "\x01")) argv[n++] = word;
            argv[n] = 0;
            pid_t pid; int status = 0;
            posix_spawn_file_actions_t actions; posix_spawn_file_actions_init(&actions);
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
            posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
            begin = now();
            int e = posix_spawnp(&pid, argv[0], &actions, 0, argv, environ);
            if (!e) waitpid(pid, &status, 0);
            end = now();
            posix_spawn_file_actions_destroy(&actions);
            if (e || status) { printf("spawn %d status %x\n", e, status); fflush(stdout); continue; }
        } else {
            long (*f)(void) = find_floor(line);
            if (!f) { printf("unknown\n"); fflush(stdout); continue; }
            begin = now();
            reap(f());
            end = now();
        }
        printf("%ld\n", end - begin);
        fflush(stdout);
    }
}
