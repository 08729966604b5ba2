"""Programs as sites of the classic mod_python have them, unchanged."""

import base64
import re

URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def basic(user, password):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def cookies(response):
    """The header of the next request."""
    return {"Cookie": "; ".join(
        text.partition(";")[0]
        for text in response.headers.get_all("Set-Cookie"))}


def test_hello_handler_says_hello(site):
    site.write({"mptest.py": """
        from mod_python import apache

        def handler(req):
            req.content_type = 'text/plain'
            req.send_http_header()
            req.write("Hello World!")
            return apache.OK
        """})
    site.htaccess("""
        AddHandler mod_python .py
        PythonHandler mptest
        PythonDebug On
        """)
    response = site.get("test.py")
    assert (response.status, response.text) == (200, "Hello World!")
    assert response.headers["Content-Type"] == "text/plain"


def test_authenhandler_asks_for_its_password(site):
    site.write({"myscript.py": """
        from mod_python import apache

        def authenhandler(req):

            pw = req.get_basic_auth_pw()
            user = req.user

            if user == "spam" and pw == "eggs":
                return apache.OK
            else:
                return apache.HTTP_UNAUTHORIZED
        """, "page.txt": "for members"})
    site.htaccess("""
        AddHandler mod_python .py
        PythonHandler myscript
        PythonAuthenHandler myscript
        PythonDebug On
        AuthType Basic
        AuthName "Members Only"
        require valid-user
        """)
    response = site.get("page.txt")
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == \
        'Basic realm="Members Only"'
    assert site.get("page.txt", headers=basic("spam", "ham")).status == 401
    assert site.get("page.txt", headers=basic("spam", "eggs")).text == \
        "for members"


def test_publisher_page_mails_a_form(site):
    site.write({"form.py": '''
        from mod_python import apache

        SENT = []

        class FakeServer:
            def sendmail(self, sender, recipients, msg):
                SENT.append((sender, recipients, msg))
            def quit(self):
                pass

        WEBMASTER = "webmaster@example.com"

        def email(req, name, email, comment):

            # all three or nothing
            if not (name and email and comment):
                return "Something is missing, \\
                       all three are needed"

            # what is sent
            msg = """\\
        From: %s
        Subject: comment
        To: %s

        somebody writes to you:

        %s

        Regards,

        %s

        """ % (email, WEBMASTER, comment, name)

            conn = FakeServer()
            conn.sendmail(email, [WEBMASTER], msg)
            conn.quit()

            # what the visitor sees
            s = """\\
        <html>

        Hello %s,<br>
        your comment is on its way to us.

        </html>""" % name

            return s
        '''})
    site.htaccess("""
        AddHandler mod_python .py
        PythonHandler mod_python.publisher
        PythonDebug On
        """)
    response = site.post("form.py/email", b"name=Ann&email=a%40b.c&comment=hi",
                         headers=URLENCODED)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html"
    assert "Hello Ann,<br>" in response.text
    assert "Something is missing" in site.post(
        "form.py/email", b"name=Ann&email=&comment=hi",
        headers=URLENCODED).text


def test_output_filter_makes_everything_upper_case(own_server):
    server = own_server("""
        PythonOutputFilter ${SITE}/capitalize.py CAPITALIZE
        <Directory ${SITE}>
            AddOutputFilter CAPITALIZE .html
        </Directory>
        """, files={"capitalize.py": """
        from mod_python import apache

        def outputfilter(filter):

            s = filter.read()
            while s:
                filter.write(s.upper())
                s = filter.read()

            if s is None:
                filter.close()
        """, "page.html": "<p>some text</p>"})
    assert server.site.get("page.html").text == "<P>SOME TEXT</P>"


def test_request_handler_adds_its_own_filter(site):
    site.write({"modify.py": """
        from mod_python import apache

        class ReplaceFilter:
            def __init__(self, filter):
                self.filter = filter

        def outputfilter(filter):
            data = filter.read()
            while data:
                filter.write(data.replace(b"cat", b"dog"))
                data = filter.read()
            if data is None:
                filter.close()

        def handler(req):
            req.register_output_filter("MODIFY", outputfilter)
            req.add_output_filter("MODIFY")
            req.content_type = "text/plain"
            req.write("a cat")
            return apache.OK
        """})
    site.serve("modify")
    assert site.get().text == "a dog"


