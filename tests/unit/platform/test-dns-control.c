/* The state machine of DNS control, on a machine in memory. */
#include "platform/fake/fz-dns-control-fake.h"
#include "tests/unit/base/addresses.h"

#include <string.h>

typedef struct {
  FzDnsControl *control;
  unsigned n_changed;
  unsigned n_upstreams;
  unsigned n_failed;
  unsigned n_recovered;
  int failed_code;
  int probe_code; /* -1: not called, -2: resolved */
} Bed;

static void
on_changed (gpointer user_data)
{
  ((Bed *) user_data)->n_changed++;
}

static void
on_upstreams (gpointer user_data)
{
  ((Bed *) user_data)->n_upstreams++;
}

static void
on_failed (const GError *error, gpointer user_data)
{
  Bed *bed = user_data;

  g_assert_true (error->domain == FZ_DNS_ERROR);
  bed->n_failed++;
  bed->failed_code = error->code;
}

static void
on_recovered (gpointer user_data)
{
  ((Bed *) user_data)->n_recovered++;
}

static void
on_probed (const GError *error, gpointer user_data)
{
  ((Bed *) user_data)->probe_code = error == NULL ? -2 : error->code;
}

static Bed
make_bed (FzDnsMode mode)
{
  const FzDnsControlConfig config = { .mode = mode };

  return (Bed){ .control = fz_dns_control_fake_new (&config), .probe_code = -1 };
}

static void
hear (Bed *bed)
{
  const FzDnsCallbacks callbacks = {
    .on_changed = on_changed,
    .on_upstreams = on_upstreams,
    .on_failed = on_failed,
    .on_recovered = on_recovered,
  };

  fz_dns_control_set_callbacks (bed->control, &callbacks, bed);
}

