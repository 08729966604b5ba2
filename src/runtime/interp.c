/* interp.c - the interpreters of a child process.
 *
 * The list only grows: an interpreter stays until the process ends, and so
 * does its record, so a pointer to one may be kept anywhere. interp_lock
 * guards the list and the states in it; it is never held while Python runs,
 * which is why a record exists before its interpreter does. */
#include "runtime/python.h"

#include "runtime/interp.h"

#include "runtime/error.h"
#include "runtime/fork.h"
#include "runtime/module.h"
#include "runtime/thread.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef enum { INTERP_STARTING, INTERP_READY, INTERP_FAILED } interp_status_t;

/* What is private to this file rides behind the public record. */
typedef struct {
    mp_interp_t public;
    interp_status_t status; /* interp_lock */
} interp_record_t;

static pthread_mutex_t interp_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t interp_settled = PTHREAD_COND_INITIALIZER;
static interp_record_t *interps;   /* newest first; interp_lock to write */
static mp_interp_t *main_interp;   /* NULL: Python cannot be used here */
static apr_pool_t *interp_pool;    /* pchild; interp_lock */

/* ---- configuration of Python ------------------------------------------ */

static int
is_file(apr_pool_t *pool, const char *path)
{
    apr_finfo_t finfo;
    return apr_stat(&finfo, path, APR_FINFO_TYPE, pool) == APR_SUCCESS
           && finfo.filetype == APR_REG;
}

/* The value of "version = 3.11.2" or "version_info = ..." of pyvenv.cfg. */
static const char *
venv_version(apr_pool_t *pool, const char *config)
{
    apr_file_t *file;
    char line[512];
    if (apr_file_open(&file, config, APR_READ | APR_BUFFERED,
                      APR_OS_DEFAULT, pool) != APR_SUCCESS) {
        return NULL;
    }
    const char *version = NULL;
    while (!version
           && apr_file_gets(line, sizeof(line), file) == APR_SUCCESS) {
        char *equals = strchr(line, '=');
        if (equals && !strncmp(line, "version", strlen("version"))) {
            version = apr_pstrdup(pool, equals + 1 + strspn(equals + 1, " "));
        }
    }
    apr_file_close(file);
    return version;
}

#define MP_PYTHON_SHORT \
    APR_STRINGIFY(PY_MAJOR_VERSION) "." APR_STRINGIFY(PY_MINOR_VERSION)

static const char *
check_venv(apr_pool_t *pool, const char *dir, const char *config)
{
    const char *version = venv_version(pool, config);
    size_t length = strlen(MP_PYTHON_SHORT);
    if (version
        && (strncmp(version, MP_PYTHON_SHORT, length)
            || (version[length] >= '0' && version[length] <= '9'))) {
        return apr_psprintf(pool,
            "'%s' is a virtual environment of Python %.*s, but this "
            "mod_python is built for Python " MP_PYTHON_SHORT
            ": make one with python" MP_PYTHON_SHORT " -m venv",
            dir, (int)strcspn(version, "\r\n"), version);
    }
    if (!is_file(pool, apr_pstrcat(pool, dir, "/bin/python", NULL))) {
        return apr_psprintf(pool,
            "'%s' has a pyvenv.cfg but no working bin/python: make the "
            "virtual environment again", dir);
    }
    return NULL;
}

const char *
mp_interp_check_home(apr_pool_t *pool, const char *dir)
{
    const char *config = apr_pstrcat(pool, dir, "/pyvenv.cfg", NULL);
    if (is_file(pool, config)) {
        return check_venv(pool, dir, config);
    }
    const char *landmarks[] = {"/lib/python" MP_PYTHON_SHORT "/os.py",
                               "/lib64/python" MP_PYTHON_SHORT "/os.py"};
    for (size_t i = 0; i < sizeof(landmarks) / sizeof(*landmarks); i++) {
        if (is_file(pool, apr_pstrcat(pool, dir, landmarks[i], NULL))) {
            return NULL;
        }
    }
    return apr_psprintf(pool,
        "'%s' is neither a virtual environment (no pyvenv.cfg) nor a home of "
        "Python " MP_PYTHON_SHORT " (no lib/python" MP_PYTHON_SHORT "/os.py): "
        "name a directory made by python" MP_PYTHON_SHORT " -m venv, or "
        "remove PythonHome", dir);
}

