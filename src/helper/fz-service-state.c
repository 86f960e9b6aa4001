#include "src/helper/fz-service-state.h"

#define BIT(state) (1u << (state))

static const uint8_t allowed_next[FZ_N_SERVICE_STATES] = {
  [FZ_SERVICE_SIGNED_OUT] = BIT (FZ_SERVICE_OFFLINE),
  [FZ_SERVICE_OFFLINE] = BIT (FZ_SERVICE_SIGNED_OUT) | BIT (FZ_SERVICE_CONNECTING),
  [FZ_SERVICE_CONNECTING] = BIT (FZ_SERVICE_SIGNED_OUT) | BIT (FZ_SERVICE_OFFLINE) |
                            BIT (FZ_SERVICE_CONNECTED) | BIT (FZ_SERVICE_DEGRADED) |
                            BIT (FZ_SERVICE_DISCONNECTING) | BIT (FZ_SERVICE_ERROR),
  [FZ_SERVICE_CONNECTED] = BIT (FZ_SERVICE_SIGNED_OUT) | BIT (FZ_SERVICE_CONNECTING) |
                           BIT (FZ_SERVICE_DEGRADED) | BIT (FZ_SERVICE_DISCONNECTING) |
                           BIT (FZ_SERVICE_ERROR),
  [FZ_SERVICE_DEGRADED] = BIT (FZ_SERVICE_SIGNED_OUT) | BIT (FZ_SERVICE_CONNECTING) |
                          BIT (FZ_SERVICE_CONNECTED) | BIT (FZ_SERVICE_DISCONNECTING) |
                          BIT (FZ_SERVICE_ERROR),
  [FZ_SERVICE_DISCONNECTING] =
      BIT (FZ_SERVICE_SIGNED_OUT) | BIT (FZ_SERVICE_OFFLINE) | BIT (FZ_SERVICE_CONNECTING),
  [FZ_SERVICE_ERROR] =
      BIT (FZ_SERVICE_SIGNED_OUT) | BIT (FZ_SERVICE_OFFLINE) | BIT (FZ_SERVICE_CONNECTING),
};

static const char *const state_names[FZ_N_SERVICE_STATES] = {
  [FZ_SERVICE_SIGNED_OUT] = "signed-out", [FZ_SERVICE_OFFLINE] = "offline",
  [FZ_SERVICE_CONNECTING] = "connecting", [FZ_SERVICE_CONNECTED] = "connected",
  [FZ_SERVICE_DEGRADED] = "degraded",     [FZ_SERVICE_DISCONNECTING] = "disconnecting",
  [FZ_SERVICE_ERROR] = "error",
};

static const struct {
  const char *name;
  const char *sentence;
} reasons[FZ_N_SERVICE_REASONS] = {
  [FZ_REASON_NONE] = { "", "" },
  [FZ_REASON_PORTAL_UNREACHABLE] = { "portal-unreachable",
                                     "The portal cannot be reached; the service keeps trying" },
  [FZ_REASON_PORTAL_REFUSED] = { "portal-refused", "The portal does not let this device in" },
  [FZ_REASON_SESSION_EXPIRED] = { "session-expired", "The session has expired; sign in again" },
  [FZ_REASON_SESSION_REVOKED] = { "session-revoked",
                                  "The portal does not accept the session any more; sign in "
                                  "again" },
  [FZ_REASON_ACCOUNT_DISABLED] = { "account-disabled", "The account is disabled" },
  [FZ_REASON_VERSION_UNSUPPORTED] = { "version-unsupported",
                                      "The portal does not work with this version; update this "
                                      "program" },
  [FZ_REASON_DNS_FAILED] = { "dns-failed", "Private names do not resolve on this machine" },
  [FZ_REASON_NETWORK_DOWN] = { "network-down", "This machine has no network" },
  [FZ_REASON_DEVICE_FAILED] = { "device-failed", "The tunnel device cannot be set up" },
  [FZ_REASON_NO_RIGHTS] = { "no-rights",
                            "The service lacks the right CAP_NET_ADMIN; start it by its unit" },
  [FZ_REASON_INTERNAL] = { "internal", "The service failed; its log says where" },
  [FZ_REASON_USER] = { "user", "Signed out" },
  [FZ_REASON_OWNER_LEFT] = { "owner-left", "The owner of the tunnel has left this machine" },
};

const char *
fz_service_state_name (FzServiceState state)
{
  return state_names[state];
}

const char *
fz_service_reason_name (FzServiceReason reason)
{
  return reasons[reason].name;
}

const char *
fz_service_reason_describe (FzServiceReason reason)
{
  return reasons[reason].sentence;
}

bool
fz_service_state_allows (FzServiceState state, FzServiceState next)
{
  return state == next || (allowed_next[state] & BIT (next)) != 0;
}

/* -- what the facts mean -- */

