"""The types of mod_python.util. Names and values are str; files are bytes."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final, NoReturn, TypeVar, overload

from _typeshed import ReadableBuffer

from mod_python.apache import mp_request, table

_T = TypeVar("_T")

readBlockSize: Final = 65368

class StringField(str):
    name: str | None
    filename: str | None
    type: str
    ctype: str
    type_options: dict[str, str]
    disposition: str | None
    disp: str | None
    disposition_options: dict[str, str]
    disp_options: dict[str, str]
    headers: table
    file: BinaryIO
    @property
    def value(self) -> str: ...
    def decode(self, encoding: str = "utf-8", errors: str = "strict"
               ) -> str: ...

class Field:
    name: Any
    filename: str | None
    type: Any
    ctype: Any
    type_options: Any
    disposition: Any
    disp: Any
    disposition_options: Any
    disp_options: Any
    headers: Any
    file: Any
    def __init__(self, name: Any, file: Any = None, ctype: Any = None,
                 type_options: Any = None, disp: Any = None,
                 disp_options: Any = None, headers: Any = None) -> None: ...
    @property
    def value(self) -> Any: ...

class FieldList(list[Any]):
    def table(self) -> dict[str, list[Any]]: ...

class FieldStorage:
    list: FieldList
    def __init__(self, req: mp_request, keep_blank_values: object = 0,
                 strict_parsing: object = 0,
                 file_callback: Callable[[str], Any] | None = None,
                 field_callback: Callable[[], Any] | None = None
                 ) -> None: ...
    def __getitem__(self, name: str, /) -> Any: ...
    def __setitem__(self, name: str, value: Any, /) -> None: ...
    def __delitem__(self, name: str, /) -> None: ...
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def get(self, name: str, default: Any = None) -> Any: ...
    def getfirst(self, name: str, default: Any = None) -> Any: ...
    def getlist(self, name: str, /) -> Any: ...
    def keys(self) -> Any: ...
    def items(self) -> Any: ...
    def has_key(self, name: str, /) -> bool: ...
    def add_field(self, name: str, value: Any) -> None: ...
    def clear(self) -> None: ...

@overload
def parse_qs(qs: str, keep_blank_values: object = 0,
             strict_parsing: object = 0) -> dict[str, list[str]]: ...
@overload
def parse_qs(qs: ReadableBuffer, keep_blank_values: object = 0,
             strict_parsing: object = 0) -> dict[bytes, list[bytes]]: ...
@overload
def parse_qsl(qs: str, keep_blank_values: object = 0,
              strict_parsing: object = 0) -> list[tuple[str, str]]: ...
@overload
def parse_qsl(qs: ReadableBuffer, keep_blank_values: object = 0,
              strict_parsing: object = 0) -> list[tuple[bytes, bytes]]: ...
def parse_header(line: str | ReadableBuffer, /
                 ) -> tuple[str, dict[str, str]]: ...
def apply_fs_data(object: Any, fs: Any, /, **args: Any) -> Any: ...
def redirect(req: mp_request, location: str, permanent: object = 0,
             text: str | ReadableBuffer | None = None) -> NoReturn: ...
