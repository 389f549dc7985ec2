"""
A Flask back end: it opens a conversation, transfers it, and shows its history.

    RELEVO_TOKEN=... flask --app examples/flask_app.py run

    curl -X POST http://127.0.0.1:5000/chats/chat-17 -d customer=Eva
"""

import os

from flask import Flask, request
from relevo_client import Customer, HttpClient, NotFoundError, SessionExistsError, Target

app = Flask(__name__)
# One for all threads of a process; it connects at the first command.
relevo = HttpClient(os.environ.get("RELEVO_URL", "http://127.0.0.1:8765"), os.environ["RELEVO_TOKEN"])


@app.post("/chats/<chat_id>")
def open_chat(chat_id: str) -> tuple[dict[str, object], int]:
    """Open a conversation in the department that the form names."""
    name = request.form["customer"]
    target = Target.department(request.form.get("department", "sales"))
    try:
        session = relevo.sessions.open(chat_id, Customer(f"customer-of-{chat_id}", name), target)
    except SessionExistsError:
        return {"error": "this chat is open already"}, 409
    except NotFoundError:
        return {"error": "there is no such department"}, 404
    return {"id": session.id, "state": session.state}, 201


@app.get("/chats/<chat_id>")
def show_chat(chat_id: str) -> tuple[dict[str, object], int]:
    """Show a conversation's state and history."""
    try:
        session = relevo.sessions.get(chat_id)
    except NotFoundError:
        return {"error": "there is no such chat"}, 404
    entries = [entry.kind for entry in relevo.sessions.history(chat_id)]
    return {"id": session.id, "state": session.state, "entries": entries}, 200
