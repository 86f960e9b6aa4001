/* fz-helper-main.h
 *
 * firezone-client-tunnel but for main(): options, environment, log, rights, the
 * name on the bus, the process's signals, and the service manager. A test runs
 * the very same over another platform.
 */
#pragma once

#include "platform/fz-dns-control.h"
#include "platform/fz-platform.h"

#include <stdbool.h>

typedef struct {
  FzPlatform *(*open_platform) (const FzLog *log, GError **error);
  FzDnsControl *(*open_dns) (const FzDnsControlConfig *config);
  bool is_real; /* rights are checked, and all but CAP_NET_ADMIN given up */
} FzHelperWorld;

extern const FzHelperWorld fz_helper_world_linux;

/* Returns the exit status: 0 after SIGTERM, 1 after a failure, 2 for what cannot be understood. */
int fz_helper_main (int argc, char **argv, const FzHelperWorld *world);
