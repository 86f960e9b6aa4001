/* fz-flow-marks.h
 *
 * Which flows there have been lately, roughly and at a small price: a bit for each by its hash, in
 * one of two generations. Lanes mark a direct flow of a gateway's client when they judge it, which
 * is once in a long while (fz-flow-cache.h); the engine asks before it gives a port to a session
 * with the same host (fz-nat.h). Where somebody marks very many, all seem to have been there: who
 * asks must live with that.
 *
 * A flow is known for FZ_FLOW_MARKS_AGE_S at least, for twice that at most where the engine asks
 * often enough. Without a lock: lanes add, the engine alone begins a new generation.
 *
 * In the same way an engine remembers its contacts, whom it has written to, for lanes to ask: what
 * comes from there is no stranger's (fz-handshake-gate.h).
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/dataplane/fz-nat.h"

#define FZ_FLOW_MARKS_BITS  (UINT32_C (1) << 20) /* of a gateway's generation; 128 KiB */
#define FZ_FLOW_MARKS_AGE_S 600u

typedef struct FzFlowMarks FzFlowMarks;

/* @bits: of a generation, a power of two from 64 on; aborts without memory */
FzFlowMarks *fz_flow_marks_new (uint32_t bits);
void fz_flow_marks_free (FzFlowMarks *self);

/* -- any thread -- */

/* @client: the flow's source address; @outside: where it goes, and its source port */
void fz_flow_marks_add (FzFlowMarks *self, const FzIp *client, const FzNatKey *outside);

bool fz_flow_marks_has_contact (const FzFlowMarks *self, const FzSocketAddress *remote);

/* -- engine -- */

void fz_flow_marks_add_contact (FzFlowMarks *self, const FzSocketAddress *remote);

/* False only for a flow that was not marked, or long ago. */
bool fz_flow_marks_has (const FzFlowMarks *self, const FzIp *client, const FzNatKey *outside);

/* What was marked two generations ago is forgotten. May be called as often as one likes. */
void fz_flow_marks_age (FzFlowMarks *self, FzInstant now);