def test_connection_handler_echoes(own_server):
    import socket
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own_server(f"""
        Listen 127.0.0.1:{port}
        <VirtualHost 127.0.0.1:{port}>
            PythonConnectionHandler ${{SITE}}/echo.py
        </VirtualHost>
        """, files={"echo.py": """
        from mod_python import apache

        def connectionhandler(conn):

            while 1:
                line = conn.readline()
                if not line:
                    break
                conn.write(line)
            return apache.OK
        """})
    with socket.create_connection(("127.0.0.1", port), 20) as stream:
        stream.sendall(b"one\ntwo\n")
        stream.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: stream.recv(100), b"")) == b"one\ntwo\n"


def test_session_counts_hits(site):
    site.write({"count.py": """
        from mod_python import apache, Session

        def handler(req):
            req.content_type = 'text/plain'
            session = Session.Session(req)

            try:
                session['hits'] += 1
            except:
                session['hits'] = 1

            session.save()

            req.write('Hits: %d\\n' % session['hits'])
            return apache.OK
        """})
    site.serve("count")
    first = site.get()
    assert first.text == "Hits: 1\n"
    for number in (2, 3):
        assert site.get(headers=cookies(first)).text == f"Hits: {number}\n"


def test_session_of_a_named_class_is_locked_and_unlocked(site):
    site.write({"count.py": """
        from mod_python import apache
        from mod_python.Session import FileSession

        def handler(req):
            sess = FileSession(req, timeout=60, lock=0)
            sess.lock()
            if sess.is_new():
                sess['count'] = 0
                sess.set_timeout(120)
            sess['count'] = sess['count'] + 1
            sess.save()
            sess.unlock()
            req.write("%d %s" % (sess['count'], sess.timeout()))
            return apache.OK
        """})
    site.serve("count")
    first = site.get()
    assert first.text == "1 120"
    assert site.get(headers=cookies(first)).text == "2 120"


def test_psp_page_greets_and_loops(site):
    site.write({"hello.psp": """
        <html>
        <%
        import time
        %>
        It is the year <%=time.strftime("%Y")%>
        <%
        for n in range(3):
            # inside of the loop
        %>
        <p>Number <%= n %></p>
        <%
        # behind the loop
        %>
        <%-- a comment --%>
        <%
        name = form.getfirst('name', 'stranger')
        %>
        Bye, <%= name %>
        </html>
        """})
    site.htaccess("AddHandler mod_python .psp\nPythonHandler mod_python.psp\n"
                  "PythonDebug On\n")
    text = site.get("hello.psp?name=Ann").text
    assert re.search(r"the year \d{4}", text)
    assert re.findall(r"<p>Number (\d)</p>", text) == ["0", "1", "2"]
    assert "Bye, Ann" in text and "comment" not in text


def test_psp_template_is_filled_by_a_handler(site):
    site.write({"template.html": """
        <html>
        <h1>Welcome, <%= name %>!</h1>
        </html>
        """, "page.py": """
        from mod_python import apache, psp

        def handler(req):
            template = psp.PSP(req, filename='template.html')
            template.run({'name': 'Guido'})
            return apache.OK
        """, "publish.py": """
        from mod_python import psp

        def index(req):
            req.content_type = 'text/html'
            tmpl = psp.PSP(req, filename='template.html',
                           vars={'name': 'Tim'})
            return tmpl
        """})
    site.serve("page")
    assert "<h1>Welcome, Guido!</h1>" in site.get().text
    site.serve("mod_python.publisher")
    assert "<h1>Welcome, Tim!</h1>" in site.get("publish").text


def test_cookies_are_set_and_read(site):
    site.write({"cookies.py": """
        from mod_python import apache, Cookie
        import time

        def handler(req):
            if req.args == "set":
                cookie = Cookie.Cookie('eggs', 'spam')
                cookie.expires = time.time() + 300
                Cookie.add_cookie(req, cookie)
                value = {'egg_count': 32, 'color': 'white'}
                Cookie.add_cookie(req, Cookie.MarshalCookie(
                    'counts', value, 'secret007'))
                Cookie.add_cookie(req, 'spam', 'eggs', path='/')
                req.write('There are cookies in this response\\n')
                return apache.OK
            cookies = Cookie.get_cookies(req, Cookie.MarshalCookie,
                                         secret='secret007')
            if 'counts' in cookies:
                spamcookie = cookies['counts']
                req.write('counts came back: %s\\n'
                          % str(sorted(spamcookie.value.items())))
                if type(spamcookie) is Cookie.MarshalCookie:
                    req.write('%s=%s\\n'
                              % (spamcookie.name,
                                 spamcookie.value['egg_count']))
            req.write(Cookie.get_cookies(req)['eggs'].value)
            return apache.OK
        """})
    site.serve("cookies")
    first = site.get("?set")
    assert len(first.headers.get_all("Set-Cookie")) == 3
    assert site.get(headers=cookies(first)).text == (
        "counts came back: "
        "[('color', 'white'), ('egg_count', 32)]\n"
        "counts=32\nspam")


