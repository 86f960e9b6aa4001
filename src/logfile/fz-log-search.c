/* fz-log-search.c: see the header
 *
 * GTask hands work over under locks of its own, which the thread sanitizer does
 * not see; what two threads touch here is guarded by ours.
 */

#include "src/logfile/fz-log-search.h"

#include <pthread.h>
#include <stdatomic.h>

#define PIECE_LINES        32768u
#define THREADS_MAX        4u
#define PIECES_TO_SPLIT    4u    /* fewer are not worth a thread */
#define FIRST_PART_LINES   200u  /* a screenful */
#define FIRST_SCREENFUL_US 10000 /* an answer that takes no longer comes in one */
#define FIRST_PART_US      30000 /* whatever there is by then */
#define PART_INTERVAL_US   100000

/* Behind keys that are typed and frames that are drawn: a newer question makes a part useless. */
#define PART_PRIORITY (G_PRIORITY_HIGH_IDLE + 50)

typedef struct {
  FzLogQuery *query;
  FzLogIndex *index;
  FzLogSearchPartFunc on_part;
  gpointer user_data;
  GTask *task; /* not owned: it owns us */

  _Atomic bool is_asked; /* asker writes, worker reads; release/acquire: the lock is there */
  pthread_mutex_t lock;  /* guards what follows */
  uint32_t n_lines;
  uint32_t n_pieces;
  uint32_t next_piece;
  GArray **pieces;  /* NULL: not answered, or in @lines already */
  uint32_t n_whole; /* answered without a gap from the first on */
  GArray *lines;    /* of those */
  GArray *part;     /* waits to be handed over */
  uint32_t n_part_lines;
  int64_t begun_us;
  int64_t told_us; /* of the last part; 0: none */
  GError *error;   /* of the first piece that failed */
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  /* after whoever had it last */
  pthread_mutex_lock (&job->lock);
  pthread_mutex_unlock (&job->lock);
  for (uint32_t i = 0; i < job->n_pieces; i++)
    g_clear_pointer (&job->pieces[i], g_array_unref);
  g_free (job->pieces);
  g_clear_pointer (&job->lines, g_array_unref);
  g_clear_pointer (&job->part, g_array_unref);
  g_clear_error (&job->error);
  pthread_mutex_destroy (&job->lock);
  fz_log_query_free (job->query);
  fz_log_index_unref (job->index);
  g_free (job);
}

/* -- parts -- */

static gboolean
deliver_part (gpointer user_data)
{
  GTask *task = user_data;
  Job *job = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GArray *lines;
  uint32_t n_lines;

  pthread_mutex_lock (&job->lock);
  lines = g_steal_pointer (&job->part);
  n_lines = job->n_part_lines;
  pthread_mutex_unlock (&job->lock);
  if (lines == NULL)
    return G_SOURCE_REMOVE; /* a later one took it along */
  if (g_task_get_completed (task) || g_cancellable_is_cancelled (cancellable))
    g_array_unref (lines);
  else
    job->on_part (lines, n_lines, job->user_data);
  return G_SOURCE_REMOVE;
}

static bool
is_part_due (const Job *job, int64_t now_us)
{
  if (job->on_part == NULL || job->n_whole == job->n_pieces || job->lines->len == 0 ||
      job->n_whole * PIECE_LINES == job->n_part_lines)
    return false;
  if (job->told_us != 0)
    return now_us - job->told_us >= PART_INTERVAL_US;
  return now_us - job->begun_us >=
         (job->lines->len >= FIRST_PART_LINES ? FIRST_SCREENFUL_US : FIRST_PART_US);
}

/* Locked. */
static void
send_part (Job *job)
{
  const int64_t now_us = g_get_monotonic_time ();
  g_autoptr (GSource) source = NULL;

  if (!is_part_due (job, now_us))
    return;
  job->told_us = now_us;
  g_clear_pointer (&job->part, g_array_unref);
  job->part = g_array_copy (job->lines);
  job->n_part_lines = job->n_whole * PIECE_LINES;
  /* not invoked: with nobody at the main loop that would run it here, under our lock */
  source = g_idle_source_new ();
  g_source_set_priority (source, PART_PRIORITY);
  g_source_set_callback (source, deliver_part, g_object_ref (job->task), g_object_unref);
  g_source_attach (source, g_task_get_context (job->task));
}

