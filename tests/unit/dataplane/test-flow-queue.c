/* test-flow-queue.c: turns, signals and waiting of fz-flow-queue.h, without packets */

#include "src/dataplane/fz-flow-queue.h"

#include <glib.h>

#define SUPER 64000u /* bytes of an item; more than a quantum */
#define SMALL 100u
#define LARGE 64u /* places */

static const FzCodelConfig codel = { 2 * FZ_MS, 40 * FZ_MS };

typedef struct {
  FzQueueItem item;
  uint32_t flow;
  uint32_t group;
  uint32_t number; /* within its flow */
} Item;

typedef struct {
  FzFlowQueue *queue;
  FzInstant now;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->now = 1000 * FZ_S;
  f->queue = fz_flow_queue_new (&codel, LARGE);
  fz_flow_queue_begin (f->queue, f->now, false);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  fz_flow_queue_free (f->queue);
}

static Item *
make_item (const Fixture *f, uint32_t flow, uint32_t group, uint32_t bytes)
{
  static uint32_t n_made;
  Item *item = g_new0 (Item, 1);

  item->item = (FzQueueItem){ .since = fz_flow_queue_clock (f->queue),
                              .bytes = bytes,
                              .is_large = bytes > 2048 };
  item->flow = flow;
  item->group = group;
  item->number = n_made++;
  return item;
}

static void
push (Fixture *f, uint32_t flow, uint32_t group, uint32_t bytes)
{
  fz_flow_queue_push (f->queue,
                      fz_flow_queue_find (f->queue, flow),
                      group,
                      &make_item (f, flow, group, bytes)->item);
}

/* NULL: nothing may leave. */
static Item *
pop (Fixture *f, bool *out_signal)
{
  FzQueueFlow *flow = fz_flow_queue_next (f->queue);
  FzQueueItem *head;

  if (flow == NULL)
    return NULL;
  g_assert_true (fz_flow_queue_next (f->queue) == flow); /* asking changes nothing */
  head = fz_queue_flow_get_head (flow);
  g_assert_true (fz_flow_queue_pop (f->queue, flow, out_signal) == head);
  return (Item *) (void *) head;
}

/* Flow of the next item, which is freed; -1: none. */
static int
pop_flow (Fixture *f)
{
  bool is_signalled;
  g_autofree Item *item = pop (f, &is_signalled);

  return item != NULL ? (int) item->flow : -1;
}

static void
drain (Fixture *f)
{
  while (pop_flow (f) >= 0)
    continue;
  g_assert_true (fz_flow_queue_is_empty (f->queue));
}

static void
advance (Fixture *f, uint64_t duration_ns)
{
  f->now += duration_ns;
  fz_flow_queue_begin (f->queue, f->now, false);
}

static const FzQueueCounters *
counters (Fixture *f)
{
  fz_flow_queue_publish (f->queue);
  return fz_flow_queue_get_counters (f->queue);
}

/* -- turns -- */

static void
test_order (Fixture *f, gconstpointer data)
{
  uint32_t last[3] = { 0 };
  bool is_signalled;
  Item *item;

  for (unsigned i = 0; i < 30; i++)
    push (f, i % 3, 0, i % 2 == 0 ? SUPER : SMALL);
  for (unsigned i = 0; i < 30; i++) {
    item = pop (f, &is_signalled);
    g_assert_true (last[item->flow] == 0 || item->number > last[item->flow]);
    last[item->flow] = item->number;
    g_free (item);
  }
  g_assert_null (pop (f, &is_signalled));
}

/* Bytes of each of @n flows among the first @n_bytes to leave. */
static void
share_out (Fixture *f, uint64_t n_bytes, uint64_t *shares, bool by_group)
{
  bool is_signalled;
  Item *item;

  for (uint64_t done = 0; done < n_bytes;) {
    item = pop (f, &is_signalled);
    g_assert_nonnull (item);
    done += item->item.bytes;
    shares[by_group ? item->group : item->flow] += item->item.bytes;
    g_free (item);
  }
}

