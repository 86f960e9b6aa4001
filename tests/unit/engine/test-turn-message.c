/* test-turn-message.c: fz-turn-message.h, against the vectors of connectivity.md A.2 and A.6 */

#include "src/engine/fz-stun-auth.h"
#include "src/engine/fz-turn-message.h"
#include "tests/unit/engine/relay-bed.h"
#include "tests/unit/engine/test-hex.h"

#include <string.h>

static const FzStunTransactionId vector_id = { { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 } };

static void
test_vectors (void)
{
  FzTurnAuth auth = { .username = USER, .realm = REALM, .nonce = NULL };
  FzSocketAddress peer = test_address (MAPPED4);
  uint8_t bytes[FZ_STUN_WRITE_MAX];

  fz_stun_long_term_key (fz_span (USER, strlen (USER)),
                         fz_span (REALM, strlen (REALM)),
                         fz_span (PASSWORD, strlen (PASSWORD)),
                         auth.key);
  assert_hex (bytes,
              fz_turn_write_binding (bytes, &vector_id),
              "0001000c2112a442000102030405060708090a0b80220007736e6f776e657400");
  assert_hex (bytes,
              fz_turn_write_allocate (bytes, &vector_id, &auth),
              "000300582112a442000102030405060708090a0b001900041100000080000004"
              "0200000080220007736e6f776e65740000060011313736373232353630303a63"
              "324673644100000000140008666972657a6f6e65000800142b2f7d43db571242"
              "a61674290292d273144e7b91");
  auth.nonce = NONCE;
  assert_hex (bytes,
              fz_turn_write_allocate (bytes, &vector_id, &auth),
              "000300802112a442000102030405060708090a0b001900041100000080000004"
              "0200000080220007736e6f776e65740000060011313736373232353630303a63"
              "324673644100000000140008666972657a6f6e65001500243366323530346530"
              "2d346638392d313164332d396130632d30333035653832633333303100080014"
              "948571844ddb2e31e4f02a1aeff2f79f02b22b28");
  assert_hex (bytes,
              fz_turn_write_channel_bind (bytes, &vector_id, &peer, 0x4000, &auth),
              "000900842112a442000102030405060708090a0b001200080001bd52ea12d545"
              "000c00044000000080220007736e6f776e657400000600113137363732323536"
              "30303a63324673644100000000140008666972657a6f6e650015002433663235"
              "303465302d346638392d313164332d396130632d303330356538326333333031"
              "0008001461cc0c3f2d481d60f15724e6f09813ddbd1e5b71");
}

/* Upstream's Refresh as published is understood; ours is the same without what coturn refuses. */
static void
test_refresh_message (void)
{
  static const uint16_t ours[] = { FZ_STUN_SOFTWARE, FZ_STUN_LIFETIME, FZ_STUN_USERNAME,
                                   FZ_STUN_REALM,    FZ_STUN_NONCE,    FZ_STUN_MESSAGE_INTEGRITY };
  static const char upstreams[] = "000400882112a442000102030405060708090a0b001900041100000080000004"
                                  "0200000080220007736e6f776e657400000d0004000000000006001131373637"
                                  "3232353630303a63324673644100000000140008666972657a6f6e6500150024"
                                  "33663235303465302d346638392d313164332d396130632d3033303565383263"
                                  "3333303100080014209ab0824e3be644f9aabb7c87d4f9dfb921e11c";
  FzTurnAuth auth = { .username = USER, .realm = REALM, .nonce = NONCE };
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzStunAttribute attribute;
  FzStunMessage m;
  FzReader r;
  size_t n;

  fz_stun_long_term_key (fz_span (USER, strlen (USER)),
                         fz_span (REALM, strlen (REALM)),
                         fz_span (PASSWORD, strlen (PASSWORD)),
                         auth.key);
  n = fz_turn_write_refresh (bytes, &vector_id, true, &auth);
  g_assert_cmpint (fz_stun_parse (fz_span (bytes, n), &m), ==, FZ_DROP_NONE);
  g_assert_true (fz_stun_verify (&m, fz_span (auth.key, sizeof auth.key)));
  r = fz_stun_attributes (&m);
  for (size_t i = 0; i < G_N_ELEMENTS (ours); i++) {
    g_assert_true (fz_stun_next_attribute (&r, &attribute));
    g_assert_cmphex (attribute.type, ==, ours[i]);
  }
  g_assert_false (fz_stun_next_attribute (&r, &attribute));

  n = strlen (upstreams) / 2;
  from_hex (upstreams, bytes, n);
  g_assert_cmpint (fz_stun_parse (fz_span (bytes, n), &m), ==, FZ_DROP_NONE);
  g_assert_true (fz_stun_verify (&m, fz_span (auth.key, sizeof auth.key)));
  g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_LIFETIME | FZ_STUN_HAS_TRANSPORT));
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/message/vectors", test_vectors);
  g_test_add_func ("/relay/message/refresh", test_refresh_message);
  return g_test_run ();
}
