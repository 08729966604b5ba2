"""Flask, Bottle, Werkzeug and Django, as Debian packages them, behind
mod_python.wsgi: what they answer here is what they answer to a test client of
their own, and they reload."""

import io
import json

import pytest

from wsgi_site import option

ROOT = f"""
    PythonModulePath ${{SITE}}/library
    <Location /app>
        SetHandler mod_python
        PythonHandler mod_python.wsgi
        {option("%s")}
    </Location>
    """


def serve(own_server, application, files, more="", **choices):
    files = {"empty.py": "", **files}
    return own_server(ROOT % application + more, files={
        f"library/{name}": text for name, text in files.items()}, **choices)


def everywhere(server, path):
    """What all children answer: one text when they agree."""
    return {response.text for response
            in server.get_from_each_child("/app" + path).values()}


FLASK = """
    import io

    from flask import (Flask, Response, abort, flash, get_flashed_messages,
                       jsonify, make_response, redirect, request, send_file,
                       session, stream_with_context, url_for)

    app = Flask(__name__)
    app.secret_key = "for the test"

    @app.route("/")
    def index():
        return "Hello, World!"

    @app.route("/user/<name>/<int:number>")
    def user(name, number):
        return {"name": name, "number": number, "args": request.args,
                "root": request.script_root, "path": request.path,
                "self": url_for("user", name=name, number=number)}

    @app.route("/form", methods=["POST"])
    def form():
        file = request.files.get("file")
        return jsonify(form=request.form.to_dict(flat=False),
                       file=file and file.read().decode("latin-1"),
                       name=file and file.filename)

    @app.route("/json", methods=["PUT"])
    def put():
        return jsonify(request.get_json()), 201, {"X-Made": "yes"}

    @app.route("/raw", methods=["POST"])
    def raw():
        return Response(request.get_data(), mimetype="application/x-raw")

    @app.route("/count")
    def count():
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.route("/cookies")
    def cookies():
        response = make_response(",".join(sorted(request.cookies)))
        response.set_cookie("one", "1", httponly=True)
        response.set_cookie("two", "2", samesite="Lax")
        return response

    @app.route("/away")
    def away():
        return redirect(url_for("index"))

    @app.route("/forbidden")
    def forbidden():
        abort(403)

    @app.route("/teapot")
    def teapot():
        return "short and stout", "418 I'm a teapot"

    @app.route("/stream")
    def stream():
        def parts():
            for number in range(5):
                yield f"{request.args['x']}{number} "
        return Response(stream_with_context(parts()))

    @app.route("/file")
    def file():
        return send_file(__file__, mimetype="text/x-python", etag=False)

    @app.route("/memory")
    def memory():
        return send_file(io.BytesIO(b"0123456789"), "text/plain", etag=False)

    @app.route("/fails")
    def fails():
        raise ValueError("of the view")

    @app.errorhandler(404)
    def missing(error):
        return "nothing here", 404

    @app.after_request
    def after(response):
        response.headers["X-After"] = "yes"
        return response
    """
MULTIPART = (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
             b"--b\r\nContent-Disposition: form-data; name=file; "
             b"filename=x.txt\r\n\r\n\x00\xffdata\r\n--b--\r\n")
REQUESTS = [
    # path, more of the request
    ("/", {}), ("", {}), ("/user/J%C3%BCrgen/7?a=1&b=%20", {}),
    ("/user/x/y", {}), ("/nowhere", {}), ("/", {"method": "POST"}),
    ("/", {"method": "HEAD"}), ("/", {"method": "OPTIONS"}),
    ("/form", {"method": "POST", "body": b"a=1&a=2&b=%C3%A9", "headers": {
        "Content-Type": "application/x-www-form-urlencoded"}}),
    ("/form", {"method": "POST", "body": MULTIPART, "headers": {
        "Content-Type": "multipart/form-data; boundary=b"}}),
    ("/json", {"method": "PUT", "body": b'{"a": [1, null]}', "headers": {
        "Content-Type": "application/json"}}),
    ("/json", {"method": "PUT", "body": b"no json", "headers": {
        "Content-Type": "application/json"}}),
    ("/raw", {"method": "POST", "body": bytes(range(256)) * 300}),
    ("/cookies", {"headers": {"Cookie": "a=1; b=2"}}), ("/away", {}),
    ("/forbidden", {}), ("/teapot", {}), ("/stream?x=y", {}), ("/file", {}),
    ("/file", {"headers": {"Range": "bytes=10-19"}}), ("/memory", {}), ("/template", {}),
    ("/memory", {"headers": {"Range": "bytes=-3"}}),
    ("/fails", {})]
