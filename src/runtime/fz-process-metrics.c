/* fz-process-metrics.c: see the header
 *
 * /proc/self/stat after proc(5). The name in its second field may hold anything,
 * so fields are counted from the last closing bracket.
 */

#include "src/runtime/fz-process-metrics.h"

#include "src/base/fz-instant.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* fields of stat, counted from 3, the first one behind the name */
#define FIELD_UTIME   14u
#define FIELD_STIME   15u
#define FIELD_THREADS 20u
#define FIELD_START   22u
#define FIELD_VSIZE   23u
#define FIELD_RSS     24u
#define N_FIELDS      25u

static bool
read_stat (uint64_t out[N_FIELDS])
{
  g_autofree char *text = NULL;
  g_auto (GStrv) words = NULL;
  const char *at;

  if (!g_file_get_contents ("/proc/self/stat", &text, NULL, NULL) ||
      (at = strrchr (text, ')')) == NULL || at[1] == '\0')
    return false;
  words = g_strsplit (at + 2, " ", N_FIELDS);
  if (g_strv_length (words) < N_FIELDS - 3)
    return false;
  for (unsigned i = 3; i < N_FIELDS; i++)
    out[i] = g_ascii_strtoull (words[i - 3], NULL, 10);
  return true;
}

static uint64_t
ticks_to_ns (uint64_t ticks)
{
  uint64_t per_second = (uint64_t) sysconf (_SC_CLK_TCK);

  return ticks / per_second * FZ_S + ticks % per_second * FZ_S / per_second;
}

/* The kernel counts @ticks from the boot. */
static uint64_t
since_epoch_ns (uint64_t ticks)
{
  struct timespec boot, wall;

  clock_gettime (CLOCK_BOOTTIME, &boot);
  clock_gettime (CLOCK_REALTIME, &wall);
  return (uint64_t) (wall.tv_sec - boot.tv_sec) * FZ_S + (uint64_t) wall.tv_nsec -
         (uint64_t) boot.tv_nsec + ticks_to_ns (ticks);
}

static void
add_stat (FzMetrics *metrics)
{
  static const FzMetricFamily cpu = {
    "process_cpu_seconds_total", "User and system CPU time.", FZ_METRIC_COUNTER, true, NULL
  };
  static const FzMetricFamily start = { "process_start_time_seconds",
                                        "When the process started, since the epoch.",
                                        FZ_METRIC_GAUGE,
                                        true,
                                        NULL };
  static const FzMetricFamily virtual = {
    "process_virtual_memory_bytes", "Virtual memory.", FZ_METRIC_GAUGE, false, NULL
  };
  static const FzMetricFamily resident = {
    "process_resident_memory_bytes", "Resident memory.", FZ_METRIC_GAUGE, false, NULL
  };
  static const FzMetricFamily threads = {
    "process_threads", "Threads.", FZ_METRIC_GAUGE, false, NULL
  };
  uint64_t stat[N_FIELDS];
  uint64_t resident_bytes;

  if (!read_stat (stat))
    return;
  resident_bytes = stat[FIELD_RSS] * (uint64_t) sysconf (_SC_PAGESIZE);
  fz_metrics_add (
      metrics, &cpu, NULL, NULL, NULL, ticks_to_ns (stat[FIELD_UTIME] + stat[FIELD_STIME]));
  fz_metrics_add (metrics, &start, NULL, NULL, NULL, since_epoch_ns (stat[FIELD_START]));
  fz_metrics_add (metrics, &virtual, NULL, NULL, NULL, stat[FIELD_VSIZE]);
  fz_metrics_add (metrics, &resident, NULL, "process", "resident_memory_bytes", resident_bytes);
  fz_metrics_add (metrics, &threads, NULL, NULL, NULL, stat[FIELD_THREADS]);
}

static void
add_files (FzMetrics *metrics)
{
  static const FzMetricFamily open = {
    "process_open_fds", "Open file descriptors.", FZ_METRIC_GAUGE, false, NULL
  };
  static const FzMetricFamily most = {
    "process_max_fds", "Most file descriptors that may be open.", FZ_METRIC_GAUGE, false, NULL
  };
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  struct rlimit limit;
  uint64_t n = 0;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0)
    fz_metrics_add (metrics, &most, NULL, NULL, NULL, limit.rlim_cur);
  if (folder == NULL)
    return;
  while (g_dir_read_name (folder) != NULL)
    n++;
  fz_metrics_add (metrics, &open, NULL, NULL, NULL, n > 0 ? n - 1 : 0); /* the folder's own */
}

void
fz_process_metrics_add (FzMetrics *metrics)
{
  add_stat (metrics);
  add_files (metrics);
}
