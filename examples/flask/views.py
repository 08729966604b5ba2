"""What the application answers."""

from flask import jsonify, render_template, request, url_for

from board import app


@app.route("/")
def index():
    return render_template("index.html", greeting="Hello from Flask")


@app.route("/hello/<name>")
def hello(name):
    return f"Hello, {name}"


@app.route("/api/sum", methods=["POST"])
def add():
    numbers = request.get_json()
    return jsonify(sum=sum(numbers), count=len(numbers),
                   here=url_for("add"))
