/* fz-window.h
 *
 * The one window: a header with a view switcher, and below it the pages. It remembers its size.
 */
#pragma once

#include "src/app/fz-application.h"

#define FZ_TYPE_WINDOW (fz_window_get_type ())
G_DECLARE_FINAL_TYPE (FzWindow, fz_window, FZ, WINDOW, AdwApplicationWindow)

FzWindow *fz_window_new (FzApplication *application);

/* @page: "overview", "resources", "logs", "settings" */
void fz_window_show_page (FzWindow *self, const char *page);
