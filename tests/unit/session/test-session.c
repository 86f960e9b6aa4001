/* test-session.c
 *
 * Whole sessions: a real engine, real lanes and sockets, a fake platform, and a
 * portal in the same process.
 */
#include "platform/fake/fz-dns-control-fake.h"
#include "platform/fake/fz-platform-fake.h"
#include "src/crypto/fz-crypto.h"
#include "src/portal/fz-backoff.h"
#include "src/portal/fz-portal-error.h"
#include "src/session/fz-session-dns.h"
#include "src/session/fz-session.h"
#include "tests/unit/portal/portal-test.h"
#include "tests/unit/session/portal-stub.h"

#include <string.h>

typedef struct {
  PortalStub stub;
  PortalTestLog log;
  FzPlatform *platform;
  FzDnsControl *dns; /* NULL: DNS is left alone */
  unsigned n_dns_changes;
  FzSession *session;
  GString *states; /* a letter for each state entered */
  unsigned n_resource_changes;
  bool is_ended;
  GError *failure;
} Bench;

static void
on_state (FzSessionState state, gpointer user_data)
{
  Bench *b = user_data;

  g_string_append_c (b->states, "cCAE"[state]);
}

static void
on_resources (gpointer user_data)
{
  Bench *b = user_data;

  b->n_resource_changes++;
}

static void
on_dns (gpointer user_data)
{
  Bench *b = user_data;

  b->n_dns_changes++;
}

static void
on_ended (const GError *error, gpointer user_data)
{
  Bench *b = user_data;

  g_assert_false (b->is_ended); /* once */
  b->is_ended = true;
  if (error != NULL)
    b->failure = g_error_copy (error);
}

static FzSession *
make_session (Bench *b, FzRole role, const char *url, GError **error)
{
  static const FzSessionCallbacks callbacks = {
    .on_state = on_state,
    .on_resources = on_resources,
    .on_dns = on_dns,
    .on_ended = on_ended,
  };
  g_autoptr (FzToken) token = fz_token_new ("token", NULL);
  const FzSessionConfig config = {
    .portal = {
      .login = { .role = role, .api_url = url, .device_id = "d", .name = "n" },
      .token = token,
      .component = FZ_PORTAL_COMPONENT_HEADLESS,
      .budget_ns = FZ_BACKOFF_UNLIMITED,
      .speed = 20,
    },
    .host = { .platform = b->platform, .no_mark = true, .port = 0 },
    .dns = b->dns,
    .log = portal_test_log_get (&b->log),
  };

  return fz_session_new (&config, &callbacks, b, error);
}

static void
start (Bench *b, FzRole role)
{
  g_autoptr (GError) error = NULL;

  b->session = make_session (b, role, b->stub.url, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fz_session_get_state (b->session), ==, FZ_SESSION_CONNECTING);
}

static void
set_up (Bench *b, gconstpointer data)
{
  const FzLog silent = { 0 };

  portal_stub_open (&b->stub);
  portal_test_log_init (&b->log);
  b->platform = fz_platform_fake_new (&silent);
  b->states = g_string_new (NULL);
}

static void
tear_down (Bench *b, gconstpointer data)
{
  fz_session_free (b->session);
  fz_dns_control_free (b->dns);
  g_assert_false (fz_platform_fake_has_tun (b->platform));
  portal_test_settle (20);
  portal_stub_close (&b->stub);
  portal_test_settle (20);
  fz_platform_free (b->platform);
  g_string_free (b->states, TRUE);
  g_clear_error (&b->failure);
  portal_test_log_clear (&b->log);
}

#define wait_for(b, condition)                                                                     \
  portal_test_wait (condition, "states %s; portal heard %s", (b)->states->str, (b)->stub.heard->str)

static void
connect_client (Bench *b)
{
  portal_stub_push_recorded (&b->stub, "client-init.json");
  start (b, FZ_ROLE_CLIENT);
  wait_for (b, strcmp (b->states->str, "C") == 0);
}

/* -- tests -- */

static void
test_client (Bench *b, gconstpointer data)
{
  const FzResourceView *resources;
  size_t n;

  connect_client (b);
  g_assert_true (fz_platform_fake_is_up (b->platform));
  g_assert_true (fz_platform_fake_has_rules (b->platform));
  g_assert_true (fz_platform_fake_has_route (b->platform, "10.20.0.0/16"));
  wait_for (b, g_str_has_prefix (b->stub.heard->str, "phx_join set_snownet_capabilities "));
  wait_for (b, b->n_resource_changes > 0);
  n = fz_session_get_resources (b->session, &resources);
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpint (resources[0].resource->kind, ==, FZ_RESOURCE_INTERNET);

  fz_session_stop (b->session);
  fz_session_stop (b->session);
  g_assert_false (fz_platform_fake_has_tun (b->platform)); /* at once */
  wait_for (b, b->is_ended);
  g_assert_no_error (b->failure);
  g_assert_cmpstr (b->states->str, ==, "CE");
  g_assert_null (b->stub.connection); /* left by a close frame */
}

