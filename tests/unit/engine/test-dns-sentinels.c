/* test-dns-sentinels.c: fz-dns-sentinels.h (tunnel.md §§4.1, 12.1 D19) */

#include "src/engine/fz-dns-sentinels.h"
#include "src/engine/fz-limits.h"

#include <string.h>

/* "sentinel upstream" of all, in order. */
static char *
describe (const FzDnsSentinels *self)
{
  GString *out = g_string_new (NULL);
  const FzSentinel *sentinels;
  size_t n = fz_dns_sentinels_get (self, &sentinels);
  char text[FZ_IP_TEXT_MAX];

  for (size_t i = 0; i < n; i++) {
    g_string_append_printf (out, "%s ", fz_ip_format (&sentinels[i].ip, text));
    g_string_append_printf (out,
                            "%s\n",
                            sentinels[i].doh_url != NULL
                                ? sentinels[i].doh_url
                                : fz_ip_format (&sentinels[i].upstream, text));
    g_assert_true (fz_dns_is_sentinel (&sentinels[i].ip));
    g_assert_true (fz_dns_sentinels_find (self, &sentinels[i].ip) == &sentinels[i]);
  }
  return g_string_free (out, FALSE);
}

static void
assert_is (const FzDnsSentinels *self, const char *expected)
{
  g_autofree char *text = describe (self);

  g_assert_cmpstr (text, ==, expected);
}

static size_t
parse (const char *texts, FzIp ips[64])
{
  g_auto (GStrv) words = g_strsplit (texts, " ", -1);
  size_t n = 0;

  for (char **word = words; *word != NULL; word++)
    if (**word != '\0')
      g_assert_true (fz_ip_parse (*word, &ips[n++]));
  return n;
}

static bool
set_system (FzDnsSentinels *self, const char *texts)
{
  FzIp ips[64];

  return fz_dns_sentinels_set_system (self, ips, parse (texts, ips));
}

static bool
set_portal (FzDnsSentinels *self, const char *texts, const char *url)
{
  FzIp ips[64];
  FzInterface interface = { .upstream_do53 = ips,
                            .upstream_doh = &url,
                            .n_upstream_doh = url != NULL };

  interface.n_upstream_do53 = parse (texts, ips);
  return fz_dns_sentinels_set_interface (self, &interface);
}

static void
test_mapping (void)
{
  FzDnsSentinels *self = fz_dns_sentinels_new ();

  assert_is (self, "");
  g_assert_false (set_system (self, "192.0.2.7"));
  assert_is (self, "");
  set_system (self, "");
  g_assert_false (set_portal (self, "", NULL));
  g_assert_true (set_system (self, "192.0.2.1 2001:db8::1 192.0.2.2"));
  assert_is (self,
             "100.100.111.1 192.0.2.1\n"
             "fd00:2021:1111:8000:100:100:111:0 2001:db8::1\n"
             "100.100.111.2 192.0.2.2\n");
  g_assert_false (fz_dns_sentinels_are_custom (self));
  g_assert_false (set_system (self, "192.0.2.2 2001:db8::1 192.0.2.1")); /* Q5 */
  g_assert_true (set_system (self, "192.0.2.1"));
  assert_is (self, "100.100.111.3 192.0.2.1\n"); /* not one of those before */
  g_assert_true (set_system (self, "192.0.2.9"));
  assert_is (self, "100.100.111.1 192.0.2.9\n");
  fz_dns_sentinels_free (self);
}

static void
test_precedence (void)
{
  FzDnsSentinels *self = fz_dns_sentinels_new ();

  set_portal (self, "", NULL);
  set_system (self, "192.0.2.1");
  g_assert_true (set_portal (self, "", "https://dns.example/dns-query"));
  assert_is (self, "100.100.111.2 https://dns.example/dns-query\n");
  g_assert_true (set_portal (self, "192.0.2.53", "https://dns.example/dns-query"));
  assert_is (self, "100.100.111.1 192.0.2.53\n");
  g_assert_true (fz_dns_sentinels_are_custom (self));
  g_assert_false (set_system (self, "192.0.2.2")); /* of no concern now */
  g_assert_true (set_portal (self, "", NULL));
  assert_is (self, "100.100.111.2 192.0.2.2\n");
  fz_dns_sentinels_free (self);
}

static void
test_sanitised (void)
{
  FzDnsSentinels *self = fz_dns_sentinels_new ();

  set_portal (self, "", NULL);
  set_system (self,
              "100.100.111.7 192.0.2.1 fd00:2021:1111:8000:100:100:111:9 192.0.2.1 0.0.0.0 "
              "224.0.0.251 :: 2001:db8::1");
  assert_is (self,
             "100.100.111.1 192.0.2.1\n"
             "fd00:2021:1111:8000:100:100:111:0 2001:db8::1\n");
  set_portal (self, "100.100.111.7", NULL);
  g_assert_false (fz_dns_sentinels_are_custom (self));
  fz_dns_sentinels_free (self);
}

static void
test_too_many (void)
{
  FzDnsSentinels *self = fz_dns_sentinels_new ();
  FzIp ips[FZ_SYSTEM_RESOLVERS_MAX + 5];
  const FzSentinel *sentinels;

  for (size_t i = 0; i < G_N_ELEMENTS (ips); i++)
    ips[i] = (FzIp){ FZ_IP_V4, { 192, 0, 2, (uint8_t) (i + 1) } };
  set_portal (self, "", NULL);
  fz_dns_sentinels_set_system (self, ips, G_N_ELEMENTS (ips));
  g_assert_cmpuint (fz_dns_sentinels_get (self, &sentinels), ==, FZ_SYSTEM_RESOLVERS_MAX);
  fz_dns_sentinels_free (self);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns-sentinels/mapping", test_mapping);
  g_test_add_func ("/dns-sentinels/precedence", test_precedence);
  g_test_add_func ("/dns-sentinels/sanitised", test_sanitised);
  g_test_add_func ("/dns-sentinels/too-many", test_too_many);
  return g_test_run ();
}
