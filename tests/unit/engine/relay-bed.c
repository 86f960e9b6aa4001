/* relay-bed.c */

#include "tests/unit/engine/relay-bed.h"

#include "src/engine/fz-stun-auth.h"

#include <string.h>

void
bed_init (Bed *bed, const char *v4, const char *v6)
{
  FzRelay relay = {
    .id = { { 1 } },
    .ipv4 = test_address (v4),
    .ipv6 = test_address (v6),
    .username = USER,
    .password = PASSWORD,
  };
  FzRng rng = fz_seeded_rng (&bed->seeded);

  fz_seeded_rng_init (&bed->seeded, 1);
  bed->now = BED_START;
  bed->password = PASSWORD;
  bed->is_unsigned = false;
  g_strlcpy (bed->realm, REALM, sizeof bed->realm);
  g_strlcpy (bed->nonce, NONCE, sizeof bed->nonce);
  bed->link = fz_relay_link_new (&relay, &rng, &(FzLog){ 0 }, BED_START);
}

void
bed_clear (Bed *bed)
{
  g_clear_pointer (&bed->link, fz_relay_link_free);
}

bool
bed_see (Bed *bed, BedSeen *out)
{
  FzRelayTransmit transmit;

  if (!fz_relay_link_poll_transmit (bed->link, &transmit))
    return false;
  out->to = transmit.to;
  memcpy (out->bytes, transmit.data.data, transmit.data.length);
  g_assert_cmpint (
      fz_stun_parse (fz_span (out->bytes, transmit.data.length), &out->m), ==, FZ_DROP_NONE);
  return true;
}

void
bed_expect (Bed *bed, uint16_t type, BedSeen *out)
{
  g_assert_true (bed_see (bed, out));
  g_assert_cmphex (out->m.type, ==, type);
}

void
bed_expect_silence (Bed *bed)
{
  BedSeen seen;

  g_assert_false (bed_see (bed, &seen));
}

void
bed_expect_event (Bed *bed, FzRelayEventKind kind, FzCandidateKind candidate, const char *at)
{
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX];
  FzRelayEvent event;

  g_assert_true (fz_relay_link_poll_event (bed->link, &event));
  g_assert_cmpint (event.kind, ==, kind);
  g_assert_cmpint (event.candidate.kind, ==, candidate);
  g_assert_cmpstr (fz_socket_address_format (&event.candidate.address, text), ==, at);
}

void
bed_expect_no_event (Bed *bed)
{
  FzRelayEvent event;

  g_assert_false (fz_relay_link_poll_event (bed->link, &event));
}

void
bed_skip_events (Bed *bed)
{
  FzRelayEvent event;

  while (fz_relay_link_poll_event (bed->link, &event))
    ;
}

void
bed_run_to (Bed *bed, FzInstant at)
{
  while (fz_relay_link_next_timeout (bed->link) <= at) {
    bed->now = MAX (bed->now, fz_relay_link_next_timeout (bed->link));
    fz_relay_link_handle_timeout (bed->link, bed->now);
  }
  bed->now = MAX (bed->now, at);
}

void
bed_run_for (Bed *bed, uint64_t duration_ns)
{
  bed_run_to (bed, bed->now + duration_ns);
}

void
bed_begin (const BedSeen *seen, FzWriter *w, uint8_t *buffer, uint16_t class)
{
  fz_stun_begin (w, buffer, FZ_STUN_WRITE_MAX, seen->m.type | class, &seen->m.transaction_id);
}

FzDrop
bed_say (Bed *bed, const BedSeen *seen, FzWriter *w, bool is_signed)
{
  uint8_t key[FZ_STUN_LONG_TERM_KEY_SIZE];
  FzSocketAddress local = test_address (seen->to.ip.family == FZ_IP_V4 ? LOCAL4 : LOCAL6);
  FzStunMessage message;

  fz_stun_long_term_key (fz_span (USER, strlen (USER)),
                         fz_span (bed->realm, strlen (bed->realm)),
                         fz_span (bed->password, strlen (bed->password)),
                         key);
  if (is_signed)
    fz_stun_sign (w, fz_span (key, sizeof key));
  g_assert_cmpint (fz_stun_parse (fz_span (w->start, w->length), &message), ==, FZ_DROP_NONE);
  return fz_relay_link_handle_stun (bed->link, &message, &local, &seen->to, bed->now);
}

FzDrop
bed_say_mapped (Bed *bed, const BedSeen *seen, const char *mapped)
{
  FzSocketAddress at = test_address (mapped);
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  bed_begin (seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &at);
  return bed_say (bed, seen, &w, false);
}

FzDrop
bed_say_error (Bed *bed, const BedSeen *seen, uint16_t code)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  bed_begin (seen, &w, buffer, FZ_STUN_CLASS_ERROR);
  fz_stun_write_error (&w, code, "no");
  if (code == 401 || code == 438) {
    fz_stun_write_text (&w, FZ_STUN_REALM, bed->realm);
    fz_stun_write_text (&w, FZ_STUN_NONCE, bed->nonce);
  }
  return bed_say (bed, seen, &w, !bed->is_unsigned && fz_stun_has (&seen->m, FZ_STUN_HAS_USERNAME));
}

FzDrop
bed_say_allocated (Bed *bed, const BedSeen *seen, const char *v4, const char *v6)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  bed_begin (seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  if (v4 != NULL)
    fz_stun_write_xor_address (&w,
                               FZ_STUN_XOR_RELAYED_ADDRESS,
                               &(FzSocketAddress){ test_address (v4).ip, test_address (v4).port });
  if (v6 != NULL)
    fz_stun_write_xor_address (&w,
                               FZ_STUN_XOR_RELAYED_ADDRESS,
                               &(FzSocketAddress){ test_address (v6).ip, test_address (v6).port });
  fz_stun_write_u32 (&w, FZ_STUN_LIFETIME, 600);
  return bed_say (bed, seen, &w, true);
}

FzDrop
bed_say_refreshed (Bed *bed, const BedSeen *seen, uint32_t lifetime_s)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  bed_begin (seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  fz_stun_write_u32 (&w, FZ_STUN_LIFETIME, lifetime_s);
  return bed_say (bed, seen, &w, true);
}

FzDrop
bed_say_yes (Bed *bed, const BedSeen *seen)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  bed_begin (seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  return bed_say (bed, seen, &w, true);
}

void
bed_go_to_allocate (Bed *bed, BedSeen *out)
{
  bed_expect (bed, FZ_STUN_BINDING_REQUEST, out);
  g_assert_cmpint (bed_say_mapped (bed, out, MAPPED4), ==, FZ_DROP_NONE);
  bed_expect (bed, FZ_STUN_ALLOCATE_REQUEST, out);
  g_assert_cmpint (bed_say_error (bed, out, 401), ==, FZ_DROP_NONE);
  bed_expect (bed, FZ_STUN_ALLOCATE_REQUEST, out);
}

void
bed_go_to_active (Bed *bed)
{
  BedSeen seen;

  bed_go_to_allocate (bed, &seen);
  g_assert_cmpint (bed_say_allocated (bed, &seen, "198.51.100.9:50000", NULL), ==, FZ_DROP_NONE);
  bed_skip_events (bed);
}

bool
bed_route (Bed *bed, const char *peer, FzRelayRoute *out)
{
  FzSocketAddress to = test_address (peer);

  return fz_relay_link_route (bed->link, &to, bed->now, out);
}

void
bed_bind_channel (Bed *bed, const char *peer)
{
  FzSocketAddress to = test_address (peer);

  fz_relay_link_bind_channel (bed->link, &to, bed->now);
}
