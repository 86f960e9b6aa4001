/* test-handshake-gate.c: what handshake messages must pass in a lane before the engine hears of
 * them */

#include "src/crypto/fz-crypto.h"
#include "src/proto/fz-wireguard.h"
#include "tests/unit/dataplane/lane-bed.h"

#include <string.h>

#define SOMEBODY   "203.0.113.5:6"
#define SHARE      4u  /* of the ring, for initiations; in each record of 256 bytes at most */
#define REPLIES    16u /* the same for responses and cookie replies */
#define STRANGERS  8u  /* the same for STUN and ChannelData of those we did not write to */
#define RECORD_MAX 256u
#define KNOWN      "203.0.113.7:3478"

#define PADDING_MAX 1100u /* as much as a datagram of ours can hold */

static const uint8_t our_key[FZ_KEY_SIZE] = { 1, 2, 3 }, other_key[FZ_KEY_SIZE] = { 4, 5, 6 };

/* As the engine would, with a key to check mac1 by. */
static void
publish_key (BedEnd *end, const uint8_t *key)
{
  fz_published_set (&end->published,
                    fz_snapshot_new (&(FzSnapshotParts){ .role = FZ_ROLE_GATEWAY,
                                                         .own_ipv4 = test_ip (GATEWAY_IP),
                                                         .mac1_key = key,
                                                         .peers = &end->peer,
                                                         .n_peers = 1 }));
}

/* A message of @type as somebody makes it who knows @key, and nothing else; returns its length. */
static size_t
make_message (FzWireguardType type, const uint8_t *key, uint8_t out[FZ_WIREGUARD_HANDSHAKE_MAX])
{
  size_t mac1_at =
      type == FZ_WIREGUARD_INITIATION ? FZ_WIREGUARD_INITIATION_MAC1 : FZ_WIREGUARD_RESPONSE_MAC1;
  FzSpan covered = { out, mac1_at };

  memset (out, 0x5a, FZ_WIREGUARD_HANDSHAKE_MAX);
  fz_put_u32le (out, type);
  if (type == FZ_WIREGUARD_COOKIE_REPLY)
    return FZ_WIREGUARD_COOKIE_REPLY_SIZE;
  fz_blake2s_mac (fz_span (key, FZ_KEY_SIZE), &covered, 1, out + mac1_at);
  return mac1_at + 2 * FZ_MAC_SIZE;
}

static void
push_message (Bed *bed, FzWireguardType type, const uint8_t *key)
{
  uint8_t bytes[FZ_WIREGUARD_HANDSHAKE_MAX];
  size_t length = make_message (type, key, bytes);

  bed_push_datagram (bed, &bed->gateway, bytes, length, SOMEBODY);
}

/* In a relay's channel, with @padding behind it. */
static void
push_relayed (Bed *bed, FzWireguardType type, const uint8_t *key, size_t padding)
{
  uint8_t bytes[4 + FZ_WIREGUARD_HANDSHAKE_MAX + PADDING_MAX] = { 0x40, 1 };
  size_t length = make_message (type, key, bytes + 4);

  fz_put_u16be (bytes + 2, (uint16_t) length);
  bed_push_datagram (bed, &bed->gateway, bytes, 4 + length + padding, SOMEBODY);
}

static void
push_stun_from (Bed *bed, const char *from, size_t length)
{
  uint8_t request[1280] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };

  bed_push_datagram (bed, &bed->gateway, request, length, from);
}

static void
push_stun (Bed *bed)
{
  push_stun_from (bed, SOMEBODY, 20);
}

static void
assert_handed_over (Bed *bed, size_t n)
{
  for (size_t i = 0; i < n; i++)
    g_free (bed_take_message (bed->gateway.rx_ring, FZ_LANE_MESSAGE_DATAGRAM));
  g_assert_true (bed_is_empty (bed->gateway.rx_ring));
}

/* What looks like a handshake and is not meant for us costs a hash, and takes no place. */
static void
test_mac1 (Bed *bed, gconstpointer data)
{
  static const FzWireguardType types[] = { FZ_WIREGUARD_INITIATION, FZ_WIREGUARD_RESPONSE };
  uint64_t n_refused = 0;

  publish_key (&bed->gateway, our_key);
  for (size_t i = 0; i < G_N_ELEMENTS (types); i++) {
    push_message (bed, types[i], our_key);
    assert_handed_over (bed, 1);
    push_relayed (bed, types[i], our_key, 0);
    assert_handed_over (bed, 1);
    push_relayed (bed, types[i], our_key, 3);
    assert_handed_over (bed, 1);

    push_message (bed, types[i], other_key);
    push_relayed (bed, types[i], other_key, 0);
    push_relayed (bed, types[i], other_key, 3);
    n_refused += 3;
    g_assert_true (bed_is_empty (bed->gateway.rx_ring));
    g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_BAD_MAC), ==, n_refused);
  }
  push_message (bed, FZ_WIREGUARD_COOKIE_REPLY, our_key); /* has none */
  assert_handed_over (bed, 1);
}

