/* log-lines.h: log files for tests, made fast and the same every time */
#pragma once

#include <glib.h>
#include <stdint.h>

#define LOG_LINES_START_US INT64_C (1772355600000000) /* 2026-03-01T09:00:00Z */
#define LOG_LINES_STEP_US  INT64_C (1500)             /* from line to line */

/* What line @i of such a file says. */
uint8_t log_lines_level (uint32_t i); /* FzLogLevel: one in 1000 ERROR, one in 100 WARNING, … */
const char *log_lines_target (uint32_t i);

/* Appends line @i with its newline: a JSON object of ours, about 190 bytes. */
void log_lines_append (GString *out, uint32_t i);

/* A temporary file of @n_lines; the caller unlinks the path and frees it. */
char *log_lines_write (uint32_t n_lines);
