/* test-dns-nat.c: fz-dns-nat.h and fz-translations.h: both ends of a name's announcement
 * (tunnel.md §§5.3, 5.4; N1-N7, G8-G10) */

#include "src/dataplane/fz-policy.h"
#include "src/engine/fz-dns-nat.h"
#include "src/engine/fz-translations.h"
#include "tests/unit/base/addresses.h"

#include <string.h>

static const FzSpan packet = { (const uint8_t *) "0123456789abcdef0123456789abcdef", 32 };

static FzDnsNatKey
key_of (uint8_t gateway, uint8_t resource, const FzDnsDomain *domain)
{
  return (FzDnsNatKey){ { { gateway } }, { { resource } }, domain };
}

static void
test_first_announcement (void)
{
  FzDnsNat *nat = fz_dns_nat_new (NULL);
  FzDnsDomain domain = { .name = (char *) "a.example" };
  FzDnsNatKey key = key_of (1, 2, &domain), due;
  g_autoptr (FzPacketBuffer) packets = NULL;
  bool must_announce;

  g_assert_false (fz_dns_nat_has (nat, &key));
  g_assert_true (fz_dns_nat_set_up (nat, &key, FZ_S));
  g_assert_false (fz_dns_nat_set_up (nat, &key, 2 * FZ_S)); /* N5 */
  g_assert_true (fz_dns_nat_set_up (nat, &key, 3 * FZ_S));
  g_assert_cmpint (
      fz_dns_nat_handle_packet (nat, &key, packet, 4 * FZ_S, &must_announce), ==, FZ_DNS_NAT_KEPT);
  g_assert_false (must_announce);
  g_assert_cmpint (
      fz_dns_nat_handle_packet (nat, &key, packet, 5 * FZ_S, &must_announce), ==, FZ_DNS_NAT_KEPT);
  g_assert_true (must_announce); /* N6 */
  g_assert_false (fz_dns_nat_is_open (nat, &key));

  /* by the timer, three times */
  g_assert_cmpuint (fz_dns_nat_next_timeout (nat), <=, 7 * FZ_S);
  for (unsigned i = 0; i < FZ_DNS_NAT_REPEATS_MAX; i++) {
    FzInstant now = (7 + 2 * i) * FZ_S;

    g_assert_false (fz_dns_nat_poll_repeat (nat, now - 1, &due));
    g_assert_true (fz_dns_nat_poll_repeat (nat, now, &due));
    g_assert_true (due.domain == &domain);
  }
  g_assert_false (fz_dns_nat_poll_repeat (nat, 100 * FZ_S, &due));
  g_assert_cmpuint (fz_dns_nat_next_timeout (nat), ==, FZ_INSTANT_NEVER);

  fz_dns_nat_poll_changed (nat);
  packets = fz_dns_nat_handle_status (nat, &key, true);
  g_assert_cmpuint (fz_packet_buffer_get_n_packets (packets), ==, 1); /* the same one twice */
  g_assert_true (fz_dns_nat_is_open (nat, &key));
  g_assert_true (fz_dns_nat_poll_changed (nat));
  g_assert_false (fz_dns_nat_poll_changed (nat));
  g_assert_null (fz_dns_nat_handle_status (nat, &key, true));
  fz_dns_nat_free (nat);
}

/* N2: a name that is asked for again keeps flowing. */
static void
test_asked_again (void)
{
  FzDnsNat *nat = fz_dns_nat_new (NULL);
  FzDnsDomain domain = { .name = (char *) "a.example" };
  FzDnsNatKey key = key_of (1, 2, &domain);
  bool must_announce;

  fz_dns_nat_set_up (nat, &key, FZ_S);
  g_assert_null (fz_dns_nat_handle_status (nat, &key, true));
  fz_dns_nat_poll_changed (nat);
  g_assert_false (fz_dns_nat_set_up (nat, &key, 9 * FZ_S)); /* nobody asked */
  fz_dns_nat_recreate (nat, &key);
  g_assert_true (fz_dns_nat_set_up (nat, &key, 10 * FZ_S));
  g_assert_true (fz_dns_nat_is_pending (nat, &key));
  g_assert_true (fz_dns_nat_is_open (nat, &key));
  g_assert_cmpint (
      fz_dns_nat_handle_packet (nat, &key, packet, 10 * FZ_S, &must_announce), ==, FZ_DNS_NAT_SEND);
  fz_dns_nat_handle_status (nat, &key, true);
  g_assert_false (fz_dns_nat_poll_changed (nat)); /* lanes need not hear of any of it */
  fz_dns_nat_free (nat);
}