COMPARED = ("Content-Type", "Location", "Set-Cookie", "X-Made", "X-After",
            "Content-Range", "Content-Disposition")


def words(text):
    return sorted((text or "").replace(",", " ").split())


def compare(server, application):
    """Each of REQUESTS, answered by httpd and in a program of its own."""
    client = pytest.importorskip("werkzeug.test").Client(
        application, use_cookies=False)
    for path, more in REQUESTS:
        method, headers = more.get("method", "GET"), more.get("headers", {})
        host = f"127.0.0.1:{server.port}"
        expected = client.open(
            path, base_url=f"http://{host}/app", method=method,
            headers=headers, input_stream=io.BytesIO(more.get("body", b"")),
            content_length=len(more.get("body", b"")))
        response = server.request("/app" + path, **more)
        assert response.status == expected.status_code, path
        assert f"{response.status} {response.reason}" == expected.status
        assert response.body == expected.data, path
        for name in COMPARED:
            assert (response.headers.get_all(name, [])
                    == expected.headers.getlist(name)), (path, name)
        assert (words(response.headers.get("Allow"))
                == words(expected.headers.get("Allow"))), path


def load(text):
    """The module that this text is, in this process."""
    import textwrap
    names = {"__name__": "application", "__file__": __file__}
    exec(compile(textwrap.dedent(text), __file__, "exec"), names)
    return names


# Flask

def test_flask_answers_as_to_its_own_client(own_server):
    pytest.importorskip("flask")
    server = serve(own_server, "site_app::app", {"site_app.py": FLASK})
    here = load(FLASK)["app"]
    # the same file for both
    here.view_functions["file"] = lambda: __import__("flask").send_file(
        server.site.path("library/site_app.py"), mimetype="text/x-python",
        etag=False)
    compare(server, here)
    server.log.expect("Exception on /app/fails|Exception on /fails")
    server.log.expect("ValueError: of the view")


def test_chunked_bodies_reach_flask(own_server):
    pytest.importorskip("flask")
    server = serve(own_server, "site_app::app", {"site_app.py": FLASK})
    response = server.request("/app/raw", method="POST",
                              body=[b"one ", b"two ", b"x" * 10_000])
    assert response.body == b"one two " + b"x" * 10_000


def test_sessions_of_flask_go_from_request_to_request(own_server):
    pytest.importorskip("flask")
    server = serve(own_server, "site_app::app", {"site_app.py": FLASK})
    cookie = ""
    for count in range(1, 6):
        response = server.request("/app/count", headers={"Cookie": cookie})
        assert response.text == str(count)
        cookie = response.headers["Set-Cookie"].partition(";")[0]


FLASK_PARTS = {
    "shop/__init__.py": """
        from flask import Flask

        app = Flask(__name__)

        import shop.views
        """,
    "shop/views.py": """
        from flask import render_template

        from shop import app
        from shop.texts import greeting

        @app.route("/")
        def index():
            return "one " + greeting

        @app.route("/page")
        def page():
            return render_template("page.html", text=greeting)
        """,
    "shop/texts.py": "greeting = 'hello'\n",
    "shop/templates/page.html": "<p>{{ text }}</p>",
    "shop/static/file.txt": "a static file"}


def test_views_of_flask_reload_with_all_that_they_use(own_server):
    pytest.importorskip("flask")
    server = serve(own_server, "shop::app", FLASK_PARTS)
    assert everywhere(server, "/") == {"one hello"}
    assert everywhere(server, "/page") == {"<p>hello</p>"}
    assert everywhere(server, "/static/file.txt") == {"a static file"}
    server.site.replace("library/shop/views.py", "one", "two")
    assert everywhere(server, "/") == {"two hello"}
    server.site.edit("library/shop/texts.py", "greeting = 'good day'\n")
    assert everywhere(server, "/") == {"two good day"}
    assert everywhere(server, "/page") == {"<p>good day</p>"}
    server.site.replace("library/shop/views.py", '"/page"', '"/sheet"')
    assert everywhere(server, "/sheet") == {"<p>good day</p>"}
    assert server.request("/app/page").status == 404


