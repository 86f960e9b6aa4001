/* test-control.c
 *
 * The tunnel as people steer it, over real sessions: a real engine and its
 * sockets, a fake platform, and a portal in the same process.
 */
#include "platform/fake/fz-dns-control-fake.h"
#include "platform/fake/fz-platform-fake.h"
#include "src/crypto/fz-crypto.h"
#include "src/engine/fz-limits.h"
#include "src/helper/fz-control.h"
#include "src/portal/fz-backoff.h"
#include "src/portal/fz-portal-error.h"
#include "tests/unit/portal/portal-test.h"
#include "tests/unit/session/portal-stub.h"

#include <string.h>

#define REVOKED                                                                                    \
  "{\"topic\":\"client\",\"event\":\"disconnect\",\"payload\":{\"reason\":\"token_expired\"},"     \
  "\"ref\":null}"

/* Outlives each bench: a sign-out that nobody answered in time still has something to say. */
static PortalTestLog log_of_all;

typedef struct {
  PortalStub stub;
  FzPlatform *platform;
  FzDnsControl *dns;
  FzCredentialStore *store;
  FzControl *control;
  GString *states; /* names of states entered */
  GString *events; /* names of events */
  char *noticed;   /* resource and site of the last event that had them */
  FzServiceState state;
  bool is_stopped;
} Bench;

static void
on_changed (gpointer user_data)
{
  Bench *b = user_data;
  FzServiceState state = fz_control_get_machine (b->control)->state;

  if (state != b->state)
    g_string_append_printf (b->states, "%s ", fz_service_state_name (state));
  b->state = state;
}

static void
on_event (const char *id, GVariant *details, gpointer user_data)
{
  Bench *b = user_data;

  g_string_append_printf (b->events, "%s ", id);
  if (details != NULL) {
    g_autoptr (GVariant) sunk = g_variant_ref_sink (details);
    const char *name, *site;

    g_assert_true (g_variant_is_of_type (sunk, G_VARIANT_TYPE_VARDICT));
    if (g_variant_lookup (sunk, "resource-name", "&s", &name) &&
        g_variant_lookup (sunk, "site", "&s", &site)) {
      g_free (b->noticed);
      b->noticed = g_strdup_printf ("%s in %s", name, site);
    }
  }
}

static void
on_stopped (gpointer user_data)
{
  Bench *b = user_data;

  b->is_stopped = true;
}

static void
set_up (Bench *b, gconstpointer data)
{
  static const FzControlCallbacks callbacks = {
    .on_changed = on_changed,
    .on_event = on_event,
    .on_stopped = on_stopped,
  };
  const FzLog silent = { 0 };
  const FzDnsControlConfig dns = { .mode = FZ_DNS_MODE_FILE };
  FzControlConfig config = {
    .session.portal = {
      .login = { .role = FZ_ROLE_CLIENT, .device_id = "d", .name = "n" },
      .component = FZ_PORTAL_COMPONENT_HEADLESS,
      .budget_ns = FZ_BACKOFF_UNLIMITED,
      .is_patient = true,
      .speed = 20,
    },
    .session.host = { .no_mark = true },
    .default_api_url = "ws://127.0.0.1:1/",
  };

  portal_stub_open (&b->stub);
  portal_stub_push_recorded (&b->stub, "client-init.json");
  b->platform = fz_platform_fake_new (&silent);
  b->store = fz_credential_store_new ();
  b->states = g_string_new (NULL);
  b->events = g_string_new (NULL);
  b->dns = fz_dns_control_fake_new (&dns);
  config.session.host.platform = b->platform;
  config.session.dns = b->dns;
  config.store = b->store;
  config.log = portal_test_log_get (&log_of_all);
  b->control = fz_control_new (&config, &callbacks, b);
}

static void
tear_down (Bench *b, gconstpointer data)
{
  fz_control_free (b->control);
  g_assert_false (fz_platform_fake_has_tun (b->platform));
  portal_test_settle (20);
  portal_stub_close (&b->stub);
  portal_test_settle (20);
  fz_credential_store_free (b->store);
  fz_dns_control_free (b->dns);
  fz_platform_free (b->platform);
  g_string_free (b->states, TRUE);
  g_string_free (b->events, TRUE);
  g_free (b->noticed);
}

#define wait_for(b, condition)                                                                     \
  portal_test_wait (condition, "states %s; events %s", (b)->states->str, (b)->events->str)

