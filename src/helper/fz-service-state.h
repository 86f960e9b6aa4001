/* fz-service-state.h
 *
 * What the service says it is: Manager.State with its reason, as one state
 * machine. The controller collects facts; fz_service_judge says what they
 * mean, and the machine takes the step, which must be one of these:
 *
 *                 credential                Connect
 *   SIGNED_OUT ◄─────────────► OFFLINE ◄──────────────┐
 *       ▲                         │ ▲                 │
 *       │ token refused   Connect │ │ ended           │ Disconnect
 *       │                         ▼ │                 │
 *       ├──────────────────── CONNECTING ◄────────► ERROR
 *       │                      │ ▲  ▲ │               ▲
 *       │                  up  │ │  │ └─► DISCONNECTING ◄── Disconnect, from all three
 *       │                      ▼ │  │                 │
 *       ├──── CONNECTED ◄──► DEGRADED ────────────────┘ (given up)
 *       └───────────────────────┘
 *
 * Plain values, no main loop.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
  FZ_SERVICE_SIGNED_OUT,    /* no credential */
  FZ_SERVICE_OFFLINE,       /* a credential, but nobody asked to connect */
  FZ_SERVICE_CONNECTING,    /* there is no interface yet; also between two attempts */
  FZ_SERVICE_CONNECTED,     /* interface, routes and name servers set, portal reached */
  FZ_SERVICE_DEGRADED,      /* traffic flows, but something is missing */
  FZ_SERVICE_DISCONNECTING, /* a session is saying goodbye */
  FZ_SERVICE_ERROR,         /* given up until somebody asks again */
} FzServiceState;
#define FZ_N_SERVICE_STATES (FZ_SERVICE_ERROR + 1)

typedef enum {
  FZ_REASON_NONE,
  FZ_REASON_PORTAL_UNREACHABLE,
  FZ_REASON_PORTAL_REFUSED,
  FZ_REASON_SESSION_EXPIRED,
  FZ_REASON_SESSION_REVOKED,
  FZ_REASON_ACCOUNT_DISABLED,
  FZ_REASON_VERSION_UNSUPPORTED,
  FZ_REASON_DNS_FAILED,
  FZ_REASON_NETWORK_DOWN,
  FZ_REASON_DEVICE_FAILED,
  FZ_REASON_NO_RIGHTS,
  FZ_REASON_INTERNAL,
  FZ_REASON_USER,
  FZ_REASON_OWNER_LEFT,
} FzServiceReason;
#define FZ_N_SERVICE_REASONS (FZ_REASON_OWNER_LEFT + 1)

/* Values of Manager.State and Manager.StateReason. */
const char *fz_service_state_name (FzServiceState state);
const char *fz_service_reason_name (FzServiceReason reason);

/* One English sentence for people and logs; "" for no reason. */
const char *fz_service_reason_describe (FzServiceReason reason);

/* Whether @next may follow @state; staying is always allowed. */
bool fz_service_state_allows (FzServiceState state, FzServiceState next);

/* Each by itself; together they decide. */
typedef struct {
  bool has_credential;
  bool wants_connected;       /* the last accepted of Connect and Disconnect */
  bool has_session;           /* one exists */
  bool is_ending;             /* it has been told to stop */
  bool is_up;                 /* it has configured the interface */
  bool is_portal_there;       /* its portal is joined */
  bool is_dns_pending;        /* this machine is about to ask our name servers for the first time */
  bool has_dns_failed;        /* this machine does not ask our name servers */
  bool has_network;           /* there is a way out of this machine at all */
  bool has_given_up;          /* @failure is one that trying again does not mend */
  FzServiceReason signed_out; /* why there is no credential */
  FzServiceReason failure;    /* what the portal said last, or why the last session ended */
} FzServiceFacts;

FzServiceState fz_service_judge (const FzServiceFacts *facts, FzServiceReason *out_reason);

/* -- the machine -- */

#define FZ_SERVICE_DETAIL_MAX 512u /* bytes; a portal's words may be many */

typedef struct {
  FzServiceState state;
  FzServiceReason reason;
  char *detail; /* never NULL after init */
} FzServiceMachine;

void fz_service_machine_init (FzServiceMachine *self);
void fz_service_machine_clear (FzServiceMachine *self);

/**
 * fz_service_machine_set:
 * @detail: a sentence, cut at FZ_SERVICE_DETAIL_MAX; NULL: what the reason says
 *
 * A step that the table above does not have is a bug and asserts.
 *
 * Returns: whether state, reason or detail differ from before
 */
bool fz_service_machine_set (FzServiceMachine *self,
                             FzServiceState state,
                             FzServiceReason reason,
                             const char *detail);

/* -- PortalState -- */

typedef enum {
  FZ_PORTAL_STATE_OFF,
  FZ_PORTAL_STATE_CONNECTING,
  FZ_PORTAL_STATE_CONNECTED,
  FZ_PORTAL_STATE_RETRYING,
} FzPortalState;

FzPortalState fz_service_judge_portal (const FzServiceFacts *facts);
const char *fz_portal_state_name (FzPortalState state);
