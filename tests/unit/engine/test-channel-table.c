/* test-channel-table.c: numbers of TURN channels, connectivity.md §5.6 and §12.4 */

#include "src/engine/fz-channel-table.h"

#include <glib.h>

#define START (100 * FZ_S)
#define MIN_  (60 * FZ_S)

static FzSocketAddress
peer (unsigned i)
{
  return (FzSocketAddress){
    .ip = { FZ_IP_V4, { 10, 0, (uint8_t) (i >> 8), (uint8_t) i } },
    .port = 1,
  };
}

static int
bind_peer (FzChannelTable *table, unsigned i, FzInstant now)
{
  FzSocketAddress who = peer (i);
  const FzChannel *channel = fz_channel_table_request (table, &who, now);

  if (channel == NULL)
    return -1;
  fz_channel_table_confirm (table, channel->number, now);
  return channel->number;
}

typedef FzChannelTable Table;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Table, fz_channel_table_free)

/* C1, C2 */
static void
test_all_used (void)
{
  g_autoptr (Table) table = fz_channel_table_new ();

  for (unsigned i = 0; i < FZ_CHANNELS_MAX; i++)
    g_assert_cmphex (bind_peer (table, i, START), ==, 0x4000 + i);
  g_assert_cmpint (bind_peer (table, 9999, START), ==, -1);
  g_assert_cmpint (bind_peer (table, 9999, START + 15 * MIN_ - 1), ==, -1);
  g_assert_cmphex (bind_peer (table, 9999, START + 15 * MIN_), ==, 0x4000);
  /* C4 */
  g_assert_cmphex (bind_peer (table, 10000, START + 30 * MIN_), ==, 0x4001);
}

/* C3 */
static void
test_cycle (void)
{
  g_autoptr (Table) table = fz_channel_table_new ();

  for (unsigned i = 0; i < 100; i++)
    bind_peer (table, i, START);
  g_assert_cmphex (bind_peer (table, 500, START + 20 * MIN_), ==, 0x4000 + 100);
}

/* C6, C7 */
static void
test_refresh (void)
{
  g_autoptr (Table) table = fz_channel_table_new ();
  FzSocketAddress who = peer (1);
  int number = bind_peer (table, 1, START);

  g_assert_cmpuint (fz_channel_table_next_due (table), ==, FZ_INSTANT_NEVER);
  g_assert_null (fz_channel_table_get_due (table, START + 6 * MIN_));
  g_assert_nonnull (fz_channel_table_receive (table, (uint16_t) number, START + MIN_));
  g_assert_cmpuint (fz_channel_table_next_due (table), ==, START + 5 * MIN_);
  g_assert_null (fz_channel_table_get_due (table, START + 5 * MIN_ - 1));
  g_assert_nonnull (fz_channel_table_get_due (table, START + 5 * MIN_));
  g_assert_nonnull (fz_channel_table_request (table, &who, START + 6 * MIN_));
  g_assert_null (fz_channel_table_get_due (table, START + 6 * MIN_)); /* outstanding */
  fz_channel_table_confirm (table, (uint16_t) number, START + 6 * MIN_);
  g_assert_null (fz_channel_table_get_due (table, START + 12 * MIN_)); /* nothing received */
}

/* C8, C9 */
static void
test_ages (void)
{
  g_autoptr (Table) table = fz_channel_table_new ();
  FzSocketAddress who = peer (1);
  int number = bind_peer (table, 1, START);

  g_assert_nonnull (fz_channel_table_find (table, &who, START + 10 * MIN_ - 1));
  g_assert_null (fz_channel_table_find (table, &who, START + 10 * MIN_));
  g_assert_null (fz_channel_table_receive (table, (uint16_t) number, START + 10 * MIN_));
  g_assert_cmpint (bind_peer (table, 1, START + 12 * MIN_), ==, number);
  g_assert_nonnull (fz_channel_table_find (table, &who, START + 13 * MIN_));
}

static void
test_unconfirmed (void)
{
  g_autoptr (Table) table = fz_channel_table_new ();
  FzSocketAddress who = peer (1);
  uint16_t number = fz_channel_table_request (table, &who, START)->number;

  g_assert_nonnull (fz_channel_table_find (table, &who, START));
  g_assert_null (fz_channel_table_receive (table, number, START));
  fz_channel_table_forget (table, number);
  g_assert_null (fz_channel_table_find (table, &who, START));
  fz_channel_table_forget (table, number);
  fz_channel_table_confirm (table, number, START);
  fz_channel_table_confirm (table, 0x3fff, START);
  fz_channel_table_forget (table, 0x5000);
  g_assert_null (fz_channel_table_receive (table, 0xffff, START));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/channel-table/all-used", test_all_used);
  g_test_add_func ("/channel-table/cycle", test_cycle);
  g_test_add_func ("/channel-table/refresh", test_refresh);
  g_test_add_func ("/channel-table/ages", test_ages);
  g_test_add_func ("/channel-table/unconfirmed", test_unconfirmed);
  return g_test_run ();
}
