/* depgraph.c - which modules a change reaches, and which belong together.
 *
 * Called by the stage, once for each edit; owns all of its memory. Edges are
 * kept as they come; spread() sorts them by the node they lead to, walks
 * backwards from the marked nodes breadth first, so that the reason given for
 * a node is the nearest one, and then joins what it reached. */
#include "core/depgraph.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NOT_REACHED SIZE_MAX

typedef struct {
    size_t from;
    size_t to;
} edge_t;

struct mp_depgraph_t {
    size_t nodes;
    edge_t *edges;
    size_t edge_count;
    size_t edge_room;
    unsigned char *is_marked; /* for each node */
    size_t *reason;           /* for each node: through whom it was reached,
                                 itself if marked, or NOT_REACHED */
    size_t *component;        /* for each node: the smallest that it is joined
                                 with; while joining, one nearer to it */
};

mp_depgraph_t *
mp_depgraph_create(size_t nodes)
{
    mp_depgraph_t *graph = calloc(1, sizeof(*graph));
    size_t room = nodes ? nodes : 1;
    size_t i;

    if (!graph) {
        return NULL;
    }
    graph->nodes = nodes;
    graph->is_marked = calloc(room, sizeof(*graph->is_marked));
    graph->reason = calloc(room, sizeof(*graph->reason));
    graph->component = calloc(room, sizeof(*graph->component));
    if (!graph->is_marked || !graph->reason || !graph->component) {
        mp_depgraph_destroy(graph);
        return NULL;
    }
    for (i = 0; i < nodes; i++) {
        graph->reason[i] = NOT_REACHED;
        graph->component[i] = i;
    }
    return graph;
}

void
mp_depgraph_destroy(mp_depgraph_t *graph)
{
    if (graph) {
        free(graph->edges);
        free(graph->is_marked);
        free(graph->reason);
        free(graph->component);
        free(graph);
    }
}

int
mp_depgraph_add_edge(mp_depgraph_t *graph, size_t from, size_t to)
{
    size_t room = graph->edge_room ? graph->edge_room * 2 : 64;
    edge_t *edges;

    assert(from < graph->nodes && to < graph->nodes);
    if (graph->edge_count == graph->edge_room) {
        if (room > SIZE_MAX / sizeof(*edges)) {
            return -1;
        }
        edges = realloc(graph->edges, room * sizeof(*edges));
        if (!edges) {
            return -1;
        }
        graph->edges = edges;
        graph->edge_room = room;
    }
    graph->edges[graph->edge_count].from = from;
    graph->edges[graph->edge_count].to = to;
    graph->edge_count++;
    return 0;
}

void
mp_depgraph_mark(mp_depgraph_t *graph, size_t node)
{
    assert(node < graph->nodes);
    graph->is_marked[node] = 1;
}

/* Sort the edges by where they lead: those to node n come from
 * sources[starts[n]] up to sources[starts[n + 1]], in the order of their
 * making. starts has two more elements than there are nodes. */
static void
sort_edges(const mp_depgraph_t *graph, size_t *starts, size_t *sources)
{
    const edge_t *edge = graph->edges;
    const edge_t *end = graph->edges + graph->edge_count;
    size_t i;

    /* Counted two places up, summed up, then used one place up as the place
     * of the next edge to n: in the end that is where those to n + 1 start. */
    memset(starts, 0, (graph->nodes + 2) * sizeof(*starts));
    for (; edge < end; edge++) {
        starts[edge->to + 2]++;
    }
    for (i = 2; i < graph->nodes + 2; i++) {
        starts[i] += starts[i - 1];
    }
    for (edge = graph->edges; edge < end; edge++) {
        sources[starts[edge->to + 1]++] = edge->from;
    }
}

/* Answers how many nodes were reached; queue has room for all nodes. */
static size_t
walk_backwards(mp_depgraph_t *graph, const size_t *starts,
               const size_t *sources, size_t *queue)
{
    size_t count = 0;
    size_t done;
    size_t i;

    for (i = 0; i < graph->nodes; i++) {
        graph->reason[i] = NOT_REACHED;
        if (graph->is_marked[i]) {
            graph->reason[i] = i;
            queue[count++] = i;
        }
    }
    for (done = 0; done < count; done++) {
        for (i = starts[queue[done]]; i < starts[queue[done] + 1]; i++) {
            if (graph->reason[sources[i]] == NOT_REACHED) {
                graph->reason[sources[i]] = queue[done];
                queue[count++] = sources[i];
            }
        }
    }
    return count;
}

/* The smallest node known to be joined with node; halves the way there. */
static size_t
find_root(size_t *parent, size_t node)
{
    while (parent[node] != node) {
        parent[node] = parent[parent[node]];
        node = parent[node];
    }
    return node;
}

static void
join_reached(mp_depgraph_t *graph)
{
    const edge_t *edge = graph->edges;
    const edge_t *end = graph->edges + graph->edge_count;
    size_t a, b, i;

    for (i = 0; i < graph->nodes; i++) {
        graph->component[i] = i;
    }
    for (; edge < end; edge++) {
        if (mp_depgraph_is_reached(graph, edge->from)
            && mp_depgraph_is_reached(graph, edge->to)) {
            a = find_root(graph->component, edge->from);
            b = find_root(graph->component, edge->to);
            graph->component[a > b ? a : b] = a < b ? a : b;
        }
    }
    for (i = 0; i < graph->nodes; i++) {
        graph->component[i] = find_root(graph->component, i);
    }
}

size_t
mp_depgraph_spread(mp_depgraph_t *graph)
{
    size_t *starts = calloc(graph->nodes + 2, sizeof(*starts));
    size_t *sources = calloc(graph->edge_count + 1, sizeof(*sources));
    size_t *queue = calloc(graph->nodes + 1, sizeof(*queue));
    size_t count = (size_t)-1;

    if (starts && sources && queue) {
        sort_edges(graph, starts, sources);
        count = walk_backwards(graph, starts, sources, queue);
        join_reached(graph);
    }
    free(starts);
    free(sources);
    free(queue);
    return count;
}

int
mp_depgraph_is_reached(const mp_depgraph_t *graph, size_t node)
{
    assert(node < graph->nodes);
    return graph->reason[node] != NOT_REACHED;
}

size_t
mp_depgraph_component(const mp_depgraph_t *graph, size_t node)
{
    assert(node < graph->nodes);
    return graph->component[node];
}

size_t
mp_depgraph_reached_from(const mp_depgraph_t *graph, size_t node)
{
    assert(node < graph->nodes);
    return mp_depgraph_is_reached(graph, node) ? graph->reason[node] : node;
}
