/* reach.h - what changes on disk mean for a generation: which modules changed,
 * and which others they reach over the edges.
 *
 * Made for one refresh and thrown away. The stage lock is held. [attached]
 * Functions answer 0, or -1 with an exception. */
#ifndef MP_IMPORTER_REACH_H
#define MP_IMPORTER_REACH_H

#include "core/depgraph.h"
#include "importer/generation.h"
#include "importer/importer.h"

typedef struct {
    mp_importer_t *importer;
    mp_generation_t *base; /* the committed one */
    PyObject *changed;     /* set: what importer->changed was */
    PyObject *moved;       /* list: what importer->moved was */
    PyObject *reading;     /* set: what importer->reading borrows */
    PyObject *linked;      /* set of bytes: (device, inode) of changed files
                              that have other names, too */
    PyObject *hidden;      /* set of str: modules whose name now leads to
                              another file */
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

/* Take over the importer's changes and mark the modules whose files differ or
 * whose imports lead elsewhere. mp_reach_end() is due, also after -1. */
int mp_reach_find(mp_reach_t *reach, mp_importer_t *importer);

/* Mark the modules of importer->pending: they are tried again. */
int mp_reach_mark_pending(mp_reach_t *reach);

/* What failed before, and is connected with what is reached now, is tried
 * again with it; spreads again if need be. After mp_reach_spread(). */
int mp_reach_mark_related(mp_reach_t *reach);

/* Spread the marks over the edges; fills old, reasons and reached. */
int mp_reach_spread(mp_reach_t *reach);

/* Was one of the files that were read, by this or by the stage, written to
 * since? Then what was read may be half of it. 1, 0, -1. */
int mp_reach_is_disturbed(mp_reach_t *reach);

/* The instance of a node, borrowed. */
mp_instance_t *mp_reach_instance(mp_reach_t *reach, size_t node);

/* The refresh came to nothing: the changes are the importer's again. An
 * exception in flight survives. */
int mp_reach_give_back(mp_reach_t *reach, mp_importer_t *importer);

/* Do events concern a loaded module, or may they, because a refresh is in
 * progress? Collects them first. Any thread. [attached] 1, 0. */
int mp_reach_is_concerned(mp_importer_t *importer);

void mp_reach_end(mp_reach_t *reach);

#endif
