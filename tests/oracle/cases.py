"""Strategies of hypothesis: random trees and random edits of them.

What is drawn is raw: short tuples of numbers and names that mean something
for any tree, so that hypothesis can take away any of them when it looks for a
smaller case. `Case` makes files and steps of them."""

import dataclasses
import pathlib

from hypothesis import strategies as st

from httpd import SAVES

from . import model
from .steps import Step

# What the cases may have. Not among them: "guarded late", a late import in a
# try; "from", from p import s; "broken namespaces", namespace packages in trees
# that do not always load; "optional and broken", both in one tree.
FEATURES = {"data", "turning parts"}

numbers = st.integers(0, 11)
forms = st.sampled_from(list(model.FORMS))
guards = st.sampled_from(["", "", "import", "all"])

# (kind, number of the target, form, guard, relative)
names = st.sampled_from(model.NAMES[len(model.PAGES):])
parts = st.one_of(
    st.tuples(st.just("import"), numbers, forms, guards, st.booleans()),
    st.tuples(st.just("import"), numbers, forms, guards, st.booleans()),
    st.tuples(st.sampled_from(["getattr", "all", "standard"])),
    st.tuples(st.just("registration"), numbers, numbers),
    st.tuples(st.just("registration"), numbers, numbers),
    st.tuples(st.just("data"), numbers,
              st.sampled_from(["open", "path", "json", "lines"]), guards))
collectors = st.lists(st.tuples(st.just("collector"), numbers), max_size=2)
# (name, is a package, parts)
modules = st.tuples(names, st.booleans(), st.builds(
    list.__add__, collectors, st.lists(parts, max_size=3)))
pages = st.lists(parts, min_size=1, max_size=4)

edits = st.one_of(
    st.tuples(st.just("bump"), numbers),
    st.tuples(st.just("bump"), numbers),
    st.tuples(st.just("parts"), numbers, st.lists(parts, max_size=3)),
    st.tuples(st.just("parts"), numbers, st.lists(parts, max_size=3)),
    st.tuples(st.just("break"), numbers,
              st.sampled_from(list(model.BREAKS))),
    st.tuples(st.just("create"), modules),
    st.tuples(st.just("delete"), numbers),
    st.tuples(st.just("rename"), numbers, names),
    st.tuples(st.just("data"), numbers),
    st.tuples(st.just("no_data"), numbers),
    st.tuples(st.just("turn"), numbers),     # module to package, and back
    st.tuples(st.just("double"), numbers),   # x.py and x/__init__.py
    st.tuples(st.just("standard"), numbers),
    st.tuples(st.just("touch"), numbers))
steps = st.tuples(
    st.lists(edits, min_size=1, max_size=3),
    st.sampled_from(list(SAVES)),
    st.sampled_from([None, None, None, "switch"]),
    st.sampled_from([(0, 1), (0,), (1,)]),
    st.sampled_from(["mend", "mend", "undo", ""]))


@st.composite
def cases(draw):
    return Case(
        pages=draw(st.lists(pages, min_size=1, max_size=len(model.PAGES))),
        modules=draw(st.lists(modules, min_size=1, max_size=10,
                              unique_by=lambda one: one[0])),
        steps=draw(st.lists(steps, min_size=1, max_size=12)),
        order=draw(st.permutations(model.PLAIN)),
        page_in_package=draw(st.booleans()),
        is_broken=draw(st.booleans()),
        is_linked=draw(st.booleans()))


