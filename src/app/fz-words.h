/* fz-words.h
 *
 * Numbers and states in the words that people read, the same in every view. All results are
 * translated and the caller's to free. Pure.
 */
#pragma once

#include "src/app/fz-remote-items.h"

#include <stdint.h>

/* "8 ms", "0.4 ms"; "" for 0, which is unknown. */
char *fz_words_dup_rtt (uint32_t rtt_us);

/* "now", "5 minutes ago", "3 days ago"; @then and @now wall clock in µs. "never" for 0. */
char *fz_words_dup_ago (uint64_t then_us, uint64_t now_us);

/* "in 5 days", "in 9 minutes"; "any moment now" if that is past. */
char *fz_words_dup_until (uint64_t then_us, uint64_t now_us);

/* Static: "Direct", and the symbolic icon whose shape says the same. */
const char *fz_words_resource_state (FzResourceState state);
const char *fz_words_resource_icon (FzResourceState state);

/* Static: "DNS name", "Address range" */
const char *fz_words_resource_kind (const char *kind);
