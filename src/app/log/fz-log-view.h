/* fz-log-view.h
 *
 * The log pane: list, filter bar, details of a line, and what can be done with
 * them. It shows what its reader says and keeps no truth of its own but what is
 * selected and whether it follows the end.
 *
 * Actions, for shortcuts, menus and tests alike:
 *   log.find            Ctrl+F        to the search
 *   log.next-error      F8            log.previous-error  Shift+F8
 *   log.copy-text       Ctrl+Shift+C  log.copy-json       Ctrl+Shift+J: the selected line
 *   log.follow          Ctrl+End      boolean: stay at the end as it grows
 *   log.export          Ctrl+E        log.open-file       Ctrl+O
 *   log.show-service    log.clear-filters    log.retry    log.ask-permission
 *   log.close-details   Escape        log.focus-list      Escape in the search
 */
#pragma once

#include <adwaita.h>
#include <stdbool.h>

#define FZ_TYPE_LOG_VIEW (fz_log_view_get_type ())
G_DECLARE_FINAL_TYPE (FzLogView, fz_log_view, FZ, LOG_VIEW, AdwBin)

GtkWidget *fz_log_view_new (void);

/* Any JSONL file; its start is shown. */
void fz_log_view_open_file (FzLogView *self, const char *path);

/* @bus: (nullable): NULL for the system bus. The service's log; its end is shown and followed. */
void fz_log_view_open_service (FzLogView *self, GDBusConnection *bus);

/* Whether anything was opened yet: the window opens the service's log when its page is first shown.
 */
bool fz_log_view_is_open (FzLogView *self);
