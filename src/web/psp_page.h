/* psp_page.h - a PSP page as code: mp_psp_page.
 *
 * A page in a file is a module of the importer (importer/language.h), whose
 * code it is: a request gets the one of the generation that it sees, and the
 * files that it includes belong to it. Made by translating; run by psp.c. */
#ifndef MP_WEB_PSP_PAGE_H
#define MP_WEB_PSP_PAGE_H

#include "runtime/state.h"

#include <httpd.h>

extern PyType_Spec mp_psp_page_spec;

typedef struct {
    PyObject_HEAD
    PyObject *code;     /* the code object */
    PyObject *file;     /* str: what it shows as __file__; None */
    PyObject *globals;  /* dict: what each run begins with; has placeholders
                           for what psp.c puts in */
    PyObject *included; /* tuple of str: the files that its lines beyond those
                           of the page come from; () */
    int uses_form;      /* the name occurs at the top level */
    int uses_session;
    int is_restyled;    /* it gives req or str another meaning */
} mp_psp_page_t;

/* The page at path (absolute, normal) as the request sees it. New reference;
 * NULL without an exception: no such file; NULL with SyntaxError,
 * UnicodeDecodeError or OSError: it cannot be made a page. [attached] */
mp_psp_page_t *mp_psp_page_find(mp_state_t *state, const char *path,
                                request_rec *r);

/* For _psp: parse() and parsestring(). */
extern PyMethodDef mp_psp_parse_functions[];

/* For _web: psp_find(), psp_make(). */
extern PyMethodDef mp_psp_page_functions[];

#endif
