/* fz-dns-carrier.h
 *
 * Carries the engine's DNS questions to resolvers past the tunnel: each on a
 * socket of its own, so that the kernel gives it a random port and nobody but
 * the resolver can answer; marked, so that it does not come back to us.
 *
 * On the default main context.
 */
#pragma once

#include "src/engine/fz-event.h"

#include <glib.h>

#define FZ_DNS_CARRIER_MAX 1024u /* questions at a time */

/* The answer to question @id, with its id and its question: anything else that comes is not heard;
 * @length 0: the resolver could not be asked, or has refused. Questions that time out are forgotten
 * without a word: the engine knows. From the main loop. */
typedef void (*FzDnsCarrierFunc) (uint32_t id,
                                  const uint8_t *message,
                                  size_t length,
                                  gpointer user_data);

typedef struct FzDnsCarrier FzDnsCarrier;

/* @is_marked: sockets bear FZ_FWMARK, or a question fails. */
FzDnsCarrier *fz_dns_carrier_new (bool is_marked, FzDnsCarrierFunc func, gpointer user_data);
void fz_dns_carrier_free (FzDnsCarrier *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDnsCarrier, fz_dns_carrier_free)

/* @event: FZ_EVENT_DNS_QUERY. Never calls back before it returns. */
void fz_dns_carrier_ask (FzDnsCarrier *self, const FzEvent *event);

/* Nobody waits for the answers to @id any more: its room is free. */
void fz_dns_carrier_forget (FzDnsCarrier *self, uint32_t id);

/* The network has changed: questions on their way are forgotten. */
void fz_dns_carrier_reset (FzDnsCarrier *self);
