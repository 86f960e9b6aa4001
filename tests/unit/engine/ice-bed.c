/* ice-bed.c */

#include "tests/unit/engine/ice-bed.h"

const char bed_remote_host[] = "candidate:1 1 udp 2130706175 10.0.0.2 52625 typ host";

FzIceAgent *
bed_make_agent (FzSeededRng *seeded, FzIceRole role, FzIceProfile profile)
{
  fz_seeded_rng_init (seeded, 1);
  return fz_ice_agent_new (&(FzIceAgentConfig){
      .role = role,
      .profile = profile,
      .local = { "us", OUR_PW },
      .remote = { "them", THEIR_PW },
      .rng = fz_seeded_rng (seeded),
  });
}

bool
bed_add_host (FzIceAgent *agent, const char *text)
{
  FzSocketAddress host = test_address (text);
  FzCandidate candidate = fz_candidate_host (&host);

  return fz_ice_agent_add_local_candidate (agent, &candidate, NULL);
}

void
bed_set_up_role (Bed *f, FzIceRole role, FzIceProfile profile)
{
  f->agent = bed_make_agent (&f->seeded, role, profile);
  g_assert_true (bed_add_host (f->agent, US));
  g_assert_true (fz_ice_agent_add_remote_candidate (f->agent, bed_remote_host));
}

void
bed_set_up (Bed *f, gconstpointer data)
{
  bed_set_up_role (f, FZ_ICE_CONTROLLING, FZ_ICE_CLIENT_DEFAULT);
}

void
bed_set_up_controlled (Bed *f, gconstpointer data)
{
  bed_set_up_role (f, FZ_ICE_CONTROLLED, FZ_ICE_SERVER_DEFAULT);
}

void
bed_tear_down (Bed *f, gconstpointer data)
{
  fz_ice_agent_free (f->agent);
}

void
bed_drain (FzIceAgent *agent)
{
  FzIceTransmit transmit;
  FzIceEvent event;

  while (fz_ice_agent_poll_transmit (agent, &transmit))
    ;
  while (fz_ice_agent_poll_event (agent, &event))
    ;
}

FzDrop
bed_deliver (FzIceAgent *agent, FzSpan data, const char *local, const char *from, FzInstant now)
{
  FzSocketAddress here = test_address (local);
  FzSocketAddress there = test_address (from);
  FzStunMessage message;
  FzDrop drop = fz_stun_parse (data, &message);

  return drop != FZ_DROP_NONE ? drop
                              : fz_ice_agent_handle_message (agent, &message, &here, &there, now);
}

FzDrop
bed_request (
    FzIceAgent *agent, const FzIceCheck *check, const char *local, const char *from, FzInstant now)
{
  static uint8_t counter;
  FzStunTransactionId id = { { counter++ } };
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzIceCheck full = *check;

  full.transaction_id = &id;
  full.username = check->username != NULL ? check->username : "us:them";
  full.password = check->password != NULL ? check->password : OUR_PW;
  full.priority = 1862270719;
  return bed_deliver (agent, fz_span (bytes, fz_ice_write_check (bytes, &full)), local, from, now);
}

FzDrop
bed_answer (FzIceAgent *agent, const FzIceTransmit *check, const char *password, FzInstant now)
{
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  char from[FZ_SOCKET_ADDRESS_TEXT_MAX];
  size_t n = fz_ice_write_success (bytes, &check->transaction_id, &check->local, password);

  return bed_deliver (
      agent, fz_span (bytes, n), US, fz_socket_address_format (&check->remote, from), now);
}

bool
bed_next_check (FzIceAgent *agent, FzInstant until, FzIceTransmit *out, FzInstant *out_at)
{
  for (;;) {
    FzInstant due = fz_ice_agent_next_timeout (agent);

    if (due > until)
      return false;
    *out_at = MAX (*out_at, due);
    fz_ice_agent_handle_timeout (agent, *out_at);
    while (fz_ice_agent_poll_transmit (agent, out))
      if (out->is_request)
        return true;
  }
}

FzStunMessage
bed_parse (const FzIceTransmit *transmit)
{
  FzStunMessage message;

  g_assert_cmpint (fz_stun_parse (transmit->data, &message), ==, FZ_DROP_NONE);
  return message;
}
