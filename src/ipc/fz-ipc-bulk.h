/* fz-ipc-bulk.h
 *
 * Messages whose body is written when they leave, in GDBus's own thread. Turning thousands of
 * objects into a message takes a tenth of a second, and the main loop has packets to look after.
 *
 *   main thread      attach (stand-in, what the body is made of) ─► g_dbus_connection_send_message
 *                                                                                 │ in its turn
 *   GDBus's thread   filter on what leaves ─► expand ─► the message itself ─► the bus
 *
 * A message keeps its place in the order of all that is sent, so that no signal overtakes a reply
 * that it is newer than. What the body is made of must not change: see fz-ipc-picture.h.
 */
#pragma once

#include <gio/gio.h>

/* (transfer floating): the body. GDBus's thread. */
typedef GVariant *(*FzIpcBodyFunc) (gpointer data);

/**
 * fz_ipc_bulk_new_reply:
 * @call: what is answered
 * @write: makes the body from @data
 * @free: of @data, in whichever thread; it is called however the message ends
 *
 * Returns: (transfer full): the stand-in, to be sent on a connection whose filter expands. It is
 * an error, LimitsExceeded: what leaves if the body is more than a message can hold.
 */
GDBusMessage *
fz_ipc_bulk_new_reply (GDBusMessage *call, FzIpcBodyFunc write, gpointer data, GDestroyNotify free);

/* The same for a signal. */
GDBusMessage *fz_ipc_bulk_new_signal (const char *path,
                                      const char *interface,
                                      const char *signal,
                                      FzIpcBodyFunc write,
                                      gpointer data,
                                      GDestroyNotify free);

/* What is to leave instead of @message, which it takes; most are what they are. GDBus's thread. */
GDBusMessage *fz_ipc_bulk_expand (GDBusMessage *message);
