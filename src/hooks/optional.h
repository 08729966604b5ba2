/* optional.h - the functions that other modules of httpd may call; their
 * contract is include/mod_python.h. */
#ifndef MP_HOOKS_OPTIONAL_H
#define MP_HOOKS_OPTIONAL_H

/* While hooks are registered, so that others find them in
 * optional_fn_retrieve. */
void mp_optional_register(void);

#endif
