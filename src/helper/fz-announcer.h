/* fz-announcer.h
 *
 * What is worth a notification, and how often: Manager.Event from the steps that the control takes.
 * A connection is announced once for each wish, its loss once until it is back, an end that comes
 * once for each credential. Says nothing to nobody: the control hands it on.
 *
 *   unsaid ──connected──► said ──lost──► lost ──connected: restored──► said
 *      ▲                                            offline, signed out │
 *      └────────────────────────────────────────────────────────────────┘
 *
 * Main thread; lives inside the control.
 */
#pragma once

#include "src/engine/fz-resource.h"
#include "src/helper/fz-service-state.h"
#include "src/session/fz-session.h"

#define FZ_ANNOUNCER_ENDS_SOON_S 600u /* before a session's end people are told */

typedef struct {
  /* (optional) @details: a{sv}, floating; NULL for none. */
  void (*on_event) (const char *id, GVariant *details, gpointer user_data);
  gpointer user_data;
  bool has_said_connected; /* for this wish */
  int64_t lost_since_us;   /* wall clock; 0: it is not lost */
  bool has_warned_of_end;  /* of the credential's life */
} FzAnnouncer;

/* @machine is where @before and @before_reason were. @portal: its address. @n_resources: what
 * there is to reach; of interest when it says CONNECTED. */
void fz_announcer_note_state (FzAnnouncer *self,
                              const FzServiceMachine *machine,
                              FzServiceState before,
                              FzServiceReason before_reason,
                              const char *portal,
                              uint32_t n_resources);

/* @resource: NULL if there is none of this id any more. */
void fz_announcer_note_resource (FzAnnouncer *self,
                                 FzSessionNotice notice,
                                 const FzUuid *resource_id,
                                 const FzResource *resource);

/* Another credential: its end has yet to be announced. */
void fz_announcer_note_credential (FzAnnouncer *self);

/* @expires_us, @now_us: wall clock. May be called at any time and any number of times. */
void fz_announcer_note_expiry (FzAnnouncer *self, int64_t expires_us, int64_t now_us);
