/* fz-dns.c: see the header */

#include "src/proto/fz-dns.h"

#include <stdio.h>
#include <stdlib.h>

#define FLAG_REPLY       0x8000u
#define FLAG_TRUNCATED   0x0200u
#define FLAGS_KEPT       0x7900u /* opcode and RD: an answer has those of its query */
#define CODE_MASK        0x000fu
#define LABEL_MAX        63u
#define POINTER          0xc0u
#define NAME_AT_QUESTION (POINTER << 8 | FZ_DNS_HEADER_SIZE)
#define TTL_OFFSET       4u /* behind type and class of a record */

typedef struct {
  uint16_t id;
  uint16_t flags;
  uint16_t counts[4]; /* questions, answers, authorities, additional records */
} Header;

static Header
read_header (FzReader *r)
{
  Header header = { fz_reader_u16be (r), fz_reader_u16be (r), { 0 } };

  for (size_t i = 0; i < 4; i++)
    header.counts[i] = fz_reader_u16be (r);
  return header;
}

/* -- names -- */

static bool
is_name_byte (uint8_t c)
{
  return c > ' ' && c < 0x7f && c != '.' && c != '\\' && c != '"';
}

static char
to_lower (uint8_t c)
{
  return (char) (c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* A name that is written out: the first of a message has nothing before it to point to. Returns
 * false for one that is malformed. @out is empty if it holds bytes that we do not want to know. */
static bool
read_name (FzReader *r, char out[FZ_DNS_NAME_MAX])
{
  bool is_plain = true;
  size_t n = 0;
  uint8_t size;

  while ((size = fz_reader_u8 (r)) != 0) {
    const uint8_t *label = fz_reader_take (r, size);

    if (label == NULL || size > LABEL_MAX || n + size + 1 > FZ_DNS_NAME_MAX)
      return false;
    if (n > 0)
      out[n - 1] = '.';
    for (size_t i = 0; i < size; i++) {
      is_plain = is_plain && is_name_byte (label[i]);
      out[n++] = to_lower (label[i]);
    }
    out[n++] = '\0';
  }
  if (n == 0 || !is_plain)
    out[0] = '\0';
  return r->ok;
}

static void
skip_name (FzReader *r)
{
  uint8_t size;

  while (r->ok && (size = fz_reader_u8 (r)) != 0) {
    if ((size & POINTER) == POINTER) {
      fz_reader_u8 (r);
      return;
    }
    if (size > LABEL_MAX)
      r->ok = false;
    fz_reader_take (r, size);
  }
}

bool
fz_dns_is_name (const char *name)
{
  size_t label = 0;
  size_t n = 0;

  for (; name[n] != '\0'; n++) {
    if (name[n] == '.' ? label == 0 : label == LABEL_MAX || !is_name_byte ((uint8_t) name[n]))
      return false;
    if (n >= FZ_DNS_NAME_MAX - 1)
      return false;
    label = name[n] == '.' ? 0 : label + 1;
  }
  return label > 0;
}

static void
write_name (FzWriter *w, const char *name)
{
  while (*name != '\0') {
    size_t size = strcspn (name, ".");

    fz_writer_u8 (w, (uint8_t) size);
    fz_writer_bytes (w, name, size);
    name += size + (name[size] == '.');
  }
  fz_writer_u8 (w, 0);
}

/* -- records -- */

typedef struct {
  uint16_t type;
  uint32_t ttl_s;
  const uint8_t *ttl_at;
} Record;

static Record
read_record (FzReader *r)
{
  Record record = { 0 };

  skip_name (r);
  record.type = fz_reader_u16be (r);
  fz_reader_u16be (r);
  record.ttl_at = r->at;
  record.ttl_s = fz_reader_u32be (r);
  fz_reader_take (r, fz_reader_u16be (r));
  if (record.ttl_s > INT32_MAX)
    record.ttl_s = 0; /* RFC 2181 §8 */
  return record;
}

/* -- queries -- */

FzDrop
fz_dns_parse_query (FzSpan message, FzDnsQuery *out)
{
  FzReader r = fz_reader (message);
  Header header = read_header (&r);
  FzDnsQuery query = { .id = header.id, .flags = header.flags };

  if (!r.ok)
    return FZ_DROP_TRUNCATED;
  if (message.length > FZ_DNS_MESSAGE_MAX)
    return FZ_DROP_BAD_LENGTH;
  if ((header.flags & FLAG_REPLY) != 0 || header.counts[0] != 1)
    return FZ_DROP_BAD_HEADER;
  if (!read_name (&r, query.name))
    return FZ_DROP_BAD_LENGTH;
  query.type = fz_reader_u16be (&r);
  query.class_ = fz_reader_u16be (&r);
  query.question_size = (uint16_t) (message.length - r.left - FZ_DNS_HEADER_SIZE);
  for (unsigned i = 0; i < header.counts[1] && r.ok; i++)
    read_record (&r);
  if (!r.ok)
    return FZ_DROP_TRUNCATED;
  *out = query;
  return FZ_DROP_NONE;
}

static void
write_record_header (FzWriter *w, uint16_t type, uint32_t ttl_s, size_t length)
{
  fz_writer_u16be (w, NAME_AT_QUESTION);
  fz_writer_u16be (w, type);
  fz_writer_u16be (w, FZ_DNS_CLASS_IN);
  fz_writer_u32be (w, ttl_s);
  fz_writer_u16be (w, (uint16_t) length);
}

/* A name on the wire has one byte more than its text without zero, and the root behind. */
static void
write_target (FzWriter *w, const FzDnsAnswer *answer)
{
  write_record_header (w, FZ_DNS_TYPE_PTR, answer->ttl_s, strlen (answer->target) + 2);
  write_name (w, answer->target);
}

size_t
fz_dns_write_answer (FzSpan query,
                     const FzDnsQuery *parsed,
                     const FzDnsAnswer *answer,
                     uint8_t *out,
                     size_t capacity)
{
  FzWriter w = fz_writer (out, capacity);
  size_t n_answers = answer->n_ips + (answer->target != NULL);

  fz_writer_u16be (&w, parsed->id);
  fz_writer_u16be (
      &w, (uint16_t) (FLAG_REPLY | (parsed->flags & FLAGS_KEPT) | (unsigned) answer->code));
  fz_writer_u16be (&w, 1);
  fz_writer_u16be (&w, (uint16_t) n_answers);
  fz_writer_u32be (&w, 0);
  fz_writer_bytes (&w, query.data + FZ_DNS_HEADER_SIZE, parsed->question_size);
  for (size_t i = 0; i < answer->n_ips; i++) {
    write_record_header (&w, parsed->type, answer->ttl_s, fz_ip_size (&answer->ips[i]));
    fz_writer_bytes (&w, answer->ips[i].bytes, fz_ip_size (&answer->ips[i]));
  }
  if (answer->target != NULL)
    write_target (&w, answer);
  return w.ok ? w.length : 0;
}

/* -- replies -- */

/* Sizes, and the lifetime of what was asked for. */
static void
read_answers (FzReader *r, unsigned n_answers, FzDnsReply *reply)
{
  reply->least_ttl_s = UINT32_MAX;
  for (unsigned i = 0; i < n_answers && r->ok; i++) {
    Record record = read_record (r);

    if (!r->ok || record.type != reply->type)
      continue;
    reply->n_of_type++;
    if (record.ttl_s < reply->least_ttl_s)
      reply->least_ttl_s = record.ttl_s;
  }
}

FzDrop
fz_dns_parse_reply (FzSpan message, FzDnsReply *out)
{
  FzReader r = fz_reader (message);
  Header header = read_header (&r);
  FzDnsReply reply = {
    .id = header.id,
    .flags = header.flags,
    .code = (FzDnsCode) (header.flags & CODE_MASK),
    .is_truncated = (header.flags & FLAG_TRUNCATED) != 0,
  };

  if (!r.ok)
    return FZ_DROP_TRUNCATED;
  if (message.length > FZ_DNS_MESSAGE_MAX)
    return FZ_DROP_BAD_LENGTH;
  if ((header.flags & FLAG_REPLY) == 0 || header.counts[0] > 1)
    return FZ_DROP_BAD_HEADER;
  if (header.counts[0] == 1) {
    skip_name (&r);
    reply.type = fz_reader_u16be (&r);
    fz_reader_u16be (&r);
    reply.question_size = (uint16_t) (message.length - r.left - FZ_DNS_HEADER_SIZE);
  }
  read_answers (&r, header.counts[1], &reply);
  if (!r.ok)
    return FZ_DROP_TRUNCATED;
  reply.answers_size =
      (uint32_t) (message.length - r.left - FZ_DNS_HEADER_SIZE - reply.question_size);
  *out = reply;
  return FZ_DROP_NONE;
}

bool
fz_dns_is_reply_to (FzSpan reply, const FzDnsReply *parsed, FzSpan query)
{
  const uint8_t *a = reply.data + FZ_DNS_HEADER_SIZE;
  const uint8_t *b = query.data + FZ_DNS_HEADER_SIZE;

  if (parsed->question_size == 0)
    return parsed->answers_size == 0;
  if (query.length < (size_t) FZ_DNS_HEADER_SIZE + parsed->question_size)
    return false;
  /* sizes of labels are below the letters, so folding their case changes nothing; nor would it
   * matter in the numbers behind the name */
  for (size_t i = 0; i < parsed->question_size; i++)
    if (to_lower (a[i]) != to_lower (b[i]))
      return false;
  return true;
}

void
fz_dns_age (uint8_t *message, size_t length, uint32_t age_s)
{
  FzReader r = fz_reader (fz_span (message, length));
  Header header = read_header (&r);

  for (unsigned i = 0; i < header.counts[0]; i++) {
    skip_name (&r);
    fz_reader_u32be (&r);
  }
  for (unsigned i = 0; i < header.counts[1] && r.ok; i++) {
    Record record = read_record (&r);

    if (r.ok)
      fz_put_u32be (message + (record.ttl_at - message),
                    record.ttl_s > age_s ? record.ttl_s - age_s : 0);
  }
}

size_t
fz_dns_truncate (uint8_t *message, const FzDnsReply *reply)
{
  fz_put_u16be (message + 2, (uint16_t) (reply->flags | FLAG_TRUNCATED));
  memset (message + 6, 0, 6); /* answers, authorities, additional records */
  return FZ_DNS_HEADER_SIZE + reply->question_size;
}

/* -- reverse names -- */

/* The part of @name before @suffix, NULL if it does not end like that. */
static const char *
find_suffix (const char *name, const char *suffix)
{
  size_t n_name = strlen (name), n_suffix = strlen (suffix);

  if (n_name <= n_suffix || strcmp (name + n_name - n_suffix, suffix) != 0)
    return NULL;
  return name + n_name - n_suffix;
}

static bool
parse_reverse_v4 (const char *at, const char *end, FzIp *out)
{
  FzIp ip = { .family = FZ_IP_V4 };

  for (size_t i = 4; i-- > 0;) {
    unsigned value = 0;
    const char *start = at;

    while (at < end && *at >= '0' && *at <= '9' && at - start < 3)
      value = value * 10 + (unsigned) (*at++ - '0');
    if (at == start || value > 255 || (at - start > 1 && *start == '0'))
      return false;
    ip.bytes[i] = (uint8_t) value;
    if (i > 0 && (at == end || *at++ != '.'))
      return false;
  }
  if (at != end)
    return false;
  *out = ip;
  return true;
}

static int
hex_value (char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
parse_reverse_v6 (const char *at, const char *end, FzIp *out)
{
  FzIp ip = { .family = FZ_IP_V6 };

  if (end - at != 63) /* 32 nibbles and the dots between them */
    return false;
  for (size_t i = 32; i-- > 0; at += 2) {
    int value = hex_value (at[0]);

    if (value < 0 || (i > 0 && at[1] != '.'))
      return false;
    ip.bytes[i / 2] = (uint8_t) (ip.bytes[i / 2] | value << (i % 2 == 0 ? 4 : 0));
  }
  *out = ip;
  return true;
}

bool
fz_dns_parse_reverse (const char *name, FzIp *out)
{
  const char *end = find_suffix (name, ".in-addr.arpa");

  if (end != NULL)
    return parse_reverse_v4 (name, end, out);
  end = find_suffix (name, ".ip6.arpa");
  return end != NULL && parse_reverse_v6 (name, end, out);
}
