/* test-lane-count.c: lanes by CPUs, CPUs by affinity and control groups */

#include "src/runtime/fz-lane-count.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>

static void
test_lanes (void)
{
  static const struct {
    unsigned n_cpus, n_lanes;
  } rows[] = { { 1, 1 }, { 3, 1 },  { 4, 2 },  { 7, 2 },  { 8, 2 },
               { 9, 2 }, { 12, 3 }, { 31, 7 }, { 32, 8 }, { 1000, 8 } };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_assert_cmpuint (fz_lane_count_for (FZ_ROLE_GATEWAY, rows[i].n_cpus), ==, rows[i].n_lanes);
    g_assert_cmpuint (fz_lane_count_for (FZ_ROLE_BARE, rows[i].n_cpus), ==, rows[i].n_lanes);
    g_assert_cmpuint (fz_lane_count_for (FZ_ROLE_CLIENT, rows[i].n_cpus), ==, 1);
  }
}

typedef struct {
  const char *path;
  const char *text;
} File;

static const struct {
  const char *name;
  File files[5];
  unsigned n_cpus; /* G_MAXUINT: as many as the affinity allows */
} groups[] = {
  { "nothing", { { NULL, NULL } }, G_MAXUINT },
  { "no-quota",
    { { "proc/self/cgroup", "0::/a/b\n" }, { "sys/fs/cgroup/a/b/cpu.max", "max 100000\n" } },
    G_MAXUINT },
  { "own-quota",
    { { "proc/self/cgroup", "0::/a/b\n" }, { "sys/fs/cgroup/a/b/cpu.max", "100000 100000\n" } },
    1 },
  { "part-of-a-cpu",
    { { "proc/self/cgroup", "0::/a/b\n" }, { "sys/fs/cgroup/a/b/cpu.max", "1000 100000\n" } },
    1 },
  { "one-and-a-half",
    { { "proc/self/cgroup", "0::/a\n" }, { "sys/fs/cgroup/a/cpu.max", "150000 100000\n" } },
    1 },
  { "quota-above",
    { { "proc/self/cgroup", "0::/a/b/c\n" },
      { "sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n" },
      { "sys/fs/cgroup/a/cpu.max", "100000 100000\n" } },
    1 },
  { "container-whose-path-is-not-there",
    { { "proc/self/cgroup", "0::/../../docker/1\n" },
      { "sys/fs/cgroup/cpu.max", "100000 100000\n" } },
    1 },
  { "version-1",
    { { "proc/self/cgroup", "4:memory:/x\n3:cpuacct,cpu:/x\n0::/\n" },
      { "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "100000\n" },
      { "sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n" } },
    1 },
  { "version-1-without-quota",
    { { "proc/self/cgroup", "3:cpu:/x\n" },
      { "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1\n" },
      { "sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n" } },
    G_MAXUINT },
  { "nonsense",
    { { "proc/self/cgroup", ":::\n\n0\nx:y\n0::/a\n" }, { "sys/fs/cgroup/a/cpu.max", "0 0\n" } },
    G_MAXUINT },
};

static void
remove_tree (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_DIR))
      remove_tree (path);
    else
      g_unlink (path);
  }
  g_rmdir (folder);
}

static unsigned
affinity (void)
{
  cpu_set_t mask;

  CPU_ZERO (&mask);
  g_assert_cmpint (sched_getaffinity (0, sizeof mask, &mask), ==, 0);
  return (unsigned) CPU_COUNT (&mask);
}

static void
test_groups (gconstpointer data)
{
  unsigned row = GPOINTER_TO_UINT (data);
  g_autofree char *root = g_dir_make_tmp ("fz-lane-count-XXXXXX", NULL);

  for (const File *file = groups[row].files; file->path != NULL; file++) {
    g_autofree char *path = g_build_filename (root, file->path, NULL);
    g_autofree char *folder = g_path_get_dirname (path);

    g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
    g_assert_true (g_file_set_contents (path, file->text, -1, NULL));
  }
  g_assert_cmpuint (fz_lane_count_usable_cpus (root), ==, MIN (groups[row].n_cpus, affinity ()));
  remove_tree (root);
}

/* In a process of its own: the mask would stay. */
static void
test_affinity (void)
{
  if (g_test_subprocess ()) {
    cpu_set_t mask;
    int first = 0;

    g_assert_cmpint (sched_getaffinity (0, sizeof mask, &mask), ==, 0);
    while (!CPU_ISSET (first, &mask))
      first++;
    CPU_ZERO (&mask);
    CPU_SET (first, &mask);
    g_assert_cmpint (sched_setaffinity (0, sizeof mask, &mask), ==, 0);
    g_assert_cmpuint (fz_lane_count_usable_cpus (""), ==, 1);
    return;
  }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lane-count/lanes", test_lanes);
  for (unsigned i = 0; i < G_N_ELEMENTS (groups); i++) {
    g_autofree char *path = g_strconcat ("/lane-count/groups/", groups[i].name, NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_groups);
  }
  g_test_add_func ("/lane-count/affinity", test_affinity);
  return g_test_run ();
}
