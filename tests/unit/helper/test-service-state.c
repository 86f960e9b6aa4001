/* test-service-state.c: every edge of the service's state machine, and what facts mean */

#include "src/helper/fz-service-state.h"

static void
test_edges (void)
{
  /* The picture of the header, row by row; staying is always allowed. */
  static const bool edges[FZ_N_SERVICE_STATES][FZ_N_SERVICE_STATES] = {
    [FZ_SERVICE_SIGNED_OUT] = { [FZ_SERVICE_OFFLINE] = true },
    [FZ_SERVICE_OFFLINE] = { [FZ_SERVICE_SIGNED_OUT] = true, [FZ_SERVICE_CONNECTING] = true },
    [FZ_SERVICE_CONNECTING] = { [FZ_SERVICE_SIGNED_OUT] = true,
                                [FZ_SERVICE_OFFLINE] = true,
                                [FZ_SERVICE_CONNECTED] = true,
                                [FZ_SERVICE_DEGRADED] = true,
                                [FZ_SERVICE_DISCONNECTING] = true,
                                [FZ_SERVICE_ERROR] = true },
    [FZ_SERVICE_CONNECTED] = { [FZ_SERVICE_SIGNED_OUT] = true,
                               [FZ_SERVICE_CONNECTING] = true,
                               [FZ_SERVICE_DEGRADED] = true,
                               [FZ_SERVICE_DISCONNECTING] = true,
                               [FZ_SERVICE_ERROR] = true },
    [FZ_SERVICE_DEGRADED] = { [FZ_SERVICE_SIGNED_OUT] = true,
                              [FZ_SERVICE_CONNECTING] = true,
                              [FZ_SERVICE_CONNECTED] = true,
                              [FZ_SERVICE_DISCONNECTING] = true,
                              [FZ_SERVICE_ERROR] = true },
    [FZ_SERVICE_DISCONNECTING] = { [FZ_SERVICE_SIGNED_OUT] = true,
                                   [FZ_SERVICE_OFFLINE] = true,
                                   [FZ_SERVICE_CONNECTING] = true },
    [FZ_SERVICE_ERROR] = { [FZ_SERVICE_SIGNED_OUT] = true,
                           [FZ_SERVICE_OFFLINE] = true,
                           [FZ_SERVICE_CONNECTING] = true },
  };

  for (int from = 0; from < FZ_N_SERVICE_STATES; from++)
    for (int to = 0; to < FZ_N_SERVICE_STATES; to++)
      g_assert_cmpint (fz_service_state_allows ((FzServiceState) from, (FzServiceState) to),
                       ==,
                       from == to || edges[from][to]);
}

static void
walk_edge (FzServiceState from, FzServiceState to)
{
  FzServiceMachine machine;

  fz_service_machine_init (&machine);
  machine.state = from;
  g_assert_true (fz_service_machine_set (&machine, to, FZ_REASON_DNS_FAILED, NULL));
  g_assert_cmpint (machine.state, ==, to);
  g_assert_false (fz_service_machine_set (&machine, to, FZ_REASON_DNS_FAILED, NULL));
  g_assert_true (fz_service_machine_set (&machine, to, FZ_REASON_DNS_FAILED, "other words"));
  g_assert_cmpstr (machine.detail, ==, "other words");
  fz_service_machine_clear (&machine);
}

static void
test_every_edge_is_walked (void)
{
  for (int from = 0; from < FZ_N_SERVICE_STATES; from++)
    for (int to = 0; to < FZ_N_SERVICE_STATES; to++)
      if (fz_service_state_allows ((FzServiceState) from, (FzServiceState) to))
        walk_edge ((FzServiceState) from, (FzServiceState) to);
}

static void
test_forbidden_edge_is_a_bug (void)
{
  FzServiceMachine machine;

  if (g_test_subprocess ()) {
    fz_service_machine_init (&machine);
    fz_service_machine_set (&machine, FZ_SERVICE_CONNECTED, FZ_REASON_NONE, NULL);
    return;
  }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
}

