/* component.c - executes reached modules, and takes them back if one fails. */
#include "runtime/python.h"

#include "importer/component.h"

#include "importer/code.h"
#include "importer/lock.h"
#include "importer/retire.h"
#include "importer/search.h"
#include "importer/stage.h"

#include <stdlib.h>
#include <string.h>

/* ---- executing a component --------------------------------------------- */

static int
by_serial(const void *a, const void *b)
{
    const mp_instance_t *x = *(mp_instance_t *const *)a;
    const mp_instance_t *y = *(mp_instance_t *const *)b;
    return (x->serial > y->serial) - (x->serial < y->serial);
}

/* The reached instances of one component, in the order they began; malloc'd,
 * borrowed. */
static mp_instance_t **
members_of(mp_refresh_t *refresh, size_t component, size_t *count)
{
    size_t total = (size_t)PyList_GET_SIZE(refresh->reach.instances);
    mp_instance_t **members = malloc((total + 1) * sizeof(*members));
    *count = 0;
    if (!members) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < total; i++) {
        if (mp_depgraph_is_reached(refresh->reach.graph, i)
            && mp_depgraph_component(refresh->reach.graph, i) == component) {
            members[(*count)++] = mp_reach_instance(&refresh->reach, i);
        }
    }
    qsort(members, *count, sizeof(*members), by_serial);
    return members;
}

/* Execute the file of an old instance again, under the name it has now. 1
 * done, 0 it is no more (gone, or named otherwise), -1 its exception. */
static int
reload(mp_refresh_t *refresh, mp_instance_t *old)
{
    mp_importer_t *importer = refresh->reach.importer;
    mp_location_t location = {.language = old->language};
    int found = PySet_Contains(refresh->staging.hidden, old->name);
    if (found) {
        return found < 0 ? -1 : 0;
    }
    if (old->file != Py_None) {
        found = mp_search_file(importer, old->file, &location);
    }
    if (found > 0 && PyUnicode_Compare(location.name, old->name) != 0) {
        found = 0;
    }
    if (found > 0) {
        mp_instance_t *instance = mp_stage_load(
            importer, refresh->staging.next, &location, old->search, 0,
            NULL);
        found = instance ? 1 : -1;
    }
    mp_location_clear(&location);
    return found;
}

static int
is_staged(mp_refresh_t *refresh, mp_instance_t *old)
{
    return mp_generation_find(refresh->staging.next, old->name) != NULL;
}

/* Is `old`, which nothing in the new generation imported at load time, still
 * wanted by somebody's function? 1: by code that did not change, so it must
 * load; 2: perhaps; 0: by nobody. */
static int
is_wanted_late(mp_refresh_t *refresh, mp_instance_t *old)
{
    int wanted = 0;
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(refresh->staging.old, &position, &name, &value)) {
        mp_instance_t *holder = (mp_instance_t *)value;
        mp_instance_t *now = mp_generation_find(refresh->staging.next, name);
        PyObject *edge = PyDict_GetItemWithError(holder->edges, old->name);
        if (!now || !edge || PyLong_AsLong(edge) != MP_EDGE_LATE) {
            continue;
        }
        if (!memcmp(now->source.hash, holder->source.hash,
                    sizeof(now->source.hash))) {
            return 1;
        }
        wanted = 2;
    }
    return wanted;
}

/* It was executed because functions want it, which may be long in coming: so
 * that the next change does not find it wanted by nobody. */
