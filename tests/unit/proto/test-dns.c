/* test-dns.c: fz-dns.h, its answers read by ldns and its queries written by it */

#include "src/proto/fz-dns.h"

#include <glib.h>
#include <ldns/ldns.h>

static const FzIp ipv4 = { FZ_IP_V4, { 100, 96, 0, 1 } };

/* A query as ldns writes it. Returns: its length */
static size_t
make_query (const char *name, unsigned type, uint8_t out[512])
{
  ldns_pkt *packet = NULL;
  uint8_t *wire = NULL;
  size_t length;

  g_assert_cmpint (
      ldns_pkt_query_new_frm_str (
          &packet, name, (ldns_rr_type) type, LDNS_RR_CLASS_IN, (uint16_t) (LDNS_RD | LDNS_CD)),
      ==,
      LDNS_STATUS_OK);
  ldns_pkt_set_id (packet, 0x1234);
  ldns_pkt_set_edns_udp_size (packet, 4096); /* an OPT record, which is of no interest */
  g_assert_cmpint (ldns_pkt2wire (&wire, packet, &length), ==, LDNS_STATUS_OK);
  g_assert_cmpuint (length, <=, 512);
  memcpy (out, wire, length);
  LDNS_FREE (wire);
  ldns_pkt_free (packet);
  return length;
}

static ldns_pkt *
read_by_ldns (const uint8_t *message, size_t length)
{
  ldns_pkt *packet = NULL;

  g_assert_cmpint (ldns_wire2pkt (&packet, message, length), ==, LDNS_STATUS_OK);
  return packet;
}

static void
test_query (void)
{
  static const struct {
    const char *name;
    const char *expected;
  } rows[] = {
    { "Web.Corp.EXAMPLE.", "web.corp.example" },
    { "_sip._tcp.example", "_sip._tcp.example" },
    { ".", "" },
    { "a\\.b.example", "" }, /* a dot inside a label is nobody's name */
    { "a\\032b.example", "" },
    { "xn--bcher-kva.example", "xn--bcher-kva.example" },
  };
  uint8_t message[512];
  FzDnsQuery query;

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    size_t length = make_query (rows[i].name, FZ_DNS_TYPE_AAAA, message);

    g_assert_cmpint (fz_dns_parse_query (fz_span (message, length), &query), ==, FZ_DROP_NONE);
    g_assert_cmpstr (query.name, ==, rows[i].expected);
    g_assert_cmpuint (query.id, ==, 0x1234);
    g_assert_cmpuint (query.type, ==, FZ_DNS_TYPE_AAAA);
    g_assert_cmpuint (query.class_, ==, FZ_DNS_CLASS_IN);
  }
}

static void
test_longest_name (void)
{
  g_autoptr (GString) name = g_string_new (NULL);
  uint8_t message[512];
  FzDnsQuery query;
  size_t length;

  for (unsigned i = 0; i < 3; i++)
    g_string_append_printf (name, "%063u.", i);
  g_string_append_printf (name, "%061u", 3); /* 253 in all */
  length = make_query (name->str, FZ_DNS_TYPE_A, message);
  g_assert_cmpint (fz_dns_parse_query (fz_span (message, length), &query), ==, FZ_DROP_NONE);
  g_assert_cmpstr (query.name, ==, name->str);
  g_assert_true (fz_dns_is_name (name->str));
  g_string_append_c (name, 'x');
  g_assert_false (fz_dns_is_name (name->str));
}

static void
test_malformed_query (void)
{
  static const struct {
    const char *why;
    const char *bytes;
    size_t length;
  } rows[] = {
    { "empty", "", 0 },
    { "half a header", "\0\1\1\0\0", 5 },
    { "a reply", "\0\1\x81\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", 19 },
    { "no question", "\0\1\1\0\0\0\0\0\0\0\0\0", 12 },
    { "two questions", "\0\1\1\0\0\2\0\0\0\0\0\0\1a\0\0\1\0\1\1a\0\0\1\0\1", 26 },
    { "name without end", "\0\1\1\0\0\1\0\0\0\0\0\0\1a", 14 },
    { "label behind the end", "\0\1\1\0\0\1\0\0\0\0\0\0\77a\0\0\1\0\1", 19 },
    { "pointer to itself", "\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", 18 },
    { "reserved label type", "\0\1\1\0\0\1\0\0\0\0\0\0\101a\0\0\1\0\1", 19 },
    { "type without class", "\0\1\1\0\0\1\0\0\0\0\0\0\1a\0\0\1", 17 },
    { "an answer that is not there", "\0\1\1\0\0\1\0\1\0\0\0\0\1a\0\0\1\0\1", 19 },
  };
  FzDnsQuery query = { .id = 77 };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].why);
    g_assert_cmpint (
        fz_dns_parse_query (fz_span (rows[i].bytes, rows[i].length), &query), !=, FZ_DROP_NONE);
    g_assert_cmpuint (query.id, ==, 77); /* untouched */
  }
}