static void
test_fair_flows (Fixture *f, gconstpointer data)
{
  static const uint32_t sizes[4] = { SUPER, 20000, 1280, SMALL };
  uint64_t shares[4] = { 0 };

  for (unsigned flow = 0; flow < 4; flow++)
    for (uint32_t bytes = 0; bytes < 20 * SUPER; bytes += sizes[flow])
      push (f, flow, 0, sizes[flow]);
  share_out (f, 40 * SUPER, shares, false);
  for (unsigned flow = 0; flow < 4; flow++) { /* within an item and a quantum of each other */
    g_assert_cmpuint (shares[flow], >=, 10 * SUPER - 2 * (SUPER + FZ_FLOW_QUEUE_QUANTUM));
    g_assert_cmpuint (shares[flow], <=, 10 * SUPER + 2 * (SUPER + FZ_FLOW_QUEUE_QUANTUM));
  }
  drain (f);
}

/* One flow of A beside sixteen of B: half for each. */
static void
test_fair_groups (Fixture *f, gconstpointer data)
{
  uint64_t shares[2] = { 0 };

  for (unsigned i = 0; i < 40; i++) {
    push (f, 100, 0, SUPER);
    for (unsigned flow = 0; flow < 16; flow++)
      push (f, flow, 1, SUPER);
  }
  share_out (f, 60 * SUPER, shares, true);
  g_assert_cmpuint (shares[0], >=, 28 * SUPER);
  g_assert_cmpuint (shares[1], >=, 28 * SUPER);
  drain (f);
}

/* What comes seldom does not wait for what stands, neither in its own group nor in another. */
static void
test_sparse_first (Fixture *f, gconstpointer data)
{
  uint64_t sparse;

  for (unsigned i = 0; i < 20; i++)
    for (unsigned flow = 0; flow < 8; flow++)
      push (f, flow, flow % 2, SUPER);
  for (unsigned i = 0; i < 16; i++) /* all of them have become old */
    g_assert_cmpint (pop_flow (f), <, 8);
  sparse = atomic_load (&counters (f)->sparse);
  push (f, 50, 0, SMALL);
  g_assert_cmpint (pop_flow (f), ==, 50);
  push (f, 51, 7, SMALL);
  g_assert_cmpint (pop_flow (f), ==, 51);
  g_assert_cmpuint (atomic_load (&counters (f)->sparse), ==, sparse + 2);
  g_assert_cmpint (pop_flow (f), <, 8);
  drain (f);
}

/* A flow that always has just one item ready is not sparse for ever. */
static void
test_no_starvation (Fixture *f, gconstpointer data)
{
  unsigned n_others = 0;

  for (unsigned i = 0; i < 60; i++)
    push (f, 1, 0, SUPER);
  push (f, 2, 0, SUPER);
  for (unsigned i = 0; i < 100; i++) {
    if (pop_flow (f) == 2)
      push (f, 2, 0, SUPER);
    else
      n_others++;
  }
  g_assert_cmpuint (n_others, >=, 45);
  drain (f);
}

/* -- CoDel -- */

/* A turn each 500 us with a standing queue of @n_standing items. Returns: signals in @duration */
static unsigned
stand (Fixture *f, unsigned n_standing, uint64_t duration_ns)
{
  unsigned n_signals = 0;

  for (uint64_t t = 0; t < duration_ns; t += 500 * FZ_US) {
    bool is_signalled;

    advance (f, 500 * FZ_US);
    do
      push (f, 1, 0, SUPER);
    while (atomic_load (&counters (f)->items) < n_standing);
    g_free (pop (f, &is_signalled));
    n_signals += is_signalled;
  }
  return n_signals;
}