static int
keep_late_edges(mp_refresh_t *refresh, mp_instance_t *old)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(refresh->staging.old, &position, &name, &value)) {
        PyObject *edge = PyDict_GetItemWithError(
            ((mp_instance_t *)value)->edges, old->name);
        mp_instance_t *now = edge && PyLong_AsLong(edge) == MP_EDGE_LATE
            ? mp_generation_find(refresh->staging.next, name) : NULL;
        if (now && mp_instance_add_edge(now, old->name, MP_EDGE_LATE) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Does the body of this module catch exceptions? Then it may do without a
 * module that does not load. */
static int
may_catch(mp_instance_t *instance)
{
    PyObject *table = instance->code
        ? PyObject_GetAttrString(instance->code, "co_exceptiontable") : NULL;
    int may = !table || !PyBytes_Check(table) || PyBytes_GET_SIZE(table) > 0;
    PyErr_Clear(); /* no code: a namespace package */
    Py_XDECREF(table);
    return may;
}

/* Is it certain that a member is imported again? By a module that is executed
 * as it was, or because somebody asks for it by name. Whoever was edited may
 * import something else now. */
static int
is_wanted_surely(mp_refresh_t *refresh, mp_instance_t *member)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    PyObject *sources = refresh->staging.sources;
    if (PySet_Contains(refresh->staging.hidden, member->name) == 1) {
        return 0;
    }
    int wanted = member->is_entry;
    while (!wanted
           && PyDict_Next(refresh->staging.old, &position, &name, &value)) {
        mp_instance_t *holder = (mp_instance_t *)value;
        wanted = holder != member && !may_catch(holder)
                 && PyDict_Contains(holder->edges, member->name) == 1
                 && PyDict_Contains(sources, holder->file) == 0;
    }
    return wanted;
}

/* A syntax error is found before anything is executed. */
static int
compile_members(mp_refresh_t *refresh, mp_instance_t **members, size_t count)
{
    mp_importer_t *importer = refresh->reach.importer;
    for (size_t i = 0; i < count; i++) {
        PyObject *file = members[i]->file;
        if (mp_code_check(importer, members[i]) == 0) {
            continue;
        }
        PyObject *exc = PyErr_GetRaisedException();
        if (!is_wanted_surely(refresh, members[i])) {
            Py_DECREF(exc); /* whoever imports it all the same will see */
            continue;
        }
        refresh->staging.culprit = Py_NewRef(file);
        PySet_Add(importer->touched, file);
        PyErr_SetRaisedException(exc);
        return -1;
    }
    return 0;
}

/* Entries first: their imports bring in the rest, in the order of plain
 * Python. Then what functions imported. */
static int
run_members(mp_refresh_t *refresh, mp_instance_t **members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i]->is_entry && reload(refresh, members[i]) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (is_staged(refresh, members[i])) {
            continue;
        }
        int wanted = is_wanted_late(refresh, members[i]);
        int found = wanted ? reload(refresh, members[i]) : 0;
        if (found < 0 && wanted == 1) {
            return -1;
        }
        PyErr_Clear(); /* whoever still imports it will see why */
        if (found > 0 && keep_late_edges(refresh, members[i]) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- failure ----------------------------------------------------------- */

static int
fail_members(mp_refresh_t *refresh, mp_instance_t **members, size_t count,
             PyObject *exc)
{
    for (size_t i = 0; i < count; i++) {
        if (PyDict_SetItem(refresh->staging.failed, members[i]->name, exc)
            < 0) {
            return -1;
        }
    }
    return 0;
}

static int
fail_all(mp_refresh_t *refresh, PyObject *exc)
{
    PyObject *name, *unused;
    Py_ssize_t position = 0;
    while (PyDict_Next(refresh->staging.old, &position, &name, &unused)) {
        if (PyDict_SetItem(refresh->staging.failed, name, exc) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Remember why a component did not load, for the log once the stage stands. */
static int
note_failure(mp_refresh_t *refresh, PyObject *exc, size_t count)
{
    PyObject *culprit = refresh->staging.culprit;
    PyObject *row = Py_BuildValue("(OOn)", exc, culprit ? culprit : Py_None,
                                  (Py_ssize_t)count);
    int failed = row ? PyList_Append(refresh->failures, row) : -1;
    Py_XDECREF(row);
    return failed;
}

void
mp_component_retire(mp_refresh_t *refresh, PyObject *table, PyObject *wanted)
{
    PyObject *name, *instance;
    Py_ssize_t position = 0;
    while (PyDict_Next(table, &position, &name, &instance)) {
        if (PyDict_GetItemWithError(wanted, name) != instance) {
            mp_retire_instance(refresh->reach.importer,
                               (mp_instance_t *)instance);
        }
    }
}

/* The component did not load: the new generation forgets what it began. */
static int
roll_back(mp_refresh_t *refresh, mp_instance_t **members, size_t count,
          PyObject *snapshot)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *table = refresh->staging.next->table;
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++) {
        /* Another component needs the new one, which does not stand: then
         * none stands. */
        if (PyDict_Contains(snapshot, members[i]->name) == 1) {
            mp_component_retire(refresh, snapshot, refresh->reach.base->table);
            failed = fail_all(refresh, exc);
            PyDict_Clear(snapshot);
            failed = failed ? -1 : PyDict_Update(snapshot,
                                                 refresh->reach.base->table);
            break;
        }
    }
    mp_component_retire(refresh, table, snapshot);
    PyDict_Clear(table);
    failed = failed || PyDict_Update(table, snapshot) < 0
             || fail_members(refresh, members, count, exc) < 0
             || note_failure(refresh, exc, count) < 0;
    Py_XDECREF(exc);
    return failed ? -1 : 0;
}

/* ---- once more, with everything of the roots --------------------------- */

/* What the edges do not tell, a failed attempt may: a body that changed
 * something of a module that is not executed again. So all of the roots that
 * are involved is tried, once. */

static int
is_root_of_any(mp_instance_t *instance, mp_instance_t **members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i]->root == instance->root) {
            return 1;
        }
    }
    return 0;
}

