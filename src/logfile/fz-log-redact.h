/* fz-log-redact.h
 *
 * Takes out of log lines what must not leave the machine. What is removed stands
 * as a numbered placeholder, the same for the same text in one FzLogRedact, so
 * that a reader can still follow one address or person through the file.
 *
 * Always removed:
 *   <secret-N>  values of fields whose name contains token, secret, password, passwd, passphrase,
 *               credential, authorization, cookie, psk, private, api_key or apikey, or ends in key
 *               or nonce; in texts the same for key=value, key: value and "key":"value"; what
 *               follows Bearer or Basic; user:password in URLs
 *   <token-N>   by shape: JSON web tokens, and runs of 32 and more characters of base64 with small
 *               and capital letters and digits
 *   <key-N>     by shape: 32 and more hexadecimal digits in a row (UUIDs stay), and 44 characters
 *               of base64 that end in "="
 *   <email-N>   e-mail addresses
 * On request:
 *   <ip-N>      IPv4 and IPv6 addresses other than loopback and the unspecified one; ports and
 *               prefix lengths stay
 *   <name-N>    DNS names of two and more labels other than firezone.dev and below; values of the
 *               fields name, hostname, host, domain, actor, account, user, site, address and those
 *               that end in _name or _domain; what stands in “ ”: words of somebody else, who
 *               may name what he likes; what the caller added, in any case
 *
 * JSON lines stay JSON, one for one; lines stay lines. Keys, times, levels, targets and events
 * stay. Not thread-safe; one per export.
 */
#pragma once

#include "src/base/fz-span.h"

#include <glib.h>
#include <stdbool.h>

typedef enum {
  FZ_LOG_REDACT_SECRETS = 0, /* always */
  FZ_LOG_REDACT_ADDRESSES = 1 << 0,
  FZ_LOG_REDACT_NAMES = 1 << 1,
} FzLogRedactFlags;

#define FZ_LOG_REDACT_PLACES_MAX 65536u /* of one kind; later ones are <kind-more> */

#define FZ_LOG_REDACT_NAMES_MAX 16384u /* added ones */

typedef struct FzLogRedact FzLogRedact;

FzLogRedact *fz_log_redact_new (FzLogRedactFlags flags);
void fz_log_redact_free (FzLogRedact *self); /* wipes what it remembers */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogRedact, fz_log_redact_free)

/* A text to remove wherever it stands alone, as <name-N>: a person, a machine. Shorter than three
 * characters is ignored. At most FZ_LOG_REDACT_NAMES_MAX, false beyond. Where several fit the
 * longest goes. Works without FZ_LOG_REDACT_NAMES. */
bool fz_log_redact_add_name (FzLogRedact *self, const char *name);

/* Appends @line (without newline) to @out, redacted. */
void fz_log_redact_line (FzLogRedact *self, FzSpan line, GString *out);

/* The same for running text of several lines. */
char *fz_log_redact_text (FzLogRedact *self, const char *text);

/* What this file's head says about @self's flags, in English, with the numbers so far. Goes into
 * bundles. */
char *fz_log_redact_describe (const FzLogRedact *self);