static void
wait_for_state (Bed *bed, FzDnsState state)
{
  gint64 limit = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

  while (fz_dns_control_get_state (bed->control) != state) {
    g_main_context_iteration (NULL, TRUE);
    g_assert_cmpint (g_get_monotonic_time (), <, limit);
  }
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
set (Bed *bed, const char *search, const char *first, const char *second)
{
  FzIp servers[2] = { test_ip (first), { 0 } };
  FzDnsSettings settings = {
    .ifname = "tun-firezone",
    .ifindex = 7,
    .servers = servers,
    .n_servers = 1,
    .search_domain = search,
  };

  if (second != NULL) {
    servers[1] = test_ip (second);
    settings.n_servers = 2;
  }
  fz_dns_control_set (bed->control, &settings);
}

static void
assert_calls (Bed *bed, const char *expected)
{
  g_autofree char *calls = fz_dns_control_fake_dup_calls (bed->control);

  g_assert_cmpstr (calls, ==, expected);
}

static void
assert_asked (Bed *bed, size_t n)
{
  const FzIp *asked = NULL;

  g_assert_cmpuint (fz_dns_control_fake_get_asked (bed->control, &asked), ==, n);
}

static void
test_names (void)
{
  for (int mode = FZ_DNS_MODE_AUTO; mode <= FZ_DNS_MODE_NONE; mode++) {
    FzDnsMode parsed = FZ_DNS_MODE_NONE;

    g_assert_true (fz_dns_mode_parse (fz_dns_mode_name ((FzDnsMode) mode), &parsed));
    g_assert_cmpint (parsed, ==, mode);
  }
  g_assert_false (fz_dns_mode_parse ("resolvectl", &(FzDnsMode){ 0 }));
  g_assert_false (fz_dns_mode_parse ("", &(FzDnsMode){ 0 }));
}

static void
test_set_and_clear (void)
{
  Bed bed = make_bed (FZ_DNS_MODE_FILE);
  const FzIp *servers = NULL;

  hear (&bed);
  set (&bed, "corp.example", "100.100.111.1", NULL); /* before anything was found */
  g_assert_cmpint (fz_dns_control_get_state (bed.control), ==, FZ_DNS_STATE_APPLYING);
  g_assert_cmpint (fz_dns_control_get_mode (bed.control), ==, FZ_DNS_MODE_NONE);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  g_assert_cmpint (fz_dns_control_get_mode (bed.control), ==, FZ_DNS_MODE_FILE);
  g_assert_cmpuint (fz_dns_control_get_servers (bed.control, &servers), ==, 1);
  g_assert_cmpstr (fz_dns_control_fake_get_search_domain (bed.control), ==, "corp.example");
  g_assert_cmpuint (bed.n_changed, >=, 1);
  g_assert_cmpuint (bed.n_upstreams, ==, 1);

  /* The same once more changes nothing, others replace them. */
  set (&bed, "corp.example", "100.100.111.1", NULL);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  set (&bed, NULL, "100.100.111.2", "fd00:2021:1111:8000:100:100:111:3");
  g_assert_cmpuint (fz_dns_control_get_servers (bed.control, &servers), ==, 0);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  assert_asked (&bed, 2);
  g_assert_null (fz_dns_control_fake_get_search_domain (bed.control));

  fz_dns_control_clear (bed.control);
  wait_for_state (&bed, FZ_DNS_STATE_IDLE);
  assert_asked (&bed, 0);
  assert_calls (&bed, "detect apply apply apply revert");
  fz_dns_control_clear (bed.control); /* twice is once */
  assert_calls (&bed, "detect apply apply apply revert");
  g_assert_cmpuint (bed.n_failed, ==, 0);
  fz_dns_control_free (bed.control);
}

static void
test_only_sentinels (void)
{
  Bed bed = make_bed (FZ_DNS_MODE_FILE);

  set (&bed, NULL, "192.0.2.1", "100.100.111.9");
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  assert_asked (&bed, 1);
  set (&bed, NULL, "192.0.2.1", "100.100.112.0"); /* nothing is left: as if cleared */
  wait_for_state (&bed, FZ_DNS_STATE_IDLE);
  assert_asked (&bed, 0);
  fz_dns_control_free (bed.control);
}

static void
test_upstreams (void)
{
  Bed bed = make_bed (FZ_DNS_MODE_RESOLVED);
  const FzDnsUpstream list[] = {
    { .address = { test_ip ("192.0.2.53"), 53 } },
    { .address = { test_ip ("100.100.111.4"), 53 } }, /* a sentinel would be a loop */
    { .address = { test_ip ("fd00:2021:1111:8000:100:100:111:ff"), 53 } },
    { .address = { test_ip ("192.0.2.53"), 53 } }, /* twice */
    { .address = { test_ip ("fe80::1"), 53 }, .ifindex = 3 },
    { .address = { test_ip ("192.0.2.53"), 853 }, .server_name = "dns.example" },
  };
  const FzDnsUpstream *out = NULL;

  hear (&bed);
  fz_dns_control_fake_set_upstreams (bed.control, list, G_N_ELEMENTS (list));
  while (bed.n_upstreams == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (fz_dns_control_get_upstreams (bed.control, &out), ==, 3);
  g_assert_cmpuint (out[1].ifindex, ==, 3);
  g_assert_cmpuint (out[2].address.port, ==, 853);
  g_assert_cmpstr (out[2].server_name, ==, "dns.example");

  /* The same list is no news; another one is. */
  fz_dns_control_fake_set_upstreams (bed.control, list, G_N_ELEMENTS (list));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (bed.n_upstreams, ==, 1);
  fz_dns_control_fake_set_upstreams (bed.control, list, 1);
  while (bed.n_upstreams == 1)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (fz_dns_control_get_upstreams (bed.control, &out), ==, 1);
  fz_dns_control_free (bed.control);
}

static void
test_overwritten (void)
{
  Bed bed = make_bed (FZ_DNS_MODE_FILE);
  const FzIp *asked = NULL;

  hear (&bed);
  set (&bed, NULL, "100.100.111.1", NULL);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  fz_dns_control_fake_overwrite (bed.control);
  assert_asked (&bed, 0);
  while (fz_dns_control_fake_get_asked (bed.control, &asked) == 0)
    g_main_context_iteration (NULL, TRUE);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  g_assert_cmpuint (bed.n_failed, ==, 0);

  /* Another program that insists is told of. */
  while (fz_dns_control_get_state (bed.control) == FZ_DNS_STATE_ACTIVE) {
    fz_dns_control_fake_overwrite (bed.control);
    g_main_context_iteration (NULL, TRUE);
  }
  wait_for_state (&bed, FZ_DNS_STATE_DEGRADED);
  g_assert_cmpuint (bed.n_failed, ==, 1);
  g_assert_cmpint (bed.failed_code, ==, FZ_DNS_ERROR_OVERRULED);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE); /* and lets go */
  g_assert_cmpuint (bed.n_recovered, ==, 1);
  fz_dns_control_free (bed.control);
}

static void
test_fails_and_recovers (void)
{
  Bed bed = make_bed (FZ_DNS_MODE_FILE);

  hear (&bed);
  fz_dns_control_fake_fail (bed.control, 2, FZ_DNS_ERROR_PERMISSION);
  set (&bed, NULL, "100.100.111.1", NULL);
  wait_for_state (&bed, FZ_DNS_STATE_DEGRADED);
  g_assert_cmpint (bed.failed_code, ==, FZ_DNS_ERROR_PERMISSION);
  g_assert_error (fz_dns_control_get_error (bed.control), FZ_DNS_ERROR, FZ_DNS_ERROR_PERMISSION);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  g_assert_null (fz_dns_control_get_error (bed.control));
  g_assert_cmpuint (bed.n_failed, ==, 1); /* once for both */
  g_assert_cmpuint (bed.n_recovered, ==, 1);
  fz_dns_control_free (bed.control);
}

static void
test_next_mode (void)
{
  Bed bed = make_bed (FZ_DNS_MODE_AUTO);

  hear (&bed);
  fz_dns_control_fake_fail (bed.control, 1, FZ_DNS_ERROR_UNSUPPORTED);
  set (&bed, NULL, "100.100.111.1", NULL);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  g_assert_cmpint (fz_dns_control_get_mode (bed.control), ==, FZ_DNS_MODE_FILE);
  assert_calls (&bed, "detect apply detect revert apply");
  g_assert_cmpuint (bed.n_failed, ==, 0); /* nobody was without DNS for long */
  fz_dns_control_free (bed.control);
}

static void
test_probe (void)
{
  Bed bed = make_bed (FZ_DNS_MODE_FILE);

  hear (&bed);
  set (&bed, NULL, "100.100.111.1", NULL);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  fz_dns_control_probe (bed.control, "a.corp.example", on_probed, &bed);
  while (bed.probe_code == -1)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (bed.probe_code, ==, -2);

  fz_dns_control_fake_set_answers (bed.control, false);
  fz_dns_control_probe (bed.control, "a.corp.example", on_probed, &bed);
  wait_for_state (&bed, FZ_DNS_STATE_DEGRADED);
  g_assert_cmpint (bed.probe_code, ==, FZ_DNS_ERROR_NO_ANSWER);
  g_assert_cmpuint (bed.n_failed, ==, 1);

  /* Read back and in force is not enough now: only a probe heals. */
  fz_dns_control_check (bed.control);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (fz_dns_control_get_state (bed.control), ==, FZ_DNS_STATE_DEGRADED);
  fz_dns_control_fake_set_answers (bed.control, true);
  fz_dns_control_probe (bed.control, "a.corp.example", on_probed, &bed);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  g_assert_cmpuint (bed.n_recovered, ==, 1);

  /* Silence counts after two seconds. */
  fz_dns_control_fake_set_silent (bed.control, true);
  fz_dns_control_probe (bed.control, "a.corp.example", on_probed, &bed);
  wait_for_state (&bed, FZ_DNS_STATE_DEGRADED);
  g_assert_cmpint (bed.failed_code, ==, FZ_DNS_ERROR_NO_ANSWER);
  fz_dns_control_clear (bed.control);
  wait_for_state (&bed, FZ_DNS_STATE_IDLE);
  fz_dns_control_free (bed.control);
}

static void
test_disabled (void)
{
  Bed bed = make_bed (FZ_DNS_MODE_NONE);
  const FzDnsUpstream upstream = { .address = { test_ip ("192.0.2.53"), 53 } };
  const FzDnsUpstream *out = NULL;

  hear (&bed);
  fz_dns_control_fake_set_upstreams (bed.control, &upstream, 1);
  set (&bed, NULL, "100.100.111.1", NULL);
  while (bed.n_upstreams == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (fz_dns_control_get_upstreams (bed.control, &out), ==, 1); /* still read */
  g_assert_cmpint (fz_dns_control_get_state (bed.control), ==, FZ_DNS_STATE_IDLE);
  fz_dns_control_free (bed.control);
}

static void
test_flush (void)
{
  Bed bed = make_bed (FZ_DNS_MODE_FILE);

  fz_dns_control_flush (bed.control); /* nothing of ours could be remembered */
  set (&bed, NULL, "100.100.111.1", NULL);
  wait_for_state (&bed, FZ_DNS_STATE_ACTIVE);
  fz_dns_control_flush (bed.control);
  assert_calls (&bed, "detect apply flush");
  fz_dns_control_free (bed.control); /* and it undoes by itself */
}

/* Whatever is under way, the end is quiet. */
static void
test_free_anywhere (void)
{
  for (unsigned n_steps = 0; n_steps < 12; n_steps++) {
    Bed bed = make_bed (FZ_DNS_MODE_AUTO);

    hear (&bed);
    fz_dns_control_fake_fail (bed.control, n_steps % 3, FZ_DNS_ERROR_UNSUPPORTED);
    set (&bed, "corp.example", "100.100.111.1", NULL);
    fz_dns_control_probe (bed.control, "a.corp.example", on_probed, &bed);
    for (unsigned i = 0; i < n_steps; i++)
      g_main_context_iteration (NULL, FALSE);
    if (n_steps % 2 == 0)
      fz_dns_control_clear (bed.control);
    fz_dns_control_free (bed.control);
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns-control/names", test_names);
  g_test_add_func ("/dns-control/set-and-clear", test_set_and_clear);
  g_test_add_func ("/dns-control/only-sentinels", test_only_sentinels);
  g_test_add_func ("/dns-control/upstreams", test_upstreams);
  g_test_add_func ("/dns-control/overwritten", test_overwritten);
  g_test_add_func ("/dns-control/fails-and-recovers", test_fails_and_recovers);
  g_test_add_func ("/dns-control/next-mode", test_next_mode);
  g_test_add_func ("/dns-control/probe", test_probe);
  g_test_add_func ("/dns-control/disabled", test_disabled);
  g_test_add_func ("/dns-control/flush", test_flush);
  g_test_add_func ("/dns-control/free-anywhere", test_free_anywhere);
  return g_test_run ();
}
