/* fz-notify.c: see the header */

#include "src/runtime/fz-notify.h"

#include <stdint.h>
#include <systemd/sd-daemon.h>

/* A line break would begin an assignment of its own, and part of a status may come from outside. */
static char *
dup_line (const char *text)
{
  char *line = g_strdup (text);

  for (char *c = line; *c != '\0'; c++)
    if ((unsigned char) *c < 0x20)
      *c = ' ';
  return line;
}

void
fz_notify_ready (const char *status)
{
  g_autofree char *line = dup_line (status);

  sd_notifyf (0, "READY=1\nSTATUS=%s", line);
}

void
fz_notify_status (const char *status)
{
  g_autofree char *line = dup_line (status);

  sd_notifyf (0, "STATUS=%s", line);
}

void
fz_notify_stopping (void)
{
  sd_notify (0, "STOPPING=1");
}

static gboolean
pet_watchdog (gpointer data)
{
  sd_notify (0, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

guint
fz_notify_start_watchdog (void)
{
  uint64_t interval_us = 0;

  if (sd_watchdog_enabled (0, &interval_us) <= 0 || interval_us == 0)
    return 0;
  return g_timeout_add ((guint) CLAMP (interval_us / 2000, 1, G_MAXINT), pet_watchdog, NULL);
}
