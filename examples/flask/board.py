"""The application. Its views register themselves when they are imported; edit
either file, and both are executed again."""

from flask import Flask

app = Flask(__name__)

import views
