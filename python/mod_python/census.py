"""What keeps replaced versions of modules alive: apache.census().

A version of a module that was replaced goes when nothing refers to it any
more. take() finds those that stay, and for each the shortest chain of
references from it to something that stays for good: a name in a module, a
thread, a callback that Python itself keeps.

It goes backwards, from what should be gone to those who hold it, level by
level, over a list of all objects that was made before it began: so it does
not meet its own lists and frames. What is held by C code is not to be seen
that way. Some of it can be asked for (_Ends below); of the rest at least
this can be said: an object with more references than holders is held by
something without a face.
"""

from __future__ import annotations

import _thread
import gc
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import _apache

_MOST_OBJECTS = 200_000  # that are looked at on the way
_IMMORTAL = 1 << 28      # reference counts above this say nothing
_OURS = 3                # references that the search has to each object

_INSTANCE, _GENERATION, _PORTAL = _apache._types()
_one_at_a_time = _thread.allocate_lock()

# The namespace of a module, also of one that does something when it is asked
# for an attribute.
_space_of: Callable[[types.ModuleType], dict[str, Any]] = (
    vars(types.ModuleType)["__dict__"].__get__)


class Survivor(NamedTuple):
    """An old version of a module that is still alive: apache.census()."""

    label: str
    """The module's name."""
    version: int
    """Which of its executions this was: ModuleInfo.instance."""
    file: str | None
    """Its file."""
    chain: tuple[str, ...]
    """The module, who holds it, who holds that, up to what stays for good."""
    advice: str
    """What to do about it, if that is known; else empty."""

    def __str__(self) -> str:
        return " <- ".join(self.chain)


class _End(NamedTuple):
    """The last link of a chain."""

    text: str
    advice: str = ""


def take(seconds: float = 5.0) -> list[Survivor]:
    """apache.census()."""
    deadline = time.monotonic() + seconds
    with _one_at_a_time:  # two would meet each other's lists
        gc.collect()
        gc.collect()  # what the finalizers of the first let go of
        heap = gc.get_objects()
        dead = _dead_instances(heap)
        if not dead:
            return []
        search = _Search(heap, dead, deadline)
        search.run()
        return [search.survivor(instance) for instance in dead]


def _dead_instances(heap: list[Any]) -> list[Any]:
    used = {id(instance) for table in _apache._tables_in_use()
            for instance in list(table.values())}
    # Without a number: its making has only begun.
    instances: list[Any] = [thing for thing in heap
                            if type(thing) is _INSTANCE]
    dead = [instance for instance in instances
            if instance.instance > 0 and id(instance) not in used]
    return sorted(dead, key=lambda one: (one.label, one.instance))


# Where chains end

