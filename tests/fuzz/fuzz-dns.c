/* fuzz-dns.c
 *
 * A DNS message as a query and as a reply: through the parsers, the answers we
 * write to it, the cache, the stub with a resource that matches everything.
 */
#include "src/engine/fz-dns-cache.h"
#include "src/engine/fz-dns-stub.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
check_answer (FzSpan message, const FzDnsQuery *query, const FzDnsAnswer *answer)
{
  uint8_t out[1212];
  size_t length = fz_dns_write_answer (message, query, answer, out, sizeof out);
  FzDnsReply reply;

  if (length == 0)
    return;
  g_assert_cmpint (fz_dns_parse_reply (fz_span (out, length), &reply), ==, FZ_DROP_NONE);
  g_assert_cmpuint (reply.id, ==, query->id);
  g_assert_cmpuint (reply.question_size, ==, query->question_size);
  g_assert_true (fz_dns_is_reply_to (fz_span (out, length), &reply, message));
  g_assert_cmpuint (reply.n_of_type, >=, answer->n_ips);
}

static void
check_query (FzSpan message)
{
  FzResource everything = { .kind = FZ_RESOURCE_DNS, .pattern = "**" };
  g_autoptr (FzDnsStub) stub = fz_dns_stub_new ();
  FzDnsStubResult result;
  FzDnsQuery query;

  if (fz_dns_parse_query (message, &query) != FZ_DROP_NONE)
    return;
  g_assert_cmpuint (FZ_DNS_HEADER_SIZE + query.question_size, <=, message.length);
  g_assert_true (query.name[0] == '\0' || fz_dns_is_name (query.name));
  fz_dns_stub_add_resource (stub, &everything);
  fz_dns_stub_handle (stub, &query, &result);
  if (result.kind == FZ_DNS_STUB_ANSWER)
    check_answer (message, &query, &result.answer);
  check_answer (message, &query, &(FzDnsAnswer){ .code = FZ_DNS_SERVFAIL });
}

static void
check_reply (FzSpan message)
{
  g_autofree uint8_t *copy = g_memdup2 (message.data, message.length);
  FzDnsCache *cache = fz_dns_cache_new ();
  FzDnsReply reply, cut;
  FzDnsQuery query = { .class_ = FZ_DNS_CLASS_IN, .name = "a" };
  FzSpan kept;

  if (fz_dns_parse_reply (message, &reply) == FZ_DROP_NONE) {
    g_assert_cmpuint (
        FZ_DNS_HEADER_SIZE + reply.question_size + reply.answers_size, <=, message.length);
    g_assert_true (fz_dns_is_reply_to (message, &reply, message));
    query.type = reply.type;
    query.question_size = reply.question_size;
    fz_dns_cache_put (cache, &query, message, 0, 1);
    if (fz_dns_cache_get (cache, message, &query, 3 * FZ_S, &kept))
      g_assert_cmpint (fz_dns_parse_reply (kept, &cut), ==, FZ_DROP_NONE);
    fz_dns_age (copy, message.length, 1000);
    g_assert_cmpint (fz_dns_parse_reply (fz_span (copy, message.length), &cut), ==, FZ_DROP_NONE);
    g_assert_cmpuint (cut.answers_size, ==, reply.answers_size);
    g_assert_cmpuint (fz_dns_truncate (copy, &reply), <=, message.length);
  }
  fz_dns_cache_free (cache);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  check_query (fz_span (data, size));
  check_reply (fz_span (data, size));
  return 0;
}
