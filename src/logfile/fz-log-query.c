/* fz-log-query.c: see the header
 *
 * What the index knows is asked line by line. A text is looked for in the bytes
 * as they lie in the file, a window at a time, and each hit is then given to its
 * line: one sweep over what may match, whatever the lengths of the lines.
 */

#include "src/logfile/fz-log-query.h"

#include "src/logfile/fz-log-needle.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_BYTES      (256u << 10) /* fits the second-level cache */
#define LINES_BETWEEN_ASK 65536u       /* of the cancellable */

/* A query made ready for one index. */
typedef struct {
  const FzLogQuery *query;
  const FzLogIndex *index;
  GCancellable *cancellable;
  uint8_t *target_matches; /* by id; NULL: any target */
  uint16_t n_targets;
  FzLogNeedle needles[2]; /* as written, as escaped in JSON */
  size_t n_needles;
  GString *scratch;
} Run;

FzLogQuery *
fz_log_query_new (void)
{
  FzLogQuery *self = g_new0 (FzLogQuery, 1);

  self->least = FZ_LOG_TRACE;
  self->from_us = INT64_MIN;
  self->until_us = INT64_MAX;
  return self;
}

FzLogQuery *
fz_log_query_copy (const FzLogQuery *self)
{
  FzLogQuery *copy = g_memdup2 (self, sizeof *self);

  copy->target_prefix = g_strdup (self->target_prefix);
  copy->text = g_strdup (self->text);
  return copy;
}

void
fz_log_query_free (FzLogQuery *self)
{
  if (self == NULL)
    return;
  g_free (self->target_prefix);
  g_free (self->text);
  g_free (self);
}

void
fz_log_query_set_text (FzLogQuery *self, const char *text)
{
  g_free (self->text);
  self->text = g_strdup (text);
}

void
fz_log_query_set_target_prefix (FzLogQuery *self, const char *prefix)
{
  g_free (self->target_prefix);
  self->target_prefix = g_strdup (prefix);
}

static bool
has (const char *text)
{
  return text != NULL && text[0] != '\0';
}

bool
fz_log_query_is_all (const FzLogQuery *self)
{
  return self->least == FZ_LOG_TRACE && self->from_us == INT64_MIN && self->until_us == INT64_MAX &&
         !has (self->target_prefix) && !has (self->text);
}

bool
fz_log_query_equal (const FzLogQuery *a, const FzLogQuery *b)
{
  return a->least == b->least && a->from_us == b->from_us && a->until_us == b->until_us &&
         g_strcmp0 (has (a->target_prefix) ? a->target_prefix : NULL,
                    has (b->target_prefix) ? b->target_prefix : NULL) == 0 &&
         g_strcmp0 (has (a->text) ? a->text : NULL, has (b->text) ? b->text : NULL) == 0;
}

/* -- what the index knows -- */

static void
init_targets (Run *run)
{
  size_t length = strlen (run->query->target_prefix);

  run->n_targets = fz_log_index_get_n_targets (run->index);
  run->target_matches = g_new0 (uint8_t, run->n_targets + 1u);
  for (uint16_t id = 1; id <= run->n_targets; id++)
    run->target_matches[id] =
        strncmp (fz_log_index_get_target (run->index, id), run->query->target_prefix, length) == 0;
}

static void
init_needles (Run *run)
{
  const char *text = run->query->text;
  g_autoptr (GString) escaped = g_string_new (NULL);

  fz_log_needle_init (&run->needles[run->n_needles++], fz_span (text, strlen (text)));
  fz_log_escape (fz_span (text, strlen (text)), escaped);
  if (!g_str_equal (escaped->str, text))
    fz_log_needle_init (&run->needles[run->n_needles++], fz_span (escaped->str, escaped->len));
}

static void
run_init (Run *run, const FzLogQuery *query, const FzLogIndex *index, GString *scratch)
{
  *run = (Run){ .query = query, .index = index, .scratch = scratch };
  if (has (query->target_prefix))
    init_targets (run);
  if (has (query->text))
    init_needles (run);
}

static void
run_clear (Run *run)
{
  g_clear_pointer (&run->target_matches, g_free);
}

