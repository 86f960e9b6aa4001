#include "src/cli/fz-cli-print.h"

#include "src/cli/fz-cli.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LABEL_WIDTH 18

static bool is_colourful; /* standard output is a terminal that shows colours */
static bool is_terminal;

void
fz_cli_print_init (void)
{
  const char *term = g_getenv ("TERM");
  const char *no_color = g_getenv ("NO_COLOR"); /* https://no-color.org */

  is_terminal = isatty (STDOUT_FILENO) == 1;
  is_colourful = is_terminal && (no_color == NULL || *no_color == '\0') && term != NULL &&
                 strcmp (term, "dumb") != 0;
}

char *
fz_cli_clean (const char *text)
{
  GString *out = g_string_new ("");

  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at)) {
    gunichar c = g_utf8_get_char (at);

    /* marks that turn the direction of text would let one name look like another */
    if (g_unichar_iscntrl (c) || g_unichar_type (c) == G_UNICODE_FORMAT)
      g_string_append (out, "\xef\xbf\xbd");
    else
      g_string_append_unichar (out, c);
  }
  return g_string_free (out, FALSE);
}

char *
fz_cli_paint (FzCliStyle style, const char *text)
{
  static const char *const codes[] = {
    [FZ_CLI_PLAIN] = "",         [FZ_CLI_BOLD] = "\033[1m",    [FZ_CLI_DIM] = "\033[2m",
    [FZ_CLI_GREEN] = "\033[32m", [FZ_CLI_YELLOW] = "\033[33m", [FZ_CLI_RED] = "\033[31m",
  };

  if (!is_colourful || style == FZ_CLI_PLAIN)
    return g_strdup (text);
  return g_strconcat (codes[style], text, "\033[0m", NULL);
}

/* Columns of a terminal that @text takes. */
static size_t
measure (const char *text)
{
  size_t n = 0;

  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at)) {
    gunichar c = g_utf8_get_char (at);

    if (!g_unichar_iszerowidth (c))
      n += g_unichar_iswide (c) ? 2 : 1;
  }
  return n;
}

static void
print_padding (size_t n)
{
  for (size_t i = 0; i < n; i++)
    putchar (' ');
}

void
fz_cli_print_field (const char *label, const char *text)
{
  g_autofree char *painted = fz_cli_paint (FZ_CLI_DIM, label);
  size_t width = measure (label);

  if (text == NULL || *text == '\0')
    return;
  fputs (painted, stdout);
  print_padding (width < LABEL_WIDTH ? LABEL_WIDTH - width : 1);
  puts (text);
}

/* -- tables -- */

void
fz_cli_table_init (FzCliTable *self, unsigned n_columns)
{
  self->n_columns = n_columns;
  self->cells = g_ptr_array_new_with_free_func (g_free);
  self->styles = g_array_new (FALSE, FALSE, sizeof (FzCliStyle));
}

void
fz_cli_table_add (FzCliTable *self, FzCliStyle style, const char *text)
{
  g_ptr_array_add (self->cells, fz_cli_clean (text));
  g_array_append_val (self->styles, style);
}

static size_t
measure_column (const FzCliTable *self, unsigned column)
{
  size_t width = 0;

  for (unsigned i = column; i < self->cells->len; i += self->n_columns)
    width = MAX (width, measure (self->cells->pdata[i]));
  return width;
}

/* The cells of a row behind its last text are not padded. */
static void
print_line (const FzCliTable *self, unsigned first, const size_t *widths)
{
  unsigned n = self->n_columns;

  while (n > 0 && *(const char *) self->cells->pdata[first + n - 1] == '\0')
    n--;
  for (unsigned i = 0; i < n; i++) {
    const char *text = self->cells->pdata[first + i];
    FzCliStyle style =
        first == 0 ? FZ_CLI_BOLD : g_array_index (self->styles, FzCliStyle, first + i);
    g_autofree char *painted = fz_cli_paint (style, text);

    fputs (painted, stdout);
    if (i + 1 < n)
      print_padding (widths[i] - measure (text) + 2);
  }
  putchar ('\n');
}

void
fz_cli_table_print (FzCliTable *self)
{
  g_autofree size_t *widths = g_new (size_t, self->n_columns);

  for (unsigned i = 0; i < self->n_columns; i++)
    widths[i] = measure_column (self, i);
  for (unsigned i = 0; i < self->cells->len; i += self->n_columns)
    print_line (self, i, widths);
  g_ptr_array_unref (self->cells);
  g_array_unref (self->styles);
}

/* -- amounts and times -- */

char *
fz_cli_format_bytes (uint64_t bytes)
{
  return g_format_size (bytes);
}

char *
fz_cli_format_rtt (uint32_t rtt_us)
{
  if (rtt_us == 0)
    return g_strdup ("");
  /* Translators: a time in milliseconds */
  return g_strdup_printf (_ ("%.1f ms"), rtt_us / 1000.0);
}

char *
fz_cli_format_time (uint64_t time_us)
{
  g_autoptr (GDateTime) time = NULL;

  if (time_us == 0)
    return g_strdup ("");
  time = g_date_time_new_from_unix_local ((gint64) (time_us / G_USEC_PER_SEC));
  return time != NULL ? g_date_time_format (time, "%Y-%m-%d %H:%M:%S") : g_strdup ("");
}

