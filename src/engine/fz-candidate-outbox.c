/* fz-candidate-outbox.c: see the header */

#include "src/engine/fz-candidate-outbox.h"

#include "src/engine/fz-limits.h"
#include "src/engine/fz-uuid-table.h"

#include <string.h>

typedef struct {
  FzUuid peer_id;
  GPtrArray *added; /* of char *, owned */
  GPtrArray *removed;
} Entry;

struct FzCandidateOutbox {
  GQueue entries; /* of Entry, in the order of first use */
  GHashTable *by_peer;
  GPtrArray *handed_out; /* list behind the last batch */
  bool is_held;
};

static void
entry_free (void *data)
{
  Entry *entry = data;

  g_ptr_array_unref (entry->added);
  g_ptr_array_unref (entry->removed);
  g_free (entry);
}

FzCandidateOutbox *
fz_candidate_outbox_new (void)
{
  FzCandidateOutbox *self = g_new0 (FzCandidateOutbox, 1);

  g_queue_init (&self->entries);
  self->by_peer = fz_uuid_table_new (NULL);
  self->is_held = true;
  return self;
}

void
fz_candidate_outbox_free (FzCandidateOutbox *self)
{
  if (self == NULL)
    return;
  g_queue_clear_full (&self->entries, entry_free);
  g_hash_table_unref (self->by_peer);
  g_clear_pointer (&self->handed_out, g_ptr_array_unref);
  g_free (self);
}

void
fz_candidate_outbox_set_held (FzCandidateOutbox *self, bool is_held)
{
  self->is_held = is_held;
}

static Entry *
get_entry (FzCandidateOutbox *self, const FzUuid *peer_id)
{
  Entry *entry = g_hash_table_lookup (self->by_peer, peer_id);

  if (entry != NULL)
    return entry;
  entry = g_new0 (Entry, 1);
  entry->peer_id = *peer_id;
  entry->added = g_ptr_array_new_with_free_func (g_free);
  entry->removed = g_ptr_array_new_with_free_func (g_free);
  g_queue_push_tail (&self->entries, entry);
  g_hash_table_insert (self->by_peer, &entry->peer_id, entry);
  return entry;
}

static void
drop_entry (FzCandidateOutbox *self, Entry *entry)
{
  g_hash_table_remove (self->by_peer, &entry->peer_id);
  g_queue_remove (&self->entries, entry);
  entry_free (entry);
}

static bool
take_text (GPtrArray *list, const char *text)
{
  guint at;

  if (!g_ptr_array_find_with_equal_func (list, text, g_str_equal, &at))
    return false;
  g_ptr_array_remove_index (list, at);
  return true;
}

static bool
put_text (GPtrArray *list, const char *text)
{
  if (g_ptr_array_find_with_equal_func (list, text, g_str_equal, NULL))
    return true;
  if (list->len >= FZ_HELD_CANDIDATES_MAX)
    return false;
  g_ptr_array_add (list, g_strdup (text));
  return true;
}

bool
fz_candidate_outbox_add (FzCandidateOutbox *self, const FzUuid *peer_id, const char *candidate)
{
  Entry *entry = get_entry (self, peer_id);

  take_text (entry->removed, candidate);
  return put_text (entry->added, candidate);
}

bool
fz_candidate_outbox_remove (FzCandidateOutbox *self, const FzUuid *peer_id, const char *candidate)
{
  Entry *entry = get_entry (self, peer_id);

  return take_text (entry->added, candidate) || put_text (entry->removed, candidate);
}

void
fz_candidate_outbox_forget (FzCandidateOutbox *self, const FzUuid *peer_id)
{
  Entry *entry = g_hash_table_lookup (self->by_peer, peer_id);

  if (entry != NULL)
    drop_entry (self, entry);
}

static uint64_t
priority_of (const char *text)
{
  for (int i = 0; i < 3 && text != NULL; i++) {
    text = strchr (text, ' ');
    if (text != NULL)
      text++;
  }
  return text != NULL ? g_ascii_strtoull (text, NULL, 10) : 0;
}

int
fz_candidate_text_compare (const char *a, const char *b)
{
  uint64_t priority_a = priority_of (a);
  uint64_t priority_b = priority_of (b);

  if (priority_a != priority_b)
    return priority_a > priority_b ? -1 : 1;
  return strcmp (a, b);
}

static gint
compare_elements (gconstpointer a, gconstpointer b)
{
  return fz_candidate_text_compare (*(const char *const *) a, *(const char *const *) b);
}

static void
hand_out (FzCandidateOutbox *self, const Entry *entry, GPtrArray **list, FzCandidateBatch *out)
{
  g_clear_pointer (&self->handed_out, g_ptr_array_unref);
  self->handed_out = *list;
  *list = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_sort (self->handed_out, compare_elements);
  *out = (FzCandidateBatch){
    .peer_id = entry->peer_id,
    .candidates = (const char *const *) self->handed_out->pdata,
    .n_candidates = self->handed_out->len,
  };
}

bool
fz_candidate_outbox_poll (FzCandidateOutbox *self, FzCandidateBatch *out)
{
  Entry *entry;

  if (self->is_held)
    return false;

  while ((entry = g_queue_peek_head (&self->entries)) != NULL) {
    if (entry->added->len > 0) {
      hand_out (self, entry, &entry->added, out);
      return true;
    }
    if (entry->removed->len > 0) {
      hand_out (self, entry, &entry->removed, out);
      out->is_removal = true;
      return true;
    }
    drop_entry (self, entry);
  }
  return false;
}