/* Does it depend on one of these? */
static int
depends_on_any(mp_instance_t *instance, PyObject *names)
{
    PyObject *target, *unused;
    Py_ssize_t position = 0;
    int depends = 0;
    while (!depends
           && PyDict_Next(instance->edges, &position, &target, &unused)) {
        depends = PyDict_Contains(names, target);
    }
    return depends;
}

/* The instances to add: dict name -> instance. New reference. */
static PyObject *
find_wider(mp_refresh_t *refresh, mp_instance_t **members, size_t count)
{
    size_t total = (size_t)PyList_GET_SIZE(refresh->reach.instances);
    PyObject *wider = PyDict_New();
    Py_ssize_t before = -1;
    while (wider && PyDict_GET_SIZE(wider) > before) {
        before = PyDict_GET_SIZE(wider);
        for (size_t i = 0; wider && i < total; i++) {
            mp_instance_t *instance = mp_reach_instance(&refresh->reach, i);
            if (!mp_depgraph_is_reached(refresh->reach.graph, i)
                && (is_root_of_any(instance, members, count)
                    || depends_on_any(instance, wider))
                && PyDict_SetItem(wider, instance->name,
                                  (PyObject *)instance) < 0) {
                Py_CLEAR(wider);
            }
        }
    }
    return wider;
}

/* The modules of wider are to be executed anew, too; or not any more. */
static int
set_wider(mp_refresh_t *refresh, PyObject *wider, int is_wanted)
{
    PyObject *name, *instance;
    Py_ssize_t position = 0;
    PyObject *reason = PyUnicode_FromString("tried with all of its root");
    int failed = reason ? 0 : -1;
    while (!failed && PyDict_Next(wider, &position, &name, &instance)) {
        if (is_wanted) {
            failed = PyDict_DelItem(refresh->staging.next->table, name) < 0
                     || PyDict_SetItem(refresh->staging.old, name, instance)
                            < 0
                     || PyDict_SetItem(refresh->staging.reasons, name, reason)
                            < 0;
        }
        else {
            failed = PyDict_DelItem(refresh->staging.old, name) < 0
                     || PyDict_DelItem(refresh->staging.reasons, name) < 0;
        }
    }
    Py_XDECREF(reason);
    return failed ? -1 : 0;
}

/* members and those of wider, in the order in which they began; malloc'd. */
static mp_instance_t **
join_members(mp_instance_t **members, size_t count, PyObject *wider)
{
    PyObject *name, *instance;
    Py_ssize_t position = 0;
    size_t total = count + (size_t)PyDict_GET_SIZE(wider);
    mp_instance_t **all = malloc((total + 1) * sizeof(*all));
    if (!all) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(all, members, count * sizeof(*all));
    while (PyDict_Next(wider, &position, &name, &instance)) {
        all[count++] = (mp_instance_t *)instance;
    }
    qsort(all, count, sizeof(*all), by_serial);
    return all;
}