/* A portal's words are many, broken, and not to be trusted. */
static void
test_details (void)
{
  g_autofree char *long_text = g_strnfill (FZ_SERVICE_DETAIL_MAX - 1, 'x');
  g_autofree char *text = g_strconcat (long_text, "\xc3\xa9", NULL);
  FzServiceMachine machine;

  fz_service_machine_init (&machine);
  fz_service_machine_set (&machine, FZ_SERVICE_OFFLINE, FZ_REASON_NONE, "a\nMAINPID=1\xff\x7f");
  g_assert_cmpstr (machine.detail, ==, "a MAINPID=1\xef\xbf\xbd ");
  fz_service_machine_set (&machine, FZ_SERVICE_OFFLINE, FZ_REASON_NONE, text);
  g_assert_cmpstr (machine.detail, ==, long_text); /* no half character */
  g_assert_false (fz_service_machine_set (&machine, FZ_SERVICE_OFFLINE, FZ_REASON_NONE, text));
  fz_service_machine_clear (&machine);
}

/* What the XML promises as values. */
static void
test_names (void)
{
  static const char *const states[] = { "signed-out", "offline",       "connecting", "connected",
                                        "degraded",   "disconnecting", "error" };

  for (int i = 0; i < FZ_N_SERVICE_STATES; i++)
    g_assert_cmpstr (fz_service_state_name ((FzServiceState) i), ==, states[i]);
  for (int i = 0; i < FZ_N_SERVICE_REASONS; i++) {
    g_assert_nonnull (fz_service_reason_name ((FzServiceReason) i));
    g_assert_cmpint (*fz_service_reason_name ((FzServiceReason) i) == '\0', ==, i == 0);
    g_assert_cmpint (*fz_service_reason_describe ((FzServiceReason) i) == '\0', ==, i == 0);
  }
  g_assert_cmpstr (fz_service_reason_name (FZ_REASON_NO_RIGHTS), ==, "no-rights");
  g_assert_cmpstr (fz_portal_state_name (FZ_PORTAL_STATE_RETRYING), ==, "retrying");
}

#define RUNNING .has_credential = true, .wants_connected = true, .has_network = true
#define SESSION RUNNING, .has_session = true