@dataclasses.dataclass
class Case:
    """What was drawn; `files`, `steps` and `pages` are what it means."""

    pages: list
    modules: list
    steps: list
    order: list
    page_in_package: bool
    is_broken: bool  # modules may not load; then functions import nothing
    is_linked: bool

    def __post_init__(self):
        self._order = [*model.PAGES, *model.SIDE,
                       *_parents_first(self.order), *model.RING]
        self._files = {}
        self._data = {}
        self._forms = {}
        self._version = 0
        for name in model.DATA[:2]:
            self._put_data(name)
        for name, is_package, drawn in self.modules:
            collectors = tuple(model.collector_part(one[1]) for one in drawn
                               if one[0] == "collector"
                               and _group(name) == model.SIDE)
            self._put(model.Module(name, 0, collectors), is_package)
        raw = dict(zip(model.PAGES, self.pages))
        for name in raw:
            self._put(model.Module(name, 0), False)
        for name, is_package, drawn in self.modules:
            self._put(self._module(name, is_package, drawn), is_package)
        for name, drawn in raw.items():
            self._put(self._module(name, False, drawn), False)
        self.pages = list(raw)
        if self.page_in_package:
            inside = [name for name in self._names() if "." in name]
            self.pages += inside[:1]
        self.files = self._texts()
        self._history = [(dict(self._files), dict(self._data))]
        self.steps = [self._step(*drawn) for drawn in self.steps]

    # state: {path: Module}, {path: Data}

    def _put(self, module, is_package):
        if "." in module.name and "turning parts" not in FEATURES:
            is_package = self._forms.setdefault(module.name, is_package)
        self._files[_path(module.name, is_package)] = module

    def _put_data(self, name):
        self._version += 1
        self._data[name] = model.Data(name, self._version)

    def _texts(self):
        texts = {path: one.text()
                 for path, one in [*self._files.items(), *self._data.items()]}
        if self.is_broken and "broken namespaces" not in FEATURES:
            for path in [path for path in texts if path.endswith(".py")]:
                for above in list(pathlib.PurePath(path).parents)[:-1]:
                    texts.setdefault(f"{above}/__init__.py", "pass\n")
        return texts

    def _names(self):
        """Those there are, in a fixed order."""
        there = {module.name for module in self._files.values()}
        return [name for name in model.NAMES if name in there]

    def _any_path(self, number, of_page=True):
        paths = sorted(path for path, module in self._files.items()
                       if of_page or module.name not in model.PAGES)
        return paths[number % len(paths)] if paths else None

    # modules

    def _module(self, name, is_package, drawn):
        place = model.Place(name, is_package)
        self._version += 1
        made = [self._part(place, number, one)
                for number, one in enumerate(drawn)]
        return model.Module(name, self._version, tuple(filter(None, made)))

    def _part(self, place, number, drawn):
        kind = drawn[0]
        if kind == "getattr":
            return model.getattr_part()
        if kind == "standard":
            return model.standard_part(number)
        if kind == "all":
            below = [name.rpartition(".")[2] for name in self._names()
                     if name.rpartition(".")[0] == place.name]
            return model.all_part(
                ["only_" + place.name.replace(".", "_"), *below])
        if kind == "data":
            return self._data_part(place, number, *drawn[1:])
        if kind == "collector":
            return (model.collector_part(drawn[1])
                    if _group(place.name) == model.SIDE else None)
        if kind == "registration":
            return self._registration_part(place, number, *drawn[1:])
        return self._import_part(place, number, *drawn[1:])

    def _data_part(self, place, number, target, form, guard):
        if "data" not in FEATURES:
            return None
        if not self.is_broken:
            guard = "all"
        name = ("x.txt", "y.json")[target % 2]
        path = _path(place.name, place.is_package).rpartition("/")[0]
        if f"{path}/{name}".strip("/") not in self._data:
            guard = guard or "all"
        return model.data_part(number, name, form, guard)

    def _registration_part(self, place, number, target, way):
        if _group(place.name) in (model.PLAIN, model.RING):
            return None
        found = sorted({(module.name, part.collects)
                        for module in self._files.values()
                        for part in module.parts
                        if part.collects is not None})
        if not found:
            return None
        name, kind = found[target % len(found)]
        return model.registration_part(number, name, kind, way)

    def _import_part(self, place, number, target, form, guard, relative):
        is_late = form.startswith("late")
        if is_late and self.is_broken:
            return None
        if not is_late and not self.is_broken:
            guard = "all"
        if self.is_broken and "optional and broken" not in FEATURES:
            guard = ""
        if form in ("from", "late package") and "from" not in FEATURES:
            form = {"from": "as"}.get(form, "late")
            relative = False
        if is_late and "guarded late" not in FEATURES:
            guard = ""
        names = [name for name in model.NAMES
                 if self._may_import(place.name, name, is_late)
                 and (guard or name in self._names())]
        if not names:
            return None
        name = names[target % len(names)]
        return model.import_part(
            place, number, name, form, guard,
            self._uses_at_import(place.name, name), relative)

    def _may_import(self, name, target, is_late):
        if target in model.PAGES:
            return False
        if is_late:
            return target not in model.SIDE
        group = _group(name)
        return (group in (model.RING, model.SIDE) and target in group
                or name.startswith(target + ".")
                or self._order.index(name) < self._order.index(target))

    def _uses_at_import(self, name, target):
        group = _group(name)
        return not (name.startswith(target + ".")
                    or group in (model.RING, model.SIDE) and target in group)

    # edits

    def _step(self, drawn, how, switch, asked, first):
        before = self._texts()
        if first == "mend":
            for path, module in self._files.items():
                self._files[path] = dataclasses.replace(module, broken=None)
        elif first == "undo" and len(self._history) > 1:
            self._files, self._data = map(dict, self._history[-2])
        touched = []
        for kind, *more in drawn:
            getattr(self, "_edit_" + kind)(touched, *more)
        after = self._texts()
        self._history.append((dict(self._files), dict(self._data)))
        changed = {path: after.get(path) for path in {**before, **after}
                   if before.get(path) != after.get(path)}
        if switch:
            switch = "link" if self.is_linked else "rename"
        return Step(changed, how, tuple(touched), switch, asked)

    def _edit_bump(self, touched, number):
        path = self._any_path(number)
        if path:
            self._version += 1
            self._files[path] = dataclasses.replace(
                self._files[path], version=self._version)

    def _edit_parts(self, touched, number, drawn):
        path = self._any_path(number)
        if path and self._files[path].name in model.NAMES:
            name = self._files[path].name
            self._files[path] = self._module(name, _is_package(path), drawn)

    def _edit_break(self, touched, number, kind):
        path = self._any_path(number)
        if path and self.is_broken:
            self._files[path] = dataclasses.replace(
                self._files[path], broken=kind)

    def _edit_create(self, touched, drawn):
        name, is_package, parts = drawn
        self._put(self._module(name, is_package, parts), is_package)

    def _edit_delete(self, touched, number):
        path = self._any_path(number)
        if path:
            del self._files[path]

    def _edit_rename(self, touched, number, name):
        path = self._any_path(number, of_page=False)
        if path and _group(self._files[path].name) == _group(name):
            module = self._files.pop(path)
            self._put(dataclasses.replace(module, name=name),
                      _is_package(path))

    def _edit_turn(self, touched, number):
        path = self._any_path(number, of_page=False)
        if path:
            self._put(self._files.pop(path), not _is_package(path))

    def _edit_double(self, touched, number):
        path = self._any_path(number, of_page=False)
        if path:
            self._version += 1
            self._put(dataclasses.replace(self._files[path],
                                          version=self._version),
                      not _is_package(path))

    def _edit_standard(self, touched, number):
        """Appears and goes."""
        path = _path(model.STANDARD, False)
        if not self._files.pop(path, None):
            self._version += 1
            self._files[path] = model.Module(model.STANDARD, self._version)

    def _edit_data(self, touched, number):
        """Appears or changes."""
        self._put_data(model.DATA[number % len(model.DATA)])

    def _edit_no_data(self, touched, number):
        self._data.pop(model.DATA[number % len(model.DATA)], None)

    def _edit_touch(self, touched, number):
        path = self._any_path(number)
        if path:
            touched.append(path)


def _parents_first(names):
    found = []
    for name in names:
        for one in reversed(_with_parents(name)):
            if one in names and one not in found:
                found.append(one)
    return found


def _with_parents(name):
    """[a.b.c, a.b, a]"""
    found = [name]
    while "." in name:
        name = name.rpartition(".")[0]
        found.append(name)
    return found


def _group(name):
    return next((group for group in (model.SIDE, model.PLAIN, model.RING)
                 if name in group), model.PAGES)


def _path(name, is_package):
    return name.replace(".", "/") + ("/__init__.py" if is_package else ".py")


def _is_package(path):
    return path.endswith("/__init__.py")
