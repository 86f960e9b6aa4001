/* fz-log-pipe.h
 *
 * Lines to a descriptor whose reader may be slow, stuck or gone: a log must
 * never hold up the program that writes it. Owned by the sink, whose lock
 * guards it where there are threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_LOG_PIPE_WAIT_MS 100 /* for a reader to catch up, once; then lines are lost */

typedef struct {
  int fd;          /* borrowed */
  bool is_stuck;   /* the last line found no room: do not wait for the next one either */
  bool is_cut;     /* the last line stands there without its end */
  uint64_t n_lost; /* lines, since the last one that got through */
} FzLogPipe;

/**
 * fz_log_pipe_write:
 * @line: with its newline
 *
 * Files and terminals are always ready and lose nothing; a pipe or a socket that is full is given
 * FZ_LOG_PIPE_WAIT_MS, then the line is dropped and counted. A reader that is gone costs the line.
 *
 * Returns: how many lines were lost right before this one, which got through; 0 if it did not
 */
uint64_t fz_log_pipe_write (FzLogPipe *self, const char *line, size_t length);