static void
test_codel (Fixture *f, gconstpointer data)
{
  g_assert_cmpuint (stand (f, 3, FZ_S), ==, 0); /* 1 ms: below the target */
  drain (f);
  g_assert_cmpuint (stand (f, 8, 35 * FZ_MS), ==, 0); /* 4 ms, but not for long */
  g_assert_cmpuint (stand (f, 8, 10 * FZ_MS), ==, 1);
  g_assert_cmpuint (stand (f, 8, 400 * FZ_MS), >=, 10); /* closer and closer */
  drain (f);
}

/* One item in the flow is never signalled, however long it has waited. */
static void
test_single (Fixture *f, gconstpointer data)
{
  g_assert_cmpuint (stand (f, 1, 10 * FZ_MS), ==, 0);
  drain (f);
  for (unsigned i = 0; i < 200; i++) {
    bool is_signalled;

    push (f, 1, 0, SUPER);
    f->now += 5 * FZ_MS;
    fz_flow_queue_begin (f->queue, f->now, true);
    g_free (pop (f, &is_signalled));
    g_assert_false (is_signalled);
  }
}

/* Time that the lane was not scheduled is nobody's fault; time it was held up is. */
static void
test_absence (Fixture *f, gconstpointer data)
{
  for (unsigned held_up = 0; held_up < 2; held_up++) {
    unsigned n_signals = 0;

    for (unsigned i = 0; i < 3; i++)
      push (f, 1, 0, SUPER);
    for (unsigned i = 0; i < 100; i++) {
      bool is_signalled;

      f->now += 10 * FZ_MS;
      fz_flow_queue_begin (f->queue, f->now, held_up == 1);
      push (f, 1, 0, SUPER);
      g_free (pop (f, &is_signalled));
      n_signals += is_signalled;
    }
    if (held_up == 1)
      g_assert_cmpuint (n_signals, >, 5);
    else
      g_assert_cmpuint (n_signals, ==, 0);
    drain (f);
  }
}

/* Signals in a turn in which four items leave. */
static unsigned
pop_four (Fixture *f)
{
  unsigned n_signals = 0;

  for (unsigned i = 0; i < 4; i++) {
    bool is_signalled;

    g_free (pop (f, &is_signalled));
    n_signals += is_signalled;
  }
  return n_signals;
}

/* Most of the large places, and hardly one is left: a signal in an interval. */
static void
test_crowding (Fixture *f, gconstpointer data)
{
  for (unsigned i = 0; i < LARGE - LARGE / 8; i++)
    push (f, 1, 0, SUPER);
  g_assert_cmpuint (pop_four (f), ==, 0); /* there are places left */
  for (unsigned round = 0; round < 20; round++) {
    while (atomic_load (&counters (f)->large) < LARGE)
      push (f, 1, 0, SUPER);
    g_assert_cmpuint (pop_four (f), <=, 2); /* CoDel has its own say */
    g_assert_cmpuint (atomic_load (&counters (f)->crowded), ==, round / 10 + 1);
    advance (f, FZ_MS);
    advance (f, FZ_MS);
    advance (f, 2 * FZ_MS);
  }
  drain (f);

  advance (f, FZ_S);
  for (unsigned i = 0; i < LARGE; i++) /* nobody has the most of them */
    push (f, i % 2, 0, SUPER);
  for (unsigned i = 0; i < 300; i++) /* small ones do not count */
    push (f, 5, 0, SMALL);
  g_assert_cmpuint (pop_four (f), ==, 0);
  drain (f);
}

