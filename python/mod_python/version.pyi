version: str
HTTPD: str
HTTPD_VERSION: str
APR_VERSION: str
LIBEXECDIR: str
SYSCONFDIR: str
PYTHON_BIN: str
TEST_MOD_PYTHON_SO: str
TESTHOME: str

def __getattr__(name: str) -> str: ...
