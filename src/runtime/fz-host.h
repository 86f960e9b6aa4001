/* fz-host.h
 *
 * Drives one engine on the default main context: sockets, timer, TUN, lanes and
 * platform around the sans-IO core. The programs give it commands and hear the
 * engine's events; addresses, routes, masquerading, network changes and a lost
 * TUN device are the host's own affair.
 *
 * Everything here belongs to the thread of the default main context; the lanes'
 * threads are started and joined inside.
 */
#pragma once

#include "platform/fz-platform.h"
#include "src/engine/fz-engine.h"
#include "src/runtime/fz-clock.h"
#include "src/runtime/fz-io.h"
#include "src/runtime/fz-ladder.h"
#include "src/runtime/fz-metrics.h"

#include <glib.h>

#define FZ_HOST_PREFERRED_PORT 52625u /* connectivity.md §9.6 */
#define FZ_HOST_LANES_MAX      FZ_LANES_MAX

#define FZ_HOST_ERROR (fz_host_error_quark ())
GQuark fz_host_error_quark (void);

typedef enum {
  FZ_HOST_ERROR_TUN,    /* the device could not be opened or configured, or not re-created */
  FZ_HOST_ERROR_SOCKET, /* no UDP socket of either family */
  FZ_HOST_ERROR_CRYPTO, /* no cipher, or not the one asked for */
  FZ_HOST_ERROR_THREAD, /* a lane could not start or did not end */
} FzHostError;

typedef struct FzHost FzHost;

typedef struct {
  /**
   * on_event: (optional)
   * @event: borrowed; valid until the callback returns or calls fz_host_run_command
   *
   * Every event of the engine, after the host has acted on its own part: when
   * FZ_EVENT_INTERFACE_CHANGED arrives, addresses and routes are set. May call
   * fz_host_run_command; must not stop or free the host (do that from an idle source).
   */
  void (*on_event) (const FzEvent *event, gpointer user_data);

  /* The host cannot go on and has said why; called once, from the main loop. The program ends:
   * fz_host_stop, exit status 1. */
  void (*on_fatal) (const GError *error, gpointer user_data);

  gpointer user_data;
} FzHostCallbacks;

/* Zero-initialise it: every zero field means the default named here. */
typedef struct {
  FzRole role;
  FzPlatform *platform; /* borrowed, outlives the host */
  FzLog log;            /* its sink outlives the host */
  FzHostCallbacks callbacks;

  const uint8_t *private_key;    /* FZ_KEY_SIZE bytes, copied by the engine; NULL: a fresh one */
  const char *tun_name;          /* NULL: FZ_TUN_NAME */
  const char *aead_backend;      /* NULL: "auto" */
  uint32_t receive_buffer_bytes; /* UDP; 0: 8 MiB */
  uint32_t send_buffer_bytes;    /* UDP; 0: 1 MiB */
  uint16_t port;                 /* preferred UDP port; 0: FZ_HOST_PREFERRED_PORT */
  bool require_port;             /* fail instead of taking another port */
  bool no_offloads;              /* lowest step of every ladder, for tests */
  bool no_mark;                  /* bare peers whose routes cannot loop, tests */
  bool two_threads;              /* one thread per direction instead of one for both */
  unsigned n_lanes;              /* up to FZ_HOST_LANES_MAX; 0: by the CPUs (fz-lane-count.h) */
  const FzAqm *aqm;              /* copied; NULL: fz_aqm_default */
  FzClock *clock;                /* borrowed; NULL: an own one */
  const FzIo *io;                /* tests: a shim; NULL: the kernel's calls */
} FzHostConfig;

/**
 * fz_host_new:
 *
 * Opens sockets and TUN (down, without addresses until the engine names them),
 * makes the engine, starts the lanes and logs the ladder's line.
 *
 * Returns: NULL with an error of FZ_HOST_ERROR or FZ_PLATFORM_ERROR
 */
FzHost *fz_host_new (const FzHostConfig *config, GError **error);

/**
 * fz_host_stop:
 *
 * Says goodbye to every peer, ends the lanes (2 s at most), closes sockets and
 * TUN, removes routes and masquerading. Idempotent; the engine stays readable.
 *
 * Returns: false if a lane did not end: free nothing then, just exit
 */
bool fz_host_stop (FzHost *self);
void fz_host_free (FzHost *self); /* stops first where needed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzHost, fz_host_free)

/* @error: FZ_ENGINE_ERROR; nothing has changed then. Outputs leave before it returns. */
bool fz_host_run_command (FzHost *self, const FzCommand *command, GError **error);

/* What SIGHUP and a network change do: resets a client's paths and re-opens its sockets. Other
 * roles keep theirs. */
void fz_host_reset_network (FzHost *self);

FzEngine *fz_host_get_engine (FzHost *self); /* for its getters */
FzInstant fz_host_now (const FzHost *self);
uint16_t fz_host_get_port (const FzHost *self, FzIpFamily family); /* 0: family not available */

typedef enum {
  FZ_METRICS_TEXT,       /* one "name value" a line */
  FZ_METRICS_JSON,       /* one object of numbers */
  FZ_METRICS_PROMETHEUS, /* FZ_METRICS_MIME_TYPE, with families, labels and zeros */
} FzMetricsFormat;

/* What engine, lanes, sockets, TUN and process count. Yours to free. */
FzMetrics *fz_host_get_metrics (FzHost *self);

/* What kernel, sockets and ciphers gave us; borrowed until the network is reset. */
const FzLadder *fz_host_get_ladder (const FzHost *self);

/* The metrics as text; free with g_free. */
char *fz_host_dump_metrics (FzHost *self, FzMetricsFormat format);

/* The same as one log record at info: at exit and on SIGUSR1. */
void fz_host_log_metrics (FzHost *self);
