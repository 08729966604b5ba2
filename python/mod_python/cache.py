"""Caches: of files, of what URLs give, of functions, and a base for others.

    class Templates(FileCache):
        def build(self, key, name, opened, entry):
            return Template(opened.read().decode())

    templates = Templates(100)
    templates["/srv/page.html"]     # built once, and again when it changes

Caches may be used by several threads. A value is built by one thread; others
that want the same wait for it, and those that want another go on. If building
it fails, they get the exception, and the next one who asks builds anew: what
was there before is not served.
"""

import collections
import email.utils
import os
import re
import threading
import time
import types
import urllib.error
import urllib.request
import weakref


class _NotInitialized:
    def __repr__(self):
        return "NOT_INITIALIZED"


NOT_INITIALIZED = _NotInitialized()
"""What an entry has before it was built, and after building it has failed."""


def parseRFC822Time(t):
    """Seconds since the epoch (int) of a date in a header: "Sun, 06 Nov 1994
    08:49:37 GMT". ValueError if it is none."""
    parsed = email.utils.parsedate_tz(t)
    if parsed is None:
        raise ValueError(f"{t!r} is not a date")
    return email.utils.mktime_tz(parsed)


class Entry:
    """What a cache holds for one key. `key`, and `value`, which is
    NOT_INITIALIZED while there is none. Caches may add attributes."""

    def __init__(self, key):
        self.key = key
        self._value = NOT_INITIALIZED
        self._lock = threading.RLock()

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        self._value = value

    def __repr__(self):
        return f"<{type(self).__name__} {self.key!r}>"


