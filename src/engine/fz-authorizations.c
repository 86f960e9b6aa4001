/* fz-authorizations.c: see the header */

#include "src/engine/fz-authorizations.h"

#include "src/engine/fz-uuid-table.h"

typedef struct {
  FzUuid resource_id;
  FzInstant asked_at;
  bool is_refused; /* the portal has answered, and what waits stays */
  FzPacketBuffer *packets;
} Question;

struct FzAuthorizations {
  GHashTable *by_resource; /* of Question */
  uint64_t *given_up;
};

static void
free_question (void *data)
{
  Question *question = data;

  g_clear_pointer (&question->packets, fz_packet_buffer_free);
  g_free (question);
}

FzAuthorizations *
fz_authorizations_new (uint64_t *given_up)
{
  FzAuthorizations *self = g_new0 (FzAuthorizations, 1);

  self->given_up = given_up;
  self->by_resource = fz_uuid_table_new (free_question);
  return self;
}

void
fz_authorizations_free (FzAuthorizations *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_resource);
  g_free (self);
}

bool
fz_authorizations_want (FzAuthorizations *self,
                        const FzUuid *resource_id,
                        FzSpan packet,
                        FzInstant now,
                        size_t *out_n_lost)
{
  size_t n_lost = 0;
  Question *question = g_hash_table_lookup (self->by_resource, resource_id);
  bool is_new = question == NULL;

  if (is_new) {
    question = g_new0 (Question, 1);
    question->resource_id = *resource_id;
    question->packets = fz_packet_buffer_new (FZ_PACKET_BUFFER_PACKETS, self->given_up);
    g_hash_table_insert (self->by_resource, &question->resource_id, question);
  }
  if (packet.data != NULL)
    n_lost = fz_packet_buffer_push (question->packets, packet);
  if (out_n_lost != NULL)
    *out_n_lost = n_lost;

  if (!is_new && fz_instant_since (question->asked_at, now) < FZ_AUTHORIZATION_REPEAT_S * FZ_S)
    return false;
  question->asked_at = now;
  question->is_refused = false;
  return true;
}

void
fz_authorizations_note_refused (FzAuthorizations *self, const FzUuid *resource_id)
{
  Question *question = g_hash_table_lookup (self->by_resource, resource_id);

  if (question != NULL)
    question->is_refused = true;
}

GArray *
fz_authorizations_repeat (FzAuthorizations *self, FzInstant now)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (FzUuid));
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->by_resource);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Question *question = value;

    if (question->is_refused)
      continue;
    question->asked_at = now;
    g_array_append_val (ids, question->resource_id);
  }
  return ids;
}

bool
fz_authorizations_is_pending (const FzAuthorizations *self, const FzUuid *resource_id)
{
  return g_hash_table_contains (self->by_resource, resource_id);
}

FzPacketBuffer *
fz_authorizations_steal (FzAuthorizations *self, const FzUuid *resource_id)
{
  Question *question = g_hash_table_lookup (self->by_resource, resource_id);
  FzPacketBuffer *packets;

  if (question == NULL)
    return NULL;
  packets = g_steal_pointer (&question->packets);
  g_hash_table_remove (self->by_resource, resource_id);
  return packets;
}

void
fz_authorizations_forget (FzAuthorizations *self, const FzUuid *resource_id)
{
  g_hash_table_remove (self->by_resource, resource_id);
}
