/* fz-resume-watch.h
 *
 * Notices at once that the machine has come back from suspend, without waking
 * up to look: the kernel cancels a timer on the wall clock when that clock
 * jumps, and coming back is such a jump (timerfd_create(2),
 * TFD_TIMER_CANCEL_ON_SET). So is setting the clock; whoever is called finds out
 * which it was by fz_clock_suspended_ns.
 *
 * On the default main context.
 */
#pragma once

#include <glib.h>

typedef struct FzResumeWatch FzResumeWatch;

/* NULL with errno set: then a suspend is noticed with the next thing that happens. */
FzResumeWatch *fz_resume_watch_new (void (*on_jump) (gpointer user_data), gpointer user_data);
void fz_resume_watch_free (FzResumeWatch *self);
