/* fz-dns-message.c: see the header */

#include "src/engine/fz-dns-message.h"

#include <string.h>

size_t
fz_dns_message_write_failure (FzSpan query, uint8_t *out, size_t capacity)
{
  FzDnsAnswer answer = { .code = FZ_DNS_SERVFAIL };
  FzDnsQuery parsed;

  if (fz_dns_parse_query (query, &parsed) != FZ_DROP_NONE)
    return 0;
  return fz_dns_write_answer (query, &parsed, &answer, out, capacity);
}

size_t
fz_dns_message_cut (FzSpan reply, uint8_t *out, size_t capacity)
{
  FzDnsReply parsed;
  size_t size;

  if (fz_dns_parse_reply (reply, &parsed) != FZ_DROP_NONE)
    return 0;
  size = FZ_DNS_HEADER_SIZE + (size_t) parsed.question_size;
  if (size > capacity)
    return 0;
  memcpy (out, reply.data, size);
  return fz_dns_truncate (out, &parsed);
}
