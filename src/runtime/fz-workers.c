/* fz-workers.c: see the header
 *
 * A ring of jobs with three marks: [taken, started) is with the threads or done,
 * [started, given) waits. One mutex, held for a few instructions per job of
 * about 50 us: it is no place to be clever.
 */

#include "src/runtime/fz-workers.h"

#include <glib.h>
#include <pthread.h>
#include <stdio.h>

#define THREADS_MAX 2u /* see the header */
#define BATCH       8u /* done jobs for which the engine is woken while others wait */
#define STACK_BYTES (128u << 10)

typedef struct {
  FzHandshakeJob *job;
  bool is_done;
} Entry;

struct FzWorkers {
  unsigned n_wanted; /* threads */
  FzBell *bell;

  pthread_t threads[THREADS_MAX];
  unsigned n_threads; /* that run */
  bool has_failed;    /* to start one */

  pthread_mutex_t mutex; /* of all below */
  pthread_cond_t has_work;
  bool is_ending;
  uint32_t taken, started, given; /* running numbers */
  uint32_t n_done;                /* and not taken */
  Entry entries[FZ_HANDSHAKE_JOBS_MAX];
};

static Entry *
entry_of (FzWorkers *self, uint32_t number)
{
  return &self->entries[number % FZ_HANDSHAKE_JOBS_MAX];
}

/* Waits for a job; NULL at the end. */
static Entry *
start_next (FzWorkers *self)
{
  Entry *entry = NULL;

  pthread_mutex_lock (&self->mutex);
  while (!self->is_ending && self->started == self->given)
    pthread_cond_wait (&self->has_work, &self->mutex);
  if (!self->is_ending)
    entry = entry_of (self, self->started++);
  pthread_mutex_unlock (&self->mutex);
  return entry;
}

/* While there is more to do the engine is let sleep a little: waking it costs as much as it then
 * has to do for one job. Whoever does the last of all rings in any case. */
static void
note_done (FzWorkers *self, Entry *entry)
{
  bool is_worth_it;

  pthread_mutex_lock (&self->mutex);
  entry->is_done = true;
  self->n_done++;
  is_worth_it = entry_of (self, self->taken)->is_done &&
                (self->n_done >= BATCH || self->started == self->given);
  pthread_mutex_unlock (&self->mutex);
  if (is_worth_it)
    fz_bell_ring (self->bell);
}

static void *
work (void *data)
{
  FzWorkers *self = data;
  Entry *entry;

  while ((entry = start_next (self)) != NULL) {
    fz_handshake_job_run (entry->job);
    note_done (self, entry);
  }
  return NULL;
}

static bool
start_threads (FzWorkers *self)
{
  pthread_attr_t attributes;

  if (self->n_threads == self->n_wanted || self->has_failed)
    return self->n_threads > 0;
  if (pthread_attr_init (&attributes) != 0)
    return false;
  pthread_attr_setstacksize (&attributes, STACK_BYTES);
  while (self->n_threads < self->n_wanted && !self->has_failed) {
    char name[16];

    self->has_failed =
        pthread_create (&self->threads[self->n_threads], &attributes, work, self) != 0;
    if (self->has_failed)
      break;
    snprintf (name, sizeof name, "fz-hs%u", self->n_threads);
    pthread_setname_np (self->threads[self->n_threads], name);
    self->n_threads++;
  }
  pthread_attr_destroy (&attributes);
  return self->n_threads > 0;
}

FzWorkers *
fz_workers_new (unsigned n_cpus, FzBell *bell)
{
  FzWorkers *self = g_new0 (FzWorkers, 1);

  self->n_wanted = MIN (n_cpus, THREADS_MAX);
  self->bell = bell;
  pthread_mutex_init (&self->mutex, NULL);
  pthread_cond_init (&self->has_work, NULL);
  return self;
}

void
fz_workers_free (FzWorkers *self)
{
  if (self == NULL)
    return;
  pthread_mutex_lock (&self->mutex);
  self->is_ending = true;
  pthread_cond_broadcast (&self->has_work);
  pthread_mutex_unlock (&self->mutex);
  for (unsigned i = 0; i < self->n_threads; i++)
    pthread_join (self->threads[i], NULL);
  for (; self->taken != self->given; self->taken++)
    fz_handshake_job_free (entry_of (self, self->taken)->job);
  pthread_mutex_destroy (&self->mutex);
  pthread_cond_destroy (&self->has_work);
  g_free (self);
}

size_t
fz_workers_get_n_jobs (const FzWorkers *self)
{
  return self->given - self->taken; /* ours to write, both */
}

bool
fz_workers_give (FzWorkers *self, FzHandshakeJob *job)
{
  if (!start_threads (self))
    return false;
  g_assert (fz_workers_get_n_jobs (self) < FZ_HANDSHAKE_JOBS_MAX);
  pthread_mutex_lock (&self->mutex);
  *entry_of (self, self->given) = (Entry){ .job = job };
  self->given++;
  pthread_cond_signal (&self->has_work);
  pthread_mutex_unlock (&self->mutex);
  return true;
}

bool
fz_workers_has_done (FzWorkers *self)
{
  bool has_done;

  if (self->taken == self->given)
    return false;
  pthread_mutex_lock (&self->mutex);
  has_done = entry_of (self, self->taken)->is_done;
  pthread_mutex_unlock (&self->mutex);
  return has_done;
}

FzHandshakeJob *
fz_workers_take (FzWorkers *self)
{
  FzHandshakeJob *job;

  if (!fz_workers_has_done (self))
    return NULL;
  pthread_mutex_lock (&self->mutex);
  job = entry_of (self, self->taken)->job;
  self->taken++;
  self->n_done--;
  pthread_mutex_unlock (&self->mutex);
  return job;
}