static FzCredential *
credential (const char *token, const char *url)
{
  return fz_credential_new (fz_token_new (token, NULL), 1000, url, "corp", "Ada", 0);
}

static void
sign_in (Bench *b)
{
  fz_control_set_credential (b->control, credential ("token", b->stub.url));
}

static void
sign_in_and_connect (Bench *b)
{
  sign_in (b);
  g_assert_true (fz_control_connect (b->control));
  wait_for (b, b->state == FZ_SERVICE_CONNECTED);
}

/* -- tests -- */

static void
test_life (Bench *b, gconstpointer data)
{
  g_assert_false (fz_control_connect (b->control)); /* nobody is signed in */
  g_assert_cmpstr (b->states->str, ==, "");

  sign_in_and_connect (b);
  g_assert_cmpstr (b->states->str, ==, "offline connecting connected ");
  g_assert_cmpstr (b->events->str, ==, "connected ");
  g_assert_cmpint (fz_control_get_portal_state (b->control), ==, FZ_PORTAL_STATE_CONNECTED);
  g_assert_true (fz_control_is_up (b->control));
  g_assert_true (fz_platform_fake_is_up (b->platform));

  fz_control_disconnect (b->control);
  fz_control_disconnect (b->control);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_DISCONNECTING);
  g_assert_null (fz_control_get_session (b->control));
  wait_for (b, b->state == FZ_SERVICE_OFFLINE);
  g_assert_false (fz_platform_fake_has_tun (b->platform));
  g_assert_nonnull (fz_control_get_credential (b->control));

  fz_control_clear_credential (b->control, FZ_REASON_USER);
  fz_control_clear_credential (b->control, FZ_REASON_USER);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_SIGNED_OUT);
  g_assert_cmpint (fz_control_get_machine (b->control)->reason, ==, FZ_REASON_USER);
  g_assert_cmpstr (b->events->str, ==, "connected ");
}

static void
test_connect_is_idempotent (Bench *b, gconstpointer data)
{
  sign_in_and_connect (b);
  for (int i = 0; i < 5; i++)
    g_assert_true (fz_control_connect (b->control));
  portal_test_settle (50);
  g_assert_cmpstr (b->states->str, ==, "offline connecting connected ");
  g_assert_cmpuint (b->stub.n_joins, ==, 1);
}

/* Of callers at the same time the last accepted wins, wherever the session is by then. */
static void
test_last_call_wins (Bench *b, gconstpointer data)
{
  sign_in (b);
  for (int i = 0; i < 3; i++) {
    fz_control_connect (b->control);
    fz_control_disconnect (b->control);
  }
  fz_control_connect (b->control);
  wait_for (b, b->state == FZ_SERVICE_CONNECTED);
  fz_control_disconnect (b->control);
  fz_control_connect (b->control);
  fz_control_disconnect (b->control);
  wait_for (b, b->state == FZ_SERVICE_OFFLINE);
  portal_test_settle (50);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_OFFLINE);
}

static void
test_another_credential (Bench *b, gconstpointer data)
{
  sign_in_and_connect (b);
  sign_in (b); /* the same: nothing happens */
  portal_test_settle (20);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_CONNECTED);

  fz_control_set_credential (b->control, credential ("other", b->stub.url));
  g_assert_cmpint (b->state, ==, FZ_SERVICE_DISCONNECTING);
  g_assert_true (fz_control_connect (b->control)); /* with the new one */
  wait_for (b, b->state == FZ_SERVICE_CONNECTED);
  g_assert_cmpuint (b->stub.n_joins, ==, 2);
}

static void
test_clear_while_connected (Bench *b, gconstpointer data)
{
  sign_in_and_connect (b);
  fz_control_clear_credential (b->control, FZ_REASON_OWNER_LEFT);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_DISCONNECTING);
  g_assert_null (fz_control_get_credential (b->control));
  wait_for (b, b->state == FZ_SERVICE_SIGNED_OUT);
  g_assert_cmpint (fz_control_get_machine (b->control)->reason, ==, FZ_REASON_OWNER_LEFT);
}

