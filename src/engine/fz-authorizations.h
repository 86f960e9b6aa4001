/* fz-authorizations.h
 *
 * The client's open questions to the portal: one per resource, with the packets
 * that wait for the answer (tunnel.md §7.4). There is no timer: a question is
 * repeated by new traffic, not within 2 s, and when the portal is back: what was
 * asked meanwhile, or just before, may never have come to it. What it has refused
 * is not repeated without traffic.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/base/fz-uuid.h"
#include "src/engine/fz-packet-buffer.h"

#include <glib.h>
#include <stdbool.h>

#define FZ_AUTHORIZATION_REPEAT_S 2u

typedef struct FzAuthorizations FzAuthorizations;

/* @given_up: (nullable), borrowed: packets that waited in vain */
FzAuthorizations *fz_authorizations_new (uint64_t *given_up);
void fz_authorizations_free (FzAuthorizations *self);

/**
 * fz_authorizations_want:
 * @packet: kept until the answer; NULL data: nothing to keep
 * @out_n_lost: (optional): how many that waited had to make place for it
 *
 * Returns: true if the portal is to be asked now
 */
bool fz_authorizations_want (FzAuthorizations *self,
                             const FzUuid *resource_id,
                             FzSpan packet,
                             FzInstant now,
                             size_t *out_n_lost);

/* The portal has refused, for now: only new traffic asks again. */
void fz_authorizations_note_refused (FzAuthorizations *self, const FzUuid *resource_id);

/* The questions that have no answer, to be asked at once; g_array_unref. */
GArray *fz_authorizations_repeat (FzAuthorizations *self, FzInstant now);

bool fz_authorizations_is_pending (const FzAuthorizations *self, const FzUuid *resource_id);

/* Ends the question: the packets that waited are the caller's. NULL if none was open. */
FzPacketBuffer *fz_authorizations_steal (FzAuthorizations *self, const FzUuid *resource_id);
void fz_authorizations_forget (FzAuthorizations *self, const FzUuid *resource_id);
