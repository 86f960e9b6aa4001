/* fz-driver.c: see the header */

#include "src/runtime/fz-driver.h"

#include "src/runtime/fz-workers.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define OWN_JOBS         2u            /* of a turn that are done here: both steps of a handshake */
#define RECLAIM_RETRY_NS (100 * FZ_MS) /* while a busy lane still holds something old */

typedef struct {
  GSource source;
  FzDriver *driver;
} EngineSource;

struct FzDriver {
  FzEngine *engine;
  FzPublished *published;
  const FzClock *clock;
  FzDriverSinks sinks;
  FzBell bell;
  int timer_fd;
  FzInstant armed_for; /* what the timer is set to; FZ_INSTANT_NEVER: off */
  EngineSource *source;
  gpointer bell_tag;
  gpointer timer_tag;
  FzRing *rings[FZ_DRIVER_RINGS_MAX];
  size_t n_rings;
  FzWorkers *workers;
  unsigned n_own_jobs; /* done here in this turn */
  bool is_handling;    /* a record is in work and not released */
  bool is_turning;     /* the source is being dispatched */
};

/* -- outputs -- */

static void
do_job (FzDriver *self, FzHandshakeJob *job)
{
  fz_handshake_job_run (job);
  fz_engine_finish_job (self->engine, job, fz_clock_now (self->clock));
}

/* Hands out what the engine wants computed; true if some of it is done already. None overtakes
 * another. */
static bool
hand_out_jobs (FzDriver *self)
{
  bool has_done = false;
  FzHandshakeJob *job;

  while ((job = fz_engine_poll_job (self->engine)) != NULL) {
    bool is_own = fz_workers_get_n_jobs (self->workers) == 0 && self->n_own_jobs < OWN_JOBS;

    if (!is_own && fz_workers_give (self->workers, job))
      continue;
    self->n_own_jobs++;
    do_job (self, job);
    has_done = true;
  }
  return has_done;
}

static void
take_what_is_there (FzDriver *self)
{
  FzTransmit transmit;
  FzEvent event;
  FzSpan packet;

  while (fz_engine_poll_transmit (self->engine, &transmit))
    self->sinks.transmit (self->sinks.context, &transmit);
  while (fz_engine_poll_packet (self->engine, &packet))
    self->sinks.packet (self->sinks.context, packet);
  fz_engine_publish (self->engine);
  while (fz_engine_poll_event (self->engine, &event))
    self->sinks.event (self->sinks.context, &event);
}

static void
take_outputs (FzDriver *self)
{
  do
    take_what_is_there (self);
  while (hand_out_jobs (self));
}

static void
set_timer (FzDriver *self, FzInstant at)
{
  struct itimerspec setting = { 0 };
  uint64_t boottime;

  if (at == self->armed_for)
    return;
  self->armed_for = at;
  if (at != FZ_INSTANT_NEVER) {
    boottime = MAX (1, fz_clock_boottime_of (self->clock, at)); /* zero would disarm */
    setting.it_value.tv_sec = (time_t) (boottime / FZ_S);
    setting.it_value.tv_nsec = (long) (boottime % FZ_S);
  }
  timerfd_settime (self->timer_fd, TFD_TIMER_ABSTIME, &setting, NULL);
}

static void
rest (FzDriver *self)
{
  FzInstant next = fz_engine_next_timeout (self->engine);

  if (fz_reclaim_collect (self->published->reclaim) > 0)
    next = fz_instant_min (next, fz_instant_add (fz_clock_now (self->clock), RECLAIM_RETRY_NS));
  set_timer (self, next);
}

void
fz_driver_settle (FzDriver *self)
{
  take_outputs (self);
  rest (self);
}

/* Returns how many jobs came back. */
static unsigned
take_jobs (FzDriver *self, unsigned limit)
{
  FzHandshakeJob *job;
  unsigned n = 0;

  for (; n < limit && (job = fz_workers_take (self->workers)) != NULL; n++) {
    fz_engine_finish_job (self->engine, job, fz_clock_now (self->clock));
    take_outputs (self);
  }
  return n;
}

/* -- the rings -- */

/* One record: handled, its outputs sent, and only then released, so that what it caused leaves
 * before a lane may send anything newer. False if the ring is empty. */
static bool
handle_record (FzDriver *self, FzRing *ring)
{
  size_t length;
  const FzLaneMessage *message = fz_ring_peek (ring, &length);

  if (message == NULL)
    return false;
  g_assert (length >= sizeof *message && message->length <= length - sizeof *message);
  g_assert (!self->is_handling); /* or it would be handled twice */
  self->is_handling = true;
  fz_engine_handle_message (self->engine, message, fz_clock_now (self->clock));
  take_outputs (self);
  self->is_handling = false;
  fz_ring_release (ring);
  return true;
}