def test_a_view_of_flask_that_does_not_load_changes_nothing(own_server):
    pytest.importorskip("flask")
    server = serve(own_server, "shop::app", FLASK_PARTS)
    assert everywhere(server, "/") == {"one hello"}
    server.site.replace("library/shop/views.py", "return \"one", "retrun \"x")
    assert everywhere(server, "/") == {"one hello"}
    server.log.expect("SyntaxError")
    server.log.allow("MPY02")
    server.site.replace("library/shop/views.py", "retrun \"x", "return \"2")
    assert everywhere(server, "/") == {"2 hello"}


def test_blueprints_of_flask_reload(own_server):
    pytest.importorskip("flask")
    server = serve(own_server, "main::app", {
        "main.py": """
            from flask import Flask
            import part

            app = Flask(__name__)
            app.register_blueprint(part.blueprint, url_prefix="/part")
            """,
        "part.py": """
            from flask import Blueprint

            blueprint = Blueprint("part", __name__)

            @blueprint.route("/")
            def index():
                return "one"
            """})
    assert everywhere(server, "/part/") == {"one"}
    server.site.replace("library/part.py", "one", "two")
    assert everywhere(server, "/part/") == {"two"}


# Bottle

BOTTLE = """
    from bottle import (Bottle, HTTPResponse, abort, redirect, request,
                        response, static_file, template)

    app = Bottle()

    @app.route("/")
    def index():
        return "Hello, World!"

    @app.route("/user/<name>/<number:int>")
    def user(name, number):
        return {"name": name, "number": number, "args": dict(request.query),
                "root": request.script_name, "path": request.path}

    @app.post("/form")
    def form():
        file = request.files.get("file")
        return {"form": {name: request.forms.getall(name)
                         for name in request.forms},
                "file": file and file.file.read().decode("latin-1")}

    @app.put("/json")
    def put():
        response.status = 201
        response.set_header("X-Made", "yes")
        return request.json

    @app.post("/raw")
    def raw():
        response.content_type = "application/x-raw"
        return request.body.read()

    @app.route("/cookies")
    def cookies():
        response.set_cookie("one", "1", httponly=True)
        response.set_cookie("two", "2")
        return ",".join(sorted(request.cookies))

    @app.route("/away")
    def away():
        redirect("/app/")

    @app.route("/forbidden")
    def forbidden():
        abort(403, "no")

    @app.route("/teapot")
    def teapot():
        return HTTPResponse("short and stout", "418 I'm a teapot")

    @app.route("/stream")
    def stream():
        for number in range(5):
            yield f"{request.query.x}{number} "

    @app.route("/template")
    def page():
        return template("{{x}}", x="<0123456789>")

    @app.route("/fails")
    def fails():
        raise ValueError("of the view")

    @app.error(404)
    def missing(error):
        return "nothing here"

    @app.hook("after_request")
    def after():
        response.headers["X-After"] = "yes"
    """


def test_bottle_answers_as_to_a_client_in_the_program(own_server):
    pytest.importorskip("bottle")
    server = serve(own_server, "site_app::app", {"site_app.py": BOTTLE})
    app = load(BOTTLE)["app"]

    def without_exc_info(environ, start_response):
        """The client would raise what later versions of Bottle hand on."""
        return app(environ, lambda status, headers, exc_info=None:
                   start_response(status, headers))
    compare(server, without_exc_info)
    server.log.expect("ValueError: of the view")
    server.log.allow("^Traceback")


def test_chunked_bodies_reach_bottle(own_server):
    pytest.importorskip("bottle")
    server = serve(own_server, "site_app::app", {"site_app.py": BOTTLE})
    assert server.request("/app/raw", method="POST",
                          body=[b"one ", b"two"]).body


def test_files_of_bottle_are_sent(own_server):
    pytest.importorskip("bottle")
    server = serve(own_server, "site_app::app", {
        "site_app.py": """
            import os
            from bottle import Bottle, static_file

            app = Bottle()
            HERE = os.path.dirname(__file__)

            @app.route("/<name>")
            def file(name):
                return static_file(name, HERE)
            """,
        "data.bin": bytes(range(256)) * 1000})
    with server.connect() as connection:
        whole = connection.get("/app/data.bin")
        assert whole.body == bytes(range(256)) * 1000
        assert whole.headers["Accept-Ranges"] == "bytes"
        part = connection.get("/app/data.bin",
                              headers={"Range": "bytes=5-9"})
        assert (part.status, part.body) == (206, bytes(range(5, 10)))
        assert connection.get("/app/data.bin", headers={
            "If-Modified-Since": whole.headers["Last-Modified"]}
        ).status == 304


