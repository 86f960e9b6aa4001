/* fz-upgrade.h
 *
 * The HTTP exchange that opens a websocket, sans-IO: our request with exactly
 * the headers of portal-protocol.md §3.2 (a library would add its own), and a
 * reader for the answer, including the body of a refusal.
 */
#pragma once

#include "src/portal/fz-phoenix-channel.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_UPGRADE_KEY_SIZE 16u         /* random bytes behind Sec-WebSocket-Key */
#define FZ_UPGRADE_HEAD_MAX (16u << 10) /* bytes of status line and headers */
#define FZ_UPGRADE_BODY_MAX (64u << 10) /* bytes of a refusal's body */

typedef struct {
  const char *target; /* path and query */
  const char *host_header;
  const char *user_agent;
  const char *token; /* NULL: none */
  uint8_t key[FZ_UPGRADE_KEY_SIZE];
} FzUpgradeRequest;

/* Holds the token: wipe it after use. */
GString *fz_upgrade_write_request (const FzUpgradeRequest *request);

typedef struct FzUpgradeReader FzUpgradeReader;

FzUpgradeReader *fz_upgrade_reader_new (const uint8_t key[FZ_UPGRADE_KEY_SIZE]);
void fz_upgrade_reader_free (FzUpgradeReader *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzUpgradeReader, fz_upgrade_reader_free)

/* How many bytes may be read from the stream next without taking any of the first websocket frame;
 * 0: the answer is complete. */
size_t fz_upgrade_reader_wants (const FzUpgradeReader *self);

/* False with FZ_PORTAL_ERROR_MALFORMED: that is no answer to an upgrade. */
bool
fz_upgrade_reader_feed (FzUpgradeReader *self, const char *data, size_t length, GError **error);

/* The stream ended; false likewise. */
bool fz_upgrade_reader_end (FzUpgradeReader *self, GError **error);

/* Once complete: true for 101 and a right answer to our key. Otherwise @out says what the portal
 * said; its texts live as long as @self. @unix_now: seconds, for a Retry-After that is a date. */
bool fz_upgrade_reader_get_result (FzUpgradeReader *self,
                                   int64_t unix_now,
                                   FzChannelRefusal *out,
                                   GError **error);
