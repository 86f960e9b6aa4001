/* test-dns-cache.c: fz-dns-cache.h and fz-dns-forward.h (tunnel.md §§4.8, 4.10, 4.11; D16-D20) */

#include "src/engine/fz-dns-cache.h"
#include "src/engine/fz-dns-forward.h"
#include "src/engine/fz-limits.h"

#include <string.h>

static const FzIp address = { FZ_IP_V4, { 192, 0, 2, 1 } };
static const FzSocketAddress server = { { FZ_IP_V4, { 192, 0, 2, 53 } }, FZ_DNS_PORT };

/* A question for the address of "<label>.example". */
static FzSpan
make_query (uint16_t id, const char *label, uint8_t out[128])
{
  FzWriter w = fz_writer (out, 128);

  fz_writer_u16be (&w, id);
  fz_writer_u16be (&w, 0x0100);
  fz_writer_u16be (&w, 1);
  fz_writer_zeros (&w, 6);
  fz_writer_u8 (&w, (uint8_t) strlen (label));
  fz_writer_bytes (&w, label, strlen (label));
  fz_writer_bytes (&w, "\7example", 9);
  fz_writer_u16be (&w, FZ_DNS_TYPE_A);
  fz_writer_u16be (&w, FZ_DNS_CLASS_IN);
  g_assert_true (w.ok);
  return fz_span (out, w.length);
}

static FzSpan
make_reply (FzSpan query, FzDnsCode code, uint32_t ttl_s, uint8_t out[128])
{
  FzDnsAnswer answer = { code, &address, code == FZ_DNS_NO_ERROR, NULL, ttl_s };
  FzDnsQuery parsed;

  g_assert_cmpint (fz_dns_parse_query (query, &parsed), ==, FZ_DROP_NONE);
  return fz_span (out, fz_dns_write_answer (query, &parsed, &answer, out, 128));
}

static bool
put_and_get (FzDnsCache *cache, const char *label, FzDnsCode code, uint32_t ttl_s, bool is_cut)
{
  uint8_t query[128], reply[128];
  FzSpan message = make_query (1, label, query), kept;
  FzDnsQuery parsed;

  fz_dns_parse_query (message, &parsed);
  kept = make_reply (message, code, ttl_s, reply);
  if (is_cut)
    reply[2] |= 0x02; /* TC */
  fz_dns_cache_put (cache, &parsed, kept, 0, FZ_S);
  return fz_dns_cache_get (cache, message, &parsed, FZ_S, &kept);
}

static void
test_what_is_kept (void)
{
  FzDnsCache *cache = fz_dns_cache_new ();

  g_assert_true (put_and_get (cache, "a", FZ_DNS_NO_ERROR, 5, false));
  g_assert_false (put_and_get (cache, "b", FZ_DNS_NO_ERROR, 4, false));
  g_assert_false (put_and_get (cache, "c", FZ_DNS_NO_ERROR, 1, false)); /* the stub's own, D18 */
  g_assert_false (put_and_get (cache, "d", FZ_DNS_NXDOMAIN, 300, false));
  g_assert_false (put_and_get (cache, "e", FZ_DNS_SERVFAIL, 300, false));
  g_assert_false (put_and_get (cache, "f", FZ_DNS_NO_ERROR, 300, true));
  fz_dns_cache_free (cache);
}

static void
test_ageing (void)
{
  FzDnsCache *cache = fz_dns_cache_new ();
  uint8_t query[128], reply[128];
  FzSpan message = make_query (1, "Name", query), kept;
  FzDnsQuery parsed;
  FzDnsReply read;

  fz_dns_parse_query (message, &parsed);
  fz_dns_cache_put (cache, &parsed, make_reply (message, FZ_DNS_NO_ERROR, 100, reply), 0, FZ_S);
  message = make_query (777, "nAME", query);
  fz_dns_parse_query (message, &parsed);
  g_assert_true (fz_dns_cache_get (cache, message, &parsed, 31 * FZ_S, &kept));
  g_assert_cmpint (fz_dns_parse_reply (kept, &read), ==, FZ_DROP_NONE);
  g_assert_cmpuint (read.id, ==, 777);
  g_assert_cmpuint (read.least_ttl_s, ==, 70);
  g_assert_cmpmem (kept.data + 13, 4, "nAME", 4); /* the question as it was asked */
  g_assert_true (fz_dns_cache_get (cache, message, &parsed, 101 * FZ_S - 1, &kept));
  g_assert_false (fz_dns_cache_get (cache, message, &parsed, 101 * FZ_S, &kept));
  fz_dns_cache_free (cache);
}

