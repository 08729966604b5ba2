"""What filters make of brigades of every form (D35): a module in C, built
here, makes them of marks before the filters, and marks of them behind."""

import itertools
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from filtered import configured

MARKS = r"""
#include <httpd.h>
#include <http_config.h>
#include <util_filter.h>

static apr_status_t
read_nothing(apr_bucket *bucket, const char **data, apr_size_t *size,
             apr_read_type_e block)
{
    *data = "";
    *size = 0;
    return APR_SUCCESS;
}

static const apr_bucket_type_t mark_type = {
    "MARK", 5, APR_BUCKET_METADATA, apr_bucket_destroy_noop, read_nothing,
    apr_bucket_setaside_noop, apr_bucket_split_notimpl, apr_bucket_simple_copy
};

static apr_bucket *
mark_create(apr_bucket_alloc_t *list)
{
    apr_bucket *bucket = apr_bucket_alloc(sizeof(*bucket), list);
    APR_BUCKET_INIT(bucket);
    bucket->free = apr_bucket_free;
    bucket->list = list;
    bucket->type = &mark_type;
    bucket->length = 0;
    bucket->start = 0;
    bucket->data = NULL;
    return bucket;
}

static apr_bucket *
of_letter(const char *letter, apr_bucket_alloc_t *list)
{
    switch (*letter) {
    case 'F':
        return apr_bucket_flush_create(list);
    case 'M':
        return mark_create(list);
    case 'E':
        return apr_bucket_heap_create("", 0, NULL, list);
    case 'I':
        return apr_bucket_immortal_create("", 0, list);
    default:
        return apr_bucket_heap_create(letter, 1, NULL, list);
    }
}

/* Each letter is a bucket, and | the end of a brigade. */
static apr_status_t
make_of_marks(ap_filter_t *f, apr_bucket_brigade *in)
{
    apr_bucket_brigade *out = apr_brigade_create(f->r->pool,
                                                 in->bucket_alloc);
    apr_status_t status = APR_SUCCESS;
    apr_table_unset(f->r->headers_out, "Content-Length");
    while (status == APR_SUCCESS && !APR_BRIGADE_EMPTY(in)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(in);
        const char *data = "";
        apr_size_t size = 0;
        if (APR_BUCKET_IS_METADATA(bucket)) {
            APR_BUCKET_REMOVE(bucket);
            APR_BRIGADE_INSERT_TAIL(out, bucket);
            continue;
        }
        status = apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ);
        for (apr_size_t i = 0; status == APR_SUCCESS && i < size; i++) {
            if (data[i] == '|') {
                status = ap_pass_brigade(f->next, out);
                apr_brigade_cleanup(out);
                continue;
            }
            APR_BRIGADE_INSERT_TAIL(out, of_letter(data + i,
                                                   in->bucket_alloc));
        }
        apr_bucket_delete(bucket);
    }
    return status == APR_SUCCESS ? ap_pass_brigade(f->next, out) : status;
}

static apr_status_t
show_marks(ap_filter_t *f, apr_bucket_brigade *in)
{
    apr_bucket *next;
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(in);
         bucket != APR_BRIGADE_SENTINEL(in); bucket = next) {
        const char *letter = APR_BUCKET_IS_FLUSH(bucket) ? "F"
            : bucket->type == &mark_type ? "M" : NULL;
        next = APR_BUCKET_NEXT(bucket);
        if (letter) {
            APR_BUCKET_INSERT_BEFORE(bucket, apr_bucket_immortal_create(
                letter, 1, in->bucket_alloc));
            apr_bucket_delete(bucket);
        }
    }
    return ap_pass_brigade(f->next, in);
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_register_output_filter("MAKE", make_of_marks, NULL, AP_FTYPE_RESOURCE);
    ap_register_output_filter("SHOW", show_marks, NULL, AP_FTYPE_RESOURCE);
}

module AP_MODULE_DECLARE_DATA marks_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0
};
"""

# Each gives out what it takes in.
IDENTITIES = """
    def loop(filter):
        data = filter.read()
        while data:
            filter.write(data)
            data = filter.read()
        if data is None:
            filter.close()

    def once(filter):
        filter.write(filter.read() or b"")

    def lines(filter):
        while line := filter.readline():
            filter.write(line)

    def bytes(filter):
        while byte := filter.read(1):
            filter.write(byte)

    def nothing(filter):
        filter.pass_on()
    """


def ask_apxs(name):
    return subprocess.run(["apxs", "-q", name], capture_output=True, text=True,
                          check=True).stdout.split()


@pytest.fixture(scope="module")
def marks():
    """The file of the module in C."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="mod_python-marks-"))
    directory.chmod(0o755)
    (directory / "marks.c").write_text(MARKS)
    includes = [f"-isystem{path}" for name in (
        "INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR")
        for path in ask_apxs(name)]
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-std=gnu11", "-Wall", "-Werror",
         *ask_apxs("EXTRA_CPPFLAGS"), *includes, "-o", directory / "marks.so",
         directory / "marks.c"], check=True)
    yield directory / "marks.so"
    shutil.rmtree(directory)


def texts():
    """Up to four marks in every order, alone and between two others."""
    for size in range(1, 5):
        yield from map("".join, itertools.product("FEM|a\n", repeat=size))
    for marks in itertools.product("FEM|a", repeat=4):
        yield "I" + "".join(marks) + "b"


@pytest.mark.parametrize("chain", [
    "loop", "once", "lines", "bytes", "nothing",
    "loop;once;lines;bytes;nothing"])
def test_every_short_brigade_passes_unchanged(own_server, marks, chain):
    """FLUSH and other metadata keep their places between the data, wherever
    brigades end and empty buckets stand; those leave nothing."""
    files = {f"{number}.txt": text.encode()
             for number, text in enumerate(texts())}
    directives = "".join(f"PythonOutputFilter f::{name} {name}\n"
                         for name in chain.split(";"))
    server = configured(own_server, f"""
<FilesMatch txt>
    SetOutputFilter MAKE;{chain};SHOW
</FilesMatch>
{directives}""", {"f.py": IDENTITIES}, f"LoadModule marks_module {marks}")
    server.site.write(files)
    with server.connect() as connection:
        for name, text in files.items():
            seen = connection.get(server.site.url(name)).body
            assert seen == text.translate(None, b"EI|"), text
