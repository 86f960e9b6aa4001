/* fz-messages.h
 *
 * The portal's vocabulary: JSON of portal-protocol.md §§4-6 into the engine's
 * commands, the engine's events into JSON. Pure functions; unknown members and
 * events are tolerated, a malformed resource is skipped, a malformed message is
 * refused as a whole.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/dataplane/fz-snapshot.h"
#include "src/engine/fz-command.h"
#include "src/engine/fz-event.h"

#include <json-glib/json-glib.h>
#include <stdbool.h>

/* Beyond these the rest of a list is left out, with a warning. */
#define FZ_MESSAGES_RELAYS_MAX     64u
#define FZ_MESSAGES_CANDIDATES_MAX 256u
#define FZ_MESSAGES_RESOLVERS_MAX  16u
#define FZ_MESSAGES_FILTERS_MAX    256u /* of one resource: the resource is skipped */
#define FZ_MESSAGES_SITES_MAX      64u  /* of one resource: likewise */

typedef struct FzMessage FzMessage;

typedef enum {
  FZ_MESSAGE_COMMAND, /* for the engine */
  FZ_MESSAGE_IGNORED, /* known or not: nothing for us to do */
  FZ_MESSAGE_REFUSED, /* malformed; an error was given */
} FzMessageVerdict;

/**
 * fz_message_parse:
 * @role: FZ_ROLE_CLIENT or FZ_ROLE_GATEWAY; the same event name may mean different things
 * @event: name of the event
 * @payload: borrowed; the message keeps a reference
 * @unix_now: seconds since 1970, for the commands that tie expiry dates to instants
 * @log: hears of what was skipped
 * @out: written for FZ_MESSAGE_COMMAND only; free with fz_message_free
 *
 * Returns: the verdict; FZ_MESSAGE_REFUSED with FZ_PORTAL_ERROR_MALFORMED
 */
FzMessageVerdict fz_message_parse (FzRole role,
                                   const char *event,
                                   JsonNode *payload,
                                   uint64_t unix_now,
                                   const FzLog *log,
                                   FzMessage **out,
                                   GError **error);

/* What it points to lives as long as the message. */
const FzCommand *fz_message_get_command (const FzMessage *self);
void fz_message_free (FzMessage *self); /* wipes */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzMessage, fz_message_free)

/**
 * fz_message_write:
 * @out_name: static name of the portal's event
 *
 * Returns: the payload as JSON text, to be g_free'd; NULL if @event is not for the portal or
 *   @role has no such message
 */
char *fz_message_write (FzRole role, const FzEvent *event, const char **out_name);

/* The first message after each join: what our transport can do (portal-protocol.md §4.7). */
#define FZ_MESSAGES_HELLO_EVENT   "set_snownet_capabilities"
#define FZ_MESSAGES_HELLO_PAYLOAD "{\"iceless\":false}"