static void
test_full (void)
{
  FzDnsCache *cache = fz_dns_cache_new ();
  char label[16];

  for (unsigned i = 0; i <= FZ_DNS_CACHE_ENTRIES_MAX; i++) {
    g_snprintf (label, sizeof label, "%u", i);
    g_assert_true (put_and_get (cache, label, FZ_DNS_NO_ERROR, 300 - (i == 5), false));
  }
  for (unsigned i = 4; i < 7; i++) {
    uint8_t query[128];
    FzSpan message, kept;
    FzDnsQuery parsed;

    g_snprintf (label, sizeof label, "%u", i);
    message = make_query (1, label, query);
    fz_dns_parse_query (message, &parsed);
    g_assert_cmpint (
        fz_dns_cache_get (cache, message, &parsed, FZ_S, &kept), ==, i != 5); /* it ends first */
  }
  fz_dns_cache_clear (cache);
  fz_dns_cache_free (cache);
}

/* A name that has come to belong to a resource while its question was on the way: what a resolver
 * says of it must not be served afterwards. */
static void
test_cleared_meanwhile (void)
{
  FzDnsCache *cache = fz_dns_cache_new ();
  uint64_t as_of = fz_dns_cache_get_n_clears (cache);
  uint8_t query[128], reply[128];
  FzSpan message = make_query (1, "name", query), kept;
  FzDnsQuery parsed;

  fz_dns_parse_query (message, &parsed);
  fz_dns_cache_clear (cache);
  fz_dns_cache_put (cache, &parsed, make_reply (message, FZ_DNS_NO_ERROR, 300, reply), as_of, FZ_S);
  g_assert_false (fz_dns_cache_get (cache, message, &parsed, FZ_S, &kept));
  as_of = fz_dns_cache_get_n_clears (cache);
  fz_dns_cache_put (cache, &parsed, make_reply (message, FZ_DNS_NO_ERROR, 300, reply), as_of, FZ_S);
  g_assert_true (fz_dns_cache_get (cache, message, &parsed, FZ_S, &kept));
  fz_dns_cache_free (cache);
}

/* -- questions to others -- */

typedef struct {
  FzSeededRng seeded;
  FzDnsForward *forward;
  uint8_t query[128];
  FzSpan message;
  FzDnsAsker asker;
} Bed;

static void
set_up (Bed *bed)
{
  *bed = (Bed){ .asker = { .client = { address, 4000 } } };
  fz_seeded_rng_init (&bed->seeded, 1);
  bed->forward = fz_dns_forward_new (fz_seeded_rng (&bed->seeded));
  bed->message = make_query (4711, "name", bed->query);
}

static void
test_outside (void)
{
  uint8_t reply[128];
  const FzDnsQuestion *question, *answered = NULL;
  FzSpan out, answer;
  uint32_t id;
  Bed bed;

  set_up (&bed);
  question = fz_dns_forward_ask_outside (bed.forward, &bed.asker, bed.message, FZ_S, &out);
  id = question->id;
  g_assert_cmpuint (fz_get_u16be (out.data), ==, question->wire_id);
  answer = make_reply (out, FZ_DNS_NO_ERROR, 60, reply);
  g_assert_cmpint (fz_dns_forward_handle_outside (bed.forward, id + 1, answer, &answered, &out),
                   ==,
                   FZ_DNS_REPLY_IGNORED);
  g_assert_cmpint (fz_dns_forward_handle_outside (bed.forward, id, answer, &answered, &out),
                   ==,
                   FZ_DNS_REPLY_ANSWERED);
  g_assert_cmpuint (fz_get_u16be (out.data), ==, 4711);
  g_assert_cmpuint (answered->asker.client.port, ==, 4000);
  g_assert_cmpint (fz_dns_forward_handle_outside (bed.forward, id, answer, &answered, &out),
                   ==,
                   FZ_DNS_REPLY_IGNORED); /* twice */

  /* an answer to another question, and none at all */
  for (unsigned i = 0; i < 2; i++) {
    uint8_t other[128];

    question = fz_dns_forward_ask_outside (bed.forward, &bed.asker, bed.message, FZ_S, &out);
    answer =
        make_reply (make_query (question->wire_id, "other", other), FZ_DNS_NO_ERROR, 60, reply);
    g_assert_cmpint (
        fz_dns_forward_handle_outside (
            bed.forward, question->id, i == 0 ? answer : (FzSpan){ 0 }, &answered, &out),
        ==,
        FZ_DNS_REPLY_FAILED);
  }
  g_assert_cmpuint (fz_dns_forward_next_timeout (bed.forward), ==, FZ_INSTANT_NEVER);
  fz_dns_forward_free (bed.forward);
}

