/* fz-dns.h
 *
 * As much of the DNS as a stub needs (RFC 1035 §4): reads the question of a
 * query, walks the records of a reply, writes answers of its own. Names of
 * records are skipped, never followed, so no message can make it loop.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-bytes.h"
#include "src/base/fz-drop.h"
#include "src/base/fz-span.h"

#define FZ_DNS_PORT        53u
#define FZ_DNS_HEADER_SIZE 12u
#define FZ_DNS_NAME_MAX    254u   /* text without final dot, with the terminating zero */
#define FZ_DNS_MESSAGE_MAX 65535u /* bytes */

/* Record types (IANA) */
#define FZ_DNS_TYPE_A     1u
#define FZ_DNS_TYPE_PTR   12u
#define FZ_DNS_TYPE_TXT   16u
#define FZ_DNS_TYPE_AAAA  28u
#define FZ_DNS_TYPE_SRV   33u
#define FZ_DNS_TYPE_HTTPS 65u
#define FZ_DNS_CLASS_IN   1u

typedef enum {
  FZ_DNS_NO_ERROR = 0,
  FZ_DNS_SERVFAIL = 2,
  FZ_DNS_NXDOMAIN = 3,
} FzDnsCode;

typedef struct {
  uint16_t id;
  uint16_t flags; /* second word of the header */
  uint16_t type;
  uint16_t class_;
  uint16_t question_size;     /* bytes behind the header */
  char name[FZ_DNS_NAME_MAX]; /* lower case; empty for the root, and for a name with bytes that are
                               * no part of a host's name: such a name is nobody's resource */
} FzDnsQuery;

/* A query with exactly one question and records that can be walked. FZ_DROP_TRUNCATED,
 * …_BAD_LENGTH, …_BAD_HEADER: what must not be answered (tunnel.md §4.3). */
FzDrop fz_dns_parse_query (FzSpan message, FzDnsQuery *out);

typedef struct {
  FzDnsCode code;
  const FzIp *ips; /* A or AAAA records; all of the family that was asked for */
  size_t n_ips;
  const char *target; /* of a PTR record; NULL: none */
  uint32_t ttl_s;
} FzDnsAnswer;

/**
 * fz_dns_write_answer:
 * @query: what @parsed was made from
 * @capacity: bytes; FZ_DNS_HEADER_SIZE and the question fit at least
 *
 * Same id, opcode, RD and question as the query; not authoritative, no
 * recursion, no EDNS (tunnel.md §4.5).
 *
 * Returns: bytes written, 0 if the answer does not fit
 */
size_t fz_dns_write_answer (FzSpan query,
                            const FzDnsQuery *parsed,
                            const FzDnsAnswer *answer,
                            uint8_t *out,
                            size_t capacity);

typedef struct {
  uint16_t id;
  uint16_t flags;
  FzDnsCode code;
  bool is_truncated;
  uint16_t question_size; /* bytes behind the header; 0: the reply repeats no question */
  uint16_t type;          /* of the question */
  uint32_t answers_size;  /* bytes behind the question */
  uint16_t n_of_type;     /* answers of the question's type … */
  uint32_t least_ttl_s;   /* … and the least of their lifetimes */
} FzDnsReply;

/* A reply with at most one question and answers that can be walked. */
FzDrop fz_dns_parse_reply (FzSpan message, FzDnsReply *out);

/* Whether @reply repeats the question of @query, but for the case of letters; also one that repeats
 * none and answers nothing, as an error may. */
bool fz_dns_is_reply_to (FzSpan reply, const FzDnsReply *parsed, FzSpan query);

/* Takes @age_s from the lifetime of every answer; none falls below zero. @message is one that
 * fz_dns_parse_reply has accepted. */
void fz_dns_age (uint8_t *message, size_t length, uint32_t age_s);

/**
 * fz_dns_truncate:
 * @message: a reply, parsed as @reply
 *
 * Leaves header and question and says that there was more (TC).
 *
 * Returns: bytes that are left
 */
size_t fz_dns_truncate (uint8_t *message, const FzDnsReply *reply);

static inline void
fz_dns_set_id (uint8_t *message, uint16_t id)
{
  fz_put_u16be (message, id);
}

/* "4.3.2.1.in-addr.arpa" and the 32 nibbles of ip6.arpa; @name in lower case. */
bool fz_dns_parse_reverse (const char *name, FzIp *out);

/* Labels of 1 to 63 bytes, 253 in all, of what may stand in a host's name; no final dot. */
bool fz_dns_is_name (const char *name);
