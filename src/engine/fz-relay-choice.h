/* fz-relay-choice.h
 *
 * Which relays are near enough to be drawn from (connectivity.md §5.10).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * fz_relay_choice_threshold:
 * @rtts: (array length=n): of the eligible relays, ns, in any order
 * @n: at least 1
 *
 * Returns: the largest acceptable round-trip time, ns: 1.5 times the smallest
 *   of one or two; else the median plus three times the larger of 2 ms and the
 *   median absolute deviation
 */
uint64_t fz_relay_choice_threshold (const uint64_t *rtts, size_t n);
