/*
 * LD_PRELOAD: makes the n-th call of one system function fail with EIO, or kills the process just before or after it.
 *
 *   SPINDLE_SHIM="eio fdatasync 7"     SPINDLE_SHIM="kill-before rename 3"     SPINDLE_SHIM="kill-after pwrite64 40"
 *
 * A call that fails is not made. Calls are counted over all threads, from 1.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char action[16], function[24];
static long wanted;
static atomic_long calls;

__attribute__((constructor)) static void read_plan(void) {
  const char *plan = getenv("SPINDLE_SHIM");
  if (plan != NULL) sscanf(plan, "%15s %23s %ld", action, function, &wanted);
}

static int is_turn(const char *name) {
  if (wanted == 0 || strcmp(name, function) != 0) return 0;
  return atomic_fetch_add(&calls, 1) + 1 == wanted;
}

#define GUARDED(type, name, parameters, arguments)                        \
  type name parameters {                                                  \
    static type(*real) parameters;                                        \
    if (real == NULL) real = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
    int turn = is_turn(#name);                                            \
    if (turn && strcmp(action, "eio") == 0) {                             \
      errno = EIO;                                                        \
      return -1;                                                          \
    }                                                                     \
    if (turn && strcmp(action, "kill-before") == 0) raise(SIGKILL);       \
    type result = real arguments;                                         \
    if (turn && strcmp(action, "kill-after") == 0) raise(SIGKILL);        \
    return result;                                                        \
  }

GUARDED(int, fdatasync, (int fd), (fd))
GUARDED(int, fsync, (int fd), (fd))
GUARDED(int, rename, (const char *from, const char *to), (from, to))
GUARDED(int, unlink, (const char *path), (path))
GUARDED(ssize_t, pwrite64, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at))
GUARDED(ssize_t, pwrite, (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at))
