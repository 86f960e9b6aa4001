/* fz-handshakes.c: see the header */

#include "src/server/fz-handshakes.h"

struct FzHandshakes {
  GQueue held;  /* oldest first */
  GQueue begun; /* the same */
  unsigned n_overdue;
  unsigned n_cut;
  bool newest_first;
};

FzHandshakes *
fz_handshakes_new (void)
{
  return g_new0 (FzHandshakes, 1);
}

void
fz_handshakes_free (FzHandshakes *self)
{
  if (self == NULL)
    return;
  g_assert (self->held.length == 0 && self->begun.length == 0);
  g_free (self);
}

static FzHandshake *
handshake_of (GList *link)
{
  return (FzHandshake *) ((char *) link - G_STRUCT_OFFSET (FzHandshake, link));
}

static bool
are_of_one_source (const FzHandshake *a, const FzHandshake *b)
{
  return a->source.family != FZ_IP_NONE && fz_ip_hash_equal (&a->source, &b->source);
}

static bool
is_source_full (const FzHandshakes *self, const FzHandshake *handshake)
{
  unsigned n = 0;

  for (GList *at = self->begun.head; at != NULL; at = at->next)
    n += are_of_one_source (handshake_of (at), handshake);
  return n >= FZ_HANDSHAKES_OF_SOURCE_MAX;
}

void
fz_handshakes_enter (FzHandshakes *self,
                     FzHandshake *handshake,
                     void *connection,
                     const FzIp *source)
{
  g_assert (handshake->state == FZ_HANDSHAKE_NONE);
  handshake->link = (GList){ .data = connection };
  handshake->source = *source;
  handshake->state = FZ_HANDSHAKE_HELD;
  g_queue_push_tail_link (&self->held, &handshake->link);
}

void
fz_handshakes_leave (FzHandshakes *self, FzHandshake *handshake)
{
  FzHandshakeState was = handshake->state;

  handshake->state = FZ_HANDSHAKE_NONE;
  if (was == FZ_HANDSHAKE_NONE)
    return;
  if (was == FZ_HANDSHAKE_HELD) {
    g_queue_unlink (&self->held, &handshake->link);
    return;
  }
  g_queue_unlink (&self->begun, &handshake->link);
  self->n_overdue -= was == FZ_HANDSHAKE_OVERDUE;
  self->n_cut -= was == FZ_HANDSHAKE_CUT;
  self->newest_first = was == FZ_HANDSHAKE_CUT;
}

void
fz_handshakes_set_overdue (FzHandshakes *self, FzHandshake *handshake)
{
  if (handshake->state != FZ_HANDSHAKE_BEGUN)
    return;
  handshake->state = FZ_HANDSHAKE_OVERDUE;
  self->n_overdue++;
}

void *
fz_handshakes_next (FzHandshakes *self)
{
  GList *at = self->newest_first ? self->held.tail : self->held.head;

  if (self->begun.length >= FZ_HANDSHAKES_MAX)
    return NULL;
  while (at != NULL && is_source_full (self, handshake_of (at)))
    at = self->newest_first ? at->prev : at->next;
  if (at == NULL)
    return NULL;
  g_queue_unlink (&self->held, at);
  g_queue_push_tail_link (&self->begun, at);
  handshake_of (at)->state = FZ_HANDSHAKE_BEGUN;
  return at->data;
}

/* The oldest that is overdue and in the way of @held. */
static FzHandshake *
find_in_way (const FzHandshakes *self, const FzHandshake *held)
{
  bool of_source = is_source_full (self, held);

  for (GList *at = self->begun.head; at != NULL; at = at->next) {
    FzHandshake *begun = handshake_of (at);

    if (begun->state == FZ_HANDSHAKE_OVERDUE && (!of_source || are_of_one_source (begun, held)))
      return begun;
  }
  return NULL;
}

void *
fz_handshakes_cut (FzHandshakes *self)
{
  FzHandshake *found = NULL;

  if (self->n_overdue == 0 || self->n_cut >= self->held.length)
    return NULL;
  for (GList *at = self->held.head; at != NULL && found == NULL; at = at->next)
    found = find_in_way (self, handshake_of (at));
  if (found == NULL)
    return NULL;
  found->state = FZ_HANDSHAKE_CUT;
  self->n_overdue--;
  self->n_cut++;
  return found->link.data;
}

unsigned
fz_handshakes_n_begun (const FzHandshakes *self)
{
  return self->begun.length;
}

unsigned
fz_handshakes_n_held (const FzHandshakes *self)
{
  return self->held.length;
}
