/* page.h - files that requests name: pages of the publisher, pages of PSP.
 *
 * They are modules like others. What a request names leads to the same page
 * until that is made anew, or a place where it was looked for is touched: each
 * generation remembers it. [attached] */
#ifndef MP_IMPORTER_PAGE_H
#define MP_IMPORTER_PAGE_H

#include <httpd.h>

#include "importer/generation.h"
#include "importer/language.h"

/* The instance of the file at path (absolute, normal), loaded if it is not:
 * new reference. NULL without an exception: there is no such file. globals: of
 * code that depends on it from now on, or NULL; r: for settings in scope, or
 * NULL; language: NULL for Python. */
mp_instance_t *mp_page_load(mp_importer_t *importer, const char *path,
                            const mp_language_t *language, request_rec *r,
                            PyObject *globals);

/* What key was remembered for, in the generation in sight: borrowed, held by
 * that. NULL without an exception: nothing. */
mp_instance_t *mp_page_recall(mp_importer_t *importer, const char *key,
                              const mp_language_t *language);

/* key (of this language) is to lead to this instance until the file of that
 * name comes or goes: a path without ".py". 0, or -1 with an exception. */
int mp_page_remember(mp_importer_t *importer, const char *key,
                     const mp_language_t *language, mp_instance_t *instance);

/* A request is about to be served by it. 0; -1 with the exception of its
 * newest files, if those do not load and PythonReloadFailure wants that. */
int mp_page_use(mp_importer_t *importer, mp_instance_t *instance,
                const request_rec *r);

/* Was this global of an executed module bound by an import statement? 1, 0,
 * -1. */
int mp_page_is_imported(mp_instance_t *instance, PyObject *name);

#endif
