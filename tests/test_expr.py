"""httpd's expressions: req.expr() and req.expr_str()."""

from httpd import together
from inline import serve, value


def test_condition_is_a_bool(site):
    assert value(site, """
        return [req.expr(text) for text in (
            "true", "false", "%{REQUEST_METHOD} == 'GET'",
            "%{QUERY_STRING} =~ /^a=(.)$/ && $1 == 'b'",
            "-n req('X-None')", "req('X-Some') in {'one', 'two'}",
            "-f %{REQUEST_FILENAME}")]
        """, "page?a=b", headers={"X-Some": "two"}) == [
            True, False, True, True, False, True, False]


def test_text_is_expanded_to_a_str(site):
    assert value(site, """
        return [req.expr_str(text) for text in (
            "plain", "", "%{REQUEST_METHOD} %{QUERY_STRING}",
            "%{base64:eggs}", "%{tolower:%{HTTP:X-Some}}", "%{HTTP:X-None}")]
        """, "page?a=b", headers={"X-Some": "TWO"}) == [
            "plain", "", "GET a=b", "ZWdncw==", "two", ""]


def test_bytes_of_the_client_survive_an_expression(site):
    assert value(site, """
        text = req.expr_str("%{HTTP:X-Some}")
        return (text == req.headers_in["X-Some"],
                req.expr(b"req('X-Some') == '\\xc3\\xa9\\xff'"))
        """, headers={"X-Some": b"\xc3\xa9\xff"}) == (True, True)


def test_wrong_expression_is_a_value_error_with_the_message_of_httpd(site):
    answers = value(site, """
        return [outcome(req.expr, "1 =="), outcome(req.expr, "%{NO_SUCH}"),
                outcome(req.expr, "nosuch('a') == 'b'"),
                outcome(req.expr_str, "%{nosuch:a}"),
                outcome(req.expr, "'a' =~ /(/")]
        """)
    assert all(answer.startswith("ValueError: ") for answer in answers)
    syntax, variable, function, text, regex = answers
    assert "syntax error" in syntax and "'1 =='" in syntax
    assert "NO_SUCH" in variable
    assert "nosuch" in function and "nosuch" in text
    assert "regular expression" in regex


def test_only_text_is_an_expression(site):
    assert value(site, """
        return [kind(req.expr, None), kind(req.expr, 5),
                kind(req.expr_str, "a\\0"), kind(req.expr)]
        """) == ["TypeError", "TypeError", "ValueError", "TypeError"]


def test_failing_evaluation_is_a_runtime_error(site):
    """file() of a file that is not there."""
    answer = value(site, """
        return outcome(req.expr_str, "%{file:/no/such/file}")
        """)
    assert answer == ("RuntimeError: the expression failed: Cannot open file "
                      "/no/such/file")
    site.log.expect("from req.expr.*: Cannot open file")  # httpd's own line


def test_same_text_is_parsed_once_for_each_kind(site):
    assert value(site, """
        one = [req.expr_str("a == b"), kind(req.expr, "a == b"),
               req.expr("'a' == 'a'"), req.expr_str("'a' == 'a'")]
        return one == [req.expr_str("a == b"), kind(req.expr, "a == b"),
                       req.expr("'a' == 'a'"), req.expr_str("'a' == 'a'")]
        """) is True


def test_many_different_expressions_and_many_calls_take_no_more_memory(site):
    grown = value(site, """
        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096

        def work():
            for number in range(2000):
                assert req.expr(f"{number} -eq {number}")
            for _ in range(20000):
                req.expr_str("%{REQUEST_METHOD} %{QUERY_STRING}")
        work()
        before = resident()
        for _ in range(3):
            work()
        return resident() - before
        """, "page?" + "x" * 200)
    assert grown < 4_000_000


def test_no_header_vary_comes_of_asking(site):
    serve(site, """
        req.expr_str("%{HTTP_USER_AGENT}")
        req.expr("%{HTTP_COOKIE} == 'a'")
        return 1
        """)
    assert site.get("x").headers["Vary"] is None


def test_threads_share_parsed_expressions(own_server):
    server = own_server(children=1, threads=8, mpm="event")
    serve(server.site, """
        return [req.expr_str("%{QUERY_STRING}") == req.args
                and req.expr("%{QUERY_STRING} =~ /^(.*)$/ && $1 == '"
                             + req.args + "'")
                for _ in range(200)].count(True)
        """)
    texts = together(lambda number: server.site.get(f"x?{number}").text, 8)
    assert texts == ["200"] * 8