static void
test_portal_goes_and_comes (Bench *b, gconstpointer data)
{
  sign_in_and_connect (b);
  portal_stub_hang_up (&b->stub);
  wait_for (b, b->state == FZ_SERVICE_DEGRADED);
  g_assert_cmpint (fz_control_get_machine (b->control)->reason, ==, FZ_REASON_PORTAL_UNREACHABLE);
  g_assert_cmpint (fz_control_get_portal_state (b->control), ==, FZ_PORTAL_STATE_RETRYING);
  g_assert_true (fz_platform_fake_is_up (b->platform)); /* traffic flows */
  wait_for (b, b->state == FZ_SERVICE_CONNECTED);
  g_assert_cmpstr (b->events->str, ==, "connected lost restored ");
}

/* Nobody is there: it is tried for as long as somebody wants it, and nobody is signed out. */
static void
test_portal_is_not_there (Bench *b, gconstpointer data)
{
  g_autofree char *url = g_strdup (b->stub.url);

  portal_stub_close (&b->stub);
  fz_control_set_credential (b->control, credential ("token", url));
  fz_control_connect (b->control);
  wait_for (b,
            fz_control_get_machine (b->control)->reason == FZ_REASON_PORTAL_UNREACHABLE &&
                fz_control_get_portal_state (b->control) == FZ_PORTAL_STATE_RETRYING);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_CONNECTING);
  g_assert_cmpstr (fz_control_get_machine (b->control)->detail, !=, "");

  portal_test_settle (500); /* many attempts, on the portal's clock */
  g_assert_cmpint (b->state, ==, FZ_SERVICE_CONNECTING);
  g_assert_cmpuint (fz_platform_fake_count (b->platform, FZ_FAKE_OPEN_TUN), ==, 1);
  fz_control_disconnect (b->control);
  wait_for (b, b->state == FZ_SERVICE_OFFLINE);
  g_assert_nonnull (fz_control_get_credential (b->control));
  portal_stub_open (&b->stub); /* for the end of the test */
}

/* Another program overwrites our servers: the control puts them back, or people hear of it. */
static void
test_dns (Bench *b, gconstpointer data)
{
  sign_in_and_connect (b);
  fz_dns_control_fake_fail (b->dns, 100, FZ_DNS_ERROR_PERMISSION);
  fz_dns_control_fake_overwrite (b->dns);
  wait_for (b, b->state == FZ_SERVICE_DEGRADED);
  g_assert_cmpint (fz_control_get_machine (b->control)->reason, ==, FZ_REASON_DNS_FAILED);
  g_assert_cmpstr (
      fz_control_get_machine (b->control)->detail, ==, fz_dns_control_get_error (b->dns)->message);
  fz_dns_control_fake_fail (b->dns, 0, FZ_DNS_ERROR_PERMISSION);
  fz_dns_control_check (b->dns);
  wait_for (b, b->state == FZ_SERVICE_CONNECTED);
  g_assert_cmpstr (b->events->str, ==, "connected dns-failed ");
  g_assert_nonnull (strstr (b->states->str, "offline connecting connected degraded connected "));
}

/* More than the engine takes: people are told, instead of waiting without a word. */
static void
test_too_many_resources (Bench *b, gconstpointer data)
{
  g_autofree char *recorded = portal_test_read ("client-init.json");
  g_autoptr (JsonNode) init = json_from_string (recorded, NULL);
  g_autofree char *words = g_strdup_printf ("%u resources", FZ_RESOURCES_MAX + 1);
  GString *list = g_string_new ("[");

  for (unsigned i = 0; i <= FZ_RESOURCES_MAX; i++)
    g_string_append_printf (
        list,
        "%s{\"id\":\"aaaaaaaa-0000-4000-8000-%012u\",\"type\":\"cidr\",\"name\":\"r%u\","
        "\"address\":\"10.%u.%u.0/24\",\"sites\":[],\"filters\":[]}",
        i > 0 ? "," : "",
        i,
        i,
        i / 256,
        i % 256);
  g_string_append (list, "]");
  portal_test_set (init, "payload/resources", list->str);
  g_string_free (list, TRUE);
  g_ptr_array_set_size (b->stub.pushes, 0);
  g_ptr_array_add (b->stub.pushes, json_to_string (init, FALSE));

  sign_in (b);
  fz_control_connect (b->control);
  wait_for (b, fz_control_get_machine (b->control)->reason == FZ_REASON_INTERNAL);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_CONNECTING);
  g_assert_nonnull (strstr (fz_control_get_machine (b->control)->detail, words));
}

