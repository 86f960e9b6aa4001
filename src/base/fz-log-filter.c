/* fz-log-filter.c: see the header */

#include "src/base/fz-log-filter.h"

#include <string.h>
#include <strings.h>

#define LEVEL_OFF     (-1)
#define LEVEL_UNKNOWN (-2)

static const char target_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789-_:./";

static int
parse_level (const char *text, size_t length)
{
  static const struct {
    const char *name;
    int level;
  } levels[] = {
    { "off", LEVEL_OFF },          { "error", FZ_LOG_ERROR }, { "warn", FZ_LOG_WARNING },
    { "warning", FZ_LOG_WARNING }, { "info", FZ_LOG_INFO },   { "debug", FZ_LOG_DEBUG },
    { "trace", FZ_LOG_TRACE },
  };

  for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
    if (strlen (levels[i].name) == length && strncasecmp (levels[i].name, text, length) == 0)
      return levels[i].level;
  return LEVEL_UNKNOWN;
}

static void
trim (const char **text, size_t *length)
{
  while (*length > 0 && (**text == ' ' || **text == '\t')) {
    (*text)++;
    (*length)--;
  }
  while (*length > 0 && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t'))
    (*length)--;
}

static bool
add_directive (FzLogFilter *self, const char *target, size_t length, int level)
{
  FzLogDirective *directive = &self->directives[self->n_directives];

  if (level == LEVEL_UNKNOWN || length == 0 || length >= sizeof directive->target ||
      strspn (target, target_characters) < length ||
      self->n_directives == FZ_LOG_FILTER_DIRECTIVES_MAX)
    return false;
  memcpy (directive->target, target, length);
  directive->target[length] = '\0';
  directive->target_length = length;
  directive->level = level;
  self->n_directives++;
  return true;
}

static bool
parse_directive (FzLogFilter *self, const char *text, size_t length)
{
  const char *equals = memchr (text, '=', length);
  int level;

  if (equals != NULL)
    return add_directive (self,
                          text,
                          (size_t) (equals - text),
                          parse_level (equals + 1, length - (size_t) (equals - text) - 1));
  level = parse_level (text, length);
  if (level == LEVEL_UNKNOWN)
    return add_directive (self, text, length, FZ_LOG_TRACE);
  self->default_level = level;
  return true;
}

void
fz_log_filter_init (FzLogFilter *self, FzLogLevel level)
{
  *self = (FzLogFilter){ .default_level = (int) level, .highest_level = (int) level };
}

bool
fz_log_filter_parse (const char *text, FzLogFilter *out, const char **out_bad)
{
  FzLogFilter filter;
  const char *at = text;

  fz_log_filter_init (&filter, FZ_LOG_INFO);
  while (*at != '\0') {
    const char *directive = at;
    size_t length = strcspn (at, ",");

    at += length;
    at += *at == ',';
    trim (&directive, &length);
    if (length > 0 && !parse_directive (&filter, directive, length)) {
      if (out_bad != NULL)
        *out_bad = directive;
      return false;
    }
  }

  filter.highest_level = filter.default_level;
  for (size_t i = 0; i < filter.n_directives; i++)
    if (filter.directives[i].level > filter.highest_level)
      filter.highest_level = filter.directives[i].level;
  *out = filter;
  return true;
}

static bool
matches (const FzLogDirective *directive, const char *target)
{
  char end;

  if (strncmp (directive->target, target, directive->target_length) != 0)
    return false;
  end = target[directive->target_length];
  return end == '\0' || strchr ("-:./_", end) != NULL;
}

bool
fz_log_filter_wants (const FzLogFilter *self, const char *target, FzLogLevel level)
{
  size_t longest = 0;
  int limit = self->default_level;

  if ((int) level > self->highest_level)
    return false;
  for (size_t i = 0; i < self->n_directives; i++) {
    const FzLogDirective *directive = &self->directives[i];

    if (directive->target_length >= longest && matches (directive, target)) {
      longest = directive->target_length; /* of equals the later one, as in a shell */
      limit = directive->level;
    }
  }
  return (int) level <= limit;
}
