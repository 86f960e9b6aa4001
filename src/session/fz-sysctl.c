#include "src/session/fz-sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool
write_value (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  bool is_done = fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text);
  int saved = errno;

  if (fd >= 0)
    close (fd);
  errno = saved;
  return is_done;
}

static void
raise_to (const FzLog *log, const char *name, unsigned bytes)
{
  g_autofree char *path = g_strdup_printf ("/proc/sys/net/core/%s", name);
  g_autofree char *current = NULL;
  char text[16];

  if (g_file_get_contents (path, &current, NULL, NULL) &&
      g_ascii_strtoull (current, NULL, 10) >= bytes)
    return;

  snprintf (text, sizeof text, "%u", bytes);
  if (write_value (path, text))
    fz_log (log,
            FZ_LOG_INFO,
            "buffers-raised",
            "raised the system's limit for socket buffers",
            FZ_KV_TEXT ("name", name),
            FZ_KV_U64 ("bytes", bytes));
  else
    fz_log (log,
            FZ_LOG_INFO,
            "buffers-kept",
            "cannot raise the system's limit for socket buffers; a busy link may lose packets",
            FZ_KV_TEXT ("name", name),
            FZ_KV_TEXT ("error", g_strerror (errno)));
}

void
fz_sysctl_raise_buffers (const FzLog *log)
{
  raise_to (log, "rmem_max", FZ_SYSCTL_RMEM_MAX);
  raise_to (log, "wmem_max", FZ_SYSCTL_WMEM_MAX);
}