static void
test_counters (Fixture *f, gconstpointer data)
{
  static const uint32_t waits_us[] = { 0, 100, 600, 1500, 3000, 7000, 20000, 80000 };
  const FzQueueCounters *c;

  for (unsigned i = 0; i < G_N_ELEMENTS (waits_us); i++) {
    push (f, i, 0, i == 0 ? SUPER : SMALL);
    f->now += waits_us[i] * FZ_US;
    fz_flow_queue_begin (f->queue, f->now, true);
    if (i == 0)
      g_assert_cmpuint (atomic_load (&counters (f)->large), ==, 1);
    g_assert_cmpint (pop_flow (f), ==, (int) i);
  }
  c = counters (f);
  for (unsigned i = 0; i < FZ_SOJOURN_BUCKETS; i++)
    g_assert_cmpuint (atomic_load (&c->sojourn[i]), ==, 1);
  g_assert_cmpuint (atomic_load (&c->items), ==, 0);
  g_assert_cmpuint (atomic_load (&c->bytes), ==, 0);
  g_assert_cmpuint (atomic_load (&c->items_max), ==, 1);
  g_assert_cmpuint (atomic_load (&c->bytes_max), ==, SUPER);
  g_assert_cmpuint (atomic_load (&c->large_max), ==, 1);
}

/* -- waiting -- */

static bool
is_below (const void *context, uint64_t mark)
{
  return mark <= *(const uint64_t *) context;
}

static void
test_pause (Fixture *f, gconstpointer data)
{
  FzQueueFlow *first = fz_flow_queue_find (f->queue, 1), *second = fz_flow_queue_find (f->queue, 2);
  uint64_t limit = 0;

  *fz_queue_flow_get_mark (first) = 10;
  *fz_queue_flow_get_mark (second) = 20;
  for (uint32_t flow = 1; flow <= 3; flow++)
    for (unsigned i = 0; i < 2; i++)
      push (f, flow, 0, SMALL);
  g_assert_true (fz_flow_queue_next (f->queue) == first);
  fz_flow_queue_pause (f->queue, first);
  g_assert_true (fz_flow_queue_next (f->queue) == second);
  fz_flow_queue_pause (f->queue, second);
  push (f, 1, 0, SMALL); /* behind the others of its flow */
  g_assert_cmpint (pop_flow (f), ==, 3);
  g_assert_cmpint (pop_flow (f), ==, 3);
  g_assert_cmpint (pop_flow (f), ==, -1);
  g_assert_false (fz_flow_queue_is_empty (f->queue));

  g_assert_true (fz_flow_queue_resume (f->queue, is_below, &limit));
  g_assert_cmpint (pop_flow (f), ==, -1);
  limit = 10;
  g_assert_true (fz_flow_queue_resume (f->queue, is_below, &limit));
  for (unsigned i = 0; i < 3; i++)
    g_assert_cmpint (pop_flow (f), ==, 1);
  g_assert_cmpint (pop_flow (f), ==, -1);
  limit = 20;
  g_assert_false (fz_flow_queue_resume (f->queue, is_below, &limit));
  g_assert_cmpint (pop_flow (f), ==, 2);
  g_assert_cmpint (pop_flow (f), ==, 2);
  g_assert_true (fz_flow_queue_is_empty (f->queue));
  g_assert_cmpuint (atomic_load (&counters (f)->paused), ==, 2);
}

/* -- anything at any time, against lists -- */

#define N_FLOWS 40u

typedef struct {
  GQueue flows[N_FLOWS]; /* Item */
  bool is_paused[N_FLOWS];
  uint64_t bytes;
  uint32_t n_items;
} Model;

/* Two of three flows share a line with another one: those are one flow to the queue. */
static uint32_t
line_of (uint32_t flow)
{
  return flow % 3 == 0 ? flow : (flow / 6 * 6 + 1);
}

static void
push_random (Fixture *f, Model *model, GRand *rand)
{
  static const uint32_t sizes[] = { SMALL, 1280, 5000, SUPER };
  uint32_t line = line_of ((uint32_t) g_rand_int_range (rand, 0, N_FLOWS));
  Item *item = make_item (
      f, line, (uint32_t) g_rand_int_range (rand, 0, 5), sizes[g_rand_int_range (rand, 0, 4)]);

  fz_flow_queue_push (f->queue,
                      fz_flow_queue_find (f->queue, line + FZ_FLOW_QUEUE_FLOWS * item->number),
                      item->group,
                      &item->item);
  g_queue_push_tail (&model->flows[line], item);
  model->bytes += item->item.bytes;
  model->n_items++;
}