def test_bottle_reloads(own_server):
    pytest.importorskip("bottle")
    server = serve(own_server, "main::app", {
        "main.py": "from bottle import Bottle\napp = Bottle()\n"
                   "import views\n",
        "views.py": "from main import app\n\n@app.route('/')\n"
                    "def index():\n    return 'one'\n"})
    assert everywhere(server, "/") == {"one"}
    server.site.replace("library/views.py", "one", "two")
    assert everywhere(server, "/") == {"two"}


# Werkzeug

def test_the_test_application_of_werkzeug_runs(own_server):
    """It shows the environ and the versions, as a page."""
    pytest.importorskip("werkzeug")
    server = serve(own_server, "werkzeug.testapp::test_app", {})
    response = server.request("/app/some/path?with=query")
    assert response.status == 200
    for text in ("WSGI Information", "wsgi.input_terminated",
                 "/some/path", "with=query"):
        assert text in response.text


WERKZEUG = """
    from werkzeug.exceptions import HTTPException, NotFound
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    from werkzeug.middleware.http_proxy import ProxyMiddleware
    from werkzeug.middleware.lint import LintMiddleware
    from werkzeug.middleware.proxy_fix import ProxyFix
    from werkzeug.middleware.shared_data import SharedDataMiddleware
    from werkzeug.routing import Map, Rule
    from werkzeug.utils import send_file
    from werkzeug.wrappers import Request, Response

    urls = Map([Rule("/", endpoint="index"), Rule("/echo", endpoint="echo"),
                Rule("/url", endpoint="url")])

    @Request.application
    def inner(request):
        try:
            endpoint, values = urls.bind_to_environ(request.environ).match()
        except HTTPException as error:
            return error
        if endpoint == "echo":
            return Response(request.get_data())
        if endpoint == "url":
            return Response(f"{request.url} {request.remote_addr}")
        return Response(["a ", "list ", "of parts"])

    @Request.application
    def other(request):
        return Response(f"{request.script_root}|{request.path}")

    import os
    app = LintMiddleware(inner)
    app = SharedDataMiddleware(app, {"/files": os.path.dirname(__file__)})
    app = DispatcherMiddleware(app, {"/other": other})
    app = ProxyFix(app)
    """


def test_the_middleware_of_werkzeug_runs(own_server):
    """Its lint checks each call as wsgiref's validator does."""
    pytest.importorskip("werkzeug")
    server = serve(own_server, "site_app::app", {
        "site_app.py": WERKZEUG, "data.txt": "shared data"})
    assert server.request("/app/").text == "a list of parts"
    assert server.request("/app/echo", method="POST", body=b"x" * 5000,
                          headers={"Content-Type": "a/b"}).body == b"x" * 5000
    assert server.request("/app/files/data.txt").text == "shared data"
    assert server.request("/app/files/none").status == 404
    assert server.request("/app/other/x/y").text == "/app/other|/x/y"
    assert server.request("/app/url?q=1", headers={
        "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https",
        "Host": "front.example"}).text == (
            "https://front.example/app/url?q=1 192.0.2.7")
    server.log.allow("WSGIWarning: WSGI does not guarantee an EOF marker")


# Django

