"""Input and output filters: PythonInputFilter, PythonOutputFilter,
req.register_*_filter(), req.add_*_filter() and the filter object; api.md 1.2,
1.3, 3.1 and 3.5."""

import pytest

UPPER = """
    def outputfilter(filter):
        data = filter.read()
        while data:
            filter.write(data.upper())
            data = filter.read()
        if data is None:
            filter.close()
    """


def test_output_filter_changes_a_file(own_server):
    server = own_server(
        "<Directory ${SITE}>\nPythonOutputFilter upper UPPER\n"
        "SetOutputFilter UPPER\n</Directory>\n",
        files={"upper.py": UPPER, "page.txt": "some text\n"})
    response = server.site.get("page.txt")
    assert response.text == "SOME TEXT\n"