def test_form_is_read_and_a_file_is_stored(site):
    body = (b"--xx\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n"
            b"A file\r\n--xx\r\nContent-Disposition: form-data; name=\"file\";"
            b" filename=\"a.bin\"\r\nContent-Type: application/x-bin\r\n\r\n"
            b"\x00\xff\r\n\x01\r\n--xx--\r\n")
    site.write({"upload.py": """
        import os
        from mod_python import apache, util

        def fbuffer(f, chunk_size=10000):
            while True:
                chunk = f.read(chunk_size)
                if not chunk:
                    break
                yield chunk

        def handler(req):
            form = util.FieldStorage(req, keep_blank_values=1)
            fileitem = form['file']
            if fileitem.filename:
                fname = os.path.basename(fileitem.filename)
                data = b""
                for chunk in fbuffer(fileitem.file):
                    data += chunk
                req.write('%s arrived: %r, %s' % (
                    fname, data, form.getfirst('title')))
            return apache.OK
        """})
    site.serve("upload")
    assert site.post("", body, headers={
        "Content-Type": "multipart/form-data; boundary=xx"}).text == (
        'a.bin arrived: ' + repr(b"\x00\xff\r\n\x01")
        + ", A file")


def test_old_login_page_redirects_with_a_signed_session(site):
    site.write({"login.py": """
        from mod_python import apache, util, Session

        def index(req, user=None):
            session = Session.Session(req, secret="s3cret")
            if user:
                session['user'] = user
                session.save()
                util.redirect(req, "login/welcome")
            return "<html>who?</html>"

        def welcome(req):
            session = Session.Session(req, secret="s3cret")
            if 'user' not in session:
                raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN)
            return "Welcome, %s" % session['user']
        """})
    site.serve("mod_python.publisher")
    assert site.get("login").text == "<html>who?</html>"
    assert site.get("login/welcome").status == 403
    first = site.get("login?user=ann")
    assert (first.status, first.headers["Location"]) == (302, "login/welcome")
    assert site.get("login/welcome", headers=cookies(first)).text == \
        "Welcome, ann"


def test_dispatching_handler_adds_and_imports(site):
    site.write({"dispatch.py": """
        import os
        from mod_python import apache

        def handler(req):
            name = os.path.basename(req.filename).split('.')[0]
            directory = os.path.dirname(req.filename)
            module = apache.import_module(name, autoreload=1, log=0,
                                          path=[directory])
            object = apache.resolve_object(module, req.path_info[1:] or
                                           'index', req)
            req.write(object(req))
            return apache.OK

        def fixuphandler(req):
            req.handler = 'mod_python'
            req.add_handler('PythonHandler', 'dispatch::handler')
            req.add_handler('PythonLogHandler', 'dispatch::log')
            return apache.OK

        def log(req):
            req.log_error("logged %s" % req.uri, apache.APLOG_NOTICE)
            return apache.OK
        """, "shop.py": """
        def index(req):
            return "the shop"
        def cart(req):
            return "the cart"
        """})
    site.htaccess("PythonFixupHandler dispatch\n")
    assert site.get("shop.py").text == "the shop"
    assert site.get("shop.py/cart").text == "the cart"
    site.log.expect(f"^logged {site.url('shop.py/cart')}$", "notice")
    site.edit("shop.py", "def index(req):\n    return 'sold out'\n")
    assert site.get("shop.py").text == "sold out"


def test_filter_and_request_share_notes_and_tables(site):
    site.write({"notes.py": """
        from mod_python import apache

        def handler(req):
            req.notes['seen'] = 'yes'
            req.subprocess_env['MINE'] = '1'
            req.add_common_vars()
            table = apache.make_table({'a': 'b'})
            env = apache.build_cgi_env(req)
            req.headers_out.add('X-Multi', 'one')
            req.headers_out.add('X-Multi', 'two')
            req.write("%s %s %s %s %s" % (
                req.notes.has_key('seen'), table['A'], env['REQUEST_METHOD'],
                req.headers_in['Host'] == req.hostname
                + ':%d' % req.connection.local_addr[1],
                req.connection.remote_ip))
            return apache.OK
        """})
    site.serve("notes")
    response = site.get()
    assert response.text == "1 b GET True 127.0.0.1"
    assert response.headers.get_all("X-Multi") == ["one", "two"]
    site.log.expect("MPY0302", "warn")
