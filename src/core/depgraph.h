/* depgraph.h - which modules a change reaches, and which belong together.
 *
 * Made for one question and thrown away: nodes are numbers given by the
 * caller, an edge says "refreshing `to` means refreshing `from`". Knows
 * neither modules nor Python. Iterative: a chain of any length is fine. */
#ifndef MP_CORE_DEPGRAPH_H
#define MP_CORE_DEPGRAPH_H

#include <stddef.h>

typedef struct mp_depgraph_t mp_depgraph_t;

/* nodes 0 .. nodes-1, no edges. NULL: out of memory. Not in a pool, because
 * it is made at every edit of a process that may live for months. */
mp_depgraph_t *mp_depgraph_create(size_t nodes);
void mp_depgraph_destroy(mp_depgraph_t *graph);

/* `from` depends on `to`. 0, or -1 when out of memory. Duplicates and self
 * edges are harmless. */
int mp_depgraph_add_edge(mp_depgraph_t *graph, size_t from, size_t to);

/* Mark a node that changed by itself. */
void mp_depgraph_mark(mp_depgraph_t *graph, size_t node);

/* Spread the marks over the edges, backwards. Afterwards is_reached tells;
 * the answer is the number of nodes reached. (size_t)-1: out of memory. */
size_t mp_depgraph_spread(mp_depgraph_t *graph);
int mp_depgraph_is_reached(const mp_depgraph_t *graph, size_t node);

/* Reached nodes joined by edges (in either direction, through reached nodes
 * only) are one component: the number of its smallest node. After spread. */
size_t mp_depgraph_component(const mp_depgraph_t *graph, size_t node);

/* The node through which this one was reached first, or the node itself when
 * it was marked: the reason that a log line gives. After spread. */
size_t mp_depgraph_reached_from(const mp_depgraph_t *graph, size_t node);

#endif
