/* fz-linux-dns-signs.c: whose a machine's resolv.conf is */

#include "platform/linux/fz-linux-dns-private.h"
#include "platform/linux/fz-resolv-conf.h"
#include "platform/linux/fz-resolv-file.h"

#define RESOLVED_FOLDER "/run/systemd/resolve/"
#define NM_FOLDER       "/run/NetworkManager/"

static bool
file_is_below (const char *etc, const char *folder)
{
  g_autofree char *path = fz_resolv_file_dup_original_path (etc);

  return g_str_has_prefix (path, folder);
}

static FzResolvAuthor
author_of (const char *etc)
{
  g_autofree char *text = fz_resolv_file_dup_current (etc);

  return text != NULL ? fz_resolv_conf_get_author (text) : FZ_RESOLV_AUTHOR_OTHER;
}

/* nsswitch.conf(5): "hosts: files resolve [!UNAVAIL=return] dns". */
static bool
library_asks_resolved (const char *etc)
{
  g_autofree char *path = g_build_filename (etc, "nsswitch.conf", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return false;
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_auto (GStrv) words = g_strsplit_set (*line, " \t", -1);

    if (g_strcmp0 (words[0], "hosts:") == 0) /* an empty line has no words */
      return g_strv_contains ((const char *const *) words, "resolve");
  }
  return false;
}

bool
fz_dns_names_resolved (const char *etc)
{
  return author_of (etc) == FZ_RESOLV_AUTHOR_RESOLVED ||
         (file_is_below (etc, RESOLVED_FOLDER) && library_asks_resolved (etc));
}

bool
fz_dns_bypasses_resolved (const char *etc)
{
  return file_is_below (etc, RESOLVED_FOLDER) && !fz_dns_names_resolved (etc);
}

bool
fz_dns_names_network_manager (const char *etc)
{
  return author_of (etc) == FZ_RESOLV_AUTHOR_NETWORK_MANAGER || file_is_below (etc, NM_FOLDER);
}

bool
fz_dns_names_openresolv (const char *etc)
{
  return author_of (etc) == FZ_RESOLV_AUTHOR_OPENRESOLV;
}
