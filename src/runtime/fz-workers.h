/* fz-workers.h
 *
 * The threads that do the arithmetic of handshakes (fz-handshake-job.h) beside
 * the engine's: two, or one where there is a single CPU. Almost all of a handshake
 * is theirs, so one alone leaves a CPU idle in a storm; more than two would take
 * too much from the lanes. They start with the first job that comes, so a client
 * that answers no handshakes never has them, and they sleep between jobs. Jobs
 * come back in the order in which they were given.
 *
 * Belongs to the engine's thread.
 */
#pragma once

#include "src/engine/fz-handshake-job.h"
#include "src/runtime/fz-bell.h"

typedef struct FzWorkers FzWorkers;

/* @bell: borrowed: rung when a job is done that can be taken */
FzWorkers *fz_workers_new (unsigned n_cpus, FzBell *bell);
void fz_workers_free (FzWorkers *self); /* ends the threads; frees all jobs */

size_t fz_workers_get_n_jobs (const FzWorkers *self); /* given and not taken */

/* Takes @job. At most FZ_HANDSHAKE_JOBS_MAX at once. False if there is no thread: @job is still the
 * caller's. */
bool fz_workers_give (FzWorkers *self, FzHandshakeJob *job);

bool fz_workers_has_done (FzWorkers *self);
FzHandshakeJob *fz_workers_take (FzWorkers *self); /* the oldest; NULL if it is not done */