/* The portal says that nobody is there for a resource: once, with words that people know. */
static void
test_gateways_offline (Bench *b, gconstpointer data)
{
  static const char message[] =
      "{\"topic\":\"client\",\"event\":\"authorization_creation_failed\",\"payload\":"
      "{\"resource_id\":\"aaaaaaaa-0000-4000-8000-000000000006\",\"reason\":\"offline\"},"
      "\"ref\":null}";

  sign_in_and_connect (b);
  portal_stub_say (&b->stub, message);
  wait_for (b, strstr (b->events->str, "gateways-offline ") != NULL);
  g_assert_cmpstr (b->noticed, ==, "Lab in berlin");
  g_assert_cmpint (b->state, ==, FZ_SERVICE_CONNECTED);
}

static void
test_token_refused (Bench *b, gconstpointer data)
{
  sign_in_and_connect (b);
  portal_stub_say (&b->stub, REVOKED);
  wait_for (b, b->state == FZ_SERVICE_SIGNED_OUT);
  g_assert_cmpint (fz_control_get_machine (b->control)->reason, ==, FZ_REASON_SESSION_REVOKED);
  g_assert_null (fz_control_get_credential (b->control));
  g_assert_cmpstr (b->events->str, ==, "connected sign-in-needed ");
  g_assert_false (fz_control_get_wish (b->control)->wants_connected);
  g_assert_false (fz_platform_fake_has_tun (b->platform));
}

static void
test_token_expired (Bench *b, gconstpointer data)
{
  FzCredential *short_lived = credential ("token", b->stub.url);

  short_lived->expires_us = (uint64_t) g_get_real_time ();
  fz_control_set_credential (b->control, short_lived);
  fz_control_connect (b->control);
  wait_for (b, b->state == FZ_SERVICE_CONNECTED);
  portal_stub_say (&b->stub, REVOKED);
  wait_for (b, b->state == FZ_SERVICE_SIGNED_OUT);
  g_assert_cmpint (fz_control_get_machine (b->control)->reason, ==, FZ_REASON_SESSION_EXPIRED);
}

static void
test_no_rights (Bench *b, gconstpointer data)
{
  sign_in (b);
  fz_platform_fake_fail_at (b->platform, 1, FZ_PLATFORM_ERROR_PERMISSION);
  fz_control_connect (b->control);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_ERROR);
  g_assert_cmpint (fz_control_get_machine (b->control)->reason, ==, FZ_REASON_NO_RIGHTS);
  fz_control_connect (b->control); /* whoever asks again is heard */
  wait_for (b, b->state == FZ_SERVICE_CONNECTED);
  g_assert_cmpstr (b->states->str, ==, "offline connecting error connecting connected ");
}

static void
test_error_is_left (Bench *b, gconstpointer data)
{
  sign_in (b);
  fz_platform_fake_fail_at (b->platform, 1, FZ_PLATFORM_ERROR_PERMISSION);
  fz_control_connect (b->control);
  fz_control_disconnect (b->control);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_OFFLINE);
  fz_platform_fake_fail_at (b->platform, 1, FZ_PLATFORM_ERROR_PERMISSION);
  fz_control_connect (b->control);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_ERROR);
  fz_control_clear_credential (b->control, FZ_REASON_USER);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_SIGNED_OUT);
}

/* A device that fails once is tried again. */
static void
test_device_fails_once (Bench *b, gconstpointer data)
{
  sign_in (b);
  fz_platform_fake_fail_at (b->platform, 1, FZ_PLATFORM_ERROR_BUSY);
  fz_control_connect (b->control);
  g_assert_cmpint (b->state, ==, FZ_SERVICE_CONNECTING);
  g_assert_cmpint (fz_control_get_machine (b->control)->reason, ==, FZ_REASON_DEVICE_FAILED);
  wait_for (b, b->state == FZ_SERVICE_CONNECTED);
}

static void
test_reconnect (Bench *b, gconstpointer data)
{
  fz_control_reconnect (b->control); /* nothing there: nothing happens */
  sign_in_and_connect (b);
  fz_control_reconnect (b->control);
  wait_for (b, b->stub.n_joins == 2);
  wait_for (b, b->state == FZ_SERVICE_CONNECTED);
  g_assert_true (fz_platform_fake_has_tun (b->platform));
}

static void
test_stop (Bench *b, gconstpointer data)
{
  sign_in_and_connect (b);
  fz_control_stop (b->control);
  wait_for (b, b->is_stopped);
  g_assert_false (fz_platform_fake_has_tun (b->platform));
  g_assert_true (fz_control_get_wish (b->control)->wants_connected); /* kept for the next start */
  g_assert_nonnull (fz_control_get_credential (b->control));
}

