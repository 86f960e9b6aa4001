/* fz-dns-forward.c: see the header
 *
 * Two tables and two queues: questions of one kind live equally long, so the
 * oldest is the first to time out. Inside, a question stands in its queue twice
 * as long as it lives: first it ends, then its port is free again.
 */

#include "src/engine/fz-dns-forward.h"

#include "src/engine/fz-limits.h"

#include <string.h>

struct FzDnsForward {
  FzRng rng;
  GHashTable *outside;   /* by id */
  GHashTable *inside;    /* by port */
  GQueue by_age_outside; /* of ids */
  GQueue by_age_inside;  /* of ports: running */
  GQueue over_inside;    /* of ports: over, by when they are free again */
  uint32_t last_id;
  FzDnsQuestion *ended; /* the last that was handed out */
  GByteArray *message;  /* scratch */
};

static void
free_question (void *data)
{
  FzDnsQuestion *question = data;

  if (question == NULL)
    return;
  g_bytes_unref (question->message);
  g_free (question);
}

FzDnsForward *
fz_dns_forward_new (FzRng rng)
{
  FzDnsForward *self = g_new0 (FzDnsForward, 1);

  self->rng = rng;
  self->outside = g_hash_table_new_full (NULL, NULL, NULL, free_question);
  self->inside = g_hash_table_new_full (NULL, NULL, NULL, free_question);
  self->message = g_byte_array_new ();
  return self;
}

void
fz_dns_forward_free (FzDnsForward *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->outside);
  g_hash_table_unref (self->inside);
  g_queue_clear (&self->by_age_outside);
  g_queue_clear (&self->by_age_inside);
  g_queue_clear (&self->over_inside);
  free_question (self->ended);
  g_byte_array_unref (self->message);
  g_free (self);
}

/* -- asking -- */

static FzSpan
copy_message (FzDnsForward *self, FzSpan message, uint16_t id)
{
  g_byte_array_set_size (self->message, 0);
  g_byte_array_append (self->message, message.data, (guint) message.length);
  fz_dns_set_id (self->message->data, id);
  return fz_span (self->message->data, self->message->len);
}

static FzDnsQuestion *
make_question (
    FzDnsForward *self, const FzDnsAsker *asker, FzSpan message, FzInstant now, unsigned life_s)
{
  FzDnsQuestion *question = g_new0 (FzDnsQuestion, 1);

  question->asker = *asker;
  question->deadline = fz_instant_add (now, life_s * FZ_S);
  question->wire_id = (uint16_t) fz_rng_u32 (&self->rng);
  question->message = g_bytes_new (message.data, message.length);
  return question;
}

const FzDnsQuestion *
fz_dns_forward_ask_outside (
    FzDnsForward *self, const FzDnsAsker *asker, FzSpan message, FzInstant now, FzSpan *out_message)
{
  FzDnsQuestion *question;

  g_assert (message.length >= FZ_DNS_HEADER_SIZE);
  if (g_hash_table_size (self->outside) >= FZ_DNS_OUTSIDE_MAX)
    return NULL;
  question = make_question (self, asker, message, now, FZ_DNS_QUERY_S);
  do
    question->id = ++self->last_id;
  while (question->id == 0 ||
         g_hash_table_contains (self->outside, GUINT_TO_POINTER (question->id)));
  g_hash_table_insert (self->outside, GUINT_TO_POINTER (question->id), question);
  g_queue_push_tail (&self->by_age_outside, GUINT_TO_POINTER (question->id));
  *out_message = copy_message (self, message, question->wire_id);
  return question;
}

/* A random one that is not taken. There are sixteen times as many as questions. */
static uint16_t
pick_port (FzDnsForward *self)
{
  const unsigned n_ports = FZ_DNS_PORT_LAST - FZ_DNS_PORT_FIRST + 1;
  unsigned port;

  do
    port = FZ_DNS_PORT_FIRST + (unsigned) fz_rng_below (&self->rng, n_ports);
  while (g_hash_table_contains (self->inside, GUINT_TO_POINTER (port)));
  return (uint16_t) port;
}

/* Makes room by freeing the port that has been over for longest. */
static bool
has_room_inside (FzDnsForward *self)
{
  if (g_hash_table_size (self->inside) < FZ_DNS_INSIDE_MAX)
    return true;
  if (g_queue_is_empty (&self->over_inside))
    return false;
  g_hash_table_remove (self->inside, g_queue_pop_head (&self->over_inside));
  return true;
}

const FzDnsQuestion *
fz_dns_forward_ask_inside (FzDnsForward *self,
                           const FzDnsAsker *asker,
                           const FzSocketAddress *server,
                           FzSpan message,
                           FzInstant now,
                           FzSpan *out_message)
{
  FzDnsQuestion *question;

  g_assert (message.length >= FZ_DNS_HEADER_SIZE);
  if (!has_room_inside (self))
    return NULL;
  question = make_question (self, asker, message, now, FZ_DNS_INSIDE_S);
  question->is_inside = true;
  question->server = *server;
  question->port = pick_port (self);
  g_hash_table_insert (self->inside, GUINT_TO_POINTER (question->port), question);
  g_queue_push_tail (&self->by_age_inside, GUINT_TO_POINTER (question->port));
  *out_message = copy_message (self, message, question->wire_id);
  return question;
}

