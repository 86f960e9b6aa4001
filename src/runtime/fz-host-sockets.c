/* fz-host-sockets.c: see the header */

#include "src/runtime/fz-host-sockets.h"

#include <string.h>

/* What comes while our thread waits for a CPU: a tick of the scheduler at line rate and some. How
 * much may stand there is CoDel's business, not the buffer's; with 1 MiB, eight flows each way lost
 * 2,000 segments per GB, with 8 MiB no datagram at all, and a ping beside them took as long. */
#define RECEIVE_BYTES (8u << 20)
#define SEND_BYTES    (1u << 20)

struct FzHostSockets {
  FzUdpConfig config;
  FzOutbox *outbox;
  FzSteering steering; /* of what is open */
  bool is_open;
  bool has_next;
  FzUdpPair pairs[FZ_LANES_MAX];
  FzUdpPair next[FZ_LANES_MAX]; /* with has_next */
};

static FzUdpMark
mark_policy (const FzHostConfig *config)
{
  if (config->no_mark)
    return FZ_UDP_MARK_NONE;
  return config->role == FZ_ROLE_CLIENT ? FZ_UDP_MARK_REQUIRE : FZ_UDP_MARK_TRY;
}

FzHostSockets *
fz_host_sockets_new (const FzHostConfig *config, FzOutbox *outbox)
{
  FzHostSockets *self = g_new0 (FzHostSockets, 1);

  self->config = (FzUdpConfig){
    .port = config->port != 0 ? config->port : FZ_HOST_PREFERRED_PORT,
    .require_port = config->require_port,
    .mark = mark_policy (config),
    .use_offloads = !config->no_offloads,
    .receive_buffer_bytes =
        config->receive_buffer_bytes != 0 ? config->receive_buffer_bytes : RECEIVE_BYTES,
    .send_buffer_bytes = config->send_buffer_bytes != 0 ? config->send_buffer_bytes : SEND_BYTES,
  };
  self->outbox = outbox;
  for (unsigned i = 0; i < FZ_LANES_MAX; i++)
    self->pairs[i] = FZ_UDP_PAIR_CLOSED;
  return self;
}

void
fz_host_sockets_free (FzHostSockets *self)
{
  if (self == NULL)
    return;
  fz_host_sockets_close (self);
  g_free (self);
}

bool
fz_host_sockets_open (FzHostSockets *self, const FzSteering *steering, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (self->is_open)
    return true;
  if (!fz_udp_lanes_open (&self->config, steering, self->pairs, &local)) {
    g_set_error_literal (error, FZ_HOST_ERROR, FZ_HOST_ERROR_SOCKET, local->message);
    return false;
  }
  self->steering = *steering;
  self->is_open = true;
  fz_outbox_set_sockets (self->outbox, &self->pairs[0]);
  return true;
}

void
fz_host_sockets_close (FzHostSockets *self)
{
  fz_host_sockets_abandon (self);
  fz_outbox_set_sockets (self->outbox, NULL);
  fz_udp_lanes_close (self->pairs);
  self->is_open = false;
}

const FzUdpPair *
fz_host_sockets_get_pairs (const FzHostSockets *self)
{
  return self->pairs;
}

/* -- replacing -- */

void
fz_host_sockets_prepare (FzHostSockets *self)
{
  g_assert (!self->has_next);
  self->has_next = self->is_open && fz_udp_lanes_open_beside (
                                        &self->config, &self->steering, self->pairs, self->next);
}

void
fz_host_sockets_abandon (FzHostSockets *self)
{
  if (self->has_next)
    fz_udp_lanes_close (self->next);
  self->has_next = false;
}

bool
fz_host_sockets_leave_port (FzHostSockets *self)
{
  if (self->config.require_port)
    return false;
  self->config.port = 0;
  return true;
}

/* Nothing has a gap, neither what comes nor what leaves. */
static void
take_over (FzHostSockets *self, FzLanes *lanes)
{
  FzUdpPair former[FZ_LANES_MAX];

  memcpy (former, self->pairs, sizeof former);
  memcpy (self->pairs, self->next, sizeof self->pairs);
  self->has_next = false;
  fz_outbox_set_sockets (self->outbox, &self->pairs[0]);
  fz_udp_lanes_retire (&self->steering, former, self->pairs);
  if (lanes != NULL)
    fz_lanes_empty_sockets (lanes);
  fz_udp_lanes_close (former);
}

void
fz_host_sockets_change (FzHostSockets *self, FzLanes *lanes)
{
  if (self->has_next) {
    take_over (self, lanes);
    return;
  }
  if (lanes != NULL && self->is_open)
    fz_lanes_empty_sockets (lanes);
  fz_host_sockets_close (self);
}