class _Ends:
    """What stays for good, by the identity of objects.

    holders: these hold things for ever. things: these are held for ever, by
    something that is no object.
    """

    def __init__(self, dead: Mapping[int, str]) -> None:
        self.dead = dead                     # id of a namespace -> version
        self.spaces: dict[int, str] = {}     # id of a namespace -> its name
        self.numbers: dict[int, int] = {}    # the same -> its version, if hot
        self.tables: set[int] = set()        # of the generations in use
        self.modules: dict[int, str] = {}    # id of a module -> its name
        self.used: dict[int, str] = {}       # id of an instance -> its label
        self.things: dict[int, _End] = {}
        self.loggers: set[int] = set()
        self.threads: dict[int, _End] = {}
        for add in (self._add_modules, self._add_threads, self._add_signals,
                    self._add_atexit, self._add_codecs, self._add_loggers):
            add()

    def _add_modules(self) -> None:
        for name, module in list(sys.modules.items()):
            if (isinstance(module, types.ModuleType)
                    and type(module) is not _PORTAL
                    and id(_space_of(module)) not in self.dead):
                self.modules[id(module)] = name
                self.spaces[id(_space_of(module))] = name
        for table in _apache._tables_in_use():
            self.tables.add(id(table))
            for label, instance in list(table.items()):
                self.used[id(instance)] = label
                space = _namespace(instance)
                if space is not None:
                    self.spaces[id(space)] = label
                    self.numbers[id(space)] = instance.instance

    def _add_threads(self) -> None:
        threading = sys.modules.get("threading")
        frames = sys._current_frames()
        # Not our own, whose frames would hold all that we look at.
        del frames[_thread.get_ident()]
        names = {}
        for thread in threading.enumerate() if threading else ():
            names[thread.ident] = thread.name
            where = self._where(frames.get(thread.ident))
            self.threads[id(thread)] = _End(
                f"thread {thread.name!r}{where}", _THREAD_ADVICE)
        for ident, frame in frames.items():
            end = _End(f"thread {names.get(ident, ident)!r}"
                       f"{self._where(frame)}", _THREAD_ADVICE)
            for outer in _frames(frame):
                self.things.setdefault(id(outer.f_globals), end)
        # Code that is to stay runs in many threads.
        for space in self.spaces:
            self.things.pop(space, None)

    def _where(self, frame: types.FrameType | None) -> str:
        """Where a thread is, if possible in an old module."""
        if frame is None:
            return ""
        chosen = next((outer for outer in _frames(frame)
                       if id(outer.f_globals) in self.dead), frame)
        code = chosen.f_code
        return (f", now in {code.co_qualname} "
                f"({code.co_filename}:{chosen.f_lineno})")

    def _add_signals(self) -> None:
        signal = sys.modules.get("signal")
        if signal is None:
            return
        for number in signal.valid_signals():
            handler = signal.getsignal(number)
            if callable(handler):
                name = getattr(number, "name", str(number))
                self.things[id(handler)] = _End(
                    f"signal handler of {name}",
                    "put the former handler back in __mp_purge__()")

    def _add_atexit(self) -> None:
        """The array of callbacks shows itself to whoever wants to have one
        removed: it is compared with each."""
        things = self.things

        class Nobody:
            def __eq__(self, callback: object) -> bool:
                things[id(callback)] = _ATEXIT
                return False

        if "atexit" in sys.modules:
            try:
                sys.modules["atexit"].unregister(Nobody())
            except Exception:
                pass  # of a callback that will not be compared

    def _add_codecs(self) -> None:
        """The lists that the codecs are registered in: nobody but C code
        holds them, but what is in them is known."""
        encodings = sys.modules.get("encodings")
        self.search_function = getattr(encodings, "search_function", self)

    def _add_loggers(self) -> None:
        logging = sys.modules.get("logging")
        if logging:
            known = [*logging.Logger.manager.loggerDict.values(),
                     logging.getLogger()]
            self.loggers = {id(logger) for logger in known}

    def of_thing(self, thing: Any) -> _End | None:
        """Is it held by something that is no object?"""
        if id(thing) in self.things:
            return self.things[id(thing)]
        if type(thing) is list and any(item is self.search_function
                                       for item in thing):
            return _End("search functions of the codecs",
                        "call codecs.unregister() in __mp_purge__()")
        if type(thing) is dict and "xmlcharrefreplace" in thing:
            return _End("error handlers of the codecs",
                        "register under that name what is not reloaded")
        return None

    def of_holder(self, holder: Any, held: Any) -> _End | None:
        """Does this holder of `held` stay for good?"""
        key = id(holder)
        if key in self.spaces:
            return _name_in(holder, held, self.spaces[key],
                            self.numbers.get(key))
        if key in self.threads:
            return self.threads[key]
        if key in self.modules:
            return _held_by_module(self.modules[key], held)
        if key in self.loggers:
            return _End(f"logger {holder.name!r}",
                        "call removeHandler() or removeFilter() in "
                        "__mp_purge__()")
        if key in self.used:
            return _End(f"{self.used[key]}, which is in use")
        if type(holder) is _GENERATION:
            if any(id(thing) in self.tables
                   for thing in gc.get_referents(holder)):
                return _End(f"generation {holder.number}, where it does not "
                            "load", "mend the file")
            return None
        if holder is sys.modules:
            names = [name for name, module in list(holder.items())
                     if module is held]
            return _End(f"sys.modules[{names[0]!r}]" if names
                        else "sys.modules",
                        "delete the name in __mp_purge__()")
        if (type(holder).__name__ == "_lru_cache_wrapper"
                and getattr(holder, "__module__", "") == "typing"):
            return _End("cache of typing",
                        "empty typing's caches in __mp_purge__(): "
                        "for clear in typing._cleanups: clear()")
        return None


_ATEXIT = _End("atexit callback", "call atexit.unregister() in "
               "__mp_purge__()")
_THREAD_ADVICE = "end the thread in __mp_purge__()"

# Names whose holders forget nothing by themselves.
_NAME_ADVICE = {
    "copyreg.dispatch_table":
        "delete the class from copyreg.dispatch_table in __mp_purge__()",
    "ctypes._pointer_type_cache":
        "delete the class from ctypes._pointer_type_cache in __mp_purge__()",
    "weakref.finalize":
        "call detach() of the finalizer in __mp_purge__()",
    "sys.excepthook":
        "set it anew in each version, and call sys.__excepthook__ in it",
}


