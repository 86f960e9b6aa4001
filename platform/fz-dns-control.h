/* fz-dns-control.h
 *
 * Who answers this machine's DNS queries: while a tunnel is up, our stub on its
 * sentinel addresses; before and after, whoever it was, byte for byte.
 * Implementations: linux/ (systemd-resolved, NetworkManager, resolvconf, plain
 * resolv.conf) and fake/ (a machine in memory for tests).
 *
 *            set              read back: ours
 *   IDLE ──────────► APPLYING ───────────────► ACTIVE
 *     ▲                 ▲ │                      │ resume, new owner, file or link change, lease
 *     │ clear           │ │ failed               ▼
 *     └──── from any ── │ └─────► DEGRADED ── APPLYING again; DEGRADED tries again by itself
 *
 * On the default main context, and nothing here blocks it for longer than a
 * small file takes. Callbacks come from the main loop, never from a call into
 * the object; they may call anything but fz_dns_control_free.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-log.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_DNS_SERVERS_MAX   8u  /* of ours; resolv.conf takes the first three */
#define FZ_DNS_UPSTREAMS_MAX 32u /* of the system's; more are left out */

/* tunnel.md §1.4: only addresses of these ranges are ever set, and none of them is an upstream. */
#define FZ_DNS_SENTINELS_V4 "100.100.111.0/24"
#define FZ_DNS_SENTINELS_V6 "fd00:2021:1111:8000:100:100:111:0/120"

#define FZ_DNS_ERROR (fz_dns_error_quark ())
GQuark fz_dns_error_quark (void);

typedef enum {
  FZ_DNS_ERROR_PERMISSION,  /* polkit said no, or /etc/resolv.conf cannot be written */
  FZ_DNS_ERROR_ABSENT,      /* the program of this mode does not run */
  FZ_DNS_ERROR_UNSUPPORTED, /* this mode cannot do it here; auto takes the next at once */
  FZ_DNS_ERROR_OVERRULED,   /* another program keeps changing it back */
  FZ_DNS_ERROR_NO_ANSWER,   /* a probe went unanswered */
  FZ_DNS_ERROR_FAILED,
} FzDnsError;

typedef enum {
  FZ_DNS_MODE_AUTO, /* found out at start; what fz_dns_control_get_mode() says is never this */
  FZ_DNS_MODE_RESOLVED,
  FZ_DNS_MODE_NETWORK_MANAGER,
  FZ_DNS_MODE_RESOLVCONF,
  FZ_DNS_MODE_FILE,
  FZ_DNS_MODE_NONE, /* nothing is touched; upstreams are still read */
} FzDnsMode;

/* "auto", "systemd-resolved", "networkmanager", "resolvconf", "etc-resolv-conf", "disabled": the
 * values of --dns-control, and of the D-Bus property */
const char *fz_dns_mode_name (FzDnsMode mode);
bool fz_dns_mode_parse (const char *text, FzDnsMode *out);

typedef enum {
  FZ_DNS_STATE_IDLE,
  FZ_DNS_STATE_APPLYING,
  FZ_DNS_STATE_ACTIVE,   /* read back: the machine asks our servers and nobody else */
  FZ_DNS_STATE_DEGRADED, /* on_failed has said why; retried with growing pauses, and after events */
} FzDnsState;

/* One of the machine's own resolvers. */
typedef struct {
  FzSocketAddress address; /* port 53 unless the system says otherwise */
  uint32_t ifindex;        /* reached by this interface; 0: by any */
  const char *server_name; /* its certificate's, for DNS over TLS; NULL: plain DNS */
} FzDnsUpstream;

/* What the machine shall ask while we are connected. */
typedef struct {
  const char *ifname;  /* our TUN device, up */
  uint32_t ifindex;    /* the same */
  const FzIp *servers; /* sentinels that the stub answers on; 1 … FZ_DNS_SERVERS_MAX */
  size_t n_servers;
  const char *search_domain; /* "corp.example"; NULL: none */
} FzDnsSettings;

