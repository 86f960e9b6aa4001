/* fz-password-desk.c
 *
 * See fz-password-desk.h. A job belongs to the main thread but for the time a
 * worker has it; it comes back by its source's ready time, which GLib lets any
 * thread set. The stage says whose it is: whoever hands it on releases it, whoever
 * takes it acquires it.
 */
#include "src/server/fz-password-desk.h"

#include "src/crypto/fz-crypto.h"

#include <string.h>

typedef enum {
  FZ_JOB_ASKED,    /* the worker's */
  FZ_JOB_ANSWERED, /* the main thread's again */
} FzJobStage;

typedef struct {
  GSource source; /* first: the job is its source */
  gint stage;     /* FzJobStage; atomic */
  FzPasswordDesk *desk;
  FzPasswordCost cost;
  char hash[FZ_PASSWORD_HASH_MAX]; /* empty: none */
  char *password;
  FzPasswordAnswer answer;
  void *context;
  /* the worker's answer */
  bool is_right;
  char new_hash[FZ_PASSWORD_HASH_MAX];
} FzPasswordJob;

struct FzPasswordDesk {
  GThreadPool *pool;
  FzPasswordCost cost;
  GPtrArray *jobs; /* FzPasswordJob, begun and not answered */
};

char *
fz_password_normalize (const char *password)
{
  return g_utf8_normalize (password, -1, G_NORMALIZE_ALL_COMPOSE);
}

static void
wipe_job (FzPasswordJob *job)
{
  if (job->password != NULL)
    fz_wipe (job->password, strlen (job->password));
  g_clear_pointer (&job->password, g_free);
}

/* Worker thread. */
static void
work (gpointer data, gpointer user_data)
{
  FzPasswordJob *job = data;

  g_assert (g_atomic_int_get (&job->stage) == FZ_JOB_ASKED);
  if (*job->hash == '\0') {
    /* Nobody to compare with; the time it takes must not tell. */
    fz_password_hash (job->password, &job->cost, job->new_hash);
    *job->new_hash = '\0';
  } else {
    job->is_right = fz_password_verify (job->hash, job->password);
    if (job->is_right && fz_password_needs_rehash (job->hash, &job->cost) &&
        !fz_password_hash (job->password, &job->cost, job->new_hash))
      *job->new_hash = '\0';
  }
  g_atomic_int_set (&job->stage, FZ_JOB_ANSWERED);
  g_source_set_ready_time (&job->source, 0);
}

static gboolean
dispatch_job (GSource *source, GSourceFunc callback, gpointer user_data)
{
  FzPasswordJob *job = (FzPasswordJob *) source;

  g_assert (g_atomic_int_get (&job->stage) == FZ_JOB_ANSWERED);
  wipe_job (job);
  g_source_ref (source);
  g_ptr_array_remove_fast (job->desk->jobs, job);
  job->answer (job->is_right, *job->new_hash != '\0' ? job->new_hash : NULL, job->context);
  g_source_unref (source);
  return G_SOURCE_REMOVE;
}

static void
finalize_job (GSource *source)
{
  wipe_job ((FzPasswordJob *) source);
}

static GSourceFuncs job_functions = { .dispatch = dispatch_job, .finalize = finalize_job };

static void
end_job (gpointer job)
{
  GSource *source = job;

  (void) g_atomic_int_get (&((FzPasswordJob *) job)->stage); /* acquires what its worker wrote */
  g_source_destroy (source);
  g_source_unref (source);
}

FzPasswordDesk *
fz_password_desk_new (const FzPasswordCost *cost)
{
  FzPasswordDesk *self = g_new0 (FzPasswordDesk, 1);

  self->cost = *cost;
  self->pool = g_thread_pool_new (work, self, FZ_PASSWORD_THREADS, TRUE, NULL);
  self->jobs = g_ptr_array_new_with_free_func (end_job);
  return self;
}

void
fz_password_desk_free (FzPasswordDesk *self)
{
  if (self == NULL)
    return;
  g_thread_pool_free (self->pool, TRUE, TRUE);
  g_ptr_array_unref (self->jobs);
  g_free (self);
}

bool
fz_password_desk_is_full (const FzPasswordDesk *self)
{
  return self->jobs->len >= FZ_PASSWORD_QUEUE_MAX;
}

void
fz_password_desk_check (FzPasswordDesk *self,
                        const char *hash,
                        const char *password,
                        FzPasswordAnswer answer,
                        void *context)
{
  FzPasswordJob *job = (FzPasswordJob *) g_source_new (&job_functions, sizeof (FzPasswordJob));

  g_assert (!fz_password_desk_is_full (self));
  job->desk = self;
  job->cost = self->cost;
  if (hash != NULL)
    g_strlcpy (job->hash, hash, sizeof job->hash);
  job->password = g_strdup (password);
  job->answer = answer;
  job->context = context;
  g_source_set_static_name (&job->source, "password");
  g_source_attach (&job->source, NULL);
  g_ptr_array_add (self->jobs, job);
  g_atomic_int_set (&job->stage, FZ_JOB_ASKED);
  g_thread_pool_push (self->pool, job, NULL);
}