def _name_in(space: dict[str, Any], held: Any, module: str,
             version: int | None) -> _End:
    """The name of something in the namespace of a module."""
    names = [name for name, value in list(space.items()) if value is held]
    if not names:
        return _End(f"module {module}")
    name = min(names, key=lambda text: (text.startswith("__"), len(text)))
    text = f"{module}.{name}"
    advice = _NAME_ADVICE.get(text,
                              f"take it out of {text} in __mp_purge__()")
    if version is not None:
        text += f" (version {version}, in use)"
    return _End(text, advice)


def _held_by_module(name: str, held: Any) -> _End:
    """By the C code of a module, which its traversal shows."""
    if name == "atexit":
        return _ATEXIT
    if name == "_apache" and type(held) is list and any(
            type(row) is tuple and row and callable(row[0]) for row in held):
        return _End("callback of register_cleanup()",
                    "register it once, from a module that is not edited")
    return _End(f"C code of module {name}")


# Searching

class _Search:
    """The way back from the dead to what holds them."""

    def __init__(self, heap: list[Any], dead: list[Any],
                 deadline: float) -> None:
        self.heap = heap
        self.deadline = deadline
        self.dead = dead
        self.labels = {}        # id of a namespace -> which version it is
        for instance in dead:
            space = _namespace(instance)
            if space is not None:
                self.labels[id(space)] = _version(instance)
        self.ends = _Ends(self.labels)
        self.objects: dict[int, Any] = {}       # all that was reached
        self.held: dict[int, list[int]] = {}    # holder -> what it holds
        self.last: dict[int, _End] = {}         # object -> its end
        self.extra: list[int] = []  # with references from nowhere, in order
        self.along: dict[int, tuple[int, Any]] = {}  # kept by a generation
        self.next: dict[int, int | None] = {}   # towards the end of the chain
        self.is_complete = False

    def run(self) -> None:
        frontier = self.dead
        self.objects.update((id(instance), instance) for instance in frontier)
        while frontier and self._may_go_on():
            frontier = self._expand(frontier)
        self.is_complete = not frontier
        self._connect(self.last)
        for key in self.extra:
            if any(id(instance) not in self.next for instance in self.dead):
                end = _end_without_face(self.objects[key])
                self.last.setdefault(key, end)
                self._connect([key])
        self._add_along()

    def _may_go_on(self) -> bool:
        return (len(self.objects) < _MOST_OBJECTS
                and time.monotonic() < self.deadline)

    def _expand(self, frontier: list[Any]) -> list[Any]:
        """The holders of these objects that were not met before."""
        references, counts = _apache._references(self.heap, frontier)
        holders: list[list[Any]] = [[] for _ in frontier]
        for holder, index in references:
            holders[index].append(holder)
        found: list[Any] = []
        for thing, known, count in zip(frontier, holders, counts):
            if _IMMORTAL > count > len(known) + _OURS:
                self.extra.append(id(thing))
            end = self._end_of(thing, known)
            if end:
                self.last[id(thing)] = end
                continue  # nothing that leads further is shorter
            for holder in known:
                self._add(holder, thing, found)
        return found

    def _end_of(self, thing: Any, holders: list[Any]) -> _End | None:
        end = self.ends.of_thing(thing)
        for holder in holders:
            if end:
                break
            end = self.ends.of_holder(holder, thing)
        return end

    def _add(self, holder: Any, thing: Any, found: list[Any]) -> None:
        # An old generation has all its modules, and each of them has it: what
        # keeps one of them keeps all. That is told of each by itself.
        if holder is self.heap or type(holder) is _GENERATION:
            return
        self.held.setdefault(id(holder), []).append(id(thing))
        if id(holder) not in self.objects:
            self.objects[id(holder)] = holder
            found.append(holder)

    def _connect(self, keys: Iterable[int]) -> None:
        """From ends back to all that they keep alive, shortest ways first."""
        queue = [key for key in keys if key not in self.next]
        self.next.update(dict.fromkeys(queue))
        for key in queue:
            for thing in self.held.get(key, ()):
                if thing not in self.next:
                    self.next[thing] = key
                    queue.append(thing)

    def _add_along(self) -> None:
        """Whoever belongs to the generation of one that is held."""
        for instance in self.dead:
            if id(instance) in self.next:
                for generation in _generations(instance):
                    for member in _members(generation):
                        self.along.setdefault(id(member),
                                              (generation.number, instance))

    # What was found

    def survivor(self, instance: Any) -> Survivor:
        texts, end = self._chain(instance)
        return Survivor(instance.label, instance.instance, instance.file,
                        (*_without_repetition(texts), end.text), end.advice)

    def _chain(self, instance: Any) -> tuple[list[str], _End]:
        if id(instance) in self.next:
            return self._chain_of(instance)
        name = _version(instance)
        if id(instance) in self.along:
            number, other = self.along[id(instance)]
            texts, end = self._chain_of(other)
            return [name, f"generation {number}", *texts], end
        return [name], _End("nothing that could be found"
                            if self.is_complete else "not found in time")

    def _chain_of(self, instance: Any) -> tuple[list[str], _End]:
        texts = []
        key: int | None = id(instance)
        while key is not None:
            texts.append(self._text_of(self.objects[key]))
            last, key = key, self.next[key]
        return texts, self.last[last]

    def _text_of(self, thing: Any) -> str:
        if type(thing) is _INSTANCE:
            return _version(thing)
        space = (_space_of(thing) if type(thing) is types.ModuleType
                 else thing)
        return self.labels.get(id(space)) or _describe(thing)