/* It was reached, and said no; so it is not only away. */
static bool
has_refused (const FzServiceFacts *facts)
{
  return facts->failure == FZ_REASON_PORTAL_REFUSED ||
         facts->failure == FZ_REASON_ACCOUNT_DISABLED ||
         facts->failure == FZ_REASON_VERSION_UNSUPPORTED;
}

/* Without a way out of the machine nobody should look for the fault at the portal. */
static FzServiceReason
reason_for_portal (const FzServiceFacts *facts)
{
  if (!facts->has_network)
    return FZ_REASON_NETWORK_DOWN;
  return has_refused (facts) ? facts->failure : FZ_REASON_PORTAL_UNREACHABLE;
}

static FzServiceReason
reason_for_waiting (const FzServiceFacts *facts)
{
  return facts->failure == FZ_REASON_PORTAL_UNREACHABLE ? reason_for_portal (facts)
                                                        : facts->failure;
}

static FzServiceState
judge_running (const FzServiceFacts *facts, FzServiceReason *out_reason)
{
  if (!facts->has_session || !facts->is_up) {
    *out_reason = reason_for_waiting (facts);
    return FZ_SERVICE_CONNECTING;
  }
  if (facts->is_portal_there && facts->is_dns_pending && !facts->has_dns_failed) {
    *out_reason = FZ_REASON_NONE;
    return FZ_SERVICE_CONNECTING;
  }
  if (!facts->is_portal_there) {
    *out_reason = reason_for_portal (facts);
    return FZ_SERVICE_DEGRADED;
  }
  if (facts->has_dns_failed) {
    *out_reason = FZ_REASON_DNS_FAILED;
    return FZ_SERVICE_DEGRADED;
  }
  *out_reason = FZ_REASON_NONE;
  return FZ_SERVICE_CONNECTED;
}

FzServiceState
fz_service_judge (const FzServiceFacts *facts, FzServiceReason *out_reason)
{
  *out_reason = FZ_REASON_NONE;
  if (facts->has_session && facts->is_ending)
    return FZ_SERVICE_DISCONNECTING;
  if (!facts->has_credential) {
    *out_reason = facts->signed_out;
    return FZ_SERVICE_SIGNED_OUT;
  }
  if (!facts->wants_connected)
    return FZ_SERVICE_OFFLINE;
  if (!facts->has_session && facts->has_given_up) {
    *out_reason = facts->failure;
    return FZ_SERVICE_ERROR;
  }
  return judge_running (facts, out_reason);
}

FzPortalState
fz_service_judge_portal (const FzServiceFacts *facts)
{
  bool is_running = facts->has_session && !facts->is_ending;

  if (!facts->has_credential || !facts->wants_connected || (facts->has_session && facts->is_ending))
    return FZ_PORTAL_STATE_OFF;
  if (!is_running)
    return facts->has_given_up ? FZ_PORTAL_STATE_OFF : FZ_PORTAL_STATE_RETRYING;
  if (facts->is_portal_there)
    return FZ_PORTAL_STATE_CONNECTED;
  return facts->is_up || facts->failure != FZ_REASON_NONE ? FZ_PORTAL_STATE_RETRYING
                                                          : FZ_PORTAL_STATE_CONNECTING;
}

const char *
fz_portal_state_name (FzPortalState state)
{
  switch (state) {
  case FZ_PORTAL_STATE_OFF:
    return "off";
  case FZ_PORTAL_STATE_CONNECTING:
    return "connecting";
  case FZ_PORTAL_STATE_CONNECTED:
    return "connected";
  case FZ_PORTAL_STATE_RETRYING:
    return "retrying";
  }
  g_assert_not_reached ();
}

/* -- the machine -- */

void
fz_service_machine_init (FzServiceMachine *self)
{
  *self = (FzServiceMachine){ .state = FZ_SERVICE_SIGNED_OUT, .detail = g_strdup ("") };
}

void
fz_service_machine_clear (FzServiceMachine *self)
{
  g_clear_pointer (&self->detail, g_free);
}

/* One line of text that a bus takes, whatever came in. */
static char *
dup_sentence (const char *text)
{
  g_autofree char *whole = g_utf8_make_valid (text, -1);
  const char *end = whole;

  while (*end != '\0' && (size_t) (g_utf8_next_char (end) - whole) <= FZ_SERVICE_DETAIL_MAX)
    end = g_utf8_next_char (end);
  for (char *c = whole; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      *c = ' ';
  return g_strndup (whole, (gsize) (end - whole));
}

bool
fz_service_machine_set (FzServiceMachine *self,
                        FzServiceState state,
                        FzServiceReason reason,
                        const char *detail)
{
  g_autofree char *text =
      dup_sentence (detail != NULL ? detail : fz_service_reason_describe (reason));

  g_assert (fz_service_state_allows (self->state, state));
  if (self->state == state && self->reason == reason && g_str_equal (self->detail, text))
    return false;

  self->state = state;
  self->reason = reason;
  g_free (self->detail);
  self->detail = g_steal_pointer (&text);
  return true;
}
