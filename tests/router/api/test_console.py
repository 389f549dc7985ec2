"""The console's files over HTTP: what is served, to whom it may be shown, and under which policy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from relevo.router.api.console import console_routes, is_for_browsers

ROOT = Path(__file__).parents[3]
EMBEDDER = "https://crm.example.com"


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    application = Starlette(routes=console_routes([EMBEDDER]))
    transport = httpx2.ASGITransport(app=application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://relevo.test") as client:
        yield client


def policy_of(answer: httpx2.Response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: sources for name, _, sources in parts}


async def test_the_page_and_everything_it_names_is_served(http: httpx2.AsyncClient) -> None:
    page = await http.get("/")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "console/main.js" in named
    for name in named:
        assert (await http.get(f"/{name}")).status_code == 200


async def test_every_module_finds_what_it_imports(http: httpx2.AsyncClient) -> None:
    waiting, seen = ["console/main.js"], {"console/main.js"}
    while waiting:
        name = waiting.pop()
        module = await http.get(f"/{name}")
        assert module.status_code == 200, name
        assert module.headers["content-type"] == "text/javascript; charset=utf-8"
        for imported in re.findall(r'(?:from|^import) "([^"]+)"', module.text, re.MULTILINE):
            assert imported.startswith("."), f"{name} imports {imported}, which no browser finds"
            path = (ROOT / "clients" / name).parent.joinpath(imported).resolve()
            found = path.relative_to(ROOT / "clients").as_posix()
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    assert "js/src/index.js" in seen
    assert "dialog/index.js" in seen


async def test_the_dialogs_former_address_leads_to_the_present_one(http: httpx2.AsyncClient) -> None:
    moved = await http.get("/console/dialog/index.js")
    module = await http.get("/console/dialog/index.js", follow_redirects=True)

    assert (moved.status_code, moved.headers["location"]) == (308, "../../dialog/index.js")
    assert module.status_code == 200
    assert module.content == (await http.get("/dialog/index.js")).content


async def test_dialog_file_at_its_former_address_is_not_found(http: httpx2.AsyncClient) -> None:
    # Only the module of the dialog was an address for pages; its parts come and go.
    assert (await http.get("/console/dialog/view.js")).status_code == 404


async def test_the_policy_lets_nothing_in_from_elsewhere_and_nothing_inline(
    http: httpx2.AsyncClient,
) -> None:
    policy = policy_of(await http.get("/"))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["base-uri"] == policy["form-action"] == "'none'"


async def test_only_the_pages_in_the_settings_may_show_the_console_in_a_frame(
    http: httpx2.AsyncClient,
) -> None:
    assert policy_of(await http.get("/"))["frame-ancestors"] == f"'self' {EMBEDDER}"
    assert (await http.get("/console/settings.json")).json()["embedders"] == [EMBEDDER]


async def test_each_language_that_has_a_file_can_be_chosen(http: httpx2.AsyncClient) -> None:
    files = (ROOT / "clients/console/locales").glob("*.js")

    languages = (await http.get("/console/settings.json")).json()["languages"]
    assert languages == sorted(file.stem for file in files if file.stem != "index")


def test_what_is_no_origin_is_refused_before_it_gets_into_a_header() -> None:
    with pytest.raises(ValueError, match="not an origin"):
        console_routes(["https://crm.example.com; script-src *"])


@pytest.mark.parametrize("path", ["/", "/console/main.js", "/console/none.js", "/console/settings.json"])
async def test_every_answer_carries_the_headers_that_protect_it(http: httpx2.AsyncClient, path: str) -> None:
    answer = await http.get(path)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/console/package.json",
        "/console/README.md",
        "/console/../../pyproject.toml",
        "/console/..%2f..%2fpyproject.toml",
        "/console//etc/passwd",
        "/console/node_modules/typescript/package.json",
        "/js/package.json",
        "/js/src/",
    ],
)
async def test_what_is_not_for_browsers_is_not_there(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404


async def test_a_file_that_the_browser_has_is_not_sent_again(http: httpx2.AsyncClient) -> None:
    first = await http.get("/console/main.js", headers={"accept-encoding": "identity"})
    again = await http.get("/console/main.js", headers={"if-none-match": f"W/{first.headers['etag']}"})
    other = await http.get("/console/main.js", headers={"if-none-match": '"another"'})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert other.content == first.content


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("page.js", True),
        ("view/page.css", True),
        ("test/page.test.js", False),
        ("node_modules/a/b.js", False),
        ("x.md", False),
        ("package.json", False),
    ],
)
def test_a_path_is_for_browsers_by_its_type_and_its_folders(path: str, served: bool) -> None:
    assert is_for_browsers(path) is served
