/* mod_python.c - wires the layers: the module record that httpd loads, and
 * the table of everything that _apache is made of. */
#include "runtime/python.h"

#include "hooks/auth.h"
#include "hooks/connections.h"
#include "hooks/filters.h"
#include "hooks/include_tag.h"
#include "hooks/lifecycle.h"
#include "hooks/log_items.h"
#include "hooks/optional.h"
#include "hooks/phases.h"
#include "hooks/sharing.h"
#include "importer/api.h"
#include "importer/finder.h"
#include "importer/generation.h"
#include "importer/import_hook.h"
#include "importer/importer.h"
#include "importer/instance.h"
#include "importer/portal.h"
#include "importer/report.h"
#include "objects/connection.h"
#include "objects/constants.h"
#include "objects/filter.h"
#include "objects/current.h"
#include "objects/finfo.h"
#include "objects/functions.h"
#include "objects/global_lock.h"
#include "objects/hlist.h"
#include "objects/request.h"
#include "objects/server_info.h"
#include "objects/shared_dict.h"
#include "objects/table.h"
#include "runtime/interp.h"
#include "runtime/module.h"
#include "runtime/package.h"
#include "runtime/spawn.h"
#include "runtime/stream.h"
#include "server/config.h"
#include "web/builtin.h"
#include "web/field.h"
#include "web/form.h"
#include "web/psp.h"
#include "web/psp_page.h"
#include "web/wsgi.h"
#include "web/wsgi_file.h"
#include "web/wsgi_response.h"
#include "web/cookie.h"
#include "web/session.h"
#include "web/session_request.h"
#include "web/session_shared.h"
#include "web/signed_cookie.h"

#include <http_config.h>

static const mp_type_row_t types[] = {
    {MP_TYPE_STREAM, &mp_stream_spec, NULL, NULL},
    {MP_TYPE_TABLE, &mp_table_spec, NULL, "table"},
    {MP_TYPE_TABLE_ITERATOR, &mp_table_iterator_spec, NULL, NULL},
    {MP_TYPE_FINFO, &mp_finfo_spec, NULL, "mp_finfo"},
    {MP_TYPE_HLIST, &mp_hlist_spec, NULL, "mp_hlist"},
    {MP_TYPE_SERVER, &mp_server_spec, NULL, "mp_server"},
    {MP_TYPE_CONNECTION, &mp_connection_spec, NULL, "mp_conn"},
    {MP_TYPE_REQUEST, &mp_request_spec, NULL, "mp_request"},
    {MP_TYPE_FILTER, &mp_filter_spec, NULL, "mp_filter"},
    {MP_TYPE_INSTANCE, &mp_instance_spec, NULL, NULL},
    {MP_TYPE_GENERATION, &mp_generation_spec, NULL, NULL},
    {MP_TYPE_PORTAL, &mp_portal_spec, &PyModule_Type, NULL},
    {MP_TYPE_IMPORT_HOOK, &mp_import_hook_spec, NULL, NULL},
    {MP_TYPE_FINDER, &mp_finder_spec, NULL, NULL},
    {MP_TYPE_SHARED_DICT, &mp_shared_dict_spec, NULL, "SharedDict"},
    {MP_TYPE_STRING_FIELD, &mp_string_field_spec, &PyUnicode_Type, NULL},
    {MP_TYPE_FILE_FIELD, &mp_file_field_spec, NULL, NULL},
    {MP_TYPE_FIELD_LIST, &mp_field_list_spec, &PyList_Type, NULL},
    {MP_TYPE_FORM, &mp_form_spec, NULL, NULL},
    {MP_TYPE_COOKIE, &mp_cookie_spec, NULL, NULL},
    {MP_TYPE_SIGNED_COOKIE, &mp_signed_cookie_spec, NULL, NULL},
    {MP_TYPE_MARSHAL_COOKIE, &mp_marshal_cookie_spec, NULL, NULL},
    {MP_TYPE_SESSION, &mp_session_spec, &PyDict_Type, NULL},
    {MP_TYPE_SHARED_SESSION, &mp_shared_session_spec, NULL, NULL},
    {MP_TYPE_WSGI_RESPONSE, &mp_wsgi_response_spec, NULL, NULL},
    {MP_TYPE_WSGI_FILE_WRAPPER, &mp_wsgi_file_wrapper_spec, NULL, NULL},
    {MP_TYPE_PSP, &mp_psp_spec, NULL, NULL},
    {MP_TYPE_PSP_PAGE, &mp_psp_page_spec, NULL, NULL},
    {0, NULL, NULL, NULL}
};

static const mp_type_extra_t extras[] = {
    {MP_TYPE_REQUEST, -1, mp_session_request_methods},
    {MP_TYPE_REQUEST, -1, mp_wsgi_request_methods},
    {MP_TYPE_SIGNED_COOKIE, MP_TYPE_COOKIE, NULL},
    {MP_TYPE_MARSHAL_COOKIE, MP_TYPE_SIGNED_COOKIE, NULL},
    {MP_TYPE_SHARED_SESSION, MP_TYPE_SESSION, NULL},
    {MP_TYPE_COUNT, -1, NULL}
};

static PyMethodDef *const functions[] = {
    mp_functions,
    mp_global_lock_functions,
    mp_current_functions,
    mp_stream_functions,
    mp_importer_functions,
    mp_report_functions,
    NULL
};

static int (*const add[])(mp_state_t *) = {
    mp_constants_add,
    NULL
};

/* apache.init(name, main_server) */
static int
start_package(mp_state_t *state)
{
    PyObject *server = mp_server_wrap(state, state->interp->server);
    int failed = server ? mp_package_start(state, server) : -1;
    Py_XDECREF(server);
    return failed;
}

static int (*const start[])(mp_state_t *) = {
    mp_stream_install,
    mp_spawn_install,
    mp_importer_start,
    mp_web_start,
    start_package,
    NULL
};

static void (*const stop[])(mp_state_t *) = {
    mp_functions_run_cleanups,
    mp_importer_stop,
    NULL
};

static const mp_exports_t exports = {
    .types = types,
    .extras = extras,
    .functions = functions,
    .add = add,
    .start = start,
    .stop = stop,
    .builtins = mp_web_builtins,
    .traverse = mp_importer_traverse,
};

static void
register_hooks(apr_pool_t *pool)
{
    mp_module_set_exports(&exports);
    mp_optional_register();
    mp_sharing_register(pool);
    mp_lifecycle_register(pool);
    mp_phases_register(pool);
    mp_filters_hook(pool);
    mp_include_tag_register(pool);
    mp_connections_register(pool);
    mp_auth_register(pool);
    mp_log_items_register(pool);
}

/* The one exported symbol. Not AP_DECLARE_MODULE: that leaves the visibility
 * to the compiler's flags, and defines what server/log.h has declared. */
__attribute__((visibility("default"))) module python_module = {
    STANDARD20_MODULE_STUFF,
    mp_config_create_dir,
    mp_config_merge_dir,
    mp_config_create_server,
    mp_config_merge_server,
    mp_config_commands,
    register_hooks,
    0
};