static bool
may_go (const void *context, uint64_t mark)
{
  const Model *model = context;

  return !model->is_paused[mark];
}

static void
pop_random (Fixture *f, Model *model, GRand *rand)
{
  FzQueueFlow *flow = fz_flow_queue_next (f->queue);
  bool is_signalled;
  Item *item;

  if (flow == NULL) {
    for (unsigned i = 0; i < N_FLOWS; i++)
      g_assert_true (model->is_paused[i] || g_queue_is_empty (&model->flows[i]));
    return;
  }
  item = (Item *) (void *) fz_queue_flow_get_head (flow);
  g_assert_false (model->is_paused[item->flow]);
  g_assert_true (g_queue_peek_head (&model->flows[item->flow]) == item);
  if (g_rand_int_range (rand, 0, 20) == 0) {
    *fz_queue_flow_get_mark (flow) = item->flow;
    model->is_paused[item->flow] = true;
    fz_flow_queue_pause (f->queue, flow);
    return;
  }
  fz_flow_queue_pop (f->queue, flow, &is_signalled);
  g_queue_pop_head (&model->flows[item->flow]);
  model->bytes -= item->item.bytes;
  model->n_items--;
  g_free (item);
}

static void
test_random (Fixture *f, gconstpointer data)
{
  guint32 seed = (guint32) g_test_rand_int ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  Model model = { 0 };

  g_test_message ("seed %u", seed);
  for (unsigned step = 0; step < 200000; step++) {
    int what = g_rand_int_range (rand, 0, 100);
    bool is_filling = step / 1000 % 2 == 0;

    if (what < (is_filling ? 50 : 35) && model.n_items < 500)
      push_random (f, &model, rand);
    else if (what < 95)
      pop_random (f, &model, rand);
    else if (what < 97)
      advance (f, (uint64_t) g_rand_int_range (rand, 0, 5000000));
    else {
      bool stay = false;

      for (unsigned i = 0; i < N_FLOWS; i++) {
        model.is_paused[i] = model.is_paused[i] && g_rand_boolean (rand);
        stay = stay || model.is_paused[i];
      }
      g_assert_cmpint (fz_flow_queue_resume (f->queue, may_go, &model), ==, stay);
    }
    g_assert_cmpint (fz_flow_queue_is_empty (f->queue), ==, model.n_items == 0);
  }
  g_assert_cmpuint (atomic_load (&counters (f)->items), ==, model.n_items);
  g_assert_cmpuint (atomic_load (&counters (f)->bytes), ==, model.bytes);
  memset (model.is_paused, 0, sizeof model.is_paused);
  fz_flow_queue_resume (f->queue, may_go, &model);
  drain (f);
  for (unsigned i = 0; i < N_FLOWS; i++)
    g_queue_clear (&model.flows[i]);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/flow-queue/turns/order", test_order);
  ADD ("/flow-queue/turns/fair-flows", test_fair_flows);
  ADD ("/flow-queue/turns/fair-groups", test_fair_groups);
  ADD ("/flow-queue/turns/sparse-first", test_sparse_first);
  ADD ("/flow-queue/turns/no-starvation", test_no_starvation);
  ADD ("/flow-queue/signals/codel", test_codel);
  ADD ("/flow-queue/signals/single", test_single);
  ADD ("/flow-queue/signals/absence", test_absence);
  ADD ("/flow-queue/signals/crowding", test_crowding);
  ADD ("/flow-queue/counters", test_counters);
  ADD ("/flow-queue/pause", test_pause);
  ADD ("/flow-queue/random", test_random);
  return g_test_run ();
}
