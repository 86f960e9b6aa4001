/* fz-helper-private.h
 *
 * What the parts of the service share: fz-helper.c keeps the picture up to date,
 * fz-helper-manager.c draws the Manager's part of it, fz-helper-handlers.c does what
 * callers ask for.
 */
#pragma once

#include "src/helper/fz-helper.h"
#include "src/helper/fz-mirror.h"
#include "src/helper/fz-owner-watch.h"
#include "src/helper/fz-totals.h"
#include "src/ipc/fz-ipc-service.h"

#define FZ_HELPER_LOOK_MS     1000u /* between two looks at a session's views */
#define FZ_HELPER_EXPORTS_MAX 4u    /* at once, each of another user: each holds a thread */

struct FzHelper {
  FzHelperConfig config;
  FzHelperCallbacks callbacks;
  gpointer user_data;
  FzLog log;

  FzMachineConfig *machine_config;
  GFileMonitor *config_monitors[2]; /* the file, and the folder of drop-ins */
  guint reload_id;
  bool has_own_filter; /* somebody set one for this run */

  FzDnsControl *dns;
  FzControl *control;
  FzIpcService *service;
  FzMirror *mirror;
  FzOwnerWatch *owner_watch;
  uint32_t watched_owner;
  FzTotals totals;
  int64_t dropped_at_us;     /* monotonic: when totals.sum.dropped was counted */
  guint look_id;             /* once a second while there is something to see */
  guint publish_id;          /* idle source */
  GCancellable *cancellable; /* of self tests */
  GHashTable *exporting;     /* uids whose export is being written, as pointers */
};

extern const FzIpcHandlers fz_helper_handlers;

/* Properties and objects follow before the turn of the main loop ends. */
void fz_helper_publish (FzHelper *self);

/* -- the Manager's properties; fz-helper-manager.c -- */

/* Owner and what names him. What was the former one's is gone before there is another. */
void fz_helper_show_person (FzHelper *self);
void fz_helper_show_state (FzHelper *self);

/* Device, DNS, features, settings. @has_news: what takes a walk over all resources too. */
void fz_helper_show_rest (FzHelper *self, bool has_news);

/* Text for people who help: state, versions, features. */
char *fz_helper_dup_state (FzHelper *self);

/* The filter in force where nobody has set one: RUST_LOG, the administrator's, or info. */
const char *fz_helper_get_configured_filter (const FzHelper *self);