/* The index does not know the target of this line: there are too many of them. */
static bool
line_target_matches (Run *run, uint32_t line)
{
  size_t length = strlen (run->query->target_prefix);
  FzLogLine scanned;

  fz_log_index_read_line (run->index, line, run->scratch, NULL);
  fz_log_line_scan_head (fz_span (run->scratch->str, run->scratch->len), &scanned);
  return scanned.target.length >= length &&
         memcmp (scanned.target.data, run->query->target_prefix, length) == 0;
}

/* All but the text. */
static bool
mark_matches (Run *run, uint32_t line, const FzLogMark *mark)
{
  if (mark->level != FZ_LOG_LEVEL_UNKNOWN && mark->level > (uint8_t) run->query->least)
    return false;
  if (mark->time_us < run->query->from_us || mark->time_us >= run->query->until_us)
    return false;
  if (run->target_matches == NULL)
    return true;
  if (mark->target_id > run->n_targets)
    return line_target_matches (run, line);
  return run->target_matches[mark->target_id];
}

/* -- the text -- */

static bool
line_has_text (Run *run, uint32_t line)
{
  FzSpan bytes;

  fz_log_index_read_line (run->index, line, run->scratch, NULL);
  bytes = fz_span (run->scratch->str, run->scratch->len);
  for (size_t i = 0; i < run->n_needles; i++)
    if (fz_log_needle_find (&run->needles[i], bytes, 0) < bytes.length)
      return true;
  return run->n_needles == 0;
}

/* Where the sweep is. */
typedef struct {
  uint32_t line; /* that holds the place, or is next to be looked at */
  uint32_t end;
  uint64_t place; /* offset in the file */
  uint64_t limit; /* where line @end begins; UINT64_MAX: there is none yet */
  uint8_t *window;
  GArray *out;
} Sweep;

static uint64_t
line_offset (Run *run, uint32_t line)
{
  FzLogMark mark;

  fz_log_index_get_mark (run->index, line, &mark);
  return mark.offset;
}

/* To the line that holds @place. */
static void
advance_to (Run *run, Sweep *sweep, uint64_t place)
{
  while (sweep->line + 1 < sweep->end && line_offset (run, sweep->line + 1) <= place)
    sweep->line++;
  sweep->place = place;
}

/* To the next line that may match. False: there is none. */
static bool
skip_to_candidate (Run *run, Sweep *sweep)
{
  FzLogMark mark;

  for (; sweep->line < sweep->end; sweep->line++) {
    fz_log_index_get_mark (run->index, sweep->line, &mark);
    if (mark_matches (run, sweep->line, &mark)) {
      sweep->place = MAX (sweep->place, mark.offset);
      return true;
    }
  }
  return false;
}

/* The first hit of any needle at or behind @from; @next remembers what is known already. */
static size_t
find_any (Run *run, FzSpan window, size_t from, size_t next[2])
{
  size_t first = window.length;

  for (size_t i = 0; i < run->n_needles; i++) {
    if (next[i] < from || from == 0)
      next[i] = fz_log_needle_find (&run->needles[i], window, from);
    first = MIN (first, next[i]);
  }
  return first;
}

/* All hits in a window that begins at sweep->place. */
static void
search_window (Run *run, Sweep *sweep, FzSpan window)
{
  const uint64_t start = sweep->place;
  size_t next[2] = { 0 }, from = 0, hit;

  while (sweep->line < sweep->end && (hit = find_any (run, window, from, next)) < window.length) {
    FzLogMark mark;
    bool is_last;

    advance_to (run, sweep, start + hit);
    fz_log_index_get_mark (run->index, sweep->line, &mark);
    is_last = sweep->line + 1 == sweep->end;
    /* behind the last line there may be newer ones that nobody asked for */
    if (mark_matches (run, sweep->line, &mark) && (!is_last || line_has_text (run, sweep->line)))
      g_array_append_val (sweep->out, sweep->line);
    sweep->line++;
    if (is_last || sweep->line == sweep->end)
      return;
    sweep->place = MAX (sweep->place, line_offset (run, sweep->line));
    if (sweep->place - start >= window.length)
      return;
    from = (size_t) (sweep->place - start);
  }
}

