from typing import Final

from mod_python.apache import mp_request

LOG_LINES: Final = 100

def escape(value: object) -> str: ...
def handler(req: mp_request) -> int: ...
