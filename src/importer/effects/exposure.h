/* exposure.h - which modules can code change that got hold of these objects?
 *
 * Follows what it could call: from a function to what its code names in its
 * module, from a class to its methods and bases, from an object to its class
 * and what it holds. Nothing runs. What only cold code knows (a callback deep
 * inside of a framework) is not found. [attached] */
#ifndef MP_IMPORTER_EXPOSURE_H
#define MP_IMPORTER_EXPOSURE_H

#include "importer/effects/addresses.h"
#include "importer/generation.h"
#include "importer/importer.h"
#include "importer/instance.h"

typedef struct {
    PyObject *value;     /* borrowed: nothing runs that could free it */
    mp_instance_t *home; /* the module that led to it, borrowed */
    int depth;           /* steps from object to object, without code */
    int hops;            /* steps from code to what it names */
} mp_exposed_t;

typedef struct {
    mp_importer_t *importer;
    mp_generation_t *generation;
    /* Told of each module once or more; 0, or -1 with an exception. */
    int (*expose)(void *arg, mp_instance_t *instance);
    void *arg;
    PyObject *foreign;    /* dict: what is known of them (foreign.h) */
    int is_shallow;       /* what is added now is not to be followed */
    mp_addresses_t seen;  /* what was added in the life of this, and after
                             how many steps */
    unsigned serial;      /* counts sets of names */
    mp_exposed_t *pending; /* to be looked at */
    size_t count, room;
    int children;         /* objects among them that others hold */
    int hops;             /* of the one that is looked at */
    PyObject *module_key; /* "__module__" */
    int is_endless;       /* this is too much to follow */
} mp_exposure_t;

/* 0 or -1; mp_exposure_end() is due in any case. */
int mp_exposure_begin(mp_exposure_t *exposure);
void mp_exposure_end(mp_exposure_t *exposure);

/* The module object itself; of its globals those with one of these names (a
 * set), or all of them (NULL). 0 or -1. */
int mp_exposure_add_module(mp_exposure_t *exposure, mp_instance_t *instance,
                           PyObject *names);

/* One global of a module, if it has that; of a module that it stands for, what
 * is said above. 0 or -1. */
int mp_exposure_add_global(mp_exposure_t *exposure, mp_instance_t *instance,
                           PyObject *name, PyObject *names);

/* Follow all that was added, as far as it was not followed before. 0 or -1. */
int mp_exposure_follow(mp_exposure_t *exposure);

#endif
