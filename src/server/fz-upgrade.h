/* fz-upgrade.h
 *
 * May this HTTP request become a websocket (portal-protocol.md §§3.10, 8.1)?
 * Knows nothing of HTTP itself: the request comes in as values, a refusal goes
 * out as a problem for the caller to send.
 */
#pragma once

#include "src/server/fz-session.h"

#include <glib.h>
#include <stdbool.h>

/* -- how often somebody may connect: one a second per source and token -- */

typedef struct FzConnectLimiter FzConnectLimiter;

#define FZ_CONNECT_LIMITER_KEYS_MAX 20000u

/* @interval_us: time a key has to wait between two connects; 0 for tests without a limit. */
FzConnectLimiter *fz_connect_limiter_new (int64_t interval_us);
void fz_connect_limiter_free (FzConnectLimiter *self);

/* Also false while the table is full: whoever floods us with tokens waits like everybody. */
bool fz_connect_limiter_allow (FzConnectLimiter *self, const char *key, int64_t now_us);

/* -- the check -- */

typedef struct {
  FzRole role;
  bool is_legacy;
  const char *authorization; /* value of X-Authorization, or NULL */
  GHashTable *query;         /* text → text, or NULL */
  const char *user_agent;    /* or NULL */
  const char *remote_ip;
} FzUpgradeRequest;

typedef struct {
  unsigned status;        /* HTTP */
  const char *code;       /* machine-readable, static */
  char *detail;           /* for people; owned */
  unsigned retry_after_s; /* 0: no such header */
} FzProblem;

void fz_problem_clear (FzProblem *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzProblem, fz_problem_clear)

/* RFC 9457 body; g_free. */
char *fz_problem_to_json (const FzProblem *self);

typedef struct {
  FzStore *store;
  FzConnectLimiter *limiter;
  /* Whether a gateway of that id has a live channel. */
  bool (*is_gateway_connected) (const char *gateway_id, void *context);
  void *context;
} FzUpgrade;

/**
 * fz_upgrade_check:
 * @out_error: set in addition to @out_problem when our own store failed; for the log
 *
 * Verifies the token, finds or makes the device and notes its session.
 *
 * Returns: NULL with @out_problem filled for a refusal
 */
FzSession *fz_upgrade_check (const FzUpgrade *self,
                             const FzUpgradeRequest *request,
                             FzProblem *out_problem,
                             GError **out_error);
