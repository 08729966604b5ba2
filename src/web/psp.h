/* psp.h - runs PSP pages (api.md 6.4): the handler, and what pages see as psp.
 *
 * psp_page.c has the pages; the class PSP and what is done once for each page
 * are in the Python package, mod_python.psp. */
#ifndef MP_WEB_PSP_H
#define MP_WEB_PSP_H

#include "runtime/state.h"

extern PyType_Spec mp_psp_spec; /* PSPInterface */

/* For _web: psp_handler(), psp_run(). */
extern PyMethodDef mp_psp_functions[];

#endif