char *
fz_cli_format_since (uint64_t time_us)
{
  uint64_t now_us = (uint64_t) g_get_real_time ();
  uint64_t s = time_us < now_us ? (now_us - time_us) / G_USEC_PER_SEC : 0;

  if (time_us == 0)
    return g_strdup ("");
  if (s < 60)
    return g_strdup_printf (ngettext ("%u second", "%u seconds", s), (unsigned) s);
  if (s < 3600)
    return g_strdup_printf (ngettext ("%u minute", "%u minutes", s / 60), (unsigned) (s / 60));
  if (s < 86400)
    return g_strdup_printf (ngettext ("%u hour", "%u hours", s / 3600), (unsigned) (s / 3600));
  return g_strdup_printf (ngettext ("%u day", "%u days", s / 86400), (unsigned) (s / 86400));
}

/* -- words -- */

typedef struct {
  const char *code;
  const char *words;
  FzCliStyle style;
} Row;

static const Row states[] = {
  { "signed-out", N_ ("Signed out"), FZ_CLI_DIM },
  { "offline", N_ ("Not connected"), FZ_CLI_PLAIN },
  { "connecting", N_ ("Connecting"), FZ_CLI_YELLOW },
  { "connected", N_ ("Connected"), FZ_CLI_GREEN },
  { "degraded", N_ ("Connected, with a problem"), FZ_CLI_YELLOW },
  { "disconnecting", N_ ("Disconnecting"), FZ_CLI_YELLOW },
  { "error", N_ ("Failed"), FZ_CLI_RED },
};

static const Row resource_states[] = {
  { "idle", N_ ("idle"), FZ_CLI_DIM },       { "connecting", N_ ("connecting"), FZ_CLI_YELLOW },
  { "direct", N_ ("direct"), FZ_CLI_GREEN }, { "relayed", N_ ("relayed"), FZ_CLI_YELLOW },
  { "offline", N_ ("offline"), FZ_CLI_RED }, { "denied", N_ ("denied"), FZ_CLI_RED },
};

static const Row reasons[] = {
  { "portal-unreachable",
    N_ ("The portal cannot be reached. Check the network; it is tried again all the time."),
    0 },
  { "portal-refused", N_ ("The portal refuses this device. Ask your administrator."), 0 },
  { "session-expired", N_ ("The session is over. Sign in again with: firezone sign-in"), 0 },
  { "session-revoked",
    N_ ("The session was ended by an administrator. Sign in again with: firezone sign-in"),
    0 },
  { "account-disabled", N_ ("The account is disabled. Ask your administrator."), 0 },
  { "version-unsupported", N_ ("This version is too old for the portal. Update it."), 0 },
  { "dns-failed", N_ ("Names of resources are not resolved. See: firezone diagnose"), 0 },
  { "network-down", N_ ("There is no network."), 0 },
  { "device-failed", N_ ("The tunnel device cannot be made. See: firezone diagnose"), 0 },
  { "no-rights",
    N_ ("The service lacks the right to set up the network. See: systemctl status "
        "firezone-client-tunnel"),
    0 },
  { "internal", N_ ("Something went wrong inside. See: firezone logs"), 0 },
  { "owner-left", N_ ("The person who was signed in has left."), 0 },
};

static const Row *
find_row (const Row *rows, size_t n, const char *code)
{
  for (size_t i = 0; i < n; i++)
    if (strcmp (rows[i].code, code) == 0)
      return &rows[i];
  return NULL;
}

#define FIND(rows, code) find_row (rows, G_N_ELEMENTS (rows), code)

const char *
fz_cli_state_word (const char *state)
{
  const Row *row = FIND (states, state);

  return row != NULL ? _ (row->words) : state;
}

FzCliStyle
fz_cli_state_style (const char *state)
{
  const Row *row = FIND (states, state);

  return row != NULL ? row->style : FZ_CLI_PLAIN;
}

const char *
fz_cli_resource_state_word (const char *state)
{
  const Row *row = FIND (resource_states, state);

  return row != NULL ? _ (row->words) : state;
}

FzCliStyle
fz_cli_resource_state_style (const char *state)
{
  const Row *row = FIND (resource_states, state);

  return row != NULL ? row->style : FZ_CLI_PLAIN;
}

const char *
fz_cli_reason_words (const char *reason)
{
  const Row *row = FIND (reasons, reason);

  return row != NULL ? _ (row->words) : NULL;
}

/* -- JSON -- */

JsonBuilder *
fz_cli_json_begin (void)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  fz_cli_json_number (builder, "schema", FZ_CLI_SCHEMA);
  return builder;
}

void
fz_cli_json_text (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, text != NULL ? text : "");
}

void
fz_cli_json_number (JsonBuilder *builder, const char *name, uint64_t number)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) number);
}

void
fz_cli_json_bool (JsonBuilder *builder, const char *name, bool is_true)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, is_true);
}

void
fz_cli_json_time (JsonBuilder *builder, const char *name, uint64_t time_us)
{
  g_autoptr (GDateTime) time =
      time_us != 0 ? g_date_time_new_from_unix_utc ((gint64) (time_us / G_USEC_PER_SEC)) : NULL;
  g_autofree char *text = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;

  json_builder_set_member_name (builder, name);
  if (text != NULL)
    json_builder_add_string_value (builder, text);
  else
    json_builder_add_null_value (builder);
}

void
fz_cli_json_rtt (JsonBuilder *builder, const char *name, uint32_t rtt_us)
{
  json_builder_set_member_name (builder, name);
  if (rtt_us != 0)
    json_builder_add_double_value (builder, rtt_us / 1000.0);
  else
    json_builder_add_null_value (builder);
}

void
fz_cli_json_list (JsonBuilder *builder, const char *name, const char *const *texts)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
    json_builder_add_string_value (builder, texts[i]);
  json_builder_end_array (builder);
}

void
fz_cli_json_end (JsonBuilder *builder, bool is_line)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, is_terminal && !is_line);
  text = json_generator_to_data (generator, NULL);
  puts (text);
  fflush (stdout);
  g_object_unref (builder);
}
