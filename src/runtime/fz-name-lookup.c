/* fz-name-lookup.c: see the header
 *
 * One question is two lookups, for a resolver may have an answer for one family
 * and none for the other; it ends with the second. The record lives as long as
 * either runs, also past the FzNameLookup, for GIO answers cancelled lookups too.
 */

#include "src/runtime/fz-name-lookup.h"

#include "src/engine/fz-limits.h"

#include <string.h>

typedef struct {
  FzNameLookup *lookup; /* NULL: freed meanwhile */
  uint32_t id;
  GArray *ips; /* of FzIp */
  unsigned n_running;
  unsigned n_failed; /* for another reason than that there is nothing */
  GCancellable *cancellable;
  guint timeout_id;
} Question;

struct FzNameLookup {
  FzNameLookupFunc func;
  gpointer user_data;
  GResolver *resolver;
  GHashTable *questions; /* of Question, to itself; those that run */
};

FzNameLookup *
fz_name_lookup_new (FzNameLookupFunc func, gpointer user_data)
{
  FzNameLookup *self = g_new0 (FzNameLookup, 1);

  self->func = func;
  self->user_data = user_data;
  self->resolver = g_resolver_get_default ();
  self->questions = g_hash_table_new (NULL, NULL);
  return self;
}

void
fz_name_lookup_free (FzNameLookup *self)
{
  GHashTableIter iter;
  gpointer value;

  if (self == NULL)
    return;
  g_hash_table_iter_init (&iter, self->questions);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Question *question = value;

    question->lookup = NULL;
    g_cancellable_cancel (question->cancellable);
  }
  g_hash_table_unref (self->questions);
  g_object_unref (self->resolver);
  g_free (self);
}

static void
free_question (Question *question)
{
  g_clear_handle_id (&question->timeout_id, g_source_remove);
  g_array_unref (question->ips);
  g_object_unref (question->cancellable);
  g_free (question);
}

static void
append_address (Question *question, GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);
  FzIp ip = g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV4 ? fz_ip_v4 (bytes)
                                                                        : fz_ip_v6 (bytes);

  if (question->ips->len < FZ_RESOLVED_IPS_MAX)
    g_array_append_val (question->ips, ip);
}

static void
end_question (Question *question)
{
  FzNameLookup *self = question->lookup;

  if (self != NULL) {
    g_hash_table_remove (self->questions, question);
    self->func (question->id,
                (const FzIp *) question->ips->data,
                question->ips->len,
                question->ips->len == 0 && question->n_failed > 0,
                self->user_data);
  }
  free_question (question);
}

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  g_autoptr (GError) error = NULL;
  GList *addresses =
      g_resolver_lookup_by_name_with_flags_finish (G_RESOLVER (source), result, &error);

  for (GList *at = addresses; at != NULL; at = at->next)
    append_address (question, at->data);
  g_resolver_free_addresses (addresses);
  if (error != NULL && !g_error_matches (error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND))
    question->n_failed++;
  if (--question->n_running == 0)
    end_question (question);
}

static gboolean
on_timeout (gpointer data)
{
  Question *question = data;

  question->timeout_id = 0;
  g_cancellable_cancel (question->cancellable);
  return G_SOURCE_REMOVE;
}

void
fz_name_lookup_ask (FzNameLookup *self, uint32_t id, const char *name)
{
  static const GResolverNameLookupFlags families[] = {
    G_RESOLVER_NAME_LOOKUP_FLAGS_IPV4_ONLY,
    G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY,
  };
  Question *question = g_new0 (Question, 1);

  question->lookup = self;
  question->id = id;
  question->ips = g_array_new (FALSE, FALSE, sizeof (FzIp));
  question->cancellable = g_cancellable_new ();
  question->n_running = G_N_ELEMENTS (families);
  question->timeout_id = g_timeout_add_seconds (FZ_DNS_RESOLVE_S, on_timeout, question);
  g_hash_table_add (self->questions, question);
  for (size_t i = 0; i < G_N_ELEMENTS (families); i++)
    g_resolver_lookup_by_name_with_flags_async (
        self->resolver, name, families[i], question->cancellable, on_resolved, question);
}
