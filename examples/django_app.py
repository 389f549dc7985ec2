"""
A Django back end in one file: it opens a conversation, and shows its history.

    RELEVO_TOKEN=... python examples/django_app.py runserver

    curl -X POST http://127.0.0.1:8000/chats/chat-17 -d customer=Eva
"""

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from relevo_client import Customer, HttpClient, NotFoundError, SessionExistsError, Target

settings.configure(ALLOWED_HOSTS=["127.0.0.1", "localhost"], ROOT_URLCONF=__name__, MIDDLEWARE=[])
# One for all threads of a process; it connects at the first command.
relevo = HttpClient(os.environ.get("RELEVO_URL", "http://127.0.0.1:8765"), os.environ["RELEVO_TOKEN"])


def chat(request: HttpRequest, chat_id: str) -> JsonResponse:
    """Open a conversation (POST), or show its state and history (GET)."""
    try:
        if request.method == "POST":
            customer = Customer(f"customer-of-{chat_id}", request.POST["customer"])
            target = Target.department(request.POST.get("department", "sales"))
            session = relevo.sessions.open(chat_id, customer, target)
            return JsonResponse({"id": session.id, "state": session.state}, status=201)
        session = relevo.sessions.get(chat_id)
    except SessionExistsError:
        return JsonResponse({"error": "this chat is open already"}, status=409)
    except NotFoundError:
        return JsonResponse({"error": "there is no such chat or department"}, status=404)
    entries = [entry.kind for entry in relevo.sessions.history(chat_id)]
    return JsonResponse({"id": session.id, "state": session.state, "entries": entries})


urlpatterns = [path("chats/<str:chat_id>", chat)]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
