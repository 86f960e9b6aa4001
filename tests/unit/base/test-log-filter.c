/* test-log-filter.c: RUST_LOG-like directives */

#include "src/base/fz-log-filter.h"

#include <glib.h>
#include <string.h>

static void
test_directives (void)
{
  static const struct {
    const char *text;
    const char *target;
    FzLogLevel level;
    bool is_kept;
    const char *why;
  } rows[] = {
    { "", "ice", FZ_LOG_INFO, true, "info is the default" },
    { "", "ice", FZ_LOG_DEBUG, false, "info is the default" },
    { "debug", "ice", FZ_LOG_DEBUG, true, "a level for all" },
    { "debug", "ice", FZ_LOG_TRACE, false, "a level for all" },
    { "info,ice=debug,wireguard=trace", "ice", FZ_LOG_DEBUG, true, "a target's own" },
    { "info,ice=debug,wireguard=trace", "ice", FZ_LOG_TRACE, false, "a target's own" },
    { "info,ice=debug,wireguard=trace", "wireguard", FZ_LOG_TRACE, true, "a target's own" },
    { "info,ice=debug,wireguard=trace", "dns", FZ_LOG_DEBUG, false, "the others" },
    { "ice=debug,warn", "dns", FZ_LOG_INFO, false, "in any order" },
    { "ice=debug,warn", "ice", FZ_LOG_DEBUG, true, "in any order" },
    { "debug,portal=warn", "portal", FZ_LOG_INFO, false, "less than the others" },
    { "debug,portal=warn", "portal", FZ_LOG_WARNING, true, "less than the others" },
    { "off", "ice", FZ_LOG_ERROR, false, "nothing" },
    { "trace,ice=off", "ice", FZ_LOG_ERROR, false, "nothing from here" },
    { "off,ice=error", "ice", FZ_LOG_ERROR, true, "only from here" },
    { "ice", "ice", FZ_LOG_TRACE, true, "a target alone means all of it" },
    { "ice", "dns", FZ_LOG_DEBUG, false, "and the rest at info" },
    { "ice=debug", "ice-agent", FZ_LOG_DEBUG, true, "a target's parts" },
    { "ice=debug", "ice::agent", FZ_LOG_DEBUG, true, "a target's parts, upstream's style" },
    { "ice=debug", "iceberg", FZ_LOG_DEBUG, false, "no part of it" },
    { "ice=debug", "ic", FZ_LOG_DEBUG, false, "no part of it" },
    { "ice=debug,ice-agent=warn", "ice-agent", FZ_LOG_INFO, false, "the longest wins" },
    { "ice-agent=warn,ice=debug", "ice-agent", FZ_LOG_INFO, false, "the longest wins" },
    { "ice=warn,ice=debug", "ice", FZ_LOG_DEBUG, true, "of equals the last" },
    { " info ,\tice=debug ", "ice", FZ_LOG_DEBUG, true, "blanks around" },
    { "WARN,ice=Debug", "ice", FZ_LOG_DEBUG, true, "any case" },
    { "warning", "ice", FZ_LOG_INFO, false, "the long name" },
    { ",,debug,", "ice", FZ_LOG_DEBUG, true, "empty directives" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzLogFilter filter;

    g_test_message ("\"%s\": %s", rows[i].text, rows[i].why);
    g_assert_true (fz_log_filter_parse (rows[i].text, &filter, NULL));
    g_assert_true (fz_log_filter_wants (&filter, rows[i].target, rows[i].level) == rows[i].is_kept);
  }
}

static void
test_bad (void)
{
  static const struct {
    const char *text;
    size_t at; /* where it says the bad one starts */
  } rows[] = {
    { "ice=loud", 0 },
    { "info,ice=", 5 },
    { "info, =debug", 6 },
    { "a b", 0 },
    { "ice=5", 0 },
    { "[span]=debug", 0 },
    { "info,ice=debug=trace", 5 },
    { "info;debug", 0 },
    { " info , ice = debug ", 8 },
  };
  FzLogFilter filter, before;

  fz_log_filter_init (&filter, FZ_LOG_TRACE);
  before = filter;
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    const char *bad = NULL;

    g_test_message ("\"%s\"", rows[i].text);
    g_assert_false (fz_log_filter_parse (rows[i].text, &filter, &bad));
    g_assert_true (bad == rows[i].text + rows[i].at);
    g_assert_cmpmem (&filter, sizeof filter, &before, sizeof before);
  }
}

static void
test_limits (void)
{
  GString *text = g_string_new (NULL);
  g_autofree char *longest = g_strnfill (FZ_LOG_FILTER_TARGET_TEXT_MAX - 1, 'x');
  g_autofree char *too_long = g_strnfill (FZ_LOG_FILTER_TARGET_TEXT_MAX, 'x');
  FzLogFilter filter;

  for (unsigned i = 0; i < FZ_LOG_FILTER_DIRECTIVES_MAX; i++)
    g_string_append_printf (text, "t%u=debug,", i);
  g_assert_true (fz_log_filter_parse (text->str, &filter, NULL));
  g_assert_true (fz_log_filter_wants (&filter, "t31", FZ_LOG_DEBUG));
  g_string_append (text, "one-more=debug");
  g_assert_false (fz_log_filter_parse (text->str, &filter, NULL));
  g_string_free (text, TRUE);

  g_assert_true (fz_log_filter_parse (longest, &filter, NULL));
  g_assert_true (fz_log_filter_wants (&filter, longest, FZ_LOG_TRACE));
  g_assert_false (fz_log_filter_parse (too_long, &filter, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-filter/directives", test_directives);
  g_test_add_func ("/log-filter/bad", test_bad);
  g_test_add_func ("/log-filter/limits", test_limits);
  return g_test_run ();
}