/* N3, N4: after a refusal packets pass, until the name is asked for again; then they wait. */
static void
test_refused (void)
{
  FzDnsNat *nat = fz_dns_nat_new (NULL);
  FzDnsDomain domain = { .name = (char *) "a.example" };
  FzDnsNatKey key = key_of (1, 2, &domain);
  bool must_announce;

  fz_dns_nat_set_up (nat, &key, FZ_S);
  fz_dns_nat_handle_packet (nat, &key, packet, FZ_S, &must_announce);
  g_assert_null (fz_dns_nat_handle_status (nat, &key, false)); /* what waited is lost */
  g_assert_true (fz_dns_nat_is_open (nat, &key));
  g_assert_false (fz_dns_nat_set_up (nat, &key, 9 * FZ_S));
  fz_dns_nat_recreate (nat, &key);
  g_assert_false (fz_dns_nat_is_open (nat, &key));
  g_assert_true (fz_dns_nat_set_up (nat, &key, 10 * FZ_S));
  g_assert_cmpint (
      fz_dns_nat_handle_packet (nat, &key, packet, 10 * FZ_S, &must_announce), ==, FZ_DNS_NAT_KEPT);
  fz_dns_nat_free (nat);
}

static void
count (const FzDnsNatKey *key, void *context)
{
  unsigned *n = context;

  (*n)++;
}

static void
test_independent (void) /* N7 */
{
  FzDnsNat *nat = fz_dns_nat_new (NULL);
  FzDnsDomain domain = { .name = (char *) "a.example" };
  FzDnsNatKey a = key_of (1, 2, &domain), b = key_of (1, 3, &domain), c = key_of (2, 2, &domain);
  unsigned n = 0;

  g_assert_true (fz_dns_nat_set_up (nat, &a, FZ_S));
  g_assert_true (fz_dns_nat_set_up (nat, &b, FZ_S));
  g_assert_true (fz_dns_nat_set_up (nat, &c, FZ_S));
  fz_dns_nat_handle_status (nat, &a, true);
  g_assert_false (fz_dns_nat_is_open (nat, &b));
  fz_dns_nat_foreach (nat, &a.gateway_id, count, &n);
  g_assert_cmpuint (n, ==, 2);
  fz_dns_nat_remove_resource (nat, &a.resource_id);
  g_assert_false (fz_dns_nat_has (nat, &a) || fz_dns_nat_has (nat, &c));
  fz_dns_nat_remove_gateway (nat, &b.gateway_id);
  g_assert_false (fz_dns_nat_has (nat, &b));
  fz_dns_nat_free (nat);
}

/* -- the other end -- */

/* Eight addresses from 100.96.0.@first and …8000::@first on. */
static FzP2pAssignedIps
announce (const char *domain, uint8_t resource, uint8_t first)
{
  FzP2pAssignedIps event = { .resource = { { resource } }, .n_ips = 8 };

  g_strlcpy (event.domain, domain, sizeof event.domain);
  for (uint8_t i = 0; i < 4; i++) {
    event.ips[i] = test_ip ("fd00:2021:1111:8000::");
    event.ips[i].bytes[15] = (uint8_t) (first + 3 - i); /* in no order */
    event.ips[i + 4] = test_ip ("100.96.0.0");
    event.ips[i + 4].bytes[3] = (uint8_t) (first + i);
  }
  return event;
}

static const char *
target_of (const FzTranslations *self, const char *proxy)
{
  static char text[FZ_IP_TEXT_MAX];
  FzIp address = test_ip (proxy);
  const FzIp *target = fz_translations_find_target (self, &address);

  return target != NULL ? fz_ip_format (target, text) : NULL;
}

static void
free_nat (gpointer nat)
{
  fz_nat_free (nat);
}

static void
test_targets (void)
{
  g_autoptr (GPtrArray) unused = g_ptr_array_new_with_free_func (free_nat);
  FzTranslations *self = fz_translations_new (unused);
  const FzIp found[] = { test_ip ("10.0.0.2"),  test_ip ("10.0.0.1"),   test_ip ("10.0.0.2"),
                         test_ip ("127.0.0.1"), test_ip ("100.64.0.9"), test_ip ("100.96.0.9"),
                         test_ip ("0.0.0.0"),   test_ip ("224.0.0.1") };
  FzP2pAssignedIps event = announce ("a.example", 1, 1);

  fz_translations_set (self, &event, found, G_N_ELEMENTS (found));
  g_assert_cmpstr (target_of (self, "100.96.0.1"), ==, "10.0.0.1"); /* sorted, round and round */
  g_assert_cmpstr (target_of (self, "100.96.0.2"), ==, "10.0.0.2");
  g_assert_cmpstr (target_of (self, "100.96.0.3"), ==, "10.0.0.1");
  g_assert_cmpstr (target_of (self, "100.96.0.4"), ==, "10.0.0.2");
  g_assert_null (target_of (self, "fd00:2021:1111:8000::1")); /* G10 */
  g_assert_null (target_of (self, "100.96.0.5"));

  fz_translations_set (
      self, &event, (FzIp[]){ test_ip ("fd20::1"), test_ip ("10.0.0.7") }, 2); /* G8 */
  g_assert_cmpstr (target_of (self, "100.96.0.4"), ==, "10.0.0.7");
  g_assert_cmpstr (target_of (self, "fd00:2021:1111:8000::1"), ==, "fd20::1");
  fz_translations_set (self, &event, NULL, 0);
  g_assert_null (target_of (self, "100.96.0.1"));
  g_assert_cmpuint (unused->len, ==, 0);
  fz_translations_free (self);
}