static void
test_gateway (Bench *b, gconstpointer data)
{
  portal_stub_push_recorded (&b->stub, "gateway-init.json");
  start (b, FZ_ROLE_GATEWAY);
  wait_for (b, strcmp (b->states->str, "C") == 0);
  g_assert_true (fz_platform_fake_has_masquerade (b->platform));
  g_assert_true (fz_platform_fake_has_route (b->platform, "100.64.0.0/11"));
  g_assert_false (fz_platform_fake_has_rules (b->platform));

  fz_session_reset_network (b->session); /* a gateway keeps what it has */
  portal_test_settle (50);
  g_assert_cmpuint (b->stub.n_joins, ==, 1);
  fz_session_stop (b->session);
  wait_for (b, b->is_ended);
  g_assert_false (fz_platform_fake_has_masquerade (b->platform));
}

static void
test_portal_goes_and_comes (Bench *b, gconstpointer data)
{
  connect_client (b);
  portal_stub_hang_up (&b->stub);
  wait_for (b, strcmp (b->states->str, "CAC") == 0);
  g_assert_cmpuint (b->stub.n_joins, ==, 2);
  g_assert_true (fz_platform_fake_has_route (b->platform, "10.20.0.0/16"));
}

static void
test_token_revoked (Bench *b, gconstpointer data)
{
  connect_client (b);
  portal_stub_say (&b->stub,
                   "{\"topic\":\"client\",\"event\":\"disconnect\",\"payload\":{\"reason\":"
                   "\"token_expired\"},\"ref\":null}");
  wait_for (b, b->is_ended);
  g_assert_error (b->failure, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_INVALID_TOKEN);
  g_assert_false (fz_platform_fake_has_tun (b->platform));
  g_assert_cmpint (fz_session_get_state (b->session), ==, FZ_SESSION_ENDED);
  fz_session_stop (b->session); /* too late, and harmless */
  fz_session_reset_network (b->session);
}

static void
test_network_reset (Bench *b, gconstpointer data)
{
  g_autofree char *first = NULL;

  connect_client (b);
  first = g_strdup (b->stub.target);
  fz_session_reset_network (b->session);
  wait_for (b, b->stub.n_joins == 2);
  g_assert_cmpstr (b->stub.target, !=, first); /* another public key */
  wait_for (b, fz_session_get_state (b->session) == FZ_SESSION_CONNECTED);
}

static void
test_bad_message_first (Bench *b, gconstpointer data)
{
  g_ptr_array_add (b->stub.pushes,
                   g_strdup ("{\"topic\":\"client\",\"event\":\"init\",\"payload\":{\"interface\":"
                             "{}},\"ref\":null}"));
  connect_client (b);
  g_assert_nonnull (strstr (b->log.warnings->str, "portal-bad-message"));
  g_assert_cmpuint (b->stub.n_joins, ==, 1);
}

/* Every message a client knows, in an order that makes no sense, and then all of them again: what
 * is left is what the last init says. */
static void
test_messages_reordered_and_repeated (Bench *b, gconstpointer data)
{
  static const char *const files[] = {
    "client-authorization-created.json",
    "client-invalidate-ice-candidates.json",
    "client-ice-candidates.json",
    "client-authorization-creation-failed.json",
    "client-relays-presence.json",
    "client-resource-deleted.json",
    "client-resource-created-or-updated.json",
    "client-config-changed.json",
    "client-device-access-authorized.json",
    "client-init.json",
    "client-resource-deleted.json",
    "client-resource-deleted.json",
    "client-authorization-created.json",
    "client-init.json",
  };
  const FzResourceView *resources;

  for (int round = 0; round < 2; round++)
    for (size_t i = 0; i < G_N_ELEMENTS (files); i++)
      portal_stub_push_recorded (&b->stub, files[i]);
  start (b, FZ_ROLE_CLIENT);
  wait_for (b, strcmp (b->states->str, "C") == 0);
  portal_test_settle (100);
  g_assert_cmpuint (fz_session_get_resources (b->session, &resources), ==, 3);
  g_assert_true (fz_platform_fake_has_route (b->platform, "10.20.0.0/16"));
  g_assert_cmpuint (b->stub.n_joins, ==, 1);
  g_assert_false (b->is_ended);
}

static void
test_bad_url (Bench *b, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (make_session (b, FZ_ROLE_CLIENT, "ftp://portal/", &error));
  g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_BAD_URL);
  g_assert_cmpuint (fz_platform_fake_count_all (b->platform), ==, 0);
}

/* The n-th call to the kernel fails, whichever it is: an error or a session, never a half one. */
static void
test_platform_fails (Bench *b, gconstpointer data)
{
  for (unsigned n = 1; n < 8; n++) {
    g_autoptr (GError) error = NULL;

    fz_platform_fake_fail_at (b->platform, n, FZ_PLATFORM_ERROR_FAILED);
    b->session = make_session (b, FZ_ROLE_CLIENT, b->stub.url, &error);
    if (b->session == NULL)
      g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_FAILED);
    g_clear_pointer (&b->session, fz_session_free);
    fz_platform_fake_fail_at (b->platform, 0, FZ_PLATFORM_ERROR_FAILED);
    g_assert_false (fz_platform_fake_has_tun (b->platform));
    portal_test_settle (5);
  }
}