/* Every shorter piece of a good message is refused, without looking behind its end. */
static void
test_truncated (void)
{
  uint8_t message[512];
  size_t length = make_query ("web.corp.example", FZ_DNS_TYPE_A, message);
  FzDnsQuery query;
  size_t question;

  g_assert_cmpint (fz_dns_parse_query (fz_span (message, length), &query), ==, FZ_DROP_NONE);
  question = FZ_DNS_HEADER_SIZE + query.question_size;
  for (size_t i = 0; i < question; i++) {
    g_autofree uint8_t *copy = g_memdup2 (message, i);

    g_assert_cmpint (fz_dns_parse_query (fz_span (copy, i), &query), !=, FZ_DROP_NONE);
  }
}

static void
test_addresses (void)
{
  FzIp ips[4] = { ipv4, ipv4, ipv4, ipv4 };
  FzDnsAnswer answer = { .ips = ips, .n_ips = 4, .ttl_s = 1 };
  uint8_t message[512], out[512];
  size_t length = make_query ("Web.corp.example", FZ_DNS_TYPE_A, message);
  FzDnsQuery query;
  ldns_pkt *packet;
  g_autofree char *owner = NULL;

  for (uint8_t i = 0; i < 4; i++)
    ips[i].bytes[3] = (uint8_t) (i + 1);
  fz_dns_parse_query (fz_span (message, length), &query);
  length = fz_dns_write_answer (fz_span (message, length), &query, &answer, out, sizeof out);
  packet = read_by_ldns (out, length);
  g_assert_cmpuint (ldns_pkt_id (packet), ==, 0x1234);
  g_assert_true (ldns_pkt_qr (packet) && ldns_pkt_rd (packet));
  g_assert_false (ldns_pkt_aa (packet) || ldns_pkt_ra (packet) || ldns_pkt_tc (packet));
  g_assert_false (ldns_pkt_cd (packet) || ldns_pkt_edns (packet));
  g_assert_cmpuint (ldns_pkt_get_rcode (packet), ==, LDNS_RCODE_NOERROR);
  g_assert_cmpuint (ldns_pkt_ancount (packet), ==, 4);
  for (size_t i = 0; i < 4; i++) {
    const ldns_rr *rr = ldns_rr_list_rr (ldns_pkt_answer (packet), i);
    const ldns_rdf *rdf = ldns_rr_rdf (rr, 0);

    g_assert_cmpuint (ldns_rr_get_type (rr), ==, LDNS_RR_TYPE_A);
    g_assert_cmpuint (ldns_rr_ttl (rr), ==, 1);
    g_assert_cmpmem (ldns_rdf_data (rdf), ldns_rdf_size (rdf), ips[i].bytes, 4);
  }
  owner = ldns_rdf2str (ldns_rr_owner (ldns_rr_list_rr (ldns_pkt_answer (packet), 0)));
  g_assert_cmpstr (owner, ==, "Web.corp.example."); /* as it was asked */
  ldns_pkt_free (packet);
}

static void
test_other_answers (void)
{
  uint8_t message[512], out[512];
  size_t n = make_query ("4.0.96.100.in-addr.arpa", FZ_DNS_TYPE_PTR, message);
  FzSpan span = fz_span (message, n);
  FzDnsAnswer pointer = { .target = "web.corp.example", .ttl_s = 1 };
  FzDnsAnswer nothing = { .code = FZ_DNS_NXDOMAIN };
  g_autofree char *target = NULL;
  FzDnsQuery query;
  ldns_pkt *packet;

  fz_dns_parse_query (span, &query);
  packet = read_by_ldns (out, fz_dns_write_answer (span, &query, &pointer, out, sizeof out));
  target = ldns_rdf2str (ldns_rr_rdf (ldns_rr_list_rr (ldns_pkt_answer (packet), 0), 0));
  g_assert_cmpstr (target, ==, "web.corp.example.");
  ldns_pkt_free (packet);

  packet = read_by_ldns (out, fz_dns_write_answer (span, &query, &nothing, out, sizeof out));
  g_assert_cmpuint (ldns_pkt_get_rcode (packet), ==, LDNS_RCODE_NXDOMAIN);
  g_assert_cmpuint (ldns_pkt_ancount (packet), ==, 0);
  ldns_pkt_free (packet);

  /* no byte behind the room */
  n = fz_dns_write_answer (span, &query, &pointer, out, sizeof out);
  g_assert_cmpuint (fz_dns_write_answer (span, &query, &pointer, out, n), ==, n);
  g_assert_cmpuint (fz_dns_write_answer (span, &query, &pointer, out, n - 1), ==, 0);
}

/* A reply by ldns: the question, a CNAME that lives for 7 s, an address for 300 s, an authority. */
static size_t
make_reply (uint8_t out[512])
{
  uint8_t message[512];
  size_t length = make_query ("www.example.org", FZ_DNS_TYPE_A, message);
  ldns_pkt *packet = read_by_ldns (message, length);
  static const char *const records[] = { "www.example.org. 7 IN CNAME real.example.org.",
                                         "real.example.org. 300 IN A 192.0.2.1",
                                         "example.org. 60 IN NS ns.example.org." };
  uint8_t *wire;

  ldns_pkt_set_qr (packet, true);
  for (size_t i = 0; i < G_N_ELEMENTS (records); i++) {
    ldns_rr *rr = NULL;

    g_assert_cmpint (ldns_rr_new_frm_str (&rr, records[i], 0, NULL, NULL), ==, LDNS_STATUS_OK);
    ldns_pkt_push_rr (packet, i < 2 ? LDNS_SECTION_ANSWER : LDNS_SECTION_AUTHORITY, rr);
  }
  g_assert_cmpint (ldns_pkt2wire (&wire, packet, &length), ==, LDNS_STATUS_OK);
  memcpy (out, wire, length);
  LDNS_FREE (wire);
  ldns_pkt_free (packet);
  return length;
}