static const struct {
  const char *why;
  FzServiceFacts facts;
  FzServiceState state;
  FzServiceReason reason;
  FzPortalState portal;
} rows[] = {
  { "nobody signed in", { 0 }, FZ_SERVICE_SIGNED_OUT, FZ_REASON_NONE, FZ_PORTAL_STATE_OFF },
  { "signed out by the person",
    { .signed_out = FZ_REASON_USER },
    FZ_SERVICE_SIGNED_OUT,
    FZ_REASON_USER,
    FZ_PORTAL_STATE_OFF },
  { "a token refused does not wait for anything",
    { .signed_out = FZ_REASON_SESSION_REVOKED, .wants_connected = true },
    FZ_SERVICE_SIGNED_OUT,
    FZ_REASON_SESSION_REVOKED,
    FZ_PORTAL_STATE_OFF },
  { "the account is disabled: it is tried again, but nobody looks at the network",
    { SESSION, .failure = FZ_REASON_ACCOUNT_DISABLED },
    FZ_SERVICE_CONNECTING,
    FZ_REASON_ACCOUNT_DISABLED,
    FZ_PORTAL_STATE_RETRYING },
  { "the account is disabled while traffic flows",
    { SESSION, .is_up = true, .failure = FZ_REASON_ACCOUNT_DISABLED },
    FZ_SERVICE_DEGRADED,
    FZ_REASON_ACCOUNT_DISABLED,
    FZ_PORTAL_STATE_RETRYING },
  { "the version is not served any more",
    { SESSION, .is_up = true, .failure = FZ_REASON_VERSION_UNSUPPORTED },
    FZ_SERVICE_DEGRADED,
    FZ_REASON_VERSION_UNSUPPORTED,
    FZ_PORTAL_STATE_RETRYING },
  { "nobody asked to connect",
    { .has_credential = true, .has_network = true },
    FZ_SERVICE_OFFLINE,
    FZ_REASON_NONE,
    FZ_PORTAL_STATE_OFF },
  { "the first attempt",
    { SESSION },
    FZ_SERVICE_CONNECTING,
    FZ_REASON_NONE,
    FZ_PORTAL_STATE_CONNECTING },
  { "between two attempts",
    { RUNNING, .failure = FZ_REASON_PORTAL_UNREACHABLE },
    FZ_SERVICE_CONNECTING,
    FZ_REASON_PORTAL_UNREACHABLE,
    FZ_PORTAL_STATE_RETRYING },
  { "the second attempt",
    { SESSION, .failure = FZ_REASON_PORTAL_UNREACHABLE },
    FZ_SERVICE_CONNECTING,
    FZ_REASON_PORTAL_UNREACHABLE,
    FZ_PORTAL_STATE_RETRYING },
  { "no way out of the machine",
    { .has_credential = true, .wants_connected = true, .failure = FZ_REASON_PORTAL_UNREACHABLE },
    FZ_SERVICE_CONNECTING,
    FZ_REASON_NETWORK_DOWN,
    FZ_PORTAL_STATE_RETRYING },
  { "all there",
    { SESSION, .is_up = true, .is_portal_there = true },
    FZ_SERVICE_CONNECTED,
    FZ_REASON_NONE,
    FZ_PORTAL_STATE_CONNECTED },
  { "the portal went away",
    { SESSION, .is_up = true },
    FZ_SERVICE_DEGRADED,
    FZ_REASON_PORTAL_UNREACHABLE,
    FZ_PORTAL_STATE_RETRYING },
  { "the cable was pulled",
    { .has_credential = true, .wants_connected = true, .has_session = true, .is_up = true },
    FZ_SERVICE_DEGRADED,
    FZ_REASON_NETWORK_DOWN,
    FZ_PORTAL_STATE_RETRYING },
  { "names do not resolve",
    { SESSION, .is_up = true, .is_portal_there = true, .has_dns_failed = true },
    FZ_SERVICE_DEGRADED,
    FZ_REASON_DNS_FAILED,
    FZ_PORTAL_STATE_CONNECTED },
  { "up, but nobody asks our name servers yet",
    { SESSION, .is_up = true, .is_portal_there = true, .is_dns_pending = true },
    FZ_SERVICE_CONNECTING,
    FZ_REASON_NONE,
    FZ_PORTAL_STATE_CONNECTED },
  { "the portal matters more than names",
    { SESSION, .is_up = true, .has_dns_failed = true },
    FZ_SERVICE_DEGRADED,
    FZ_REASON_PORTAL_UNREACHABLE,
    FZ_PORTAL_STATE_RETRYING },
  { "goodbye first",
    { SESSION, .is_up = true, .is_portal_there = true, .is_ending = true },
    FZ_SERVICE_DISCONNECTING,
    FZ_REASON_NONE,
    FZ_PORTAL_STATE_OFF },
  { "goodbye first, also when signed out meanwhile",
    { .has_session = true, .is_ending = true, .signed_out = FZ_REASON_USER },
    FZ_SERVICE_DISCONNECTING,
    FZ_REASON_NONE,
    FZ_PORTAL_STATE_OFF },
  { "given up",
    { RUNNING, .has_given_up = true, .failure = FZ_REASON_NO_RIGHTS },
    FZ_SERVICE_ERROR,
    FZ_REASON_NO_RIGHTS,
    FZ_PORTAL_STATE_OFF },
};

static void
test_judgement (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzServiceReason reason;

    g_test_message ("%s", rows[i].why);
    g_assert_cmpint (fz_service_judge (&rows[i].facts, &reason), ==, rows[i].state);
    g_assert_cmpint (reason, ==, rows[i].reason);
    g_assert_cmpint (fz_service_judge_portal (&rows[i].facts), ==, rows[i].portal);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/service-state/edges", test_edges);
  g_test_add_func ("/service-state/every-edge-is-walked", test_every_edge_is_walked);
  g_test_add_func ("/service-state/forbidden-edge-is-a-bug", test_forbidden_edge_is_a_bug);
  g_test_add_func ("/service-state/details", test_details);
  g_test_add_func ("/service-state/names", test_names);
  g_test_add_func ("/service-state/judgement", test_judgement);
  return g_test_run ();
}