static void
test_stop_when_idle (Bench *b, gconstpointer data)
{
  fz_control_stop (b->control);
  wait_for (b, b->is_stopped);
}

static void
test_session_ends_soon (Bench *b, gconstpointer data)
{
  FzCredential *soon = credential ("token", b->stub.url);

  soon->expires_us = (uint64_t) g_get_real_time () + 60 * G_USEC_PER_SEC;
  fz_control_set_credential (b->control, soon);
  wait_for (b, strstr (b->events->str, "session-ends-soon ") != NULL);
}

static void
test_errors_mean (void)
{
  static const struct {
    GQuark (*domain) (void);
    int code;
    FzServiceReason reason;
    bool is_final;
  } rows[] = {
    { fz_portal_error_quark, FZ_PORTAL_ERROR_INVALID_TOKEN, FZ_REASON_SESSION_REVOKED, true },
    { fz_portal_error_quark,
      FZ_PORTAL_ERROR_AUTHENTICATION_FAILED,
      FZ_REASON_PORTAL_REFUSED,
      true },
    { fz_portal_error_quark, FZ_PORTAL_ERROR_LOGIN_FAILED, FZ_REASON_PORTAL_REFUSED, true },
    { fz_portal_error_quark,
      FZ_PORTAL_ERROR_RETRIES_EXHAUSTED,
      FZ_REASON_PORTAL_UNREACHABLE,
      false },
    { fz_platform_error_quark, FZ_PLATFORM_ERROR_PERMISSION, FZ_REASON_NO_RIGHTS, true },
    { fz_platform_error_quark, FZ_PLATFORM_ERROR_UNSUPPORTED, FZ_REASON_DEVICE_FAILED, true },
    { fz_platform_error_quark, FZ_PLATFORM_ERROR_BUSY, FZ_REASON_DEVICE_FAILED, false },
    { fz_host_error_quark, FZ_HOST_ERROR_TUN, FZ_REASON_DEVICE_FAILED, false },
    { fz_host_error_quark, FZ_HOST_ERROR_SOCKET, FZ_REASON_NETWORK_DOWN, false },
    { fz_host_error_quark, FZ_HOST_ERROR_CRYPTO, FZ_REASON_INTERNAL, true },
    { g_io_error_quark, G_IO_ERROR_FAILED, FZ_REASON_INTERNAL, true },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = g_error_new_literal (rows[i].domain (), rows[i].code, "x");
    bool is_final;

    g_assert_cmpint (fz_control_map_error (error, &is_final), ==, rows[i].reason);
    g_assert_cmpint (is_final, ==, rows[i].is_final);
  }
}

int
main (int argc, char **argv)
{
  int status;

  g_setenv ("GIO_USE_NETWORK_MONITOR", "base", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  portal_test_log_init (&log_of_all);
#define ADD(path, func) g_test_add (path, Bench, NULL, set_up, func, tear_down)
  ADD ("/control/life", test_life);
  ADD ("/control/connect-is-idempotent", test_connect_is_idempotent);
  ADD ("/control/last-call-wins", test_last_call_wins);
  ADD ("/control/another-credential", test_another_credential);
  ADD ("/control/clear-while-connected", test_clear_while_connected);
  ADD ("/control/portal/goes-and-comes", test_portal_goes_and_comes);
  ADD ("/control/portal/is-not-there", test_portal_is_not_there);
  ADD ("/control/dns", test_dns);
  ADD ("/control/too-many-resources", test_too_many_resources);
  ADD ("/control/gateways-offline", test_gateways_offline);
  ADD ("/control/token/refused", test_token_refused);
  ADD ("/control/token/expired", test_token_expired);
  ADD ("/control/no-rights", test_no_rights);
  ADD ("/control/error-is-left", test_error_is_left);
  ADD ("/control/device-fails-once", test_device_fails_once);
  ADD ("/control/reconnect", test_reconnect);
  ADD ("/control/stop", test_stop);
  ADD ("/control/stop-when-idle", test_stop_when_idle);
  ADD ("/control/session-ends-soon", test_session_ends_soon);
  g_test_add_func ("/control/errors-mean", test_errors_mean);
  status = g_test_run ();
  portal_test_log_clear (&log_of_all);
  return status;
}
