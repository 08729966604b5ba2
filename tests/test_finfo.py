"""mp_finfo: what httpd or apache.stat() knows about a file."""

import os

from inline import value

NAMES = ("protection", "inode", "device", "nlink", "user", "group", "size",
         "atime", "mtime", "ctime", "fname", "name", "filetype")


def test_stat_agrees_with_the_system(site):
    site.write({"file.txt": "hello"})
    path = str(site.path("file.txt"))
    seen = value(site, f"""
        found = apache.stat({path!r}, apache.APR_FINFO_NORM)
        return {{name: getattr(found, name) for name in {NAMES}}}
        """)
    stat = os.stat(path)
    assert seen == {
        "protection": 0x644, "inode": stat.st_ino, "device": stat.st_dev,
        "nlink": 1, "user": stat.st_uid, "group": stat.st_gid, "size": 5,
        "atime": int(stat.st_atime), "mtime": int(stat.st_mtime),
        "ctime": int(stat.st_ctime), "fname": path, "name": None,
        "filetype": 1}


def test_the_sequence_has_all_13_places_in_the_documented_order(site):
    assert value(site, f"""
        found = req.finfo
        same = [found[place] == getattr(found, name)
                for place, name in enumerate({NAMES})]
        return (len(found), same, list(found) == list(found[:]),
                found[-1] == found.filetype, found[apache.FINFO_SIZE] ==
                found.size, kind(lambda: found[13]), kind(lambda: found[-14]))
        """) == (13, [True] * 13, True, True, True, "IndexError",
                 "IndexError")


def test_what_was_not_asked_for_is_none(site):
    site.write({"file.txt": "hello"})
    assert value(site, f"""
        found = apache.stat({str(site.path("file.txt"))!r}, 0)
        bits = {{"inode": apache.APR_FINFO_INODE,
                "size": apache.APR_FINFO_SIZE,
                "user": apache.APR_FINFO_USER,
                "mtime": apache.APR_FINFO_MTIME,
                "name": apache.APR_FINFO_NAME}}
        return [(getattr(found, name) is None) == (not found.valid & bit)
                for name, bit in bits.items()]
        """) == [True] * 5


def test_a_missing_file_has_nothing_but_its_name_and_no_type(site):
    path = str(site.path("missing"))
    assert value(site, f"""
        found = apache.stat({path!r}, apache.APR_FINFO_NORM)
        return (found.filetype == apache.APR_NOFILE, found.fname, found.valid,
                [value for value in found if value is not None])
        """) == (True, path, None, [path, 0])


def test_a_link_is_followed_unless_asked_about_itself(site):
    site.write({"file.txt": "hello"})
    site.point("link", "file.txt")
    assert value(site, f"""
        path = {str(site.path("link"))!r}
        return (apache.stat(path, apache.APR_FINFO_TYPE).filetype,
                apache.stat(path, apache.APR_FINFO_TYPE
                            | apache.APR_FINFO_LINK).filetype)
        """) == (1, 6)


def test_stat_takes_str_bytes_and_paths(site):
    assert value(site, r"""
        import pathlib
        return [apache.stat(name, apache.APR_FINFO_TYPE).filetype
                for name in ("/", b"/", pathlib.Path("/"))], \
            apache.stat(b"/no\xff", 0).fname
        """) == ([2, 2, 2], "/no\udcff")


def test_stat_refuses_what_is_no_name(site):
    assert value(site, r"""
        return (kind(apache.stat, 5, 0), kind(apache.stat, "a\0b", 0),
                kind(apache.stat, "/", "x"), kind(apache.stat))
        """) == ("TypeError", "ValueError", "TypeError", "TypeError")


def test_any_other_failure_of_stat_is_an_oserror_with_its_cause(site):
    site.write({"file.txt": ""})
    path = str(site.path("file.txt/below"))
    assert value(site, f"return outcome(apache.stat, {path!r}, 0x100)") == (
        f"OSError: cannot examine {path}: Not a directory")


def test_repr_and_dir_show_the_attributes(site):
    seen, names = value(site, """
        return repr(req.finfo), dir(req.finfo)
        """)
    shown = eval(seen, {"__builtins__": {}})
    assert set(shown) == {*NAMES, "valid"}
    assert set(shown) <= set(names)


def test_a_finfo_cannot_be_changed_or_made(site):
    assert value(site, """
        from operator import setitem
        found = req.finfo
        return (kind(setattr, found, "size", 1), kind(setattr, found, "x", 1),
                kind(delattr, found, "size"), kind(setitem, found, 0, 1),
                kind(type(found)))
        """) == ("AttributeError", "AttributeError", "AttributeError",
                 "TypeError", "TypeError")


def test_a_finfo_outlives_its_request(site):
    site.write({"keep.py": "kept = []\n", "file.txt": ""})
    path = site.path("file.txt")
    serve_twice = f"""
        import keep
        if not keep.kept:
            keep.kept += [req.finfo, apache.stat({str(path)!r}, 0x100)]
        return keep.kept[0].fname, keep.kept[1].fname, keep.kept[1].size
        """
    first = value(site, serve_twice, "file.txt")
    assert first == (str(path), str(path), 0)
    assert site.texts("file.txt") == {repr(first)}


def test_an_assigned_finfo_is_valid_to_the_end_of_the_request(site):
    """D23"""
    site.write({"file.txt": "hello", "assign.py": """
        import gc
        import os
        from mod_python import apache

        def fixuphandler(req):
            here = os.path.dirname(__file__)
            req.finfo = apache.stat(here + "/file.txt", apache.APR_FINFO_NORM)
            gc.collect()
            return apache.OK

        def handler(req):
            for _ in range(1000):
                apache.stat("/" + "x" * 100, 0)
            req.write("x" * 100_000)
            return apache.OK

        def tell(req):
            found = req.finfo
            req.log_error(f"{found.fname} {found.size} {found.filetype}",
                          apache.APLOG_NOTICE)
            return apache.OK

        loghandler = cleanuphandler = tell
        """})
    site.serve("assign", "PythonFixupHandler assign\nPythonLogHandler assign"
                         "\nPythonCleanupHandler assign\n")
    assert len(site.get("other").text) == 100_000
    site.log.expect(f"^{site.path('file.txt')} 5 1$", count=2)


def test_an_assigned_finfo_is_a_copy(site):
    site.write({"file.txt": "hello"})
    assert value(site, f"""
        req.finfo = apache.stat({str(site.path("file.txt"))!r},
                                apache.APR_FINFO_NORM)
        gc.collect()
        for _ in range(1000):
            apache.stat("/" + "x" * 100, 0)
        return req.finfo.fname, req.finfo.size
        """, "other") == (str(site.path("file.txt")), 5)