static void
test_garbage_fills_nothing (Bed *bed, gconstpointer data)
{
  uint32_t n = (uint32_t) fz_ring_get_capacity (bed->gateway.rx_ring) / 64;

  publish_key (&bed->gateway, our_key);
  for (uint32_t i = 0; i < n; i++)
    push_message (bed, FZ_WIREGUARD_INITIATION, other_key);
  g_assert_true (bed_is_empty (bed->gateway.rx_ring));
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_BAD_MAC), ==, n);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_QUEUE_FULL), ==, 0);
}

/* The engine has become somebody else, and whom it was before nobody is. */
static void
test_new_key (Bed *bed, gconstpointer data)
{
  publish_key (&bed->gateway, our_key);
  push_message (bed, FZ_WIREGUARD_INITIATION, our_key);
  assert_handed_over (bed, 1);
  publish_key (&bed->gateway, other_key);
  push_message (bed, FZ_WIREGUARD_INITIATION, our_key);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_BAD_MAC), ==, 1);
  push_message (bed, FZ_WIREGUARD_INITIATION, other_key);
  assert_handed_over (bed, 1);
  publish_key (&bed->gateway, NULL); /* the engine's affair then */
  push_message (bed, FZ_WIREGUARD_INITIATION, our_key);
  assert_handed_over (bed, 1);
}

/* Somebody who knows our public key floods us: the rest finds place all the same. */
static void
test_share (Bed *bed, gconstpointer data)
{
  FzRing *ring = bed->gateway.rx_ring;
  uint32_t share = (uint32_t) fz_ring_get_capacity (ring) / SHARE / RECORD_MAX;
  uint32_t replies = (uint32_t) fz_ring_get_capacity (ring) / REPLIES / RECORD_MAX;
  TestPacket packet = bed_upload ();

  publish_key (&bed->gateway, our_key);
  for (uint32_t i = 0; i < share; i++)
    push_message (bed, FZ_WIREGUARD_INITIATION, our_key);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_RATE_LIMITED), ==, 0);
  for (uint32_t i = 0; i < 20 * share; i++)
    push_message (bed, FZ_WIREGUARD_INITIATION, our_key);
  push_relayed (bed, FZ_WIREGUARD_INITIATION, our_key, 0);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_RATE_LIMITED), ==, 20 * share + 1);

  /* what answers us has its own share, and that is bounded as well */
  for (uint32_t i = 0; i < replies; i++)
    push_message (bed, i % 2 == 0 ? FZ_WIREGUARD_RESPONSE : FZ_WIREGUARD_COOKIE_REPLY, our_key);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_RATE_LIMITED), ==, 20 * share + 1);
  push_message (bed, FZ_WIREGUARD_COOKIE_REPLY, our_key);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_RATE_LIMITED), ==, 20 * share + 2);

  push_stun (bed);
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_QUEUE_FULL), ==, 0);
  for (uint32_t i = 0; i < share + replies + 1; i++)
    g_free (bed_take_message (ring, FZ_LANE_MESSAGE_DATAGRAM));
  g_free (bed_take_message (ring, FZ_LANE_MESSAGE_CONFIRMED));
  g_free (bed_take_message (ring, FZ_LANE_MESSAGE_ACTIVITY));
  g_assert_true (bed_is_empty (ring));
}

