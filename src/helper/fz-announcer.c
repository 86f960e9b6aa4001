#include "src/helper/fz-announcer.h"

static void
say (FzAnnouncer *self, const char *id, GVariant *details)
{
  if (self->on_event != NULL)
    self->on_event (id, details, self->user_data);
  else if (details != NULL)
    g_variant_unref (g_variant_ref_sink (details));
}

static void
say_lost (FzAnnouncer *self, const char *portal)
{
  GVariantDict dict;

  if (self->lost_since_us != 0 || !self->has_said_connected)
    return;
  self->lost_since_us = g_get_real_time ();
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "portal", "s", portal);
  g_variant_dict_insert (&dict, "since", "t", (guint64) self->lost_since_us);
  say (self, "lost", g_variant_dict_end (&dict));
}

static void
say_connected (FzAnnouncer *self, uint32_t n_resources)
{
  GVariantDict dict;

  if (self->has_said_connected) {
    if (self->lost_since_us != 0)
      say (self, "restored", NULL);
    self->lost_since_us = 0;
    return;
  }
  self->has_said_connected = true;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "n-resources", "u", n_resources);
  say (self, "connected", g_variant_dict_end (&dict));
}

static void
say_sign_in_needed (FzAnnouncer *self, FzServiceReason reason)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "reason", "s", fz_service_reason_name (reason));
  say (self, "sign-in-needed", g_variant_dict_end (&dict));
}

void
fz_announcer_note_state (FzAnnouncer *self,
                         const FzServiceMachine *machine,
                         FzServiceState before,
                         FzServiceReason before_reason,
                         const char *portal,
                         uint32_t n_resources)
{
  bool is_new = before != machine->state || before_reason != machine->reason;

  switch (machine->state) {
  case FZ_SERVICE_CONNECTED:
    say_connected (self, n_resources);
    break;
  case FZ_SERVICE_DEGRADED:
    if (machine->reason != FZ_REASON_DNS_FAILED)
      say_lost (self, portal);
    else if (is_new)
      say (self, "dns-failed", NULL);
    break;
  case FZ_SERVICE_CONNECTING:
    if (before == FZ_SERVICE_CONNECTED || before == FZ_SERVICE_DEGRADED)
      say_lost (self, portal);
    break;
  case FZ_SERVICE_SIGNED_OUT:
    if (is_new && machine->reason != FZ_REASON_USER && before != FZ_SERVICE_SIGNED_OUT)
      say_sign_in_needed (self, machine->reason);
    break;
  case FZ_SERVICE_OFFLINE:
  case FZ_SERVICE_DISCONNECTING:
  case FZ_SERVICE_ERROR:
    break;
  }
  if (machine->state == FZ_SERVICE_OFFLINE || machine->state == FZ_SERVICE_SIGNED_OUT) {
    self->has_said_connected = false;
    self->lost_since_us = 0;
  }
}

void
fz_announcer_note_resource (FzAnnouncer *self,
                            FzSessionNotice notice,
                            const FzUuid *resource_id,
                            const FzResource *resource)
{
  char id[FZ_UUID_TEXT_MAX];
  GVariantDict dict;

  fz_uuid_format (resource_id, id);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "resource-id", "s", id);
  g_variant_dict_insert (&dict, "resource-name", "s", resource != NULL ? resource->name : "");
  g_variant_dict_insert (
      &dict, "site", "s", resource != NULL && resource->n_sites > 0 ? resource->sites[0].name : "");
  say (self, fz_session_notice_name (notice), g_variant_dict_end (&dict));
}

void
fz_announcer_note_credential (FzAnnouncer *self)
{
  self->has_warned_of_end = false;
}

void
fz_announcer_note_expiry (FzAnnouncer *self, int64_t expires_us, int64_t now_us)
{
  int64_t left_us = expires_us - now_us;
  GVariantDict dict;

  if (self->has_warned_of_end || left_us > (int64_t) FZ_ANNOUNCER_ENDS_SOON_S * G_USEC_PER_SEC)
    return;
  self->has_warned_of_end = true;
  if (left_us <= 0) /* too late to warn; the portal says the rest */
    return;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "expires", "t", (guint64) expires_us);
  say (self, "session-ends-soon", g_variant_dict_end (&dict));
}