static void
test_interface_cannot_be_set (Bench *b, gconstpointer data)
{
  portal_stub_push_recorded (&b->stub, "client-init.json");
  start (b, FZ_ROLE_CLIENT);
  fz_platform_fake_fail_at (b->platform, 1, FZ_PLATFORM_ERROR_FAILED);
  wait_for (b, b->is_ended);
  g_assert_error (b->failure, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_FAILED);
  g_assert_false (fz_platform_fake_has_tun (b->platform));
}

static void
test_stop_while_connecting (Bench *b, gconstpointer data)
{
  start (b, FZ_ROLE_CLIENT);
  fz_session_stop (b->session);
  wait_for (b, b->is_ended);
  g_assert_no_error (b->failure);
}

static void
test_free_anywhere (Bench *b, gconstpointer data)
{
  portal_stub_push_recorded (&b->stub, "client-init.json");
  for (int steps = 0; steps < 40; steps += 3) {
    b->session = make_session (b, FZ_ROLE_CLIENT, b->stub.url, NULL);
    for (int i = 0; i < steps; i++)
      g_main_context_iteration (NULL, TRUE);
    g_clear_pointer (&b->session, fz_session_free);
    g_assert_false (fz_platform_fake_has_tun (b->platform));
  }
  g_assert_false (b->is_ended);
  portal_test_settle (50);
}

static FzDnsUpstream
upstream_at (const char *text)
{
  FzDnsUpstream upstream = { .address.port = 53 };

  g_assert_true (fz_ip_parse (text, &upstream.address.ip));
  return upstream;
}

/* The machine's resolvers go to the engine, the engine's sentinels to the machine; the end gives
 * everything back before the device goes. */
static void
test_dns (Bench *b, gconstpointer data)
{
  const FzDnsControlConfig config = { .mode = FZ_DNS_MODE_AUTO };
  const FzDnsUpstream upstreams[] = { upstream_at ("192.0.2.53"), upstream_at ("192.0.2.54") };
  const FzIp *asked = NULL;
  g_autofree char *calls = NULL;

  b->dns = fz_dns_control_fake_new (&config);
  fz_dns_control_fake_set_upstreams (b->dns, upstreams, 2);
  connect_client (b);
  g_assert_true (fz_session_get_dns (b->session) == b->dns);
  wait_for (b, fz_dns_control_get_state (b->dns) == FZ_DNS_STATE_ACTIVE);
  g_assert_cmpuint (fz_dns_control_fake_get_asked (b->dns, &asked), >, 0);
  g_assert_cmpuint (b->n_dns_changes, >, 0);

  /* Overwritten, it is set again without our doing; slept, it is looked at. */
  fz_dns_control_fake_overwrite (b->dns);
  wait_for (b, fz_dns_control_fake_get_asked (b->dns, &asked) > 0);
  fz_session_reset_network (b->session);
  wait_for (b, fz_dns_control_get_state (b->dns) == FZ_DNS_STATE_ACTIVE);

  fz_session_stop (b->session);
  g_assert_cmpuint (fz_dns_control_fake_get_asked (b->dns, &asked), ==, 0); /* at once */
  wait_for (b, b->is_ended);
  g_assert_cmpint (fz_dns_control_get_state (b->dns), ==, FZ_DNS_STATE_IDLE);
  calls = fz_dns_control_fake_dup_calls (b->dns);
  g_assert_true (g_str_has_suffix (calls, " revert"));
}

static void
test_probe_names (Bench *b, gconstpointer data)
{
  static const struct {
    const char *pattern;
    const char *name; /* NULL: none */
  } rows[] = {
    { "app.example", "app.example" },
    { "*.example", "firezone-probe.example" },
    { "**.corp.example", "firezone-probe.corp.example" },
    { "host-?.example", "host-x.example" },
    { "a.*.example", "a.x.example" },
    { "*", NULL },
    { "**", NULL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *name = fz_session_dns_dup_probe_name (rows[i].pattern);

    g_assert_cmpstr (name, ==, rows[i].name);
  }
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*func) (Bench *b, gconstpointer data);
  } tests[] = {
    { "/session/client", test_client },
    { "/session/gateway", test_gateway },
    { "/session/portal-goes-and-comes", test_portal_goes_and_comes },
    { "/session/token-revoked", test_token_revoked },
    { "/session/network-reset", test_network_reset },
    { "/session/bad-message-first", test_bad_message_first },
    { "/session/messages-reordered-and-repeated", test_messages_reordered_and_repeated },
    { "/session/bad-url", test_bad_url },
    { "/session/platform-fails", test_platform_fails },
    { "/session/interface-cannot-be-set", test_interface_cannot_be_set },
    { "/session/stop-while-connecting", test_stop_while_connecting },
    { "/session/free-anywhere", test_free_anywhere },
    { "/session/dns", test_dns },
    { "/session/dns/probe-names", test_probe_names },
  };

  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  for (size_t i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Bench, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
