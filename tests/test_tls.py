"""req.is_https() and req.ssl_var_lookup(), on a real TLS server."""

import ast
import socket
import ssl
import subprocess

import pytest

from h2client import exchange
from inline import serve, value

TLS = """
SSLEngine On
SSLCertificateFile ${ROOT}/server.pem
SSLCertificateKeyFile ${ROOT}/server.key
SSLVerifyClient optional_no_ca
SSLSessionCache none
Mutex file:${ROOT} default
"""


def make_certificate(directory, name, subject):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-utf8", "-subj", subject, "-keyout",
         directory / f"{name}.key", "-out", directory / f"{name}.pem"],
        check=True, capture_output=True)


@pytest.fixture
def secure(own_server):
    """A server that speaks TLS."""
    return start(own_server, TLS)


def start(own_server, extra, modules=(), **choices):
    server = own_server(extra, modules=("ssl", "socache_shmcb", *modules),
                        start=False, **choices)
    make_certificate(server.root, "server", "/CN=localhost/O=Caf\u00e9")
    make_certificate(server.root, "client", "/CN=sp\u00e4m")
    server.start()
    server.log.allow("AH01873|AH01882|AH01906")  # mod_ssl, when it begins
    return server


def connect(server, plain, certificate=True, protocol="http/1.1"):
    context = ssl.create_default_context(cafile=server.root / "server.pem")
    context.set_alpn_protocols([protocol])
    if certificate:
        context.load_cert_chain(server.root / "client.pem",
                                server.root / "client.key")
    return context.wrap_socket(plain, server_hostname="localhost")


def ask(server, code, certificate=True):
    """What the code returned, asked for over TLS."""
    serve(server.site, code)
    with (socket.create_connection(("127.0.0.1", server.port), 20) as plain,
          connect(server, plain, certificate) as stream):
        stream.sendall(b"GET /site/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b""
        while part := stream.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0], answer
    return ast.literal_eval(body.decode())


def test_request_over_tls_is_https(secure):
    assert ask(secure, """
        return (req.is_https(), req.construct_url("/a").split(":")[0],
                req.ssl_var_lookup("HTTPS"))
        """) == (1, "https", "on")


def test_variables_of_the_connection_are_str(secure):
    protocol, cipher, server, none = ask(secure, """
        return [req.ssl_var_lookup(name) for name in (
            "SSL_PROTOCOL", b"SSL_CIPHER", "SSL_SERVER_S_DN_CN",
            "SSL_NO_SUCH")]
        """)
    assert protocol.startswith("TLSv1.")
    assert cipher.startswith("TLS_") or "-" in cipher
    assert server == "localhost"
    assert none == ""


def test_client_certificate_is_shown(secure):
    assert ask(secure, """
        return [req.ssl_var_lookup("SSL_CLIENT_S_DN_CN"),
                req.ssl_var_lookup("SSL_CLIENT_VERIFY").split(":")[0],
                "BEGIN CERTIFICATE" in req.ssl_var_lookup("SSL_CLIENT_CERT"),
                req.ssl_var_lookup("SSL_SERVER_S_DN_O")]
        """) == ["sp\u00e4m", "FAILED", True, "Caf\u00e9"]


def test_without_a_client_certificate_there_is_nothing_to_show(secure):
    assert ask(secure, """
        return [req.ssl_var_lookup("SSL_CLIENT_VERIFY"),
                req.ssl_var_lookup("SSL_CLIENT_S_DN_CN")]
        """, certificate=False) == ["NONE", ""]


def test_expressions_know_tls(secure):
    assert ask(secure, """
        return [req.expr("%{HTTPS} == 'on'"),
                req.expr_str("%{SSL_PROTOCOL}").startswith("TLS")]
        """) == [True, True]


def test_variables_of_every_phase_are_the_same(secure):
    """Also in the log phase, when the connection may be gone."""
    secure.site.write({"late.py": """
        from mod_python import apache

        def loghandler(req):
            req.log_error(f"late {req.is_https()} "
                          f"{req.ssl_var_lookup('SSL_PROTOCOL')}",
                          apache.APLOG_INFO)
            return apache.OK
        """})
    before = ask(secure, """
        req.add_handler("PythonLogHandler", "late")
        return req.ssl_var_lookup("SSL_PROTOCOL")
        """)
    assert secure.log.expect("^late").text == f"late 1 {before}"


def test_wrong_names_are_refused(secure):
    assert ask(secure, """
        return [kind(req.ssl_var_lookup, 5), kind(req.ssl_var_lookup, "a\\0"),
                kind(req.ssl_var_lookup)]
        """) == ["TypeError", "ValueError", "TypeError"]


def test_request_without_tls_is_no_https(own_server):
    """mod_ssl is loaded, but not on for this server."""
    server = own_server(modules=("ssl", "socache_shmcb"))
    server.log.allow("AH01873|AH01882")
    is_https, protocol, https = value(server.site, """
        return (req.is_https(), req.ssl_var_lookup("SSL_PROTOCOL"),
                req.ssl_var_lookup("HTTPS"))
        """)
    assert is_https == 0
    assert protocol == ""
    assert https == "off"


def test_server_without_mod_ssl_has_no_tls(site):
    assert value(site, """
        return (req.is_https(), req.ssl_var_lookup("SSL_PROTOCOL"))
        """) == (0, None)


def test_streams_of_http_2_know_the_tls_of_their_connection(own_server):
    server = start(own_server, TLS + "Protocols h2 http/1.1\n", ("http2",),
                   mpm="event")
    serve(server.site, """
        return (req.protocol, req.is_https(),
                req.ssl_var_lookup("SSL_PROTOCOL"),
                req.ssl_var_lookup("SSL_CLIENT_S_DN_CN"))
        """)
    with (socket.create_connection(("127.0.0.1", server.port), 20) as plain,
          connect(server, plain, protocol="h2") as stream):
        assert stream.selected_alpn_protocol() == "h2"
        version = stream.version()
        (head,), body = exchange(stream, "/site/x", "https")
    assert head[":status"] == "200"
    assert ast.literal_eval(body) == ("HTTP/2.0", 1, version, "sp\u00e4m")
