/* fz-former-peers.c: see the header */

#include "src/engine/fz-former-peers.h"

#include "src/engine/fz-limits.h"

#include <string.h>

void
fz_former_peers_init (FzFormerPeers *self)
{
  g_queue_init (&self->peers);
}

static void
free_peer (void *data)
{
  FzFormerPeer *peer = data;

  g_free (peer->ufrag);
  g_free (peer);
}

void
fz_former_peers_clear (FzFormerPeers *self)
{
  g_queue_clear_full (&self->peers, free_peer);
}

static void
drop_old (FzFormerPeers *self, FzInstant now)
{
  FzFormerPeer *oldest;

  while ((oldest = g_queue_peek_head (&self->peers)) != NULL && oldest->until <= now)
    free_peer (g_queue_pop_head (&self->peers));
}

void
fz_former_peers_add (FzFormerPeers *self,
                     const FzUuid *id,
                     uint32_t connection_id,
                     const uint8_t public_key[FZ_KEY_SIZE],
                     const char *ufrag,
                     FzInstant now)
{
  FzFormerPeer *peer = g_new0 (FzFormerPeer, 1);

  drop_old (self, now);
  if (self->peers.length >= FZ_FORMER_PEERS_MAX)
    free_peer (g_queue_pop_head (&self->peers));

  peer->id = *id;
  peer->connection_id = connection_id;
  memcpy (peer->public_key, public_key, FZ_KEY_SIZE);
  peer->ufrag = g_strdup (ufrag);
  peer->until = fz_instant_add (now, FZ_FORMER_PEER_S * FZ_S);
  g_queue_push_tail (&self->peers, peer);
}

bool
fz_former_peers_has_id (FzFormerPeers *self, const FzUuid *id, FzInstant now)
{
  drop_old (self, now);
  for (GList *l = self->peers.head; l != NULL; l = l->next)
    if (fz_uuid_equal (&((FzFormerPeer *) l->data)->id, id))
      return true;
  return false;
}

bool
fz_former_peers_has_connection_id (FzFormerPeers *self, uint32_t connection_id, FzInstant now)
{
  drop_old (self, now);
  for (GList *l = self->peers.head; l != NULL; l = l->next)
    if (((FzFormerPeer *) l->data)->connection_id == connection_id)
      return true;
  return false;
}

bool
fz_former_peers_has_public_key (FzFormerPeers *self,
                                const uint8_t public_key[FZ_KEY_SIZE],
                                FzInstant now)
{
  drop_old (self, now);
  for (GList *l = self->peers.head; l != NULL; l = l->next)
    if (memcmp (((FzFormerPeer *) l->data)->public_key, public_key, FZ_KEY_SIZE) == 0)
      return true;
  return false;
}

bool
fz_former_peers_has_ufrag (FzFormerPeers *self, const char *ufrag, size_t length, FzInstant now)
{
  drop_old (self, now);
  for (GList *l = self->peers.head; l != NULL; l = l->next) {
    const char *known = ((FzFormerPeer *) l->data)->ufrag;

    if (known != NULL && strlen (known) == length && memcmp (known, ufrag, length) == 0)
      return true;
  }
  return false;
}
