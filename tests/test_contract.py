"""docs/internals/contract.md has a row for each name that programs use."""

import re

import pytest

from test_apache_names import BUILT_IN, EXCEPTIONS, FUNCTIONS
from test_catalogue import rows
from test_connection_object import NAMES as CONNECTION
from test_contexts import CONTEXTS
from test_finfo import NAMES as FINFO
from test_hlist import NAMES as HLIST
from test_phases import PHASES
from test_request_attributes import BUILT_IN as REQUEST

NEW = {"keep", "reload_history", "census", "ExpiredError"}  # in no old program
REQUEST_METHODS = """
    write flush sendfile set_content_length set_etag set_last_modified
    update_mtime meets_conditions send_http_header read readline readlines
    discard_request_body get_config get_options document_root auth_name
    auth_type get_addhandler_exts add_handler register_input_filter
    register_output_filter add_input_filter add_output_filter register_cleanup
    allow_methods get_basic_auth_pw construct_url get_remote_host
    internal_redirect is_https ssl_var_lookup log_error add_common_vars
    add_cgi_vars build_wsgi_env wsgi_start_response requires
    """
SERVER = """
    get_config get_options log_error register_cleanup next defn_name
    defn_line_number server_admin server_hostname port error_fname loglevel
    is_virtual timeout keep_alive_timeout keep_alive_max keep_alive path
    pathlen names wild_names limit_req_line limit_req_fieldsize
    limit_req_fields my_generation restart_time _server_rec
    """
FILTER = """
    read readline write flush close pass_on disable name req is_input handler
    dir closed softspace parent
    """
TABLE = """
    add get setdefault has_key keys values items iterkeys itervalues iteritems
    popitem update copy clear
    """
IMPORTER = """
    import_module freeze_modules module_info modules_graph
    request_modules_graph get_current_config get_current_options
    get_handler_root __mp_info__ __mp_path__ __mp_clone__ __mp_purge__
    label file mtime ctime atime instance generation direct indirect children
    path reload
    """
FORMS = """
    keep_blank_values strict_parsing file_callback field_callback getfirst
    getlist add_field StringField Field FieldList parse_qs parse_qsl
    parse_header apply_fs_data redirect readBlockSize
    """
COOKIES = """
    version path domain secure comment expires max_age samesite commentURL
    discard port httponly __data__ SignedCookie MarshalCookie unsign hexdigest
    DOWNGRADE IGNORE EXCEPTION add_cookie get_cookies get_cookie CookieError
    """
SESSIONS = """
    FileSession DbmSession MemorySession is_new id created last_accessed
    timeout set_timeout load save delete invalidate lock unlock init_lock
    cleanup make_cookie do_load do_save do_delete do_cleanup _data _created
    _accessed _timeout COOKIE_NAME DFT_TIMEOUT DFT_LOCK CLEANUP_CHANCE
    DFT_FAST_CLEANUP DFT_VERIFY_CLEANUP DFT_GRACE_PERIOD
    DFT_CLEANUP_TIME_LIMIT
    """
OPTIONS = """
    mod_python.mutex_directory mod_python.mutex_locks
    mod_python.psp.cache_database_filename PSPDbmCache
    mod_python.session.session_type mod_python.session.cookie_name
    session_cookie_name mod_python.session.application_domain
    mod_python.session.application_path ApplicationPath
    mod_python.session.database_directory session_directory
    mod_python.dbm_session.database_filename session_dbm
    mod_python.dbm_session.database_directory
    mod_python.file_session.database_directory
    mod_python.file_session.enable_fast_cleanup session_fast_cleanup
    mod_python.file_session.verify_session_timeout session_verify_cleanup
    mod_python.file_session.cleanup_grace_period session_grace_period
    mod_python.file_session.cleanup_time_limit session_cleanup_time_limit
    mod_python.wsgi.application mod_python.wsgi.base_uri
    mod_python.importer.path mod_python.legacy.importer
    """
FUNCTIONS_IN_C = """
    mp_acquire_interpreter mp_release_interpreter mp_get_request_object
    mp_get_server_object mp_get_connection_object
    """

# Section of the page -> the names that its rows must have.
SECTIONS = {
    "1": [line.split()[0] for line in CONTEXTS],
    "1.1": [*PHASES, *PHASES.values(), "connectionhandler"],
    "3.1": REQUEST_METHODS.split(),
    "3.2": REQUEST,
    "3.3": [*CONNECTION, "remote_addr", "remote_ip", "hlist", "log_error",
            "read", "readline", "write"],
    "3.4": SERVER.split(),
    "3.5": FILTER.split(),
    "3.6": [*HLIST, "next"],
    "3.7": [*FINFO, "valid"],
    "3.8": TABLE.split(),
    "4.1": sum(BUILT_IN.values(), []),
    "4.2": sorted({*FUNCTIONS, *EXCEPTIONS, "make_table", "NullIO",
                   "CGIStdin", "CGIStdout", "CallBack", "interpreter",
                   "main_server"} - NEW - {"parse_qs", "parse_qsl"}),
    "5": IMPORTER.split(),
    "6.1": FORMS.split(),
    "6.2": COOKIES.split(),
    "6.3": SESSIONS.split(),
    "6.4": "PSP run display_code PSPInterface set_error_page apply_data "
           "redirect handler parse parsestring".split(),
    "6.5": "__auth__ __access__ __auth_realm__ get_page handler process_auth "
           "resolve_object publish_object".split(),
    "6.8": "testhandler httpdconf cache python22 version Directive Container "
           "ContainerTag Comment write_basic_config".split(),
    "9": OPTIONS.split(),
    "11": FUNCTIONS_IN_C.split(),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_each_name_of_a_section_has_a_row(section):
    words = set()
    for number, claim, _ in rows("contract"):
        if number.split()[0].startswith(section):
            words |= set(re.findall(r"[\w.]*\w", f"{number} {claim}"))
    assert words
    assert [name for name in SECTIONS[section] if name not in words] == []
