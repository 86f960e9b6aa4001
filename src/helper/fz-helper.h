/* fz-helper.h
 *
 * The service behind dev.firezone.Client.Tunnel1: what callers may ask for
 * becomes calls of the control, what the control says becomes properties,
 * objects and signals. No options, no signals of the process, no name on the
 * bus: those are fz-helper-main's.
 *
 *   FzIpcService ──handlers──► FzHelper ──► FzControl ──► FzSession
 *        ▲                        │  ▲
 *        └── properties, objects ─┘  └── FzOwnerWatch, FzMachineConfig, files' changes
 *
 * Default main context.
 */
#pragma once

#include "platform/fz-dns-control.h"
#include "src/helper/fz-control.h"
#include "src/helper/fz-machine-config.h"
#include "src/session/fz-log-setup.h"

#include <gio/gio.h>

/* Zero-initialise it; all is borrowed for the helper's life. */
typedef struct {
  GDBusConnection *connection;
  FzSessionConfig session; /* platform, who this device is; token and URL are filled in */
  FzCredentialStore *store;
  FzLogSetup *log_setup;
  const char *config_path;
  const char *log_filter;      /* RUST_LOG, which beats the file's; NULL: not set */
  const char *default_api_url; /* where neither credential nor administrator name one */
  const char *dns_control;     /* --dns-control, which beats the file's; NULL: not given */
  FzDnsControl *(*open_dns) (const FzDnsControlConfig *config);
  FzLog log;
} FzHelperConfig;

typedef struct {
  void (*on_stopped) (gpointer user_data); /* after fz_helper_stop */
} FzHelperCallbacks;

typedef struct FzHelper FzHelper;

/* Reads the machine's configuration and answers calls from now on; connects if an earlier process
 * was connected. */
FzHelper *fz_helper_new (const FzHelperConfig *config,
                         const FzHelperCallbacks *callbacks,
                         gpointer user_data);
void fz_helper_free (FzHelper *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzHelper, fz_helper_free)

/* The administrator's files are read again; also done by itself when they change. */
void fz_helper_reload (FzHelper *self);

/* Says goodbye to peers and portal; on_stopped follows within seconds. */
void fz_helper_stop (FzHelper *self);

/* All counters into the log. */
void fz_helper_log_metrics (FzHelper *self);
