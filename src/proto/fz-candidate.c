/* fz-candidate.c
 *
 * Text is read word by word; everything that the grammar does not fix is
 * skipped rather than refused, as peers of other versions may say more.
 */
#include "src/proto/fz-candidate.h"

#include "src/base/fz-bytes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX   2048u /* bytes: longest line we look at */
#define WORD_MAX   300u  /* bytes: longest word that can matter */
#define PREFIX     "candidate:"
#define FNV_OFFSET UINT64_C (0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C (0x100000001b3)

static const char *const kind_names[] = {
  [FZ_CANDIDATE_HOST] = "host",
  [FZ_CANDIDATE_PEER_REFLEXIVE] = "prflx",
  [FZ_CANDIDATE_SERVER_REFLEXIVE] = "srflx",
  [FZ_CANDIDATE_RELAYED] = "relay",
};

#define N_KINDS (sizeof kind_names / sizeof kind_names[0])

/* -- words -- */

typedef struct {
  const char *at;
  char word[WORD_MAX];
} Words;

static bool
is_space (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word into words->word; false at the end. A word that is too long reads as "". */
static bool
next_word (Words *words)
{
  size_t n = 0;

  while (is_space (*words->at))
    words->at++;
  if (*words->at == '\0')
    return false;
  while (words->at[n] != '\0' && !is_space (words->at[n]))
    n++;
  if (n < sizeof words->word)
    memcpy (words->word, words->at, n);
  words->word[n < sizeof words->word ? n : 0] = '\0';
  words->at += n;
  return true;
}

static bool
next_number (Words *words, uint64_t max, uint64_t *out)
{
  uint64_t value = 0;

  if (!next_word (words) || words->word[0] == '\0')
    return false;
  for (const char *p = words->word; *p != '\0'; p++) {
    if (*p < '0' || *p > '9')
      return false;
    value = value * 10 + (uint64_t) (*p - '0');
    if (value > max)
      return false;
  }
  *out = value;
  return true;
}

static bool
parse_kind (const char *word, FzCandidateKind *out)
{
  for (size_t i = 0; i < N_KINDS; i++)
    if (strcmp (word, kind_names[i]) == 0) {
      *out = (FzCandidateKind) i;
      return true;
    }
  return false;
}

static bool
is_foundation (const char *word)
{
  size_t n = strspn (word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/");

  return n > 0 && n < FZ_CANDIDATE_FOUNDATION_MAX && word[n] == '\0';
}

/* "<foundation> 1 udp <priority> <ip> <port> typ <kind>" */
static bool
parse_fixed (Words *words, FzCandidate *out)
{
  uint64_t number;

  if (!next_word (words) || !is_foundation (words->word))
    return false;
  memcpy (out->foundation, words->word, strlen (words->word) + 1);
  if (!next_number (words, UINT16_MAX, &number) || number != 1)
    return false;
  if (!next_word (words) || strcasecmp (words->word, "udp") != 0)
    return false;
  if (!next_number (words, UINT32_MAX, &number))
    return false;
  out->priority = (uint32_t) number;
  if (!next_word (words) || !fz_ip_parse (words->word, &out->address.ip))
    return false;
  if (!next_number (words, UINT16_MAX, &number))
    return false;
  out->address.port = (uint16_t) number;
  if (!next_word (words) || strcmp (words->word, "typ") != 0)
    return false;
  return next_word (words) && parse_kind (words->word, &out->kind);
}

/* One key with its value; a key without a value is skipped like an unknown one. */
static bool
parse_pair (Words *words, FzCandidate *out, bool *is_end)
{
  enum { OTHER, RADDR, RPORT, UFRAG } key = OTHER;
  uint64_t number;

  *is_end = !next_word (words);
  if (*is_end)
    return true;
  if (strcmp (words->word, "raddr") == 0)
    key = RADDR;
  else if (strcmp (words->word, "rport") == 0)
    key = RPORT;
  else if (strcmp (words->word, "ufrag") == 0)
    key = UFRAG;

  switch (key) {
  case RADDR:
    return next_word (words) && fz_ip_parse (words->word, &out->base.ip);
  case RPORT:
    if (!next_number (words, UINT16_MAX, &number))
      return false;
    out->base.port = (uint16_t) number;
    return true;
  case UFRAG:
    if (!next_word (words) || strlen (words->word) >= sizeof out->ufrag)
      return false;
    memcpy (out->ufrag, words->word, strlen (words->word) + 1);
    return true;
  case OTHER:
    *is_end = !next_word (words);
    return true;
  }
  return false;
}

bool
fz_candidate_parse (const char *text, FzCandidate *out)
{
  Words words = { .at = text + strlen (PREFIX) };
  FzCandidate candidate = { 0 };
  bool is_end = false;

  if (strncmp (text, PREFIX, strlen (PREFIX)) != 0 || is_space (*words.at))
    return false;
  if (strnlen (text, TEXT_MAX + 1) > TEXT_MAX)
    return false;
  if (!parse_fixed (&words, &candidate))
    return false;
  while (!is_end)
    if (!parse_pair (&words, &candidate, &is_end))
      return false;
  if (candidate.base.ip.family == FZ_IP_NONE)
    candidate.base.port = 0;
  *out = candidate;
  return true;
}

/* -- values -- */

const char *
fz_candidate_kind_name (FzCandidateKind kind)
{
  return kind_names[kind];
}

FzCandidate
fz_candidate_host (const FzSocketAddress *address)
{
  return (FzCandidate){ .kind = FZ_CANDIDATE_HOST, .address = *address, .base = *address };
}

FzCandidate
fz_candidate_server_reflexive (const FzSocketAddress *address, const FzSocketAddress *base)
{
  return (FzCandidate){ .kind = FZ_CANDIDATE_SERVER_REFLEXIVE, .address = *address, .base = *base };
}

FzCandidate
fz_candidate_relayed (const FzSocketAddress *address, const FzSocketAddress *base)
{
  return (FzCandidate){ .kind = FZ_CANDIDATE_RELAYED, .address = *address, .base = *base };
}

bool
fz_candidate_is_usable (const FzCandidate *candidate)
{
  const FzIp *ip = &candidate->address.ip;
  bool is_reflexive = candidate->kind == FZ_CANDIDATE_SERVER_REFLEXIVE ||
                      candidate->kind == FZ_CANDIDATE_PEER_REFLEXIVE;

  if (ip->family == FZ_IP_NONE || candidate->address.port == 0)
    return false;
  if (fz_ip_is_unspecified (ip) || fz_ip_is_multicast (ip) || fz_ip_is_broadcast (ip))
    return false;
  if (ip->family == FZ_IP_V4 && fz_ip_is_link_local (ip))
    return false;
  return !is_reflexive || candidate->base.ip.family == FZ_IP_NONE ||
         candidate->base.ip.family == ip->family;
}

static uint32_t
type_preference (FzCandidateKind kind)
{
  switch (kind) {
  case FZ_CANDIDATE_HOST:
    return FZ_CANDIDATE_HOST_PREFERENCE;
  case FZ_CANDIDATE_PEER_REFLEXIVE:
    return FZ_CANDIDATE_PEER_REFLEXIVE_PREFERENCE;
  case FZ_CANDIDATE_SERVER_REFLEXIVE:
    return FZ_CANDIDATE_SERVER_REFLEXIVE_PREFERENCE;
  case FZ_CANDIDATE_RELAYED:
    return FZ_CANDIDATE_RELAYED_PREFERENCE;
  }
  return 0;
}

uint32_t
fz_candidate_priority (FzCandidateKind kind, uint16_t local_preference)
{
  return type_preference (kind) << 24 | (uint32_t) local_preference << 8 | 255;
}

/* -- text -- */

static uint64_t
fnv (uint64_t hash, const void *data, size_t n)
{
  const uint8_t *p = data;

  for (size_t i = 0; i < n; i++)
    hash = (hash ^ p[i]) * FNV_PRIME;
  return hash;
}

static uint64_t
fnv_address (uint64_t hash, const FzSocketAddress *address)
{
  uint8_t port[2];

  fz_put_u16be (port, address->port);
  hash = fnv (hash, address->ip.bytes, fz_ip_size (&address->ip));
  return fnv (hash, port, sizeof port);
}

void
fz_candidate_set_foundation (FzCandidate *candidate)
{
  uint8_t kind = (uint8_t) candidate->kind;
  const FzIp *base = candidate->kind == FZ_CANDIDATE_RELAYED || candidate->base.ip.family == 0
                         ? &candidate->address.ip
                         : &candidate->base.ip;
  uint64_t hash = fnv (fnv (FNV_OFFSET, &kind, 1), base->bytes, fz_ip_size (base));

  snprintf (
      candidate->foundation, sizeof candidate->foundation, "%016llx", (unsigned long long) hash);
}

/* Appends; what does not fit is a bug, as every part is bounded. */
static void
append (char out[FZ_CANDIDATE_TEXT_MAX], const char *text)
{
  size_t used = strlen (out);
  size_t n = strlen (text);

  assert (used + n < FZ_CANDIDATE_TEXT_MAX);
  memcpy (out + used, text, n + 1);
}

static void
format_fixed (char out[FZ_CANDIDATE_TEXT_MAX],
              const char *foundation,
              uint32_t priority,
              const FzSocketAddress *address,
              FzCandidateKind kind)
{
  char ip[FZ_IP_TEXT_MAX];

  snprintf (out,
            FZ_CANDIDATE_TEXT_MAX,
            PREFIX "%s 1 udp %u %s %u typ %s",
            foundation,
            (unsigned) priority,
            fz_ip_format (&address->ip, ip),
            (unsigned) address->port,
            kind_names[kind]);
}

static void
append_related (char out[FZ_CANDIDATE_TEXT_MAX], const FzSocketAddress *related)
{
  char ip[FZ_IP_TEXT_MAX];
  char text[96];

  snprintf (text,
            sizeof text,
            " raddr %s rport %u",
            fz_ip_format (&related->ip, ip),
            (unsigned) related->port);
  append (out, text);
}

const char *
fz_candidate_format (const FzCandidate *candidate, char out[FZ_CANDIDATE_TEXT_MAX])
{
  FzSocketAddress placeholder = { .ip.family = candidate->address.ip.family };

  format_fixed (
      out, candidate->foundation, candidate->priority, &candidate->address, candidate->kind);
  if (candidate->kind == FZ_CANDIDATE_SERVER_REFLEXIVE || candidate->kind == FZ_CANDIDATE_RELAYED)
    append_related (out, &placeholder);
  if (candidate->ufrag[0] != '\0') {
    append (out, " ufrag ");
    append (out, candidate->ufrag);
  }
  return out;
}

const char *
fz_candidate_format_invalidation (const FzCandidate *candidate, char out[FZ_CANDIDATE_TEXT_MAX])
{
  FzCandidate copy = *candidate;

  copy.ufrag[0] = '\0';
  copy.priority =
      fz_candidate_priority (copy.kind, copy.address.ip.family == FZ_IP_V6 ? 65535 : 65534);
  fz_candidate_set_foundation (&copy);
  return fz_candidate_format (&copy, out);
}

const char *
fz_candidate_format_iceless (const FzCandidate *candidate, char out[FZ_CANDIDATE_TEXT_MAX])
{
  /* §4.2: kind byte of the foundation and type preference, by our kind. */
  static const struct {
    FzCandidateKind shown;
    uint8_t hashed;
    uint32_t preference;
  } rows[] = {
    [FZ_CANDIDATE_HOST] = { FZ_CANDIDATE_HOST, 0, 126 },
    [FZ_CANDIDATE_PEER_REFLEXIVE] = { FZ_CANDIDATE_SERVER_REFLEXIVE, 1, 100 },
    [FZ_CANDIDATE_SERVER_REFLEXIVE] = { FZ_CANDIDATE_SERVER_REFLEXIVE, 1, 100 },
    [FZ_CANDIDATE_RELAYED] = { FZ_CANDIDATE_RELAYED, 2, 0 },
  };
  bool has_related = candidate->kind != FZ_CANDIDATE_HOST;
  uint64_t hash = fnv (FNV_OFFSET, &rows[candidate->kind].hashed, 1);
  char foundation[FZ_CANDIDATE_FOUNDATION_MAX];

  hash = fnv_address (hash, &candidate->address);
  if (has_related)
    hash = fnv_address (hash, &candidate->base);
  snprintf (foundation, sizeof foundation, "%llu", (unsigned long long) hash);
  format_fixed (out,
                foundation,
                rows[candidate->kind].preference << 24 | UINT32_C (0xffff) << 8 | 255,
                &candidate->address,
                rows[candidate->kind].shown);
  if (has_related)
    append_related (out, &candidate->base);
  return out;
}
