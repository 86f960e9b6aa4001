/* fz-duration.h
 *
 * Lengths of time as people write them on a command line: "5m", "1h 30m", "30d".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * fz_duration_parse:
 * @text: numbers with units, with or without spaces: ns, us, ms, s (sec, second,
 *   seconds), m (min, minute, …), h (hr, hour, …), d (day, …), w (week, …)
 *
 * Returns: false, with @out_ns untouched, for anything else, a number without
 *   unit, and what does not fit
 */
bool fz_duration_parse (const char *text, uint64_t *out_ns);