/* A virtual environment is found through its python, a home by its name. */
static PyStatus
set_home(PyConfig *config, apr_pool_t *pool, const char *home)
{
    const char *venv = apr_pstrcat(pool, home, "/pyvenv.cfg", NULL);
    if (is_file(pool, venv)) {
        return PyConfig_SetBytesString(
            config, &config->executable,
            apr_pstrcat(pool, home, "/bin/python", NULL));
    }
    return PyConfig_SetBytesString(config, &config->home, home);
}

/* Isolated from httpd's environment, but for the two variables that an
 * administrator sets on purpose: PYTHONPATH and PYTHONHOME. */
static PyStatus
configure(PyConfig *config, apr_pool_t *pool, const char *home, int optimize)
{
    if (!home) {
        home = getenv("PYTHONHOME");
    }
    PyConfig_InitIsolatedConfig(config);
    config->install_signal_handlers = 0;
    config->parse_argv = 0;
    config->optimization_level = optimize ? 1 : 0;
    config->configure_c_stdio = 0;
    wchar_t *argv[] = {L"mod_python"};
    PyStatus status = PyConfig_SetWideStringList(config, &config->argv, 1,
                                                 argv);
    if (!PyStatus_Exception(status) && home) {
        status = set_home(config, pool, home);
    }
    else if (!PyStatus_Exception(status)) {
        /* Never the first python3 of whatever PATH httpd was started with. */
        status = PyConfig_SetBytesString(config, &config->executable,
                                         MP_PYTHON);
    }
    return status;
}

/* Text is UTF-8 whatever locale httpd was started with. */
static PyStatus
preconfigure(void)
{
    PyPreConfig config;
    PyPreConfig_InitIsolatedConfig(&config);
    config.utf8_mode = 1;
    return Py_PreInitialize(&config);
}

static int
start_python(apr_pool_t *pool, server_rec *server, const char *home,
             int optimize)
{
    PyConfig config;
    memset(&config, 0, sizeof(config));
    PyStatus status = preconfigure();
    if (!PyStatus_Exception(status)) {
        status = configure(&config, pool, home, optimize);
    }
    if (!PyStatus_Exception(status)) {
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) {
        mp_log(MP_LOG_SERVER(server), APLOG_CRIT, 0, "MPY0101",
               "Python cannot start: %s%s; check PythonHome, PYTHONHOME and "
               "PYTHONPATH", status.err_msg ? status.err_msg : "exit",
               home ? apr_pstrcat(pool, " (home ", home, ")", NULL) : "");
        return -1;
    }
    return 0;
}

/* ---- one interpreter --------------------------------------------------- */

/* The directories of PYTHONPATH go before Python's own. An isolated
 * configuration does not look at it, so it is done here, in every
 * interpreter. [attached] */
static int
add_python_path(void)
{
    const char *dir = getenv("PYTHONPATH");
    PyObject *path = PySys_GetObject("path");
    for (Py_ssize_t place = 0; dir && *dir; place++) {
        size_t length = strcspn(dir, ":");
        PyObject *text = PyUnicode_DecodeFSDefaultAndSize(dir,
                                                          (Py_ssize_t)length);
        int failed = text && path ? PyList_Insert(path, place, text) : -1;
        Py_XDECREF(text);
        if (failed) {
            return -1;
        }
        dir += length + (dir[length] == ':');
    }
    return 0;
}

/* Import _apache into the interpreter this thread is attached to and let the
 * upper layers start. */
static int
furnish(mp_interp_t *interp)
{
    interp->module = PyImport_ImportModule("_apache");
    if (!interp->module || add_python_path() < 0) {
        return -1;
    }
    interp->state = mp_state_of_module(interp->module);
    interp->state->interp = interp;
    int (*const *start)(mp_state_t *) = mp_module_exports()->start;
    for (; *start; start++) {
        if ((*start)(interp->state) < 0) {
            return -1;
        }
    }
    return 0;
}

static void
report_unfurnished(mp_interp_t *interp)
{
    char what[256];
    snprintf(what, sizeof(what), "interpreter '%s' cannot start",
             interp->name);
    mp_state_t fallback = {0};
    if (!interp->state) {
        fallback.names.format_exception =
            PyUnicode_FromString("format_exception");
    }
    mp_error_log(interp->state ? interp->state : &fallback,
                 MP_LOG_SERVER(interp->server), "MPY0102", what);
    Py_XDECREF(fallback.names.format_exception);
}

/* interp_lock is held. */
static interp_record_t *
add_record(const char *name)
{
    interp_record_t *record = apr_pcalloc(interp_pool, sizeof(*record));
    record->public.name = apr_pstrdup(interp_pool, name);
    record->public.number = interps ? interps->public.number + 1 : 0;
    record->public.server = main_interp ? main_interp->server : NULL;
    record->public.next = interps ? &interps->public : NULL;
    record->status = INTERP_STARTING;
    interps = record;
    return record;
}

