/* test-announcer.c: what people are told, and that they are told once */

#include "src/helper/fz-announcer.h"

#define HOUR_US (INT64_C (3600) * G_USEC_PER_SEC)

static void
on_event (const char *id, GVariant *details, gpointer user_data)
{
  GString *said = user_data;
  g_autoptr (GVariant) sunk = details != NULL ? g_variant_ref_sink (details) : NULL;
  const char *reason;
  guint32 n;

  g_string_append_printf (said, "%s%s", said->len > 0 ? " " : "", id);
  if (sunk != NULL && g_variant_lookup (sunk, "reason", "&s", &reason))
    g_string_append_printf (said, ":%s", reason);
  if (sunk != NULL && g_variant_lookup (sunk, "n-resources", "u", &n))
    g_string_append_printf (said, ":%u", n);
}

static void
test_states (void)
{
  static const struct {
    FzServiceState state;
    FzServiceReason reason;
    const char *said;
  } steps[] = {
    { FZ_SERVICE_OFFLINE, FZ_REASON_NONE, "" },
    { FZ_SERVICE_CONNECTING, FZ_REASON_NONE, "" },
    { FZ_SERVICE_CONNECTED, FZ_REASON_NONE, "connected:3" },
    { FZ_SERVICE_DEGRADED, FZ_REASON_PORTAL_UNREACHABLE, "lost" },
    { FZ_SERVICE_CONNECTING, FZ_REASON_NONE, "" }, /* lost already */
    { FZ_SERVICE_CONNECTED, FZ_REASON_NONE, "restored" },
    { FZ_SERVICE_DEGRADED, FZ_REASON_DNS_FAILED, "dns-failed" },
    { FZ_SERVICE_DEGRADED, FZ_REASON_DNS_FAILED, "" },
    { FZ_SERVICE_CONNECTED, FZ_REASON_NONE, "" },
    { FZ_SERVICE_CONNECTING, FZ_REASON_NONE, "lost" },
    { FZ_SERVICE_OFFLINE, FZ_REASON_NONE, "" }, /* given up: nothing comes back */
    { FZ_SERVICE_CONNECTED, FZ_REASON_NONE, "connected:3" },
    { FZ_SERVICE_SIGNED_OUT, FZ_REASON_SESSION_REVOKED, "sign-in-needed:session-revoked" },
    { FZ_SERVICE_SIGNED_OUT, FZ_REASON_USER, "" },
    { FZ_SERVICE_CONNECTING, FZ_REASON_NONE, "" }, /* never was connected */
    { FZ_SERVICE_SIGNED_OUT, FZ_REASON_USER, "" },
  };
  g_autoptr (GString) said = g_string_new (NULL);
  FzAnnouncer announcer = { .on_event = on_event, .user_data = said };
  FzServiceMachine machine = { .state = FZ_SERVICE_SIGNED_OUT };

  for (size_t i = 0; i < G_N_ELEMENTS (steps); i++) {
    FzServiceState before = machine.state;
    FzServiceReason before_reason = machine.reason;

    machine.state = steps[i].state;
    machine.reason = steps[i].reason;
    fz_announcer_note_state (&announcer, &machine, before, before_reason, "wss://portal", 3);
    g_test_message ("step %zu", i);
    g_assert_cmpstr (said->str, ==, steps[i].said);
    g_string_truncate (said, 0);
  }
}

static void
test_end (void)
{
  g_autoptr (GString) said = g_string_new (NULL);
  FzAnnouncer announcer = { .on_event = on_event, .user_data = said };
  int64_t soon_us = HOUR_US - (int64_t) FZ_ANNOUNCER_ENDS_SOON_S * G_USEC_PER_SEC;

  fz_announcer_note_credential (&announcer);
  fz_announcer_note_expiry (&announcer, HOUR_US, soon_us - 1);
  g_assert_cmpstr (said->str, ==, "");
  fz_announcer_note_expiry (&announcer, HOUR_US, soon_us);
  fz_announcer_note_expiry (&announcer, HOUR_US, soon_us + 1);
  g_assert_cmpstr (said->str, ==, "session-ends-soon");

  fz_announcer_note_credential (&announcer);
  fz_announcer_note_expiry (&announcer, HOUR_US, HOUR_US); /* over: there is no soon */
  g_assert_cmpstr (said->str, ==, "session-ends-soon");
}

static void
test_nobody_listens (void)
{
  FzAnnouncer announcer = { 0 };
  FzUuid id = { 0 };

  fz_announcer_note_expiry (&announcer, 1, 0);
  fz_announcer_note_resource (&announcer, FZ_SESSION_NOTICE_DENIED, &id, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/announcer/states", test_states);
  g_test_add_func ("/announcer/end", test_end);
  g_test_add_func ("/announcer/nobody-listens", test_nobody_listens);
  return g_test_run ();
}
