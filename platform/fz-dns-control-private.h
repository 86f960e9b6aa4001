/* fz-dns-control-private.h
 *
 * What stands below fz-dns-control.h: a machine (FzDnsMachine: finds out who is
 * in charge of DNS and asks the resolver) and a backend for each mode. fz-dns-control.c keeps
 * the state, the pauses and the callbacks, and knows none of the modes.
 *
 * A backend is asked for one thing at a time and answers by one of the take functions, from the
 * main loop or from within the call. After revert() or free() it must not answer any more to what
 * was asked before.
 */
#pragma once

#include "platform/fz-dns-control.h"

typedef struct FzDnsBackend FzDnsBackend;
typedef struct FzDnsMachine FzDnsMachine;

typedef struct {
  void (*free) (FzDnsBackend *self);

  /* Reads back; sets what differs; reads back again; then fz_dns_control_take_applied(). @settings
   * are valid until revert() or the next apply(). */
  void (*apply) (FzDnsBackend *self, const FzDnsSettings *settings);

  /* Undoes apply(), started or done. @waits: returns when it has happened, in two seconds. */
  void (*revert) (FzDnsBackend *self, bool waits);

  /* Then fz_dns_control_take_upstreams(), now and whenever they may have changed. */
  void (*read_upstreams) (FzDnsBackend *self);

  void (*flush) (FzDnsBackend *self); /* (optional) */
} FzDnsBackendFunctions;

/* First member of every backend. */
struct FzDnsBackend {
  const FzDnsBackendFunctions *functions;
  FzDnsControl *control; /* borrowed */
};

typedef struct {
  void (*free) (FzDnsMachine *self);

  /* Finds the mode and its backend, then fz_dns_control_take_backend(). @failed: bits (1 << mode)
   * of modes that were tried in vain; the last resort is taken all the same. */
  void (*detect) (FzDnsMachine *self, FzDnsMode wanted, unsigned failed);

  /* Resolves @name, then fz_dns_control_take_answer(); a later call ends an earlier one. */
  void (*probe) (FzDnsMachine *self, const char *name);
} FzDnsMachineFunctions;

struct FzDnsMachine {
  const FzDnsMachineFunctions *functions;
  FzDnsControl *control; /* set by fz_dns_control_new_for() */
};

/* Takes @machine; starts to detect from the main loop. */
FzDnsControl *fz_dns_control_new_for (const FzDnsControlConfig *config, FzDnsMachine *machine);

/* Takes @backend. */
void fz_dns_control_take_backend (FzDnsControl *self, FzDnsMode mode, FzDnsBackend *backend);

/* @error: NULL: the settings are in force; @has_changed: they were not before. */
void fz_dns_control_take_applied (FzDnsControl *self, bool has_changed, const GError *error);

/* @error: NULL: the probe's name has an address. */
void fz_dns_control_take_answer (FzDnsControl *self, const GError *error);

/* @list: FzDnsUpstream, borrowed, in the order of the system; fz_dns_upstreams_new() makes one. */
void fz_dns_control_take_upstreams (FzDnsControl *self, const GArray *list);

/* Something may differ from what was set: looked at shortly, once for a burst of these. */
void fz_dns_control_note_change (FzDnsControl *self);

const FzLog *fz_dns_control_get_log (const FzDnsControl *self);

GArray *fz_dns_upstreams_new (void);
void fz_dns_upstreams_add (GArray *list, const FzDnsUpstream *upstream); /* copied */

bool fz_dns_control_owns_address (const FzIp *ip);
