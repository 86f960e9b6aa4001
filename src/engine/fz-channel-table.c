/* fz-channel-table.c */
#include "src/engine/fz-channel-table.h"

#include "src/base/fz-hash.h"

struct FzChannelTable {
  FzChannel *channels[FZ_CHANNELS_MAX]; /* by number; NULL: never used or forgotten */
  GHashTable *by_peer;                  /* FzSocketAddress in an FzChannel -> FzChannel */
  unsigned next;                        /* where the search for a number goes on */
  FzInstant next_due;                   /* no channel is due before */
};

static guint
hash_peer (gconstpointer key)
{
  const FzSocketAddress *peer = key;

  return fz_hash_bytes (FZ_HASH_START ^ peer->port, peer->ip.bytes, sizeof peer->ip.bytes);
}

static gboolean
is_same_peer (gconstpointer a, gconstpointer b)
{
  return fz_socket_address_equal (a, b);
}

FzChannelTable *
fz_channel_table_new (void)
{
  FzChannelTable *self = g_new0 (FzChannelTable, 1);

  self->by_peer = g_hash_table_new (hash_peer, is_same_peer);
  self->next_due = FZ_INSTANT_NEVER;
  return self;
}

void
fz_channel_table_free (FzChannelTable *self)
{
  if (self == NULL)
    return;
  fz_channel_table_reset (self);
  g_hash_table_unref (self->by_peer);
  g_free (self);
}

static void
drop (FzChannelTable *self, unsigned i)
{
  if (self->channels[i] == NULL)
    return;
  g_hash_table_remove (self->by_peer, &self->channels[i]->peer);
  g_clear_pointer (&self->channels[i], g_free);
}

void
fz_channel_table_reset (FzChannelTable *self)
{
  for (unsigned i = 0; i < FZ_CHANNELS_MAX; i++)
    drop (self, i);
  self->next = 0;
}

static uint64_t
age (const FzChannel *channel, FzInstant now)
{
  return fz_instant_since (channel->bound_at, now);
}

static bool
is_bound (const FzChannel *channel, FzInstant now)
{
  return channel->bound_at != FZ_INSTANT_NEVER && age (channel, now) < FZ_CHANNEL_LIFETIME_NS;
}

/* Whether the number may stand for another peer: the relay must have forgotten the old one. */
static bool
is_free (const FzChannel *channel, FzInstant now)
{
  return channel == NULL ||
         (!channel->is_pending && !channel->has_received &&
          (channel->bound_at == FZ_INSTANT_NEVER || age (channel, now) >= FZ_CHANNEL_REUSE_NS));
}

static FzChannel *
take_number (FzChannelTable *self, const FzSocketAddress *peer, FzInstant now)
{
  for (unsigned n = 0; n < FZ_CHANNELS_MAX; n++) {
    unsigned i = (self->next + n) % FZ_CHANNELS_MAX;

    if (!is_free (self->channels[i], now))
      continue;
    drop (self, i);
    self->channels[i] = g_new0 (FzChannel, 1);
    self->channels[i]->number = (uint16_t) (FZ_CHANNEL_FIRST + i);
    self->channels[i]->peer = *peer;
    self->channels[i]->bound_at = FZ_INSTANT_NEVER;
    g_hash_table_insert (self->by_peer, &self->channels[i]->peer, self->channels[i]);
    self->next = (i + 1) % FZ_CHANNELS_MAX;
    return self->channels[i];
  }
  return NULL;
}

const FzChannel *
fz_channel_table_request (FzChannelTable *self, const FzSocketAddress *peer, FzInstant now)
{
  FzChannel *channel = g_hash_table_lookup (self->by_peer, peer);

  if (channel == NULL)
    channel = take_number (self, peer, now);
  if (channel != NULL)
    channel->is_pending = true;
  return channel;
}

static FzChannel *
by_number (const FzChannelTable *self, uint16_t number)
{
  if (number < FZ_CHANNEL_FIRST || number > FZ_CHANNEL_LAST)
    return NULL;
  return self->channels[number - FZ_CHANNEL_FIRST];
}

void
fz_channel_table_confirm (FzChannelTable *self, uint16_t number, FzInstant now)
{
  FzChannel *channel = by_number (self, number);

  if (channel == NULL)
    return;
  channel->is_pending = false;
  channel->bound_at = now;
  channel->has_received = false;
}

void
fz_channel_table_forget (FzChannelTable *self, uint16_t number)
{
  if (by_number (self, number) != NULL)
    drop (self, number - FZ_CHANNEL_FIRST);
}

const FzChannel *
fz_channel_table_find (const FzChannelTable *self, const FzSocketAddress *peer, FzInstant now)
{
  const FzChannel *channel = g_hash_table_lookup (self->by_peer, peer);

  return channel != NULL && (channel->is_pending || is_bound (channel, now)) ? channel : NULL;
}

static FzInstant
due_at (const FzChannel *channel)
{
  if (channel == NULL || channel->is_pending || !channel->has_received ||
      channel->bound_at == FZ_INSTANT_NEVER)
    return FZ_INSTANT_NEVER;
  return fz_instant_add (channel->bound_at, FZ_CHANNEL_REFRESH_NS);
}

const FzChannel *
fz_channel_table_receive (FzChannelTable *self, uint16_t number, FzInstant now)
{
  FzChannel *channel = by_number (self, number);

  if (channel == NULL || !is_bound (channel, now))
    return NULL;
  channel->has_received = true;
  self->next_due = fz_instant_min (self->next_due, due_at (channel));
  return channel;
}

const FzChannel *
fz_channel_table_get_due (FzChannelTable *self, FzInstant now)
{
  if (now < self->next_due)
    return NULL;
  self->next_due = FZ_INSTANT_NEVER;
  for (unsigned i = 0; i < FZ_CHANNELS_MAX; i++) {
    FzInstant due = due_at (self->channels[i]);

    self->next_due = fz_instant_min (self->next_due, due);
    if (due <= now)
      return self->channels[i];
  }
  return NULL;
}

FzInstant
fz_channel_table_next_due (const FzChannelTable *self)
{
  return self->next_due;
}