class Cache:
    """A cache of max_size values (0: any number); those that were not used
    for longest are dropped. Override key(), check(), build(), commit().

    cache[name] is the value, built if need be; cache[name] = value puts one
    there; del cache[name] drops it (KeyError if there is none).
    """

    _make_entry = Entry

    def __init__(self, max_size=0):
        self.max_size = max_size
        self._entries = collections.OrderedDict()  # last: used last
        self._lock = threading.RLock()

    # what to override

    def key(self, name):
        """By what a name is remembered: anything hashable."""
        return name

    def check(self, key, name, entry):
        """None if the value of the entry is good; else what build() needs to
        make another. An entry without a value is built in any case."""
        return None

    def build(self, key, name, opened, entry):
        """The value. opened: what check() has returned; it is closed
        afterwards if it can be. An exception goes to who asked."""
        raise NotImplementedError

    def commit(self, key, name, opened, entry):
        """The value was built: remember what check() is to compare."""

    # looking

    def __getitem__(self, name):
        key = self.key(name)
        entry = self._touch(key)
        with entry._lock:
            try:
                return self._fresh(key, name, entry)
            except BaseException:
                entry.value = NOT_INITIALIZED
                self._drop(key, entry)
                raise

    def _fresh(self, key, name, entry):
        opened = self.check(key, name, entry)
        value = entry.value
        if opened is None and value is not NOT_INITIALIZED:
            return value
        try:
            value = self.build(key, name, opened, entry)
        finally:
            if hasattr(opened, "close"):
                opened.close()
        self.commit(key, name, opened, entry)
        entry.value = value
        return value

    def __setitem__(self, name, value):
        key = self.key(name)
        entry = self._touch(key)
        with entry._lock:
            entry.value = value

    def __delitem__(self, name):
        with self._lock:
            del self._entries[self.key(name)]

    def __contains__(self, name):
        with self._lock:
            entry = self._entries.get(self.key(name))
        return entry is not None and entry.value is not NOT_INITIALIZED

    def __len__(self):
        return len(self._entries)

    def mru(self):
        """An iterator over the entries, last used first."""
        with self._lock:
            return iter(list(reversed(self._entries.values())))

    def lru(self):
        """An iterator over the entries, last used last."""
        with self._lock:
            return iter(list(self._entries.values()))

    def clear(self):
        with self._lock:
            self._entries.clear()

    def _touch(self, key):
        """The entry, which is used now; others may have to go."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = self._make_entry(key)
            self._entries.move_to_end(key)
            while 0 < self.max_size < len(self._entries):
                self._entries.popitem(last=False)
            return entry

    def _drop(self, key, entry):
        with self._lock:
            if self._entries.get(key) is entry:
                del self._entries[key]


class _WeakEntry(Entry):
    """Its value goes when nobody else has it."""

    @property
    def value(self):
        if self._value is NOT_INITIALIZED:
            return NOT_INITIALIZED
        value = self._value()
        return NOT_INITIALIZED if value is None else value

    @value.setter
    def value(self, value):
        self._value = (value if value is NOT_INITIALIZED
                       else weakref.ref(value))


class WeakCache(Cache):
    """A cache that keeps no value alive: it has those that are in use."""

    _make_entry = _WeakEntry

    def _touch(self, key):
        with self._lock:
            for dead in [entry for entry in self._entries.values()
                         if entry._value is not NOT_INITIALIZED
                         and entry.value is NOT_INITIALIZED
                         and entry.key != key]:
                del self._entries[dead.key]
            return super()._touch(key)


class FileCache(Cache):
    """By path: the content of files, or what build() makes of the open file.
    A file that has changed is read again. OSError if it cannot be read."""

    def __init__(self, max_size=0, mode="rb"):
        super().__init__(max_size)
        self.mode = mode

    def check(self, key, name, entry):
        if (entry.value is not NOT_INITIALIZED
                and entry._stamp == _stamp(os.stat(key))):
            return None
        opened = open(key, self.mode)
        entry._opened = _stamp(os.fstat(opened.fileno()))
        return opened

    def build(self, key, name, opened, entry):
        return opened.read()

    def commit(self, key, name, opened, entry):
        entry._stamp = entry._opened


def _stamp(status):
    return status.st_mtime_ns, status.st_size, status.st_ino


class HTTPEntity:
    """What a URL gave: `entity` (bytes), `metadata` (its headers; names in
    lower case)."""

    def __init__(self, entity, metadata):
        self.entity = entity
        self.metadata = metadata

    def __repr__(self):
        return f"HTTPEntity({self.entity!r}, {self.metadata!r})"

    def __str__(self):
        charset = re.search(r"charset=\"?([\w-]+)",
                            self.metadata.get("content-type", ""))
        return self.entity.decode(charset.group(1) if charset else "utf-8",
                                  "replace")


class HTTPCache(Cache):
    """By URL: an HTTPEntity. It is good as long as Cache-Control: max-age or
    Expires say; then the server is asked whether it has changed, by ETag and
    Last-Modified. urllib.error.URLError if the server cannot answer."""

    timeout = 30  # seconds

    def check(self, key, name, entry):
        if entry.value is not NOT_INITIALIZED and time.time() < entry._expires:
            return None
        request = urllib.request.Request(key)
        if entry.value is not NOT_INITIALIZED:
            for header, value in entry._validators.items():
                request.add_header(header, value)
        try:
            return urllib.request.urlopen(request, timeout=self.timeout)
        except urllib.error.HTTPError as answer:
            with answer:
                if (answer.code != 304
                        or entry.value is NOT_INITIALIZED):
                    raise
                entry._expires = _expiry(answer.headers)
                return None

    def build(self, key, name, opened, entry):
        return HTTPEntity(opened.read(), {
            name.lower(): value for name, value in opened.headers.items()})

    def commit(self, key, name, opened, entry):
        entry._expires = _expiry(opened.headers)
        entry._validators = {
            ask: opened.headers[tell] for ask, tell in (
                ("If-None-Match", "ETag"),
                ("If-Modified-Since", "Last-Modified"))
            if opened.headers[tell]}


def _expiry(headers):
    """Until when a response is good, in seconds since the epoch."""
    control = headers.get("Cache-Control", "").lower()
    if re.search(r"\bno-(cache|store)\b", control):
        return 0
    age = re.search(r"\bmax-age=\"?(\d+)", control)
    if age:
        spent = headers.get("Age", "")
        return (time.time() + int(age.group(1))
                - (int(spent) if spent.isdecimal() else 0))
    try:
        expires = parseRFC822Time(headers.get("Expires") or "")
        begun = parseRFC822Time(headers.get("Date") or "")
    except ValueError:
        return 0  # "Expires: 0" and the like: at once
    return time.time() + expires - begun


def _make_module(key, name, source):
    module = types.ModuleType(str(name))
    module.__file__ = str(key)
    exec(compile(source, str(key), "exec"), module.__dict__)
    return module


class ModuleCache(FileCache):
    """By path: files as modules, executed again when they change. They are
    nobody's dependency: `import`, and apache.import_module(), do more."""

    def build(self, key, name, opened, entry):
        return _make_module(key, name, opened.read())


class HttpModuleCache(HTTPCache):
    """By URL: what it gives as a module. Whoever answers for that URL runs
    code here."""

    def build(self, key, name, opened, entry):
        return _make_module(key, name, opened.read())


class FunctionCache(Cache):
    """Calls the function once for the same arguments, which must be hashable:
    cache(1, b=2) is function(1, b=2)."""

    def __init__(self, function, max_size=0):
        super().__init__(max_size)
        self.function = function

    def __call__(self, *args, **kwargs):
        return self[args, tuple(sorted(kwargs.items()))]

    def build(self, key, name, opened, entry):
        args, kwargs = name
        return self.function(*args, **dict(kwargs))
