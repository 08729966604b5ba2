/* compat.h - the one place that looks at PY_VERSION_HEX.
 *
 * Python 3.11 to 3.14. Newer strong-reference APIs are supplied for older
 * versions under their own names, so that the rest of the code is written
 * against the newest. Included by python.h only. */
#ifndef MP_RUNTIME_COMPAT_H
#define MP_RUNTIME_COMPAT_H

#if PY_VERSION_HEX < 0x030B0000
#error "mod_python needs Python 3.11 or newer"
#endif

#if PY_VERSION_HEX < 0x030D0000
/* Before 3.12 that of whatever thread has the GIL. */
#define PyThreadState_GetUnchecked _PyThreadState_UncheckedGet

/* 1 found, 0 missing, -1 exception; *result is a new reference or NULL. */
static inline int PyDict_GetItemRef(PyObject *dict, PyObject *key,
                                    PyObject **result)
{
    PyObject *item = PyDict_GetItemWithError(dict, key);
    *result = Py_XNewRef(item);
    return item ? 1 : (PyErr_Occurred() ? -1 : 0);
}

static inline int PyDict_GetItemStringRef(PyObject *dict, const char *key,
                                          PyObject **result)
{
    PyObject *name = PyUnicode_FromString(key);
    if (!name) {
        *result = NULL;
        return -1;
    }
    int found = PyDict_GetItemRef(dict, name, result);
    Py_DECREF(name);
    return found;
}

/* 1 found, 0 missing, -1 exception. */
static inline int PyObject_GetOptionalAttr(PyObject *object, PyObject *name,
                                           PyObject **result)
{
    *result = PyObject_GetAttr(object, name);
    if (*result) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear(); /* that it is missing is the answer */
    return 0;
}

static inline PyObject *PyImport_AddModuleRef(const char *name)
{
    return Py_XNewRef(PyImport_AddModule(name));
}

static inline PyObject *PyList_GetItemRef(PyObject *list, Py_ssize_t index)
{
    return Py_XNewRef(PyList_GetItem(list, index));
}
#endif

#if PY_VERSION_HEX < 0x030C0000
/* The exception in flight as one object; the caller owns it. */
static inline PyObject *PyErr_GetRaisedException(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!type) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback) {
        PyException_SetTraceback(value, traceback);
        Py_DECREF(traceback);
    }
    Py_DECREF(type);
    return value;
}

/* Steals exc, which may be NULL. */
static inline void PyErr_SetRaisedException(PyObject *exc)
{
    if (!exc) {
        PyErr_Clear();
        return;
    }
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exc)), exc,
                  PyException_GetTraceback(exc));
}
#endif

/* What _apache promises to interpreters that ask. It keeps its objects apart,
 * so each interpreter may have a GIL of its own; it counts on there being
 * one. */
#if PY_VERSION_HEX >= 0x030C0000
#define MP_MODULE_SLOTS \
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#else
#define MP_MODULE_SLOTS
#endif

#endif
