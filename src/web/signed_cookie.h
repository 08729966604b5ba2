/* signed_cookie.h - SignedCookie and MarshalCookie, and the signature.
 *
 * On the wire: 64 hex digits of HMAC-SHA256(secret, name "=" value), then the
 * value. A secret is a str or bytes, or a list or tuple of them: the first one
 * signs, any of them is good in a signature, so that keys can be changed. */
#ifndef MP_WEB_SIGNED_COOKIE_H
#define MP_WEB_SIGNED_COOKIE_H

#include "web/cookie.h"

extern PyType_Spec mp_signed_cookie_spec;
extern PyType_Spec mp_marshal_cookie_spec;

#define MP_SIGNATURE_SIZE 64

/* CookieError, made with the module. 0, or -1 with an exception. */
int mp_signed_cookie_add(mp_state_t *state);

/* The arguments of parse() behind the header, for cookies of type: secret,
 * mismatch, names, md5. 0, or -1 with an exception. */
int mp_signed_cookie_choose(mp_cookie_choice_t *choice, PyObject *keywords);

/* For mp_cookie_parse(): signed cookies, and those derived from them. */
PyObject *mp_signed_cookie_make(PyTypeObject *type, PyObject *name,
                                const mp_cookie_pair_t *pair,
                                const mp_cookie_choice_t *choice);

/* Is this the value of such a cookie, signed with secret? 1: *value and *size
 * are what was signed. 0: no. -1 with an exception. */
int mp_signed_cookie_verify(PyObject *secret, const mp_cookie_pair_t *pair,
                            int md5, const char **value, size_t *size);

/* What str() of a SignedCookie or MarshalCookie gives, into text. 0, or -1
 * with an exception. */
int mp_signed_cookie_render(PyObject *self, mp_cookie_text_t *text);

/* Raise CookieError. Always NULL. */
PyObject *mp_signed_cookie_refuse(const char *format, PyObject *name);

#endif