static gssize
read_window (Run *run, const Sweep *sweep, GError **error)
{
  const size_t length = (size_t) MIN (sweep->limit - sweep->place, WINDOW_BYTES);
  ssize_t n;

  do
    n = pread (fz_log_index_get_fd (run->index), sweep->window, length, (off_t) sweep->place);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    g_set_error (error,
                 G_IO_ERROR,
                 g_io_error_from_errno (errno),
                 "reading the log: %s",
                 g_strerror (errno));
  return n;
}

static size_t
longest_needle (const Run *run)
{
  size_t longest = 1;

  for (size_t i = 0; i < run->n_needles; i++)
    longest = MAX (longest, run->needles[i].length);
  return longest;
}

static bool
sweep_text (Run *run, Sweep *sweep, GError **error)
{
  const size_t overlap = longest_needle (run) - 1;

  while (skip_to_candidate (run, sweep) && sweep->place < sweep->limit) {
    uint64_t start = sweep->place, behind;
    gssize n;

    if (g_cancellable_set_error_if_cancelled (run->cancellable, error))
      return false;
    n = read_window (run, sweep, error);
    if (n <= (gssize) overlap)
      return n >= 0;
    search_window (run, sweep, fz_span (sweep->window, (size_t) n));
    behind = start + (uint64_t) n - overlap;
    if (sweep->line < sweep->end && sweep->place < behind)
      advance_to (run, sweep, behind);
    /* a short read: the file ends here */
    if (n < (gssize) WINDOW_BYTES && sweep->place >= behind)
      return true;
  }
  return true;
}

static bool
run_text (Run *run, uint32_t first, uint32_t end, GArray *out, GError **error)
{
  g_autofree uint8_t *window = g_malloc (WINDOW_BYTES);
  Sweep sweep = { .line = first, .end = end, .limit = UINT64_MAX, .window = window, .out = out };

  if (end < fz_log_index_get_n_lines (run->index))
    sweep.limit = line_offset (run, end);
  return sweep_text (run, &sweep, error);
}

static bool
run_marks (Run *run, uint32_t first, uint32_t end, GArray *out, GError **error)
{
  for (uint32_t line = first; line < end; line++) {
    FzLogMark mark;

    if (line % LINES_BETWEEN_ASK == 0 &&
        g_cancellable_set_error_if_cancelled (run->cancellable, error))
      return false;
    fz_log_index_get_mark (run->index, line, &mark);
    if (mark_matches (run, line, &mark))
      g_array_append_val (out, line);
  }
  return !g_cancellable_set_error_if_cancelled (run->cancellable, error);
}

bool
fz_log_query_run (const FzLogQuery *self,
                  FzLogIndex *index,
                  uint32_t first,
                  uint32_t end,
                  GCancellable *cancellable,
                  GArray *out,
                  GError **error)
{
  g_autoptr (GString) scratch = g_string_new (NULL);
  Run run;
  bool ok;

  g_assert (end <= fz_log_index_get_n_lines (index));
  run_init (&run, self, index, scratch);
  run.cancellable = cancellable;
  if (run.n_needles > 0)
    ok = run_text (&run, first, end, out, error);
  else
    ok = run_marks (&run, first, end, out, error);
  run_clear (&run);
  return ok;
}

bool
fz_log_query_matches (const FzLogQuery *self,
                      const FzLogIndex *index,
                      uint32_t line,
                      GString *buffer)
{
  FzLogMark mark;
  Run run;
  bool matches;

  run_init (&run, self, index, buffer);
  fz_log_index_get_mark (index, line, &mark);
  matches = mark_matches (&run, line, &mark) && line_has_text (&run, line);
  run_clear (&run);
  return matches;
}

/* -- next and previous -- */

uint32_t
fz_log_rows_find_level (
    const FzLogIndex *index, const GArray *rows, uint32_t row, int step, FzLogLevel least)
{
  const uint32_t n_rows = rows != NULL ? rows->len : fz_log_index_get_n_lines (index);
  uint32_t at = row;

  if (row == FZ_LOG_NO_ROW)
    at = step > 0 ? 0 : n_rows - 1; /* of no rows: out of range at once */
  else
    at += (uint32_t) step;
  for (; at < n_rows; at += (uint32_t) step) {
    uint32_t line = rows != NULL ? g_array_index (rows, uint32_t, at) : at;

    if (fz_log_index_get_level (index, line) <= (uint8_t) least)
      return at;
  }
  return FZ_LOG_NO_ROW;
}
