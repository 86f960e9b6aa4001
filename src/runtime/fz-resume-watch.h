/* fz-resume-watch.h
 *
 * Notices at once that the machine has come back from suspend, without waking
 * up to look: the kernel cancels a timer on the wall clock when that clock
 * jumps, and coming back is such a jump (timerfd_create(2),
 * TFD_TIMER_CANCEL_ON_SET). So is setting the clock; whoever is called finds out
 * which it was by fz_resume_watch_take_slept. Where the kernel has no such timer
 * nobody is called, and asking is all there is.
 *
 * On the default main context.
 */
#pragma once

#include "src/runtime/fz-clock.h"

#include <glib.h>

typedef struct FzResumeWatch FzResumeWatch;

/* @clock: outlives it; NULL: the machine's */
FzResumeWatch *fz_resume_watch_new (const FzClock *clock,
                                    void (*on_jump) (gpointer user_data),
                                    gpointer user_data);
void fz_resume_watch_free (FzResumeWatch *self);

/* For how long the machine was suspended since this was last asked, in nanoseconds. */
uint64_t fz_resume_watch_take_slept (FzResumeWatch *self);
