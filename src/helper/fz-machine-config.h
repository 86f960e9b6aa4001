/* fz-machine-config.h
 *
 * What the administrator has fixed for this machine: /etc/firezone/client.conf
 * and, over it in the order of their names, client.conf.d/NAME.conf beside it. A
 * key file:
 *
 *   [portal]   api-url, auth-url, account-slug
 *   [session]  connect-on-start, when-owner-leaves
 *   [dns]      dns-control
 *   [log]      log-filter
 *
 * Only the service reads it; people see what is fixed in Manager.Managed. An
 * unknown key is a warning. A bad value is an error, and what was good last
 * stays in force for that key. Immutable once loaded.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define FZ_MACHINE_CONFIG_FILE      "/etc/firezone/client.conf"
#define FZ_MACHINE_CONFIG_BYTES_MAX 65536u /* of one file */
#define FZ_MACHINE_CONFIG_TEXT_MAX  2048u  /* bytes of one value */
#define FZ_MACHINE_CONFIG_FILES_MAX 64u    /* drop-ins; the rest is left out, with an error */
#define FZ_MACHINE_CONFIG_WORRY_MAX 64u    /* problems kept */

typedef enum {
  FZ_SETTING_API_URL,           /* ws, wss, http or https */
  FZ_SETTING_AUTH_URL,          /* http or https */
  FZ_SETTING_ACCOUNT_SLUG,      /* letters, digits, '-' and '_' */
  FZ_SETTING_CONNECT_ON_START,  /* true, false */
  FZ_SETTING_WHEN_OWNER_LEAVES, /* disconnect, keep */
  FZ_SETTING_DNS_CONTROL,       /* auto, or a method's name */
  FZ_SETTING_LANES,             /* 1 … 8 */
  FZ_SETTING_LOG_FILTER,
} FzSetting;
#define FZ_N_SETTINGS (FZ_SETTING_LOG_FILTER + 1)

const char *fz_setting_name (FzSetting setting); /* its key, and its name in Managed */

typedef struct {
  bool is_error; /* false: a warning */
  char *text;    /* "FILE: [group] key: what is wrong" */
} FzConfigProblem;

typedef struct FzMachineConfig FzMachineConfig;

/**
 * fz_machine_config_load:
 * @path: the main file; it and its drop-ins may be missing
 * @previous: (optional): where the last good values come from; not kept
 *
 * Never fails: what cannot be read is a problem of the result.
 */
FzMachineConfig *fz_machine_config_load (const char *path, const FzMachineConfig *previous);
void fz_machine_config_free (FzMachineConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzMachineConfig, fz_machine_config_free)

/* NULL: not fixed. */
const char *fz_machine_config_get (const FzMachineConfig *self, FzSetting setting);

/* Whether the tunnel stays when its owner's last login session ends; default false. */
bool fz_machine_config_keeps_when_owner_leaves (const FzMachineConfig *self);

const FzConfigProblem *fz_machine_config_get_problems (const FzMachineConfig *self, size_t *out_n);
bool fz_machine_config_is_valid (const FzMachineConfig *self); /* no errors; warnings are fine */

/* (transfer floating): a{sv} of what is fixed and concerns people; booleans as b. */
GVariant *fz_machine_config_to_managed (const FzMachineConfig *self);

/* For --check-config: problems on standard error, the settings in force on standard output.
 * @must_exist: a missing file is an error too. Returns the exit status: 0, or 1 for errors. */
int fz_machine_config_check (const char *path, bool must_exist);