static void
test_reply (void)
{
  uint8_t message[512], query[512];
  size_t length = make_reply (message), n_query;
  FzDnsReply reply;
  ldns_pkt *packet;

  g_assert_cmpint (fz_dns_parse_reply (fz_span (message, length), &reply), ==, FZ_DROP_NONE);
  g_assert_cmpuint (reply.type, ==, FZ_DNS_TYPE_A);
  g_assert_cmpuint (reply.n_of_type, ==, 1);
  g_assert_cmpuint (reply.least_ttl_s, ==, 300);
  n_query = make_query ("WWW.example.ORG", FZ_DNS_TYPE_A, query);
  g_assert_true (fz_dns_is_reply_to (fz_span (message, length), &reply, fz_span (query, n_query)));
  n_query = make_query ("www.example.com", FZ_DNS_TYPE_A, query);
  g_assert_false (fz_dns_is_reply_to (fz_span (message, length), &reply, fz_span (query, n_query)));
  n_query = make_query ("www.example.org", FZ_DNS_TYPE_AAAA, query);
  g_assert_false (fz_dns_is_reply_to (fz_span (message, length), &reply, fz_span (query, n_query)));

  fz_dns_age (message, length, 100);
  packet = read_by_ldns (message, length);
  g_assert_cmpuint (ldns_rr_ttl (ldns_rr_list_rr (ldns_pkt_answer (packet), 0)), ==, 0);
  g_assert_cmpuint (ldns_rr_ttl (ldns_rr_list_rr (ldns_pkt_answer (packet), 1)), ==, 200);
  g_assert_cmpuint (ldns_rr_ttl (ldns_rr_list_rr (ldns_pkt_authority (packet), 0)), ==, 60);
  ldns_pkt_free (packet);

  length = fz_dns_truncate (message, &reply);
  packet = read_by_ldns (message, length);
  g_assert_true (ldns_pkt_tc (packet));
  g_assert_cmpuint (ldns_pkt_ancount (packet) + ldns_pkt_nscount (packet), ==, 0);
  g_assert_cmpuint (ldns_pkt_qdcount (packet), ==, 1);
  ldns_pkt_free (packet);
}

static void
test_reverse (void)
{
  static const struct {
    const char *name;
    const char *ip; /* NULL: none */
  } rows[] = {
    { "1.0.96.100.in-addr.arpa", "100.96.0.1" },
    { "255.255.255.255.in-addr.arpa", "255.255.255.255" },
    { "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.1.1.1.1.1.2.0.2.0.0.d.f.ip6.arpa",
      "fd00:2021:1111:8000::1" },
    { "1.0.96.100.in-addr.arpb", NULL },
    { "0.96.100.in-addr.arpa", NULL },
    { "9.1.0.96.100.in-addr.arpa", NULL },
    { "256.0.96.100.in-addr.arpa", NULL },
    { "01.0.96.100.in-addr.arpa", NULL },
    { "a.0.96.100.in-addr.arpa", NULL },
    { ".0.96.100.in-addr.arpa", NULL },
    { "in-addr.arpa", NULL },
    { "1.0.96.100.ip6.arpa", NULL },
    { "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.1.1.1.1.1.2.0.2.0.0.d.f.in-addr.arpa", NULL },
    { "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.1.1.1.1.1.2.0.2.0.0.d.f.ip6.arpa", NULL },
    { "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.1.1.1.1.1.2.0.2.0.0.d.f.ip6.arpa", NULL },
    { "g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.1.1.1.1.1.2.0.2.0.0.d.f.ip6.arpa", NULL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    char text[FZ_IP_TEXT_MAX];
    FzIp ip;

    g_test_message ("%s", rows[i].name);
    g_assert_cmpint (fz_dns_parse_reverse (rows[i].name, &ip), ==, rows[i].ip != NULL);
    if (rows[i].ip != NULL)
      g_assert_cmpstr (fz_ip_format (&ip, text), ==, rows[i].ip);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns/query", test_query);
  g_test_add_func ("/dns/query/longest-name", test_longest_name);
  g_test_add_func ("/dns/query/malformed", test_malformed_query);
  g_test_add_func ("/dns/query/truncated", test_truncated);
  g_test_add_func ("/dns/answer/addresses", test_addresses);
  g_test_add_func ("/dns/answer/others", test_other_answers);
  g_test_add_func ("/dns/reply", test_reply);
  g_test_add_func ("/dns/reverse", test_reverse);
  return g_test_run ();
}
