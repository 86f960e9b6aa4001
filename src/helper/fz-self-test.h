/* fz-self-test.h
 *
 * What a person can have checked when the tunnel does not do what it should:
 * each row has a name, whether it holds, and what to do if not. Looks only;
 * the one thing it opens for a moment is a TUN device, where there is none.
 * Main thread; the portal is asked without waiting.
 */
#pragma once

#include "src/helper/fz-control.h"
#include "src/helper/fz-machine-config.h"
#include "src/session/fz-log-setup.h"

#include <gio/gio.h>

#define FZ_SELF_TEST_PORTAL_S  5u   /* longest wait for the portal's answer */
#define FZ_SELF_TEST_CLOCK_S   120u /* off by more, and certificates may not hold */
#define FZ_SELF_TEST_DISK_FREE (UINT64_C (50) << 20)

typedef struct {
  FzControl *control;
  FzPlatform *platform;
  FzLogSetup *log_setup;
  const FzMachineConfig *config;
  const char *api_url; /* that would be used */
} FzSelfTestConfig;    /* all borrowed until it has begun */

/* @rows: a(sbs), floating. */
typedef void (*FzSelfTestFunc) (GVariant *rows, gpointer user_data);

/* @func: from the main loop, once; not after @cancellable was cancelled. */
void fz_self_test_run (const FzSelfTestConfig *config,
                       GCancellable *cancellable,
                       FzSelfTestFunc func,
                       gpointer user_data);
