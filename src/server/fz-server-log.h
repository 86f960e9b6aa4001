/* fz-server-log.h
 *
 * The portal's log sink: one line per record on standard output, JSON for
 * machines or text for terminals.
 */
#pragma once

#include "src/base/fz-log-filter.h"
#include "src/base/fz-log-pipe.h"
#include "src/base/fz-log.h"

#include <stdbool.h>

typedef struct {
  FzLogSink sink;
  FzLogFilter filter;
  bool is_human;
  FzLogPipe pipe;
} FzServerLog;

/* @self must not move afterwards. */
void fz_server_log_init (FzServerLog *self, int fd, bool is_human, const FzLogFilter *filter);

FzLog fz_server_log_get (FzServerLog *self);
