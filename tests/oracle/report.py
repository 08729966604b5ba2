"""A case that shows a difference, as a test to be put into test_oracle.py."""


def as_test(pages, files, steps, is_linked, name="counterexample"):
    lines = [f"def test_{name}(lab):", f"    lab.run({list(pages)!r}, {{"]
    for path, text in files.items():
        lines += _file(path, text)
    lines.append("    }, [")
    for step in steps:
        lines.append(f"        {step!r},")
    lines.append(f"    ]{', is_linked=True' if is_linked else ''})")
    return "\n".join(lines)


def _file(path, text):
    if not text:
        yield f"        {path!r}: '',"
        return
    yield f"        {path!r}:"
    for line in text.splitlines(keepends=True):
        yield f"            {line!r}"
    yield "        ,"
