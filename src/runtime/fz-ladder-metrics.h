/* fz-ladder-metrics.h
 *
 * Families and names for what is granted and what was given up (fz-ladder.h), for version
 * and cipher.
 */
#pragma once

#include "src/runtime/fz-ladder.h"
#include "src/runtime/fz-metrics.h"

void fz_ladder_metrics_add (FzMetrics *metrics, const FzLadder *ladder);