/* What a stranger puts behind a message takes no place. */
static void
test_padding (Bed *bed, gconstpointer data)
{
  static const FzWireguardType types[] = { FZ_WIREGUARD_INITIATION, FZ_WIREGUARD_COOKIE_REPLY };
  FzRing *ring = bed->gateway.rx_ring;
  uint32_t n = (uint32_t) fz_ring_get_capacity (ring) / RECORD_MAX;
  g_autofree FzLaneMessage *first = NULL;

  publish_key (&bed->gateway, our_key);
  for (size_t i = 0; i < G_N_ELEMENTS (types); i++)
    for (uint32_t j = 0; j < n; j++)
      push_relayed (bed, types[i], our_key, PADDING_MAX);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_QUEUE_FULL), ==, 0);
  g_assert_cmpuint (
      bed_rx_drops (&bed->gateway, FZ_DROP_RATE_LIMITED), ==, 2 * n - n / SHARE - n / REPLIES);
  push_stun (bed);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_QUEUE_FULL), ==, 0);
  first = bed_take_message (ring, FZ_LANE_MESSAGE_DATAGRAM);
  g_assert_cmpuint (first->length, ==, 4 + FZ_WIREGUARD_INITIATION_SIZE);
  bed_drain (ring);
}

/* A place is free again when the engine has released the record, and not before. */
static void
test_place_again (Bed *bed, gconstpointer data)
{
  FzRing *ring = bed->gateway.rx_ring;
  uint32_t share = (uint32_t) fz_ring_get_capacity (ring) / SHARE / RECORD_MAX;

  publish_key (&bed->gateway, our_key);
  for (uint32_t i = 0; i < 3 * share; i++) {
    if (i >= share) {
      push_message (bed, FZ_WIREGUARD_INITIATION, our_key);
      g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_RATE_LIMITED), ==, i - share + 1);
      g_free (bed_take_message (ring, FZ_LANE_MESSAGE_DATAGRAM));
    }
    push_message (bed, FZ_WIREGUARD_INITIATION, our_key);
  }
  assert_handed_over (bed, share);
}

/* Garbage that looks like STUN or ChannelData: those whom the engine wrote to, handshakes and what
 * is said of peers find place beside it. */
static void
test_strangers (Bed *bed, gconstpointer data)
{
  FzRing *ring = bed->gateway.rx_ring;
  uint32_t n = (uint32_t) fz_ring_get_capacity (ring) / RECORD_MAX;
  uint32_t strangers = n / STRANGERS, half;
  static const uint8_t channel_data[] = { 0x40, 1, 0, 4, 1, 2, 3, 4 };
  FzFlowMarks *contacts = fz_flow_marks_new (1u << 10);
  FzSocketAddress known;
  TestPacket packet = bed_upload ();

  g_assert_true (fz_socket_address_parse (KNOWN, &known));
  fz_flow_marks_add_contact (contacts, &known);
  atomic_store (&bed->gateway.published.contacts, contacts); /* freed with it */
  publish_key (&bed->gateway, our_key);
  for (uint32_t i = 0; i < 10 * n; i++)
    if (i % 2 == 0)
      push_stun (bed);
    else
      bed_push_datagram (bed, &bed->gateway, channel_data, sizeof channel_data, SOMEBODY);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_STRANGER), ==, 10 * n - strangers);

  for (uint32_t i = 0; i < n / 2; i++)
    push_stun_from (bed, KNOWN, 100);
  for (uint32_t i = 0; i < n / SHARE; i++)
    push_message (bed, FZ_WIREGUARD_INITIATION, our_key);
  bed_push_packet (&bed->client, &packet, 0, bed->now);
  bed_transfer (bed, &bed->client, &bed->gateway);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_STRANGER), ==, 10 * n - strangers);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_RATE_LIMITED), ==, 0);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_QUEUE_FULL), ==, 0);

  /* places come back as the engine has looked; long ones take several */
  half = strangers / 2;
  for (uint32_t i = 0; i < half; i++)
    g_free (bed_take_message (ring, FZ_LANE_MESSAGE_DATAGRAM));
  for (uint32_t i = 0; i < n; i++)
    push_stun_from (bed, SOMEBODY, 1200);
  g_assert_cmpuint (
      bed_rx_drops (&bed->gateway, FZ_DROP_STRANGER), >=, 11 * n - strangers - half / 4);
  g_assert_cmpuint (bed_rx_drops (&bed->gateway, FZ_DROP_STRANGER), <, 11 * n - strangers);
  bed_drain (ring);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  BED_ADD ("/handshake-gate/mac1", test_mac1);
  BED_ADD ("/handshake-gate/garbage-fills-nothing", test_garbage_fills_nothing);
  BED_ADD ("/handshake-gate/new-key", test_new_key);
  BED_ADD ("/handshake-gate/share", test_share);
  BED_ADD ("/handshake-gate/padding", test_padding);
  BED_ADD ("/handshake-gate/place-again", test_place_again);
  BED_ADD ("/handshake-gate/strangers", test_strangers);
  return g_test_run ();
}