def _without_repetition(texts: Iterable[str]) -> Iterator[str]:
    before = ""
    for text in texts:
        if text and text != before:
            before = text
            yield text


def _version(instance: Any) -> str:
    return f"{instance.label} (version {instance.instance})"


def _namespace(instance: Any) -> dict[str, Any] | None:
    """The globals of an instance's module."""
    for thing in gc.get_referents(instance):
        if type(thing) is types.ModuleType:
            space: dict[str, Any] = _space_of(thing)
            if space.get("__mp_info__") is instance:
                return space
    return None


def _generations(instance: Any) -> list[Any]:
    return [thing for thing in gc.get_referents(instance)
            if type(thing) is _GENERATION]


def _members(generation: Any) -> list[Any]:
    return [instance for thing in gc.get_referents(generation)
            if type(thing) is dict for instance in list(thing.values())
            if type(instance) is _INSTANCE]


def _frames(frame: types.FrameType | None) -> Iterator[types.FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


# Words for objects

def _at(code: types.CodeType) -> str:
    return f"({code.co_filename}:{code.co_firstlineno})"


def _describe_frame(frame: types.FrameType) -> str:
    return f"frame of {frame.f_code.co_qualname} {_at(frame.f_code)}"


def _describe_generator(thing: Any) -> str:
    code = (getattr(thing, "gi_code", None) or getattr(thing, "cr_code", None)
            or thing.ag_code)
    return f"{type(thing).__name__} {thing.__qualname__} {_at(code)}"


# Types of objects that stand between two others without saying anything have
# an empty text.
_WORDS: dict[type, Callable[[Any], str]] = {
    types.FunctionType:
        lambda thing: f"function {thing.__qualname__} {_at(thing.__code__)}",
    types.MethodType:
        lambda thing: f"method {getattr(thing, '__qualname__', '?')}",
    types.BuiltinMethodType:
        lambda thing: f"built-in method {thing.__qualname__}",
    types.ModuleType:
        lambda thing: f"module {_space_of(thing).get('__name__')}",
    types.FrameType: _describe_frame,
    types.GeneratorType: _describe_generator,
    types.CoroutineType: _describe_generator,
    types.AsyncGeneratorType: _describe_generator,
    **dict.fromkeys((dict, list, tuple, set, frozenset, types.CellType,
                     types.MappingProxyType, types.TracebackType),
                    lambda thing: ""),
}


def _describe(thing: Any) -> str:
    """A few words, never the object's own."""
    kind = type(thing)
    if kind in _WORDS:
        return _WORDS[kind](thing)
    if issubclass(kind, type):
        return f"class {type.__getattribute__(thing, '__qualname__')}"
    if issubclass(kind, BaseException):
        return f"exception {kind.__name__}"
    if (kind.__name__.lower().startswith("hamt")
            or kind.__name__ == "StgDict"):
        return ""  # what a Context and a class of ctypes are made of
    module = str(kind.__module__)
    if module == "typing":
        return f"typing.{kind.__name__.lstrip('_')}"
    if kind.__name__ == "_lru_cache_wrapper":
        return f"cache of function {getattr(thing, '__qualname__', '?')}"
    if module == "builtins":
        return kind.__qualname__
    return f"{module}.{kind.__qualname__} object"


def _end_without_face(thing: Any) -> _End:
    if type(thing).__name__ == "Context":
        names = ", ".join(sorted(var.name for var in thing))
        return _End(f"context of a thread, with the ContextVar {names}",
                    "give the variable a default instead of setting it in "
                    "the body of a module")
    return _End("C code, or a function that runs (a local variable)")
