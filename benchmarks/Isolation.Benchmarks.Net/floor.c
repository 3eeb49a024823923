// The floor: replays recorded netlink requests, chunk by chunk, and takes every acknowledgement; or asks for a list and takes it.
// usage: floor replay FILE NSFD-NUMBER NSPATH | floor dump COUNT; prints the microseconds of it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e6 + t.tv_nsec / 1e3; }
static char buffer[1 << 20];

int main(int argc, char **argv) {
  int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), one = 1, size = 1 << 20;
  setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
  setsockopt(s, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
  setsockopt(s, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
  if (argc > 4 && !strcmp(argv[1], "replay")) {
    int ns = open(argv[4], O_RDONLY), wanted = atoi(argv[3]), file = open(argv[2], O_RDONLY);
    if (ns != wanted) dup2(ns, wanted);
    struct stat st; fstat(file, &st);
    char *all = malloc(st.st_size), *at = all, *end = all + st.st_size;
    if (read(file, all, st.st_size) != st.st_size) return 2;
    double start = now();
    int failed = 0;
    // Each chunk: its length, the number of requests, the requests.
    while (at < end) {
      uint32_t length = *(uint32_t *)at, count = *(uint32_t *)(at + 4), got = 0;
      if (write(s, at + 8, length) != length) return 3;
      while (got < count) {
        long n = recv(s, buffer, sizeof buffer, 0);
        for (struct nlmsghdr *h = (void *)buffer; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
          if (h->nlmsg_type == NLMSG_ERROR) { got++; failed += ((struct nlmsgerr *)NLMSG_DATA(h))->error != 0; }
      }
      at += 8 + length;
    }
    printf("%.0f\n", now() - start);
    return failed != 0;
  }
  int rounds = atoi(argv[2]); long links = 0;
  double start = now();
  for (int i = 0; i < rounds; i++) {
    struct { struct nlmsghdr h; struct ifinfomsg m; } request = { { sizeof request, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, i + 1, 0 }, { 0 } };
    send(s, &request, sizeof request, 0);
    for (int done = 0; !done;) {
      long n = recv(s, buffer, sizeof buffer, 0);
      for (struct nlmsghdr *h = (void *)buffer; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) { links += h->nlmsg_type == RTM_NEWLINK; done |= h->nlmsg_type == NLMSG_DONE; }
    }
  }
  printf("%.0f\n", (now() - start) / rounds);
  return links == 0;
}
