/* fz-lobby.c: see the header */

#include "src/server/fz-lobby.h"

#include <string.h>

struct FzLobbySource {
  FzIp key;
  GQueue places; /* of_source; oldest first, never empty */
};

struct FzLobby {
  GQueue places;       /* in_all; oldest first */
  GHashTable *sources; /* its key → FzLobbySource */
  unsigned places_max;
  unsigned of_source_max;
  FzLobbyCounts counts;
};

FzLobby *
fz_lobby_new (void)
{
  FzLobby *self = g_new0 (FzLobby, 1);

  self->sources = g_hash_table_new_full (fz_ip_hash, fz_ip_hash_equal, NULL, g_free);
  fz_lobby_set_limits (self, FZ_LOBBY_PLACES_MAX, FZ_LOBBY_OF_SOURCE_MAX);
  return self;
}

static FzLobbyPlace *
place_of (GList *in_all)
{
  return (FzLobbyPlace *) ((char *) in_all - G_STRUCT_OFFSET (FzLobbyPlace, in_all));
}

void
fz_lobby_free (FzLobby *self)
{
  if (self == NULL)
    return;
  while (self->places.head != NULL)
    fz_lobby_leave (self, place_of (self->places.head));
  g_hash_table_unref (self->sources);
  g_free (self);
}

void
fz_lobby_set_limits (FzLobby *self, unsigned places_max, unsigned of_source_max)
{
  g_assert (places_max > 0 && of_source_max > 0);
  self->places_max = places_max;
  self->of_source_max = of_source_max;
}

FzIp
fz_lobby_source (const FzIp *ip)
{
  return ip->family == FZ_IP_V6 ? fz_ip_masked (ip, FZ_LOBBY_SOURCE_V6_BITS) : *ip;
}

static FzLobbySource *
find_or_add_source (FzLobby *self, const FzIp *ip)
{
  FzIp key = fz_lobby_source (ip);
  FzLobbySource *source = g_hash_table_lookup (self->sources, &key);

  if (source != NULL)
    return source;
  source = g_new0 (FzLobbySource, 1);
  source->key = key;
  g_hash_table_insert (self->sources, &source->key, source);
  return source;
}

void
fz_lobby_leave (FzLobby *self, FzLobbyPlace *place)
{
  FzLobbySource *source = g_steal_pointer (&place->source);

  if (!place->is_in)
    return;
  place->is_in = false;
  g_queue_unlink (&self->places, &place->in_all);
  if (source == NULL)
    return;
  g_queue_unlink (&source->places, &place->of_source);
  if (source->places.length == 0)
    g_hash_table_remove (self->sources, &source->key);
}

/* Of the source that has most, so that a few who fill the room push out each other and not
 * everybody else; of those that have as many, and where nobody counts, of all. */
static FzLobbyPlace *
find_oldest (const FzLobby *self)
{
  FzLobbyPlace *oldest = place_of (self->places.head);
  unsigned most = oldest->source != NULL ? oldest->source->places.length : 1;

  for (GList *at = self->places.head->next; at != NULL; at = at->next) {
    FzLobbyPlace *place = place_of (at);

    if (place->source == NULL || place->source->places.length <= most)
      continue;
    most = place->source->places.length;
    oldest = place;
  }
  return oldest;
}

/* Before the one that needs the room has entered. */
static void *
make_room (FzLobby *self, const FzLobbySource *source)
{
  FzLobbyPlace *oldest = NULL;

  if (source != NULL && source->places.length >= self->of_source_max) {
    oldest = source->places.head->data;
    self->counts.n_of_source++;
  } else if (self->places.length >= self->places_max) {
    oldest = find_oldest (self);
    self->counts.n_in_all++;
  }
  return oldest;
}

void *
fz_lobby_enter (FzLobby *self, FzLobbyPlace *place, void *connection, const FzIp *source)
{
  FzLobbyPlace *oldest;

  g_assert (!place->is_in);
  place->is_in = true;
  place->source = source != NULL ? find_or_add_source (self, source) : NULL;
  oldest = make_room (self, place->source);
  place->in_all = (GList){ .data = connection };
  place->of_source = (GList){ .data = place };
  g_queue_push_tail_link (&self->places, &place->in_all);
  if (place->source != NULL)
    g_queue_push_tail_link (&place->source->places, &place->of_source);
  if (oldest == NULL)
    return NULL;
  fz_lobby_leave (self, oldest);
  return oldest->in_all.data;
}

void *
fz_lobby_longest_if_full (const FzLobby *self)
{
  if (self->places.length < self->places_max)
    return NULL;
  for (GList *at = self->places.head; at != NULL; at = at->next) {
    const FzLobbySource *source = place_of (at)->source;

    if (source != NULL && source->places.length > FZ_LOBBY_SHARE)
      return NULL;
  }
  return self->places.head->data;
}

unsigned
fz_lobby_length (const FzLobby *self)
{
  return self->places.length;
}

FzLobbyCounts
fz_lobby_counts (const FzLobby *self)
{
  return self->counts;
}