DJANGO = {
    "mysite/__init__.py": "",
    "mysite/settings.py": """
        import os

        SECRET_KEY = "for the test"
        DEBUG = False
        ALLOWED_HOSTS = ["*"]
        ROOT_URLCONF = "mysite.urls"
        INSTALLED_APPS = ["notes"]
        MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
        TEMPLATES = [{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True}]
        DATABASES = {"default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("NOTES_DATABASE", ":memory:")}}
        DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
        USE_TZ = True
        """,
    "mysite/urls.py": """
        from django.urls import path

        from notes import views

        urlpatterns = [path("", views.index), path("echo", views.echo),
                       path("page", views.page), path("file", views.file),
                       path("stream", views.stream),
                       path("upload", views.upload),
                       path("notes/<int:count>", views.notes, name="notes")]
        """,
    "mysite/wsgi.py": None,
    "notes/__init__.py": "",
    "notes/models.py": """
        from django.db import models

        class Note(models.Model):
            text = models.CharField(max_length=100)

            def shown(self):
                return f"note {self.text}"
        """,
    "notes/views.py": """
        from django.db import connection
        from django.http import (FileResponse, HttpResponse, JsonResponse,
                                 StreamingHttpResponse)
        from django.shortcuts import render
        from django.urls import reverse
        from django.views.decorators.csrf import csrf_exempt

        from notes.models import Note

        def index(request):
            return HttpResponse("one")

        @csrf_exempt
        def echo(request):
            return JsonResponse({
                "method": request.method, "path": request.path,
                "info": request.path_info, "get": dict(request.GET),
                "post": dict(request.POST), "host": request.get_host(),
                "url": reverse("notes", args=[3])})

        def page(request):
            return render(request, "notes/page.html", {"text": "<b>"})

        def file(request):
            return FileResponse(open(__file__, "rb"))

        def stream(request):
            return StreamingHttpResponse(f"{n} " for n in range(5))

        @csrf_exempt
        def upload(request):
            return HttpResponse(request.FILES["file"].read())

        def notes(request, count):
            with connection.schema_editor() as editor:
                if Note._meta.db_table not in (
                        connection.introspection.table_names()):
                    editor.create_model(Note)
            Note.objects.all().delete()
            for number in range(count):
                Note.objects.create(text=str(number))
            return HttpResponse(", ".join(
                note.shown() for note in Note.objects.order_by("id")))
        """,
    "notes/templates/notes/page.html": "<p>{{ text }}</p>"}

# The recipe of docs/wsgi.md.
DJANGO_WSGI = """
    import os
    import warnings

    import django
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import clear_url_caches

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    warnings.filterwarnings("ignore", "Model .* was already registered")
    django.setup(set_prefix=False)
    clear_url_caches()

    from mysite import urls

    class Application(WSGIHandler):
        def get_response(self, request):
            request.urlconf = urls
            return super().get_response(request)

    application = Application()
    """


def serve_django(own_server, wsgi=DJANGO_WSGI, **choices):
    pytest.importorskip("django")
    return serve(own_server, "mysite.wsgi", {**DJANGO, "mysite/wsgi.py": wsgi},
                 **choices)


def test_django_answers(own_server):
    server = serve_django(own_server)
    assert server.request("/app/").text == "one"
    assert server.request("/app/page").text == "<p>&lt;b&gt;</p>"
    assert server.request("/app/stream").text == "0 1 2 3 4 "
    assert server.request("/app/nowhere").status == 404
    assert server.request("/app/notes/3").text == "note 0, note 1, note 2"
    said = json.loads(server.request(
        "/app/echo?a=1&a=2", method="POST", body=b"b=%C3%A9", headers={
            "Content-Type": "application/x-www-form-urlencoded"}).text)
    assert said == {
        "method": "POST", "path": "/app/echo", "info": "/echo",
        "get": {"a": ["1", "2"]}, "post": {"b": ["\xe9"]},
        "host": f"127.0.0.1:{server.port}", "url": "/app/notes/3"}
    server.log.allow("Not Found: /app/nowhere")


def test_files_go_through_django_both_ways(own_server):
    server = serve_django(own_server)
    response = server.request("/app/upload", method="POST", body=MULTIPART,
                              headers={"Content-Type":
                                       "multipart/form-data; boundary=b"})
    assert response.body == b"\x00\xffdata"
    text = server.site.path("library/notes/views.py").read_bytes()
    for _ in range(3):
        response = server.request("/app/file")
        assert response.body == text
        assert response.headers["Content-Length"] == str(len(text))


def test_views_of_django_reload(own_server):
    server = serve_django(own_server)
    assert everywhere(server, "/") == {"one"}
    server.site.replace("library/notes/views.py", '"one"', '"two"')
    assert everywhere(server, "/") == {"two"}


def test_urls_of_django_reload(own_server):
    server = serve_django(own_server)
    assert everywhere(server, "/page") == {"<p>&lt;b&gt;</p>"}
    server.site.replace("library/mysite/urls.py", '"page"', '"sheet"')
    assert everywhere(server, "/sheet") == {"<p>&lt;b&gt;</p>"}
    server.log.allow("Not Found")
    assert server.request("/app/page").status == 404


def test_models_of_django_reload(own_server):
    server = serve_django(own_server)
    assert everywhere(server, "/notes/1") == {"note 0"}
    server.site.replace("library/notes/models.py", 'f"note ', 'f"memo ')
    assert everywhere(server, "/notes/1") == {"memo 0"}