static void
test_inside (void)
{
  const FzSocketAddress elsewhere = { address, FZ_DNS_PORT };
  const FzDnsQuestion *question, *ended = NULL;
  uint8_t reply[128];
  FzSpan out, answer;
  uint16_t port;
  Bed bed;

  set_up (&bed);
  question = fz_dns_forward_ask_inside (bed.forward, &bed.asker, &server, bed.message, FZ_S, &out);
  port = question->port;
  g_assert_cmpuint (port, >=, FZ_DNS_PORT_FIRST);
  answer = make_reply (out, FZ_DNS_NO_ERROR, 60, reply);
  g_assert_cmpint (
      fz_dns_forward_handle_inside (bed.forward, &elsewhere, port, answer, &ended, &out),
      ==,
      FZ_DNS_REPLY_NOT_OURS);
  g_assert_cmpint (fz_dns_forward_handle_inside (
                       bed.forward, &server, (uint16_t) (port ^ 1), answer, &ended, &out),
                   ==,
                   FZ_DNS_REPLY_NOT_OURS);
  reply[0] ^= 1; /* a guess at the id */
  g_assert_cmpint (fz_dns_forward_handle_inside (bed.forward, &server, port, answer, &ended, &out),
                   ==,
                   FZ_DNS_REPLY_IGNORED);
  reply[0] ^= 1;
  g_assert_cmpint (fz_dns_forward_handle_inside (bed.forward, &server, port, answer, &ended, &out),
                   ==,
                   FZ_DNS_REPLY_ANSWERED);
  g_assert_cmpuint (fz_get_u16be (out.data), ==, 4711);
  g_assert_cmpint (fz_dns_forward_handle_inside (bed.forward, &server, port, answer, &ended, &out),
                   ==,
                   FZ_DNS_REPLY_IGNORED); /* swallowed, it is nobody's */

  question = fz_dns_forward_ask_inside (bed.forward, &bed.asker, &server, bed.message, FZ_S, &out);
  g_assert_cmpint (fz_dns_forward_handle_refusal (bed.forward, &server, question->port, &ended),
                   ==,
                   FZ_DNS_REPLY_FAILED);
  fz_dns_forward_free (bed.forward);
}

static void
test_timeouts (void)
{
  const FzDnsQuestion *question, *ended = NULL;
  uint8_t reply[128];
  FzSpan out, answer;
  uint16_t port;
  Bed bed;

  set_up (&bed);
  fz_dns_forward_ask_outside (bed.forward, &bed.asker, bed.message, FZ_S, &out);
  question = fz_dns_forward_ask_inside (bed.forward, &bed.asker, &server, bed.message, FZ_S, &out);
  port = question->port;
  answer = make_reply (out, FZ_DNS_NO_ERROR, 60, reply);
  g_assert_cmpuint (fz_dns_forward_next_timeout (bed.forward), ==, 6 * FZ_S);
  g_assert_false (fz_dns_forward_poll_timeout (bed.forward, 6 * FZ_S - 1, &ended));
  g_assert_true (fz_dns_forward_poll_timeout (bed.forward, 6 * FZ_S, &ended));
  g_assert_false (ended->is_inside);
  g_assert_false (fz_dns_forward_poll_timeout (bed.forward, 6 * FZ_S, &ended));
  g_assert_cmpuint (fz_dns_forward_next_timeout (bed.forward), ==, 11 * FZ_S);
  g_assert_true (fz_dns_forward_poll_timeout (bed.forward, 11 * FZ_S, &ended));
  g_assert_true (ended->is_inside);
  g_assert_cmpint (fz_dns_forward_handle_inside (bed.forward, &server, port, answer, &ended, &out),
                   ==,
                   FZ_DNS_REPLY_IGNORED); /* late */
  fz_dns_forward_free (bed.forward);
}

static void
test_too_many (void)
{
  const FzDnsQuestion *ended = NULL;
  FzSpan out;
  Bed bed;

  set_up (&bed);
  for (unsigned i = 0; i < FZ_DNS_OUTSIDE_MAX; i++)
    g_assert_nonnull (
        fz_dns_forward_ask_outside (bed.forward, &bed.asker, bed.message, FZ_S, &out));
  g_assert_null (fz_dns_forward_ask_outside (bed.forward, &bed.asker, bed.message, FZ_S, &out));
  for (unsigned i = 0; i < FZ_DNS_INSIDE_MAX; i++)
    g_assert_nonnull (
        fz_dns_forward_ask_inside (bed.forward, &bed.asker, &server, bed.message, FZ_S, &out));
  g_assert_null (
      fz_dns_forward_ask_inside (bed.forward, &bed.asker, &server, bed.message, FZ_S, &out));
  while (fz_dns_forward_poll_timeout (bed.forward, 12 * FZ_S, &ended))
    ; /* all end; their ports make room */
  g_assert_nonnull (
      fz_dns_forward_ask_inside (bed.forward, &bed.asker, &server, bed.message, 12 * FZ_S, &out));
  fz_dns_forward_free (bed.forward);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns-cache/what-is-kept", test_what_is_kept);
  g_test_add_func ("/dns-cache/ageing", test_ageing);
  g_test_add_func ("/dns-cache/cleared-meanwhile", test_cleared_meanwhile);
  g_test_add_func ("/dns-cache/full", test_full);
  g_test_add_func ("/dns-forward/outside", test_outside);
  g_test_add_func ("/dns-forward/inside", test_inside);
  g_test_add_func ("/dns-forward/timeouts", test_timeouts);
  g_test_add_func ("/dns-forward/too-many", test_too_many);
  return g_test_run ();
}
