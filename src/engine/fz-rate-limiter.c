/* fz-rate-limiter.c
 *
 * Two counters a second: the node's and, under load, each source prefix's. See
 * the header.
 */
#include "src/engine/fz-rate-limiter.h"

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"

void
fz_rate_limiter_init (FzRateLimiter *self, uint32_t limit_per_s, const uint8_t key[32])
{
  *self = (FzRateLimiter){ .limit_per_s = limit_per_s, .window_start = FZ_INSTANT_NEVER };
  memcpy (self->key, key, sizeof self->key);
}

static void
open_window (FzRateLimiter *self, FzInstant now)
{
  bool is_current = self->window_start <= now && fz_instant_since (self->window_start, now) < FZ_S;

  if (is_current)
    return;
  self->window_start = now;
  self->n_in_window = 0;
  memset (self->sources, 0, sizeof self->sources);
}

bool
fz_rate_limiter_take (FzRateLimiter *self, FzInstant now)
{
  open_window (self, now);
  if (self->n_in_window >= self->limit_per_s)
    return false;
  self->n_in_window++;
  return true;
}

/* IPv6 customers hold a /64 at least: its addresses are one source. */
static size_t
slot_of (const FzRateLimiter *self, const FzIp *source)
{
  FzIp prefix = fz_ip_masked (source, source->family == FZ_IP_V6 ? 64 : 32);
  FzSpan parts[] = { fz_span (&prefix.family, 1), fz_span (prefix.bytes, sizeof prefix.bytes) };
  uint8_t mac[FZ_MAC_SIZE];

  fz_blake2s_mac (fz_span (self->key, sizeof self->key), parts, 2, mac);
  return fz_get_u32le (mac) % FZ_RATE_LIMITER_SLOTS;
}

bool
fz_rate_limiter_take_source (FzRateLimiter *self, const FzIp *source, FzInstant now)
{
  uint8_t *n;

  open_window (self, now);
  n = &self->sources[slot_of (self, source)];
  if (*n >= FZ_HANDSHAKES_PER_SOURCE_S)
    return false;
  (*n)++;
  return true;
}
