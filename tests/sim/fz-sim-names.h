/* fz-sim-names.h
 *
 * The names of the simulated world, and a DNS server that knows them.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-span.h"

#define FZ_SIM_NAMES_MAX 64u
#define FZ_SIM_IPS_MAX   16u /* of a name */

typedef struct {
  const char *name;
  const char *ips; /* one text with spaces between; NULL: nobody can say */
} FzSimName;

/* Zero-initialise it. */
typedef struct {
  FzSimName names[FZ_SIM_NAMES_MAX];
  unsigned n;
} FzSimNames;

/* From now on; texts are borrowed. */
void fz_sim_names_set (FzSimNames *self, const char *name, const char *ips);

/* Returns: how many; -1: nobody can say */
int fz_sim_names_find (const FzSimNames *self, const char *name, FzIp ips[FZ_SIM_IPS_MAX]);

/* What the server says to a well-formed @query. Returns: bytes, 0: nothing */
size_t fz_sim_names_answer (const FzSimNames *self, FzSpan query, uint8_t out[512]);
