/* fz-options.h
 *
 * What the command lines of our programs have in common: GLib's option parser,
 * the environment as second choice, exit status 2 for what cannot be understood.
 */
#pragma once

#include "src/runtime/fz-log-json.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_EXIT_USAGE 2

/**
 * fz_options_parse:
 * @summary: what the program is, for --help
 * @description: what follows the options in --help
 *
 * Ends the process with status 0 for --help and --version, 2 with a hint for
 * what cannot be understood. A "--token" is wiped from the command line and refused: it
 * would show in process lists.
 */
void fz_options_parse (const char *parameters,
                       const char *summary,
                       const char *description,
                       const char *component,
                       const GOptionEntry *entries,
                       int *argc,
                       char ***argv);

/* "NAME: text" and a pointer to --help on standard error, then status 2. */
void fz_options_die (const char *format, ...) G_GNUC_PRINTF (1, 2) G_GNUC_NORETURN;

/* -- the environment fills what the command line left open; empty variables count as unset -- */
void fz_options_text (char **value, const char *variable, const char *fallback);
void fz_options_flag (gboolean *value, const char *variable); /* 0, f, false, n, no, off: not set */

/* Ends the process with status 2 for a bad one. */
uint64_t fz_options_duration (char **value, const char *variable, uint64_t fallback_ns);
uint32_t fz_options_bytes (const char *variable); /* 0: not set */
/* 1 … FZ_LANES_MAX; 0: not given. Takes no ownership of @value. */
unsigned fz_options_lanes (const char *value, const char *variable);

/* A warning in the log for an option that was given, is taken for compatibility, and does nothing
 * in this version: nobody is to rely on it unawares. */
void fz_options_warn_without_effect (const FzLog *log, bool is_given, const char *option);

/* "json" or "human"; NULL: what fits standard output, text for a terminal and JSON for the rest. */
FzLogFormat fz_options_log_format (const char *value);

/* RUST_LOG or "info"; @has_flow_logs: and all flows. Free with g_free. */
char *fz_options_dup_log_filter (bool has_flow_logs);
