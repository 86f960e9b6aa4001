/* fz-path-agent.c: see the header */

#include "src/engine/fz-path-agent.h"

struct FzPathAgent {
  FzPathAgentKind kind;
  FzRole role;
  bool is_controlling; /* as configured; a role conflict may have turned the agent round */
  FzIceAgent *ice;     /* FZ_PATH_AGENT_ICE */
};

static FzIceProfile
profile_for (FzRole role, bool is_idle)
{
  if (role == FZ_ROLE_GATEWAY)
    return is_idle ? FZ_ICE_SERVER_IDLE : FZ_ICE_SERVER_DEFAULT;
  return is_idle ? FZ_ICE_CLIENT_IDLE : FZ_ICE_CLIENT_DEFAULT;
}

FzPathAgent *
fz_path_agent_new (const FzPathAgentConfig *config)
{
  FzPathAgent *self = g_new0 (FzPathAgent, 1);
  FzIceAgentConfig ice = {
    .role = config->is_controlling ? FZ_ICE_CONTROLLING : FZ_ICE_CONTROLLED,
    .profile = profile_for (config->role, false),
    .local = config->local,
    .remote = config->remote,
    .rng = config->rng,
    .log = fz_log_for (&config->log, "ice"),
  };

  self->kind = config->kind;
  self->role = config->role;
  self->is_controlling = config->is_controlling;
  self->ice = fz_ice_agent_new (&ice);
  return self;
}

void
fz_path_agent_free (FzPathAgent *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->ice, fz_ice_agent_free);
  g_free (self);
}

bool
fz_path_agent_matches (const FzPathAgent *self, const FzPathAgentConfig *config)
{
  return self->kind == config->kind && self->is_controlling == config->is_controlling &&
         fz_ice_agent_has_credentials (self->ice, &config->local, &config->remote);
}

const char *
fz_path_agent_get_local_ufrag (const FzPathAgent *self)
{
  return fz_ice_agent_get_local_ufrag (self->ice);
}

bool
fz_path_agent_is_settled (const FzPathAgent *self)
{
  FzIceState state = fz_ice_agent_get_state (self->ice);

  /* Upstream leaves out "completed", and such connections never go idle (§11 #1). */
  return state == FZ_ICE_CONNECTED || state == FZ_ICE_COMPLETED;
}

bool
fz_path_agent_get_rtt (const FzPathAgent *self, uint64_t *out_ns)
{
  return fz_ice_agent_get_rtt (self->ice, out_ns);
}

void
fz_path_agent_set_idle (FzPathAgent *self, bool is_idle)
{
  fz_ice_agent_set_profile (self->ice, profile_for (self->role, is_idle));
}

bool
fz_path_agent_add_local (FzPathAgent *self,
                         const FzCandidate *candidate,
                         char out[FZ_CANDIDATE_TEXT_MAX])
{
  return fz_ice_agent_add_local_candidate (self->ice, candidate, out);
}

bool
fz_path_agent_invalidate_local (FzPathAgent *self,
                                const FzCandidate *candidate,
                                char out[FZ_CANDIDATE_TEXT_MAX])
{
  if (!fz_ice_agent_invalidate_local_candidate (self->ice, candidate))
    return false;
  fz_candidate_format_invalidation (candidate, out);
  return true;
}

bool
fz_path_agent_get_local (FzPathAgent *self, size_t i, char out[FZ_CANDIDATE_TEXT_MAX])
{
  return fz_ice_agent_get_local_candidate (self->ice, i, out);
}

bool
fz_path_agent_add_remote (FzPathAgent *self, const char *text)
{
  return fz_ice_agent_add_remote_candidate (self->ice, text);
}

bool
fz_path_agent_invalidate_remote (FzPathAgent *self, const char *text)
{
  return fz_ice_agent_invalidate_remote_candidate (self->ice, text);
}

FzDrop
fz_path_agent_handle_stun (FzPathAgent *self,
                           const FzStunMessage *message,
                           const FzSocketAddress *local,
                           const FzSocketAddress *from,
                           FzInstant now)
{
  return fz_ice_agent_handle_message (self->ice, message, local, from, now);
}

void
fz_path_agent_handle_timeout (FzPathAgent *self, FzInstant now)
{
  fz_ice_agent_handle_timeout (self->ice, now);
}

FzInstant
fz_path_agent_next_timeout (const FzPathAgent *self)
{
  return fz_ice_agent_next_timeout (self->ice);
}

bool
fz_path_agent_is_answered (const FzPathAgent *self)
{
  return fz_ice_agent_is_answered (self->ice);
}

bool
fz_path_agent_poll_transmit (FzPathAgent *self, FzIceTransmit *out)
{
  return fz_ice_agent_poll_transmit (self->ice, out);
}

static FzPathEventKind
map_state (FzIceState state)
{
  switch (state) {
  case FZ_ICE_DISCONNECTED:
    return FZ_PATH_EVENT_LOST;
  case FZ_ICE_NEW:
  case FZ_ICE_CHECKING:
  case FZ_ICE_CONNECTED:
  case FZ_ICE_COMPLETED:
    return FZ_PATH_EVENT_RECOVERED;
  }
  g_assert_not_reached ();
}

bool
fz_path_agent_poll_event (FzPathAgent *self, FzPathEvent *out)
{
  FzIceEvent event;

  if (!fz_ice_agent_poll_event (self->ice, &event))
    return false;
  switch (event.kind) {
  case FZ_ICE_EVENT_STATE:
    *out = (FzPathEvent){ .kind = map_state (event.state) };
    return true;
  case FZ_ICE_EVENT_NOMINATED:
    *out = (FzPathEvent){
      .kind = FZ_PATH_EVENT_CHOSEN,
      .path = { event.nominated.path, event.nominated.local, event.nominated.remote },
    };
    return true;
  }
  g_assert_not_reached ();
}
