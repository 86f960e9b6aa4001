/* fz-tool.h: what the programs beside the benchmarks share: the clock, their end, and how they fail
 */
#pragma once

#include "src/base/fz-instant.h"

#include <stdbool.h>

FzInstant fz_tool_now (void); /* CLOCK_MONOTONIC: one clock for all programs of a machine */

/* From now on SIGINT and SIGTERM only say that the end has come; waits end early for them. */
void fz_tool_catch_signals (void);
bool fz_tool_is_ended (void);

/* "NAME: @what: errno's text" on standard error, and status 1. */
_Noreturn void fz_tool_fail (const char *what);
