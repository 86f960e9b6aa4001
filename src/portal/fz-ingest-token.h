/* fz-ingest-token.h
 *
 * The flow-log ingest token that every authorization carries: a compact JWT of
 * which only the structure is checked (portal-protocol.md §4.8). We keep
 * nothing of it yet; but a message without a good one is refused, as upstream
 * does, so that a portal's fault shows with us as it would with them.
 */
#pragma once

#include "src/portal/fz-json.h"

/* Records a failure in @r if @token is no acceptable token; NULL has been reported already. */
void fz_ingest_token_check (FzJsonReader *r, const char *token);
