/* test_depgraph.c - core/depgraph.c, also against a naive model. */
#include "unit.h"

#include "core/depgraph.h"

#include <stdint.h>
#include <stdlib.h>

#define LONG_CHAIN 100000
#define SMALL 24
#define RANDOM_GRAPHS 3000

static mp_depgraph_t *
make_graph(size_t nodes)
{
    mp_depgraph_t *graph = mp_depgraph_create(nodes);

    if (!graph) {
        puts("out of memory");
        exit(2);
    }
    return graph;
}

static void
nothing_at_all(void)
{
    mp_depgraph_t *graph = make_graph(0);

    CHECK_INT(mp_depgraph_spread(graph), 0);
    mp_depgraph_destroy(graph);
    mp_depgraph_destroy(NULL);
}

static void
no_marks(void)
{
    mp_depgraph_t *graph = make_graph(2);

    CHECK_INT(mp_depgraph_add_edge(graph, 0, 1), 0);
    CHECK_INT(mp_depgraph_is_reached(graph, 0), 0);
    CHECK_INT(mp_depgraph_spread(graph), 0);
    CHECK_INT(mp_depgraph_is_reached(graph, 1), 0);
    CHECK_INT(mp_depgraph_component(graph, 1), 1);
    CHECK_INT(mp_depgraph_reached_from(graph, 1), 1);
    mp_depgraph_destroy(graph);
}

/* 0 imports 1 and 2, both import 3, which imports 4. */
static void
diamond(void)
{
    mp_depgraph_t *graph = make_graph(6);

    mp_depgraph_add_edge(graph, 0, 1);
    mp_depgraph_add_edge(graph, 0, 2);
    mp_depgraph_add_edge(graph, 1, 3);
    mp_depgraph_add_edge(graph, 2, 3);
    mp_depgraph_add_edge(graph, 3, 4);
    mp_depgraph_mark(graph, 3);
    CHECK_INT(mp_depgraph_spread(graph), 4);
    CHECK(mp_depgraph_is_reached(graph, 0));
    CHECK(!mp_depgraph_is_reached(graph, 4));
    CHECK(!mp_depgraph_is_reached(graph, 5));
    CHECK_INT(mp_depgraph_reached_from(graph, 3), 3);
    CHECK_INT(mp_depgraph_reached_from(graph, 2), 3);
    CHECK_INT(mp_depgraph_reached_from(graph, 0), 1);
    CHECK_INT(mp_depgraph_component(graph, 3), 0);
    CHECK_INT(mp_depgraph_component(graph, 4), 4);
    mp_depgraph_destroy(graph);
}

static void
cycle(void)
{
    mp_depgraph_t *graph = make_graph(4);

    mp_depgraph_add_edge(graph, 1, 2);
    mp_depgraph_add_edge(graph, 2, 3);
    mp_depgraph_add_edge(graph, 3, 1);
    mp_depgraph_add_edge(graph, 3, 0);
    mp_depgraph_mark(graph, 2);
    CHECK_INT(mp_depgraph_spread(graph), 3);
    CHECK(!mp_depgraph_is_reached(graph, 0));
    CHECK_INT(mp_depgraph_reached_from(graph, 1), 2);
    CHECK_INT(mp_depgraph_reached_from(graph, 3), 1);
    CHECK_INT(mp_depgraph_component(graph, 3), 1);
    mp_depgraph_destroy(graph);
}

static void
same_edges(void)
{
    mp_depgraph_t *graph = make_graph(2);
    int i;

    for (i = 0; i < 1000; i++) {
        mp_depgraph_add_edge(graph, 0, 1);
        mp_depgraph_add_edge(graph, 1, 1);
    }
    mp_depgraph_mark(graph, 1);
    mp_depgraph_mark(graph, 1);
    CHECK_INT(mp_depgraph_spread(graph), 2);
    CHECK_INT(mp_depgraph_component(graph, 1), 0);
    mp_depgraph_destroy(graph);
}

/* Two changed modules share nothing but a module that did not change. */
static void
separate_components(void)
{
    mp_depgraph_t *graph = make_graph(6);

    mp_depgraph_add_edge(graph, 1, 0);
    mp_depgraph_add_edge(graph, 3, 0);
    mp_depgraph_add_edge(graph, 2, 1);
    mp_depgraph_add_edge(graph, 5, 3);
    mp_depgraph_mark(graph, 1);
    mp_depgraph_mark(graph, 3);
    CHECK_INT(mp_depgraph_spread(graph), 4);
    CHECK_INT(mp_depgraph_component(graph, 2), 1);
    CHECK_INT(mp_depgraph_component(graph, 5), 3);
    mp_depgraph_destroy(graph);
}

static void
shortest_reason(void)
{
    mp_depgraph_t *graph = make_graph(4);

    mp_depgraph_add_edge(graph, 3, 2); /* the long way is there first */
    mp_depgraph_add_edge(graph, 2, 1);
    mp_depgraph_add_edge(graph, 1, 0);
    mp_depgraph_add_edge(graph, 3, 0);
    mp_depgraph_mark(graph, 0);
    mp_depgraph_spread(graph);
    CHECK_INT(mp_depgraph_reached_from(graph, 3), 0);
    CHECK_INT(mp_depgraph_reached_from(graph, 2), 1);
    mp_depgraph_destroy(graph);
}

static void
spread_again(void)
{
    mp_depgraph_t *graph = make_graph(3);

    mp_depgraph_mark(graph, 2);
    CHECK_INT(mp_depgraph_spread(graph), 1);
    mp_depgraph_add_edge(graph, 1, 2);
    CHECK_INT(mp_depgraph_spread(graph), 2);
    mp_depgraph_mark(graph, 0);
    CHECK_INT(mp_depgraph_spread(graph), 3);
    CHECK_INT(mp_depgraph_reached_from(graph, 1), 2);
    mp_depgraph_destroy(graph);
}