/* That was it: from now on, what changed here takes all of its root along. */
static int
remember_wider(mp_refresh_t *refresh, mp_instance_t **members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (PyDict_Contains(refresh->staging.sources, members[i]->file) == 1
            && PySet_Add(refresh->reach.importer->wide, members[i]->name)
                   < 0) {
            return -1;
        }
    }
    return 0;
}

/* An exception is in flight. 0 when the wider set stands; else -1, with that
 * exception, and everything as it was before the component ran. */
static int
run_wider(mp_refresh_t *refresh, mp_instance_t **members, size_t count,
          PyObject *snapshot)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *table = refresh->staging.next->table;
    PyObject *wider = find_wider(refresh, members, count);
    mp_instance_t **all = NULL;
    int failed = -1;
    if (wider && PyDict_GET_SIZE(wider) > 0) {
        all = join_members(members, count, wider);
    }
    if (all) {
        mp_component_retire(refresh, table, snapshot);
        PyDict_Clear(table);
        failed = PyDict_Update(table, snapshot) < 0
                 || set_wider(refresh, wider, 1) < 0
                 || run_members(refresh, all,
                                count + (size_t)PyDict_GET_SIZE(wider)) < 0
                 || remember_wider(refresh, members, count) < 0;
        PyErr_Clear(); /* the first failure is the one to tell */
    }
    if (all && failed) {
        set_wider(refresh, wider, 0);
    }
    PyErr_Clear(); /* out of memory: the exception is told all the same */
    free(all);
    Py_XDECREF(wider);
    if (failed) {
        PyErr_SetRaisedException(exc);
        return -1;
    }
    Py_XDECREF(exc);
    return 0;
}

/* ---- components -------------------------------------------------------- */

static int
run_component(mp_refresh_t *refresh, size_t component)
{
    size_t count;
    mp_instance_t **members = members_of(refresh, component, &count);
    Py_CLEAR(refresh->staging.culprit);
    PyObject *snapshot = members
        ? PyDict_Copy(refresh->staging.next->table) : NULL;
    int failed = -1;
    if (snapshot && compile_members(refresh, members, count) == 0) {
        failed = run_members(refresh, members, count);
        if (failed && !mp_lock_is_mine(refresh->reach.importer)) {
            Py_DECREF(snapshot); /* given up: another thread does it all */
            free(members);
            return -1;
        }
        if (failed && refresh->may_widen) {
            failed = run_wider(refresh, members, count, snapshot);
        }
    }
    if (failed && snapshot) {
        failed = roll_back(refresh, members, count, snapshot);
    }
    Py_XDECREF(snapshot);
    free(members);
    return failed;
}

int
mp_component_run_all(mp_refresh_t *refresh)
{
    size_t total = (size_t)PyList_GET_SIZE(refresh->reach.instances);
    mp_instance_t **all = malloc((total + 1) * sizeof(*all));
    char *done = calloc(total + 1, 1);
    size_t count = 0;
    int failed = all && done ? 0 : -1;
    if (failed) {
        PyErr_NoMemory();
    }
    for (size_t i = 0; !failed && i < total; i++) {
        if (mp_depgraph_is_reached(refresh->reach.graph, i)) {
            all[count++] = mp_reach_instance(&refresh->reach, i);
        }
    }
    if (!failed) {
        qsort(all, count, sizeof(*all), by_serial);
    }
    for (size_t i = 0; !failed && i < count; i++) {
        PyObject *number = PyDict_GetItemWithError(refresh->reach.numbers,
                                                   all[i]->name);
        size_t component = mp_depgraph_component(refresh->reach.graph,
                                                 PyLong_AsSize_t(number));
        if (!done[component]) {
            done[component] = 1;
            failed = run_component(refresh, component);
        }
    }
    free(done);
    free(all);
    return failed;
}
