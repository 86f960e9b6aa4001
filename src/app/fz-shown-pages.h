/* fz-shown-pages.h
 *
 * Tells screen readers which pages are on the screen. GTK 4.8 calls every page of a stack visible,
 * also those behind the one that shows, so that a reader would walk through buttons that nobody
 * can see. What is here marks a page hidden while it is not mapped.
 */
#pragma once

#include <gtk/gtk.h>

/**
 * fz_shown_pages_follow:
 * @root: widget whose stacks, leaflets and squeezers are followed as long as they live, at any
 *   depth; those that are there now
 */
void fz_shown_pages_follow (GtkWidget *root);
