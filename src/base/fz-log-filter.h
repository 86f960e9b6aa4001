/* fz-log-filter.h
 *
 * Which log records are kept: directives after the fashion of RUST_LOG, as in
 * "info,ice=debug,wireguard=trace". A plain value; a sink owns one. Reading it
 * from several threads is fine while nobody changes it.
 */
#pragma once

#include "src/base/fz-log.h"

#define FZ_LOG_FILTER_DIRECTIVES_MAX  32u
#define FZ_LOG_FILTER_TARGET_TEXT_MAX 48u /* with the terminating zero */

typedef struct {
  char target[FZ_LOG_FILTER_TARGET_TEXT_MAX];
  size_t target_length; /* bytes */
  int level;            /* FzLogLevel; -1: off */
} FzLogDirective;

typedef struct {
  int default_level; /* for targets that no directive names; -1: off */
  int highest_level; /* of all: what is above it needs no look at the directives */
  size_t n_directives;
  FzLogDirective directives[FZ_LOG_FILTER_DIRECTIVES_MAX];
} FzLogFilter;

/* Everything up to @level. */
void fz_log_filter_init (FzLogFilter *self, FzLogLevel level);

/**
 * fz_log_filter_parse:
 * @text: directives with commas between: a level for all, "target=level", or a
 *   target alone, which means trace. Levels in any case: off, error, warn (or
 *   warning), info, debug, trace. Without a level for all it is info.
 * @out_bad: (out) (optional): where in @text the first bad directive starts
 *
 * Returns: false, with @out untouched, for what is none of that or too much
 */
bool fz_log_filter_parse (const char *text, FzLogFilter *out, const char **out_bad);

/* The longest directive wins that is @target or a prefix of it that ends before one of "-:./_". */
bool fz_log_filter_wants (const FzLogFilter *self, const char *target, FzLogLevel level);
