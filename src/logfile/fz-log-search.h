/* fz-log-search.h
 *
 * A query over the whole of an index, by workers. The index is cut into pieces
 * that the workers take in order, so what the beginning of the file has to show
 * is handed over while the rest is still being searched.
 *
 * Called in a thread with a main loop; the callbacks come in that thread.
 */
#pragma once

#include "src/logfile/fz-log-query.h"

/**
 * FzLogSearchPartFunc:
 * @lines: (transfer full): array of uint32_t, in order: all that match of the first @n_lines
 *
 * Comes when there is a screenful, and then every now and then; a short search has no parts. Each
 * has what the one before it had. Never comes after a cancellation, nor after the answer.
 */
typedef void (*FzLogSearchPartFunc) (GArray *lines, uint32_t n_lines, gpointer user_data);

/**
 * fz_log_search_async:
 * @query: copied
 * @on_part: (nullable)
 * @user_data: of both callbacks
 *
 * The whole of @index as it is when the work begins.
 */
void fz_log_search_async (const FzLogQuery *query,
                          FzLogIndex *index,
                          GCancellable *cancellable,
                          FzLogSearchPartFunc on_part,
                          GAsyncReadyCallback callback,
                          gpointer user_data);

/* @out_n_lines: (nullable): how many lines the index had then. Returns: (transfer full) */
GArray *fz_log_search_finish (GAsyncResult *result, uint32_t *out_n_lines, GError **error);