static guint
count_entries (const FzTranslations *self, uint8_t resource)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (FzPolicyEntry));
  FzResource described = { .kind = FZ_RESOURCE_DNS, .id = { { resource } } };

  fz_translations_append_entries (self, &described, entries);
  return entries->len;
}

static void
test_renumbered (void) /* G9, G11 */
{
  g_autoptr (GPtrArray) unused = g_ptr_array_new_with_free_func (free_nat);
  FzTranslations *self = fz_translations_new (unused);
  FzP2pAssignedIps a = announce ("a.example", 1, 1), also = announce ("a.example", 2, 1);
  FzP2pAssignedIps b = announce ("b.example", 1, 5), again = announce ("c.example", 1, 7);
  FzIp real = test_ip ("10.0.0.1");

  fz_translations_set (self, &a, &real, 1);
  fz_translations_set (self, &also, &real, 1);
  fz_translations_set (self, &b, &real, 1);
  g_assert_cmpuint (fz_translations_get_n_domains (self), ==, 2);
  g_assert_cmpuint (count_entries (self, 1), ==, 16);
  g_assert_cmpuint (count_entries (self, 2), ==, 8);
  g_assert_cmpuint (unused->len, ==, 0);
  fz_translations_set (self, &again, &real, 1); /* shares addresses with b.example */
  g_assert_cmpuint (fz_translations_get_n_domains (self), ==, 1);
  g_assert_cmpuint (unused->len, ==, 1); /* the sessions went as well */
  g_assert_null (target_of (self, "100.96.0.1"));
  g_assert_cmpstr (target_of (self, "100.96.0.7"), ==, "10.0.0.1");
  fz_translations_free (self);
}

static void
test_bad_addresses (void)
{
  g_autoptr (GPtrArray) unused = g_ptr_array_new_with_free_func (free_nat);
  FzTranslations *self = fz_translations_new (unused);
  FzP2pAssignedIps event = announce ("a.example", 1, 1);
  FzIp real = test_ip ("10.0.0.1");

  event.ips[4] = test_ip ("8.8.8.8"); /* not a proxy address: nobody's */
  event.ips[5] = event.ips[6];        /* twice */
  fz_translations_set (self, &event, &real, 1);
  g_assert_null (target_of (self, "8.8.8.8"));
  g_assert_cmpuint (count_entries (self, 1), ==, 6);
  fz_translations_free (self);
}

static void
test_too_many_names (void)
{
  g_autoptr (GPtrArray) unused = g_ptr_array_new_with_free_func (free_nat);
  FzTranslations *self = fz_translations_new (unused);
  FzIp real = test_ip ("10.0.0.1");

  for (unsigned i = 0; i <= FZ_TRANSLATED_DOMAINS_MAX; i++) {
    FzP2pAssignedIps event = { .n_ips = 1, .ips = { test_ip ("100.97.0.0") } };

    g_snprintf (event.domain, sizeof event.domain, "%u.example", i);
    event.ips[0].bytes[2] = (uint8_t) (i >> 8);
    event.ips[0].bytes[3] = (uint8_t) i;
    fz_translations_set (self, &event, &real, 1);
  }
  g_assert_cmpuint (fz_translations_get_n_domains (self), ==, FZ_TRANSLATED_DOMAINS_MAX);
  g_assert_null (target_of (self, "100.97.0.0")); /* announced longest ago */
  g_assert_nonnull (target_of (self, "100.97.0.1"));
  fz_translations_free (self);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns-nat/first-announcement", test_first_announcement);
  g_test_add_func ("/dns-nat/asked-again", test_asked_again);
  g_test_add_func ("/dns-nat/refused", test_refused);
  g_test_add_func ("/dns-nat/independent", test_independent);
  g_test_add_func ("/translations/targets", test_targets);
  g_test_add_func ("/translations/renumbered", test_renumbered);
  g_test_add_func ("/translations/bad-addresses", test_bad_addresses);
  g_test_add_func ("/translations/too-many-names", test_too_many_names);
  return g_test_run ();
}
