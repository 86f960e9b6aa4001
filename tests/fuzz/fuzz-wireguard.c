/* fuzz-wireguard.c
 *
 * Two tunnels on a wire that the input rules: time, loss, replays, mutations,
 * garbage with and without a right mac1, restarts, load. Whatever happened, on
 * a good wire they must find together again: that is what the target asserts at
 * the end, besides what the bed asserts all along (a wake-up never asks for
 * itself again, responses go where the initiation came from).
 */
#include "src/engine/fz-rate-limiter.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/engine/tunnel-bed.h"

#define MAX_STEPS 200u

typedef enum {
  STEP_RUN_MS,
  STEP_RUN_S,
  STEP_START,
  STEP_SEND,
  STEP_CUT,
  STEP_REPLAY,
  STEP_GARBAGE,
  STEP_SEAL,
  STEP_EXHAUSTED,
  STEP_EARLY_TIMEOUT,
  STEP_CAPTURE,
  STEP_CONFIRM,
  STEP_LIMIT,
  STEP_RESTART,
  STEP_FORGET,
  STEP_LOSS,
  N_STEPS,
} Step;

static const FzTunnelProfile *const profiles[] = {
  &fz_tunnel_profile_ice,
  &fz_tunnel_profile_iceless,
  &fz_tunnel_profile_bare,
};

/* Something that was said before, perhaps changed in one byte. */
static void
replay (Bed *bed, size_t to, Script *script)
{
  BedDatagram datagram = bed->ends[1 - to].last_sent[script_byte (script) % BED_N_KINDS];
  uint8_t at = script_byte (script), change = script_byte (script);

  if (datagram.length == 0)
    return;
  datagram.data[at % datagram.length] ^= change;
  bed_deliver (bed, to, &datagram);
}

/* Bytes of the input; if it says so, with the mac1 that anybody can make. */
static void
deliver_garbage (Bed *bed, size_t to, Script *script)
{
  BedDatagram datagram;
  uint8_t how = script_byte (script);
  FzCookieJar jar;

  datagram.length = script_byte (script);
  if (how & 1)
    datagram.length = FZ_WIREGUARD_INITIATION_SIZE;
  else if (how & 2)
    datagram.length = FZ_WIREGUARD_RESPONSE_SIZE;
  script_bytes (script, datagram.data, datagram.length);
  if (how & 3) {
    fz_put_u32le (datagram.data, how & 1 ? FZ_WIREGUARD_INITIATION : FZ_WIREGUARD_RESPONSE);
    fz_cookie_jar_init (&jar, fz_identity_get_public_key (bed->ends[to].identity));
    fz_cookie_jar_seal (&jar, datagram.data, datagram.length, 0, bed->now);
  }
  bed_deliver (bed, to, &datagram);
}

static void
seal (Bed *bed, size_t from, Script *script)
{
  BedDatagram datagram;
  uint8_t packet[200];
  size_t length = script_byte (script) % sizeof packet;

  script_bytes (script, packet, length);
  if (fz_tunnel_seal (bed->ends[from].tunnel, fz_span (packet, length), bed->now, datagram.data) !=
      FZ_DROP_NONE)
    return;
  datagram.length = length + FZ_WIREGUARD_DATA_OVERHEAD;
  bed_deliver (bed, 1 - from, &datagram);
}

static void
restart (Bed *bed, size_t end, Script *script)
{
  bed_renew_tunnel (bed,
                    end,
                    profiles[script_byte (script) % G_N_ELEMENTS (profiles)],
                    NULL,
                    fz_identity_get_public_key (bed->ends[1 - end].identity));
}

static void
take_step (Bed *bed, Script *script)
{
  uint8_t what = script_byte (script);
  size_t i = what >> 7;
  BedEnd *end = &bed->ends[i];

  switch ((Step) (what % N_STEPS)) {
  case STEP_RUN_MS:
    bed_run (bed, script_byte (script) * 10 * FZ_MS);
    break;
  case STEP_RUN_S:
    bed_run (bed, script_byte (script) * 2 * FZ_S);
    break;
  case STEP_START:
    fz_tunnel_start_handshake (end->tunnel, bed->now);
    break;
  case STEP_SEND:
    bed_send (bed, i);
    break;
  case STEP_CUT:
    end->is_cut = !end->is_cut;
    break;
  case STEP_REPLAY:
    replay (bed, i, script);
    break;
  case STEP_GARBAGE:
    deliver_garbage (bed, i, script);
    break;
  case STEP_SEAL:
    seal (bed, i, script);
    break;
  case STEP_EXHAUSTED:
    fz_tunnel_handle_exhausted (
        end->tunnel, end->peer->connection_id << 8 | script_byte (script), bed->now);
    break;
  case STEP_EARLY_TIMEOUT:
    fz_tunnel_handle_timeout (end->tunnel, bed->now);
    break;
  case STEP_CAPTURE: {
    uint8_t kind = script_byte (script) % BED_N_KINDS;

    end->is_late[kind] = !end->is_late[kind];
    break;
  }
  case STEP_CONFIRM:
    fz_tunnel_handle_confirmed (
        end->tunnel, end->peer->connection_id << 8 | script_byte (script), bed->now);
    break;
  case STEP_LIMIT:
    fz_identity_set_limit (end->identity, script_byte (script) % 4);
    break;
  case STEP_RESTART:
    restart (bed, i, script);
    break;
  case STEP_FORGET:
    bed_forget_wire (bed);
    break;
  case STEP_LOSS:
    end->loss_permille = (uint32_t) script_byte (script) * 4;
    end->jitter_ns = script_byte (script) * FZ_MS;
    break;
  case N_STEPS:
    break;
  }
  bed_collect (bed, i);
}

static void
heal (Bed *bed)
{
  bed_forget_wire (bed);
  for (size_t i = 0; i < 2; i++) {
    BedEnd *end = &bed->ends[i];

    end->is_cut = false;
    end->loss_permille = 0;
    end->jitter_ns = 0;
    memset (end->is_late, 0, sizeof end->is_late);
    fz_identity_set_limit (end->identity, FZ_HANDSHAKES_PER_S);
  }
  bed_run (bed, 2 * FZ_S);
  /* an attempt that is under way may be just before its end: then one more is needed */
  for (int tries = 0; tries < 2; tries++) {
    fz_tunnel_start_handshake (bed->ends[0].tunnel, bed->now);
    bed_collect (bed, 0);
    bed_run (bed, 30 * FZ_S);
    if (fz_tunnel_can_send (bed->ends[0].tunnel, bed->now) &&
        fz_tunnel_can_send (bed->ends[1].tunnel, bed->now))
      return;
  }
}

static void
assert_flows (Bed *bed)
{
  for (size_t i = 0; i < 2; i++) {
    unsigned before = bed->ends[1 - i].n_received;

    g_assert_true (bed_send (bed, i));
    bed_run (bed, FZ_S);
    g_assert_cmpuint (bed->ends[1 - i].n_received, ==, before + 1);
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Script script = { data, size };
  Bed bed;

  if (!fz_crypto_init ())
    return 0;
  bed_init (&bed, profiles[script_byte (&script) % G_N_ELEMENTS (profiles)], 7);
  for (unsigned i = 0; i < MAX_STEPS && script.left > 0; i++)
    take_step (&bed, &script);
  heal (&bed);
  assert_flows (&bed);
  bed_clear (&bed);
  return 0;
}
