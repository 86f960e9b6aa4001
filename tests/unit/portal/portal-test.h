/* portal-test.h
 *
 * What the portal's tests share: a log that remembers, recorded frames,
 * commands as text, and patience.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/engine/fz-command.h"

#include <json-glib/json-glib.h>

/* Event names of everything logged at warning or above, separated by spaces. */
typedef struct {
  FzLogSink sink;
  GString *warnings;
} PortalTestLog;

void portal_test_log_init (PortalTestLog *self);
void portal_test_log_clear (PortalTestLog *self);
FzLog portal_test_log_get (PortalTestLog *self);

/* Text of tests/data/portal/@name; aborts if there is none. */
char *portal_test_read (const char *name);

/* Everything a command holds, one "name value" a line. */
char *portal_test_describe (const FzCommand *command);

/* -- trees: @path is "payload/relays/0/addr" -- */
JsonNode *portal_test_find (JsonNode *root, const char *path);
void portal_test_remove (JsonNode *root, const char *path);
void portal_test_set (JsonNode *root, const char *path, const char *json);

/* -- the main loop -- */

/* Runs it for so long, for what must not happen and for what libraries still have to do. */
void portal_test_settle (unsigned ms);

#define PORTAL_TEST_WAIT_MAX_MS 30000 /* of real time for anything */

gboolean portal_test_set_flag (gpointer flag); /* a bool; a GSourceFunc that ends itself */

/* Runs it until @condition holds; if it never does, fails with the place, and with what there was
 * to see instead: a format and its values. */
#define portal_test_wait(condition, format, ...)                                                   \
  G_STMT_START                                                                                     \
  {                                                                                                \
    bool is_late_ = false;                                                                         \
    guint id_ = g_timeout_add (PORTAL_TEST_WAIT_MAX_MS, portal_test_set_flag, &is_late_);          \
    while (!(condition) && !is_late_)                                                              \
      g_main_context_iteration (NULL, TRUE);                                                       \
    if (is_late_)                                                                                  \
      g_error (                                                                                    \
          "%s:%d: waited in vain for %s; " format, __FILE__, __LINE__, #condition, __VA_ARGS__);   \
    g_source_remove (id_);                                                                         \
  }                                                                                                \
  G_STMT_END