/* All optional. */
typedef struct {
  /* Mode, state or servers in force differ from what they were. */
  void (*on_changed) (gpointer user_data);

  /* fz_dns_control_get_upstreams has another list; also once at the start, when it is first known
   * (it may be empty). */
  void (*on_upstreams) (gpointer user_data);

  /* Entered DEGRADED: FZ_DNS_ERROR with a sentence for people. Once until on_recovered. */
  void (*on_failed) (const GError *error, gpointer user_data);

  /* Left DEGRADED for ACTIVE. */
  void (*on_recovered) (gpointer user_data);
} FzDnsCallbacks;

typedef struct {
  FzDnsMode mode;
  FzLog log;       /* its sink outlives the object */
  const char *etc; /* tests: stands for /etc; NULL: /etc */
} FzDnsControlConfig;

typedef struct FzDnsControl FzDnsControl;

/**
 * fz_dns_control_linux_new:
 *
 * Undoes what a killed process left, finds the mode, reads the upstreams and watches them. Never
 * fails: what is missing is told by on_failed once it is needed. The fake is made by
 * platform/fake/fz-dns-control-fake.h.
 */
FzDnsControl *fz_dns_control_linux_new (const FzDnsControlConfig *config);

/* Clears where needed, and waits (two seconds at most) until that is done. */
void fz_dns_control_free (FzDnsControl *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDnsControl, fz_dns_control_free)

/* Who hears of it; NULL: nobody. A session takes the object over by this and lets go again. */
void fz_dns_control_set_callbacks (FzDnsControl *self,
                                   const FzDnsCallbacks *callbacks,
                                   gpointer user_data);

/**
 * fz_dns_control_set:
 * @settings: copied; replaces the former
 *
 * Call it when the interface is up and somebody answers on the servers, not before. Servers outside
 * the sentinel ranges are left out. Without any it is a fz_dns_control_clear(). With
 * FZ_DNS_MODE_NONE it does nothing, and the state stays IDLE.
 */
void fz_dns_control_set (FzDnsControl *self, const FzDnsSettings *settings);

/* Back to what was. Call it before the TUN device is closed; free or exit may follow at once. */
void fz_dns_control_clear (FzDnsControl *self);

/* Something has happened that it cannot see by itself (resume from sleep): reads back, applies
 * where that differs, and reads the upstreams again. */
void fz_dns_control_check (FzDnsControl *self);

/* What the machine remembers of earlier answers is forgotten: after the resources have changed. */
void fz_dns_control_flush (FzDnsControl *self);

/* @error: NULL if the name resolved within two seconds, else FZ_DNS_ERROR_NO_ANSWER. */
typedef void (*FzDnsProbeFunc) (const GError *error, gpointer user_data);

/**
 * fz_dns_control_probe:
 * @name: one that only our stub knows
 *
 * Asks the way every program of this machine does (getaddrinfo, in a thread). The outcome counts:
 * without an answer the state is DEGRADED until a later probe succeeds. A newer probe replaces an
 * older one, whose function is not called any more.
 */
void fz_dns_control_probe (FzDnsControl *self,
                           const char *name,
                           FzDnsProbeFunc func,
                           gpointer user_data);

/* The mode in force; FZ_DNS_MODE_NONE until it has been found. */
FzDnsMode fz_dns_control_get_mode (const FzDnsControl *self);
FzDnsState fz_dns_control_get_state (const FzDnsControl *self);
const GError *fz_dns_control_get_error (const FzDnsControl *self); /* in DEGRADED, else NULL */

/* Ours that are in force: none unless ACTIVE. Valid until the main loop runs again. */
size_t fz_dns_control_get_servers (const FzDnsControl *self, const FzIp **out);

/* The machine's own, best first, no sentinels, no duplicates; also while ours are in force. Valid
 * until the main loop runs again. */
size_t fz_dns_control_get_upstreams (const FzDnsControl *self, const FzDnsUpstream **out);

/**
 * fz_dns_control_linux_restore:
 * @etc: NULL for /etc
 *
 * Undoes what a process that is gone did to resolv.conf, without waiting for anything else: for
 * --restore-dns and the end of a unit. Nothing to undo is success.
 */
bool fz_dns_control_linux_restore (const char *etc, GError **error);
