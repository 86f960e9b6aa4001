/* fz-program.h
 *
 * A process that is one session: signals, readiness, health, and an exit status.
 *
 *   SIGINT, SIGTERM  leave: goodbye to peers, routes removed, portal left; a second one at once
 *   SIGHUP           a client makes its paths anew; a gateway only says so in its log
 *   SIGUSR1          all counters into the log
 */
#pragma once

#include "src/session/fz-log-setup.h"
#include "src/session/fz-session.h"

typedef struct {
  FzSessionConfig session; /* log, role and all the rest; the platform is filled in */
  FzLog log;
  const FzDnsMode *dns_mode;  /* who shall be in charge of DNS; NULL: it is left alone */
  const char *token_advice;   /* what to do about a token that is not accepted */
  const char *health_address; /* NULL: no health server */
  bool ends_when_ready;       /* --exit */
  bool skips_check;           /* --no-check: find out about missing rights when they are needed */
} FzProgramConfig;

/**
 * fz_program_init:
 *
 * First thing in main(): descriptors 0 to 2 are open, so that no socket or device of ours gets a
 * number that others write to; a closed pipe is an error of the write, not our end; no core dumps.
 * Until fz_program_run() takes over, SIGINT and SIGTERM end the process with status 0, for nothing
 * is set up yet, and SIGHUP and SIGUSR1 are ignored.
 */
void fz_program_init (void);

/* The log, opened; NULL after saying on standard error why it cannot be. */
FzLogSetup *fz_program_open_log (const FzLogSetupConfig *config);

/* The log's first line: @message, and which version of what runs where. */
void fz_program_log_started (const FzLog *log, const char *message, const char *component);

/* Runs to the end; returns the exit status: 0 after a signal or for --exit, 1 after an error, which
 * has been logged and written to standard error. */
int fz_program_run (const FzProgramConfig *config);

/* "NAME: text" on standard error and an error in the log; returns 1. */
int fz_program_fail (const FzLog *log, const char *text);