static void
long_chains(void)
{
    mp_depgraph_t *up = make_graph(LONG_CHAIN);
    mp_depgraph_t *down = make_graph(LONG_CHAIN);
    size_t i;

    for (i = 0; i + 1 < LONG_CHAIN; i++) {
        mp_depgraph_add_edge(up, i, i + 1);
        mp_depgraph_add_edge(down, LONG_CHAIN - 1 - i, LONG_CHAIN - 2 - i);
    }
    mp_depgraph_mark(up, LONG_CHAIN - 1);
    mp_depgraph_mark(down, 0);
    CHECK_INT(mp_depgraph_spread(up), LONG_CHAIN);
    CHECK_INT(mp_depgraph_component(up, LONG_CHAIN - 1), 0);
    CHECK_INT(mp_depgraph_reached_from(up, 0), 1);
    CHECK_INT(mp_depgraph_spread(down), LONG_CHAIN);
    CHECK_INT(mp_depgraph_component(down, LONG_CHAIN - 1), 0);
    CHECK_INT(mp_depgraph_reached_from(down, 7), 6);
    mp_depgraph_destroy(up);
    mp_depgraph_destroy(down);
}

/* --- Against a model that is too simple to be wrong ---------------------- */

typedef struct {
    size_t nodes;
    char edge[SMALL][SMALL];
    char mark[SMALL];
    size_t distance[SMALL]; /* from a marked node; SIZE_MAX: not reached */
    size_t component[SMALL];
} model_t;

static uint64_t seed = 20240607;

static size_t
draw(size_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % below;
}

/* One edge of the model; 1 when that made something better. */
static int
shorten(model_t *model, size_t from, size_t to)
{
    size_t near = model->distance[to];

    if (near == SIZE_MAX || model->distance[from] <= near + 1) {
        return 0;
    }
    model->distance[from] = near + 1;
    return 1;
}

static int
join(model_t *model, size_t from, size_t to)
{
    size_t *a = &model->component[from];
    size_t *b = &model->component[to];

    if (model->distance[from] == SIZE_MAX || model->distance[to] == SIZE_MAX
        || *a == *b) {
        return 0;
    }
    *a = *b = *a < *b ? *a : *b;
    return 1;
}

/* Until no edge makes anything better. */
static void
repeat(model_t *model, int (*better)(model_t *, size_t, size_t))
{
    size_t from, to;
    int is_better = 1;

    while (is_better) {
        is_better = 0;
        for (from = 0; from < model->nodes; from++) {
            for (to = 0; to < model->nodes; to++) {
                if (model->edge[from][to]) {
                    is_better |= better(model, from, to);
                }
            }
        }
    }
}

static void
solve(model_t *model)
{
    size_t node;

    for (node = 0; node < model->nodes; node++) {
        model->distance[node] = model->mark[node] ? 0 : SIZE_MAX;
        model->component[node] = node;
    }
    repeat(model, shorten);
    repeat(model, join);
}

static void
compare(const model_t *model, mp_depgraph_t *graph)
{
    size_t reached = 0;
    size_t from;
    size_t node;

    for (node = 0; node < model->nodes; node++) {
        reached += model->distance[node] != SIZE_MAX;
    }
    CHECK_INT(mp_depgraph_spread(graph), reached);
    for (node = 0; node < model->nodes; node++) {
        CHECK_INT(mp_depgraph_is_reached(graph, node),
                  model->distance[node] != SIZE_MAX);
        CHECK_INT(mp_depgraph_component(graph, node), model->component[node]);
        from = mp_depgraph_reached_from(graph, node);
        if (model->distance[node] == 0 || model->distance[node] == SIZE_MAX) {
            CHECK_INT(from, node);
        }
        else {
            CHECK(model->edge[node][from]);
            CHECK_INT(model->distance[from] + 1, model->distance[node]);
        }
    }
}

static void
random_graphs(void)
{
    mp_depgraph_t *graph;
    model_t model;
    size_t from, to, i, edges;
    int round;

    for (round = 0; round < RANDOM_GRAPHS; round++) {
        memset(&model, 0, sizeof(model));
        model.nodes = 1 + draw(SMALL);
        graph = make_graph(model.nodes);
        edges = draw(2 * model.nodes);
        for (i = 0; i < edges; i++) {
            from = draw(model.nodes);
            to = draw(model.nodes);
            model.edge[from][to] = 1;
            mp_depgraph_add_edge(graph, from, to);
        }
        for (i = draw(4); i > 0; i--) {
            to = draw(model.nodes);
            model.mark[to] = 1;
            mp_depgraph_mark(graph, to);
        }
        solve(&model);
        compare(&model, graph);
        mp_depgraph_destroy(graph);
    }
}

int
main(void)
{
    RUN(nothing_at_all, "a graph without nodes is fine");
    RUN(no_marks, "without marks nothing is reached");
    RUN(diamond, "importers are reached, imported modules are not");
    RUN(cycle, "a cycle is reached as a whole and ends");
    RUN(same_edges, "duplicates and self edges are harmless");
    RUN(separate_components, "components join through reached nodes only");
    RUN(shortest_reason, "the reason is the shortest one");
    RUN(spread_again, "spread can be asked again after more was said");
    RUN(long_chains, "a chain of 100,000 needs no stack");
    RUN(random_graphs, "3,000 random graphs agree with a naive model");
    return unit_report();
}
