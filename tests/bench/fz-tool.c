/* fz-tool.c */

#include "tests/bench/fz-tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t is_ended;

FzInstant
fz_tool_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * FZ_S + (uint64_t) now.tv_nsec;
}

static void
on_signal (int number)
{
  is_ended = true;
}

void
fz_tool_catch_signals (void)
{
  struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART */

  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
}

bool
fz_tool_is_ended (void)
{
  return is_ended;
}

void
fz_tool_fail (const char *what)
{
  fprintf (stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror (errno));
  exit (EXIT_FAILURE);
}
