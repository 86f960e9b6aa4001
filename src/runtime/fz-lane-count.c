/* fz-lane-count.c: see the header
 *
 * /proc/self/cgroup has a line "number:controllers:path" for each hierarchy: "0::"
 * is version 2's, "cpu" among the controllers version 1's. A quota may stand at any
 * group on the way up. In a container the path may belong to the world outside and
 * not be there; the walk upwards then ends at the container's own root.
 */

#include "src/runtime/fz-lane-count.h"

#include <glib.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define CPUS_MAX 8192u /* of an affinity mask */

unsigned
fz_lane_count_for (FzRole role, unsigned n_cpus)
{
  if (role == FZ_ROLE_CLIENT || n_cpus < 4)
    return 1;
  return n_cpus < 8 ? 2 : MIN (n_cpus / 4, FZ_LANES_MAX);
}

/* CPUs of a quota such as "150000 100000"; G_MAXUINT for "max" and "-1". */
static unsigned
parse_quota (const char *text)
{
  long long quota, period;

  if (text == NULL || sscanf (text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0)
    return G_MAXUINT;
  return (unsigned) CLAMP (quota / period, 1, CPUS_MAX);
}

static char *
read_file (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : NULL;
}

static unsigned
quota_at (const char *folder, bool is_version_2)
{
  g_autofree char *first = read_file (folder, is_version_2 ? "cpu.max" : "cpu.cfs_quota_us");
  g_autofree char *period = is_version_2 ? NULL : read_file (folder, "cpu.cfs_period_us");
  g_autofree char *both = NULL;

  if (is_version_2 || first == NULL || period == NULL)
    return parse_quota (is_version_2 ? first : NULL);
  both = g_strconcat (first, " ", period, NULL);
  return parse_quota (both);
}

/* The least quota of group @path and all above it, up to the hierarchy's root at @mount. */
static unsigned
least_quota (const char *mount, const char *path, bool is_version_2)
{
  g_autofree char *group = g_strdup (path);
  unsigned least = G_MAXUINT;

  for (;;) {
    g_autofree char *folder = g_build_filename (mount, group, NULL);
    char *slash = strrchr (group, '/');

    least = MIN (least, quota_at (folder, is_version_2));
    if (slash == NULL)
      return least;
    *slash = '\0';
  }
}

static unsigned
quota_of_line (const char *root, const char *line)
{
  g_auto (GStrv) parts = g_strsplit (line, ":", 3);
  g_auto (GStrv) controllers = NULL;
  g_autofree char *mount = NULL;

  if (g_strv_length (parts) != 3)
    return G_MAXUINT;
  if (*parts[1] == '\0') {
    mount = g_strconcat (root, "/sys/fs/cgroup", NULL);
    return least_quota (mount, parts[2], true);
  }
  controllers = g_strsplit (parts[1], ",", -1);
  if (!g_strv_contains ((const char *const *) controllers, "cpu"))
    return G_MAXUINT;
  mount = g_strconcat (root, "/sys/fs/cgroup/cpu", NULL);
  return least_quota (mount, parts[2], false);
}

static unsigned
quota_cpus (const char *root)
{
  g_autofree char *path = g_strconcat (root, "/proc/self/cgroup", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  unsigned least = G_MAXUINT;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return least;
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    least = MIN (least, quota_of_line (root, *line));
  return least;
}

static unsigned
affinity_cpus (void)
{
  size_t size = CPU_ALLOC_SIZE (CPUS_MAX);
  cpu_set_t *mask = CPU_ALLOC (CPUS_MAX);
  int n = mask != NULL && sched_getaffinity (0, size, mask) == 0 ? CPU_COUNT_S (size, mask) : 1;

  CPU_FREE (mask);
  return (unsigned) MAX (n, 1);
}

unsigned
fz_lane_count_usable_cpus (const char *root)
{
  return MIN (affinity_cpus (), quota_cpus (root));
}