/* -- answers -- */

static const FzDnsQuestion *
end_outside (FzDnsForward *self, uint32_t id)
{
  gpointer question;

  g_queue_remove (&self->by_age_outside, GUINT_TO_POINTER (id));
  g_hash_table_steal_extended (self->outside, GUINT_TO_POINTER (id), NULL, &question);
  free_question (self->ended);
  self->ended = question;
  return question;
}

static const FzDnsQuestion *
end_inside (FzDnsForward *self, FzDnsQuestion *question)
{
  g_queue_remove (&self->by_age_inside, GUINT_TO_POINTER (question->port));
  g_queue_push_tail (&self->over_inside, GUINT_TO_POINTER (question->port));
  question->is_over = true;
  question->deadline = fz_instant_add (question->deadline, FZ_DNS_INSIDE_S * FZ_S);
  return question;
}

/* Whether @message answers @question; then also the copy that the application gets. */
static bool
take_reply (FzDnsForward *self, const FzDnsQuestion *question, FzSpan message, FzSpan *out_reply)
{
  gsize length;
  const void *data = g_bytes_get_data (question->message, &length);
  FzDnsReply reply;

  if (fz_dns_parse_reply (message, &reply) != FZ_DROP_NONE || reply.id != question->wire_id ||
      !fz_dns_is_reply_to (message, &reply, fz_span (data, length)))
    return false;
  *out_reply = copy_message (self, message, fz_get_u16be (data));
  return true;
}

FzDnsReplyKind
fz_dns_forward_handle_outside (
    FzDnsForward *self, uint32_t id, FzSpan message, const FzDnsQuestion **out, FzSpan *out_reply)
{
  const FzDnsQuestion *question = g_hash_table_lookup (self->outside, GUINT_TO_POINTER (id));
  bool is_answer;

  if (question == NULL)
    return FZ_DNS_REPLY_IGNORED;
  is_answer = message.length > 0 && take_reply (self, question, message, out_reply);
  *out = end_outside (self, id);
  return is_answer ? FZ_DNS_REPLY_ANSWERED : FZ_DNS_REPLY_FAILED;
}

/* The question of that port to that server; one that is over too. */
static FzDnsQuestion *
find_inside (const FzDnsForward *self, const FzSocketAddress *server, uint16_t port)
{
  FzDnsQuestion *question = g_hash_table_lookup (self->inside, GUINT_TO_POINTER (port));

  return question != NULL && fz_socket_address_equal (&question->server, server) ? question : NULL;
}

FzDnsReplyKind
fz_dns_forward_handle_inside (FzDnsForward *self,
                              const FzSocketAddress *server,
                              uint16_t port,
                              FzSpan message,
                              const FzDnsQuestion **out,
                              FzSpan *out_reply)
{
  FzDnsQuestion *question = find_inside (self, server, port);

  if (question == NULL)
    return FZ_DNS_REPLY_NOT_OURS;
  if (question->is_over || !take_reply (self, question, message, out_reply))
    return FZ_DNS_REPLY_IGNORED;
  *out = end_inside (self, question);
  return FZ_DNS_REPLY_ANSWERED;
}

FzDnsReplyKind
fz_dns_forward_handle_refusal (FzDnsForward *self,
                               const FzSocketAddress *server,
                               uint16_t port,
                               const FzDnsQuestion **out)
{
  FzDnsQuestion *question = find_inside (self, server, port);

  if (question == NULL)
    return FZ_DNS_REPLY_NOT_OURS;
  if (question->is_over)
    return FZ_DNS_REPLY_IGNORED;
  *out = end_inside (self, question);
  return FZ_DNS_REPLY_FAILED;
}

/* -- time -- */

static FzDnsQuestion *
peek (GHashTable *questions, const GQueue *queue)
{
  return g_queue_is_empty ((GQueue *) queue)
             ? NULL
             : g_hash_table_lookup (questions, g_queue_peek_head ((GQueue *) queue));
}

bool
fz_dns_forward_poll_timeout (FzDnsForward *self, FzInstant now, const FzDnsQuestion **out)
{
  FzDnsQuestion *question;

  while ((question = peek (self->inside, &self->over_inside)) != NULL && question->deadline <= now)
    g_hash_table_remove (self->inside, g_queue_pop_head (&self->over_inside));
  question = peek (self->inside, &self->by_age_inside);
  if (question != NULL && question->deadline <= now) {
    *out = end_inside (self, question);
    return true;
  }
  question = peek (self->outside, &self->by_age_outside);
  if (question != NULL && question->deadline <= now) {
    *out = end_outside (self, question->id);
    return true;
  }
  return false;
}

FzInstant
fz_dns_forward_next_timeout (const FzDnsForward *self)
{
  const FzDnsQuestion *first[] = {
    peek (self->outside, &self->by_age_outside),
    peek (self->inside, &self->by_age_inside),
  };
  FzInstant next = FZ_INSTANT_NEVER;

  for (size_t i = 0; i < G_N_ELEMENTS (first); i++)
    if (first[i] != NULL)
      next = fz_instant_min (next, first[i]->deadline);
  return next;
}