static interp_record_t *
find_record(const char *name)
{
    for (mp_interp_t *interp = interps ? &interps->public : NULL; interp;
         interp = interp->next) {
        if (!strcmp(interp->name, name)) {
            return (interp_record_t *)interp;
        }
    }
    return NULL;
}

static void
settle(interp_record_t *record, interp_status_t status)
{
    pthread_mutex_lock(&interp_lock);
    record->status = status;
    pthread_cond_broadcast(&interp_settled);
    pthread_mutex_unlock(&interp_lock);
}

/* Make the Python interpreter of a record; interp_lock is not held. */
static int
create_interp(mp_interp_t *interp)
{
    mp_thread_scope_t outer;
    if (mp_thread_enter(&outer, main_interp, NULL) < 0) {
        return -1;
    }
    PyThreadState *caller = PyThreadState_Get();
    PyThreadState *tstate = Py_NewInterpreter();
    if (!tstate || mp_thread_keep(interp, tstate) < 0) {
        PyThreadState_Swap(caller);
        mp_thread_leave(&outer);
        mp_log(MP_LOG_SERVER(interp->server), APLOG_ERR, 0, "MPY0103",
               "interpreter '%s' cannot be made: Python refused or memory "
               "ran out; use PythonInterpreter " MP_MAIN_INTERPRETER,
               interp->name);
        return -1;
    }
    interp->python = PyThreadState_GetInterpreter(tstate);
    /* An anchor, never attached and never ended: an interpreter whose last
     * state is being deleted while another thread makes a first one aborts
     * on Python 3.11. */
    PyThreadState_New(interp->python);
    mp_thread_leave(&outer);
    if (mp_thread_enter(&outer, interp, NULL) < 0) {
        return -1;
    }
    int failed = furnish(interp);
    if (failed) {
        report_unfurnished(interp);
    }
    mp_thread_leave(&outer);
    return failed;
}

int
mp_interp_init(apr_pool_t *pchild, server_rec *main_server, const char *home,
               int optimize)
{
    interp_pool = pchild;
    if (Py_IsInitialized()) {
        mp_log(MP_LOG_SERVER(main_server), APLOG_CRIT, 0, "MPY0104",
               "another module has already started Python in this process; "
               "load only one of them");
        return -1;
    }
    mp_thread_prepare();
    if (mp_fork_install() || mp_module_append() < 0
        || start_python(pchild, main_server, home, optimize) < 0) {
        return -1;
    }
    interp_record_t *record = add_record(MP_MAIN_INTERPRETER);
    mp_interp_t *interp = &record->public;
    interp->server = main_server;
    interp->python = PyInterpreterState_Main();
    /* The state that initialisation left attached is this thread's. */
    if (mp_thread_keep(interp, PyThreadState_Get()) < 0) {
        return -1;
    }
    mp_thread_scope_t outer;
    mp_thread_suspend();
    if (mp_thread_enter(&outer, interp, NULL) < 0) {
        return -1;
    }
    int failed = furnish(interp);
    if (failed) {
        report_unfurnished(interp);
    }
    mp_thread_leave(&outer);
    record->status = failed ? INTERP_FAILED : INTERP_READY;
    main_interp = failed ? NULL : interp;
    return failed;
}

mp_interp_t *
mp_interp_get(const char *name)
{
    if (!main_interp || !strcmp(name, MP_MAIN_INTERPRETER)) {
        return main_interp;
    }
    interp_status_t status;
    int is_mine = 0;
    pthread_mutex_lock(&interp_lock);
    interp_record_t *record = find_record(name);
    if (!record) {
        record = add_record(name);
        is_mine = 1;
    }
    while (!is_mine && record->status == INTERP_STARTING) {
        pthread_cond_wait(&interp_settled, &interp_lock);
    }
    status = record->status;
    pthread_mutex_unlock(&interp_lock);
    if (is_mine) {
        status = create_interp(&record->public) < 0 ? INTERP_FAILED
                                                    : INTERP_READY;
        settle(record, status);
    }
    return status == INTERP_READY ? &record->public : NULL;
}

mp_interp_t *
mp_interp_all(void)
{
    pthread_mutex_lock(&interp_lock);
    mp_interp_t *first = interps ? &interps->public : NULL;
    pthread_mutex_unlock(&interp_lock);
    return first;
}

const mp_interp_t *
mp_interp_peek(void)
{
    return interps ? &interps->public : NULL;
}
