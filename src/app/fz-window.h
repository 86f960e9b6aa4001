/* fz-window.h
 *
 * The one window: a header with a view switcher (at the bottom where the window is narrow), and
 * below it the pages overview, resources, logs, settings. It remembers its size. Closing it hides
 * it: the process goes on. Where no panel shows a tray icon the first closing explains that, the
 * later ones leave a notification.
 */
#pragma once

#include "src/app/fz-application.h"
#include "src/app/fz-passphrase-dialog.h"

#define FZ_TYPE_WINDOW (fz_window_get_type ())
G_DECLARE_FINAL_TYPE (FzWindow, fz_window, FZ, WINDOW, AdwApplicationWindow)

FzWindow *fz_window_new (FzApplication *application);

/* @page: "overview", "resources", "logs", "settings"; another one changes nothing */
void fz_window_show_page (FzWindow *self, const char *page);

void fz_window_show_resource (FzWindow *self, const char *id);

/* The dialog with the sign-in page's address; only while a browser is waited for. */
void fz_window_show_link (FzWindow *self);

/* Asks for the passphrase of the encrypted sign-in. */
void fz_window_ask_passphrase (FzWindow *self, FzPassphraseUse use);

/* Opens a JSONL file in the log pane. */
void fz_window_open_log (FzWindow *self, GFile *file);

/* A word at the bottom that goes by itself. */
void fz_window_toast (FzWindow *self, const char *text);
