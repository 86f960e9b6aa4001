/* fuzz-stun.c: one datagram through the STUN parser and all that reads its result */

#include "src/engine/fz-stun-auth.h"
#include "src/proto/fz-stun.h"
#include "tests/fuzz/fuzz.h"

#include <glib.h>

static void
assert_inside (FzSpan inner, FzSpan outer)
{
  if (inner.length > 0)
    g_assert_true (inner.data >= outer.data &&
                   inner.data + inner.length <= outer.data + outer.length);
}

static void
walk (const FzStunMessage *message)
{
  FzReader reader = fz_stun_attributes (message);
  FzStunAttribute attribute;
  size_t n = 0;

  while (fz_stun_next_attribute (&reader, &attribute)) {
    assert_inside (attribute.value, message->datagram);
    n++;
  }
  g_assert_cmpuint (n, <=, message->datagram.length / 4);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char password[] = "anything";
  FzStunMessage message;
  FzSpan local, remote;

  if (!fz_crypto_init ())
    return 0;
  if (fz_stun_parse (fz_span (data, size), &message) != FZ_DROP_NONE)
    return 0;
  assert_inside (message.username, message.datagram);
  assert_inside (message.realm, message.datagram);
  assert_inside (message.nonce, message.datagram);
  assert_inside (message.software, message.datagram);
  assert_inside (message.error_reason, message.datagram);
  walk (&message);
  (void) fz_stun_check_fingerprint (&message);
  (void) fz_stun_verify (&message, fz_stun_short_term_key (password));
  if (fz_stun_split_username (&message, &local, &remote)) {
    assert_inside (local, message.username);
    assert_inside (remote, message.username);
    g_assert_cmpuint (local.length + 1 + remote.length, ==, message.username.length);
  }
  return 0;
}
