"""The types of mod_python.Cookie: what the built-in module _web makes."""

from collections.abc import Container, Sequence
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

from mod_python.apache import mp_request

_Cookie = TypeVar("_Cookie", bound="Cookie")
_Text: TypeAlias = str | bytes
_Secret: TypeAlias = _Text | Sequence[_Text]  # the first of several signs
_Names: TypeAlias = str | Container[str] | None

DOWNGRADE: Final = 0
IGNORE: Final = 1
EXCEPTION: Final = 3

class CookieError(Exception):
    """A cookie cannot be signed, or its signature does not hold."""

class Cookie:
    """A cookie; str() of it is what Set-Cookie says.

    An attribute that was not set raises AttributeError. str() raises
    ValueError for what must not be in a header, and for what browsers ignore.
    """

    DOWNGRADE: ClassVar[int]
    IGNORE: ClassVar[int]
    EXCEPTION: ClassVar[int]

    name: str
    value: Any  # str; of a MarshalCookie what marshal takes
    version: Any
    path: Any
    domain: Any
    secure: Any
    comment: Any
    @property
    def expires(self) -> str: ...
    @expires.setter
    def expires(self, value: str | float | None) -> None: ...
    @expires.deleter
    def expires(self) -> None: ...
    max_age: Any  # seconds
    samesite: Any  # "Strict", "Lax" or "None"
    commentURL: Any
    discard: Any
    port: Any
    httponly: Any
    __data__: dict[Any, Any]

    def __init__(self, name: _Text, value: Any, **attributes: Any) -> None: ...
    @classmethod
    def parse(cls: type[_Cookie], header: _Text,
              names: _Names = None) -> dict[str, _Cookie]: ...

class SignedCookie(Cookie):
    """A Cookie that shows whether it was changed (HMAC-SHA256)."""

    def __init__(self, name: _Text, value: Any,
                 secret: _Secret | None = None, **attributes: Any) -> None: ...
    @classmethod
    def parse(  # type: ignore[override]
        cls, header: _Text, secret: _Secret, mismatch: int = 0,
        names: _Names = None, md5: bool = False) -> dict[str, Cookie]: ...
    def hexdigest(self, str: _Text, /) -> str: ...
    def unsign(self, secret: _Secret, /) -> None: ...

class MarshalCookie(SignedCookie):
    """A SignedCookie whose value may be anything that marshal takes."""

    def unmarshal(self, secret: _Secret, /) -> None: ...

def add_cookie(req: mp_request, cookie: Cookie | _Text, /, value: Any = "",
               **attributes: Any) -> None: ...
def get_cookies(req: mp_request, /, Class: type[Cookie] = Cookie,
                **arguments: Any) -> dict[str, Any]: ...
def get_cookie(req: mp_request, name: str, /, Class: type[Cookie] = Cookie,
               **arguments: Any) -> Any: ...
