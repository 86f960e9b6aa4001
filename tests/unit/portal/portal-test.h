/* portal-test.h
 *
 * What the portal's tests share: a log that remembers, recorded frames, and
 * commands as text.
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
