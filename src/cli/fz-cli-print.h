/* fz-cli-print.h
 *
 * What goes to the terminal: colours where it is one, tables by the width of what is seen, amounts
 * and times for people, JSON for programs. Text from elsewhere loses its control characters first:
 * the name of a resource is not to move anybody's cursor.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
  FZ_CLI_PLAIN,
  FZ_CLI_BOLD,
  FZ_CLI_DIM,
  FZ_CLI_GREEN,
  FZ_CLI_YELLOW,
  FZ_CLI_RED,
} FzCliStyle;

/* Decides about colours: a terminal on standard output, no NO_COLOR, TERM is not dumb. */
void fz_cli_print_init (void);

/* Without control characters. */
char *fz_cli_clean (const char *text);

/* @text in @style for standard output; g_free() it. */
char *fz_cli_paint (FzCliStyle style, const char *text);

/* "Label:   text", the texts of several below each other; nothing for an empty text. */
void fz_cli_print_field (const char *label, const char *text);

/* Rows of cells, each row as long as the others; the first one is the head. */
typedef struct {
  unsigned n_columns;
  GPtrArray *cells; /* owned text, row by row */
  GArray *styles;   /* FzCliStyle of each cell */
} FzCliTable;

void fz_cli_table_init (FzCliTable *self, unsigned n_columns);
void fz_cli_table_add (FzCliTable *self, FzCliStyle style, const char *text); /* the next cell */
void fz_cli_table_print (FzCliTable *self);                                   /* and clears it */

char *fz_cli_format_bytes (uint64_t bytes);   /* "1.0 MB" */
char *fz_cli_format_rtt (uint32_t rtt_us);    /* "12.4 ms"; "" for 0 */
char *fz_cli_format_time (uint64_t time_us);  /* local; "" for 0 */
char *fz_cli_format_since (uint64_t time_us); /* "5 minutes"; "" for 0 */

/* Styles and words of states, translated; an unknown state is its own word. */
const char *fz_cli_state_word (const char *state);
FzCliStyle fz_cli_state_style (const char *state);
const char *fz_cli_resource_state_word (const char *state);
FzCliStyle fz_cli_resource_state_style (const char *state);

/* What a stable StateReason means; NULL for one that needs no words or is unknown. */
const char *fz_cli_reason_words (const char *reason);

/* -- JSON: an object with "schema" first -- */

JsonBuilder *fz_cli_json_begin (void);
void fz_cli_json_text (JsonBuilder *builder, const char *name, const char *text);
void fz_cli_json_number (JsonBuilder *builder, const char *name, uint64_t number);
void fz_cli_json_bool (JsonBuilder *builder, const char *name, bool is_true);
void fz_cli_json_time (JsonBuilder *builder, const char *name, uint64_t time_us); /* null for 0 */
void
fz_cli_json_rtt (JsonBuilder *builder, const char *name, uint32_t rtt_us); /* "…_ms", null for 0 */
void fz_cli_json_list (JsonBuilder *builder, const char *name, const char *const *texts);

/* Prints it in one line (several on a terminal, unless @is_line) and frees @builder. */
void fz_cli_json_end (JsonBuilder *builder, bool is_line);
