/* fz-handshake-job.c: see the header */

#include "src/engine/fz-handshake-job.h"

#include <string.h>

FzHandshakeJob *
fz_handshake_job_new (FzIdentity *identity, FzSpan datagram, const FzEndpoint *origin)
{
  FzHandshakeJob *self = fz_secret_new (sizeof *self);

  g_assert (datagram.length == sizeof self->datagram);
  self->kind = FZ_HANDSHAKE_JOB_OPEN;
  self->identity = fz_identity_ref (identity);
  self->origin = *origin;
  memcpy (self->datagram, datagram.data, datagram.length);
  return self;
}

void
fz_handshake_job_free (FzHandshakeJob *self)
{
  if (self == NULL)
    return;
  fz_identity_free (self->identity);
  fz_secret_free (self, sizeof *self);
}

FzWireguardMessage
fz_handshake_job_get_message (const FzHandshakeJob *self)
{
  FzWireguardMessage message = { 0 };
  FzDrop drop = fz_wireguard_parse (fz_span (self->datagram, sizeof self->datagram), &message);

  g_assert (drop == FZ_DROP_NONE); /* it was one when it came */
  return message;
}

void
fz_handshake_job_run (FzHandshakeJob *self)
{
  FzWireguardMessage message;

  switch (self->kind) {
  case FZ_HANDSHAKE_JOB_OPEN:
    message = fz_handshake_job_get_message (self);
    self->drop = fz_noise_open_initiation (self->identity, &message, &self->initiation);
    return;
  case FZ_HANDSHAKE_JOB_RESPOND:
    self->drop =
        fz_noise_write_response (&self->initiation, &self->answer, self->response, &self->keys);
    return;
  }
}