/* Returns how many were handled: at most @limit, fairly from all rings. */
static unsigned
handle_records (FzDriver *self, unsigned limit)
{
  unsigned n = 0, before;

  do {
    before = n;
    for (size_t i = 0; i < self->n_rings && n < limit; i++)
      n += handle_record (self, self->rings[i]);
  } while (n > before && n < limit);
  if (n > 0)
    self->sinks.released (self->sinks.context);
  return n;
}

void
fz_driver_drain_rings (FzDriver *self)
{
  while (handle_records (self, FZ_DRIVER_TURN_LIMIT) > 0)
    ;
  rest (self);
}

static bool
has_records (FzDriver *self)
{
  size_t length;

  for (size_t i = 0; i < self->n_rings; i++)
    if (fz_ring_peek (self->rings[i], &length) != NULL)
      return true;
  return false;
}

/* -- the source -- */

static gboolean
prepare (GSource *source, int *timeout_ms)
{
  FzDriver *self = ((EngineSource *) source)->driver;

  *timeout_ms = -1;
  if (self->is_turning)
    return FALSE;
  /* before the last look */
  fz_bell_arm (&self->bell,
               fz_engine_may_answers_wait (self->engine) ? FZ_BELL_RINGS : FZ_BELL_TAPS);
  /* The timer knows nothing of a clock that a test has set forward. */
  return has_records (self) || fz_workers_has_done (self->workers) ||
         self->armed_for <= fz_clock_now (self->clock);
}

static gboolean
check (GSource *source)
{
  FzDriver *self = ((EngineSource *) source)->driver;

  if (self->is_turning)
    return FALSE;
  return g_source_query_unix_fd (source, self->bell_tag) != 0 ||
         g_source_query_unix_fd (source, self->timer_tag) != 0 || has_records (self) ||
         fz_workers_has_done (self->workers);
}

static void
handle_timeout (FzDriver *self)
{
  FzInstant now = fz_clock_now (self->clock);

  if (fz_engine_next_timeout (self->engine) > now)
    return;
  fz_engine_handle_timeout (self->engine, now);
  take_outputs (self);
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  FzDriver *self = ((EngineSource *) source)->driver;
  uint64_t expirations;

  self->is_turning = true;
  fz_bell_answer (&self->bell);
  if (read (self->timer_fd, &expirations, sizeof expirations) > 0)
    self->armed_for = FZ_INSTANT_NEVER;
  self->n_own_jobs = 0;
  take_jobs (self, FZ_DRIVER_TURN_LIMIT);
  handle_records (self, FZ_DRIVER_TURN_LIMIT); /* answers that waited are in time */
  handle_timeout (self);
  rest (self);
  self->sinks.turn (self->sinks.context);
  self->is_turning = false;
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = {
  .prepare = prepare,
  .check = check,
  .dispatch = dispatch,
};

static void
attach (FzDriver *self)
{
  GSource *source = g_source_new (&source_functions, sizeof (EngineSource));

  self->source = (EngineSource *) source;
  self->source->driver = self;
  g_source_set_static_name (source, "fz-engine");
  g_source_set_can_recurse (source, TRUE); /* else each turn takes the descriptors out and in */
  self->bell_tag = g_source_add_unix_fd (source, self->bell.fd, G_IO_IN);
  self->timer_tag = g_source_add_unix_fd (source, self->timer_fd, G_IO_IN);
  g_source_attach (source, NULL);
}

/* -- public -- */

FzDriver *
fz_driver_new (FzEngine *engine,
               FzPublished *published,
               const FzClock *clock,
               const FzDriverSinks *sinks,
               unsigned n_cpus)
{
  FzDriver *self = g_new0 (FzDriver, 1);

  self->engine = engine;
  self->published = published;
  self->clock = clock;
  self->sinks = *sinks;
  self->armed_for = FZ_INSTANT_NEVER;
  self->timer_fd = timerfd_create (CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (!fz_bell_init (&self->bell) || self->timer_fd < 0) {
    int error = errno;

    fz_driver_free (self);
    errno = error;
    return NULL;
  }
  self->workers = fz_workers_new (n_cpus, &self->bell);
  attach (self);
  return self;
}

void
fz_driver_free (FzDriver *self)
{
  if (self == NULL)
    return;
  if (self->source != NULL) {
    g_source_destroy (&self->source->source);
    g_source_unref (&self->source->source);
  }
  fz_workers_free (self->workers);
  fz_bell_clear (&self->bell);
  if (self->timer_fd >= 0)
    close (self->timer_fd);
  g_free (self);
}

void
fz_driver_add_ring (FzDriver *self, FzRing *ring)
{
  g_assert (self->n_rings < FZ_DRIVER_RINGS_MAX);
  self->rings[self->n_rings++] = ring;
}

FzBell *
fz_driver_get_bell (FzDriver *self)
{
  return &self->bell;
}
