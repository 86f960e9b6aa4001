/* fz-lane-count.h
 *
 * How many lanes a host starts with, by the CPUs that this process may really use
 * (dataplane.md §3): a container's quota counts, not the machine. More lanes than
 * that only take turns.
 */
#pragma once

#include "src/dataplane/fz-snapshot.h"
#include "src/dataplane/fz-steering.h"

/* 1 up to 3 CPUs, 2 up to 7, then a quarter of them, FZ_LANES_MAX at most. A client has one: it
 * seldom needs more, and one is gentler to the machine's other work. */
unsigned fz_lane_count_for (FzRole role, unsigned n_cpus);

/**
 * fz_lane_count_usable_cpus:
 * @root: "" for this system; a folder with another's proc/ and sys/, for tests
 *
 * The CPUs of the affinity mask, or fewer if a control group above us (either version) has a
 * quota; parts of a CPU do not count. 1 at least.
 */
unsigned fz_lane_count_usable_cpus (const char *root);