/* -- pieces -- */

/* Locked. */
static void
take_piece (Job *job, uint32_t piece, GArray *lines)
{
  job->pieces[piece] = lines;
  while (job->n_whole < job->n_pieces && job->pieces[job->n_whole] != NULL) {
    GArray *next = g_steal_pointer (&job->pieces[job->n_whole++]);

    g_array_append_vals (job->lines, next->data, next->len);
    g_array_unref (next);
  }
  send_part (job);
}

/* False: there is none left, or no use in going on. */
static bool
choose_piece (Job *job, uint32_t *out_piece)
{
  bool has_one;

  pthread_mutex_lock (&job->lock);
  has_one = job->error == NULL && job->next_piece < job->n_pieces;
  if (has_one)
    *out_piece = job->next_piece++;
  pthread_mutex_unlock (&job->lock);
  return has_one;
}

static gpointer
work (gpointer data)
{
  Job *job = data;
  GCancellable *cancellable = g_task_get_cancellable (job->task);
  uint32_t piece;

  while (choose_piece (job, &piece)) {
    g_autoptr (GArray) lines = g_array_new (FALSE, FALSE, sizeof (uint32_t));
    g_autoptr (GError) error = NULL;
    uint32_t first = piece * PIECE_LINES, end = MIN (first + PIECE_LINES, job->n_lines);
    bool ok = fz_log_query_run (job->query, job->index, first, end, cancellable, lines, &error);

    pthread_mutex_lock (&job->lock);
    if (ok)
      take_piece (job, piece, g_steal_pointer (&lines));
    else if (job->error == NULL)
      job->error = g_steal_pointer (&error);
    pthread_mutex_unlock (&job->lock);
  }
  return NULL;
}

static void
begin (Job *job)
{
  pthread_mutex_lock (&job->lock);
  job->n_lines = fz_log_index_get_n_lines (job->index);
  job->n_pieces = (job->n_lines + PIECE_LINES - 1) / PIECE_LINES;
  job->pieces = g_new0 (GArray *, job->n_pieces + 1u);
  job->begun_us = g_get_monotonic_time ();
  pthread_mutex_unlock (&job->lock);
}

/* Where no thread is to be had, one does it all. */
static void
run_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GThread *helpers[THREADS_MAX] = { NULL };
  guint n_helpers;

  g_assert (atomic_load_explicit (&job->is_asked, memory_order_acquire));
  begin (job);
  n_helpers = job->n_pieces >= PIECES_TO_SPLIT ? MIN (g_get_num_processors (), THREADS_MAX) - 1 : 0;
  for (guint i = 0; i < n_helpers; i++)
    helpers[i] = g_thread_try_new ("log-search", work, job, NULL);
  work (job);
  for (guint i = 0; i < n_helpers; i++)
    if (helpers[i] != NULL)
      g_thread_join (helpers[i]);
  g_task_return_boolean (task, TRUE); /* finish knows more */
}

/* -- the question -- */

void
fz_log_search_async (const FzLogQuery *query,
                     FzLogIndex *index,
                     GCancellable *cancellable,
                     FzLogSearchPartFunc on_part,
                     GAsyncReadyCallback callback,
                     gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Job *job = g_new0 (Job, 1);

  pthread_mutex_init (&job->lock, NULL);
  pthread_mutex_lock (&job->lock);
  job->query = fz_log_query_copy (query);
  job->index = fz_log_index_ref (index);
  job->on_part = on_part;
  job->user_data = user_data;
  job->task = task;
  job->lines = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  pthread_mutex_unlock (&job->lock);
  atomic_store_explicit (&job->is_asked, true, memory_order_release);
  g_task_set_task_data (task, job, job_free);
  g_task_run_in_thread (task, run_in_thread);
}

GArray *
fz_log_search_finish (GAsyncResult *result, uint32_t *out_n_lines, GError **error)
{
  Job *job = g_task_get_task_data (G_TASK (result));
  GArray *lines = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return NULL;
  pthread_mutex_lock (&job->lock);
  if (job->error != NULL) {
    g_propagate_error (error, g_steal_pointer (&job->error));
  } else {
    lines = g_steal_pointer (&job->lines);
    if (out_n_lines != NULL)
      *out_n_lines = job->n_lines;
  }
  pthread_mutex_unlock (&job->lock);
  return lines;
}
