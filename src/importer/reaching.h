/* reaching.h - what one refresh finds out before it executes anything.
 *
 * Filled by marks.c and reach.c. The holder of the stage lock only. */
#ifndef MP_IMPORTER_REACHING_H
#define MP_IMPORTER_REACHING_H

#include "core/depgraph.h"
#include "importer/generation.h"
#include "importer/recheck.h"

typedef struct {
    mp_importer_t *importer;
    mp_generation_t *base; /* the committed one */
    PyObject *changed;     /* set: what importer->changed was */
    PyObject *moved;       /* list: what importer->moved was */
    PyObject *reading;     /* set: what importer->reading borrows */
    PyObject *places;      /* set: files beside which a package of the same
                              name may be now; NULL: anywhere */
    PyObject *linked;      /* set of bytes: (device, inode) of changed files
                              that have other names, too */
    mp_recheck_t news; /* what is known of the places of modules */
    uint64_t position;     /* events up to here are in them */
    int saw_emptied;       /* a file that had content was empty, or gone */
    PyObject *instances;   /* list: the nodes of graph */
    PyObject *numbers;     /* dict: name -> int, its node */
    mp_depgraph_t *graph;
    PyObject *reasons;     /* dict: name -> str: why it was reached */
    PyObject *sources;     /* dict: path -> [bytes, mp_source_id_t as bytes],
                              and the code once it is compiled; or None: it
                              could not be read */
    PyObject *old;         /* dict: name -> instance: all that was reached */
    size_t reached;        /* how many */
} mp_reach_t;

/* The instance of a node, borrowed. */
static inline mp_instance_t *
mp_reach_instance(const mp_reach_t *reach, size_t node)
{
    return (mp_instance_t *)PyList_GET_ITEM(reach->instances,
                                            (Py_ssize_t)node);
}

#endif
