from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .scripted import ScriptedRouter


@pytest.fixture
async def router() -> AsyncIterator[ScriptedRouter]:
    async with ScriptedRouter().listening() as listening:
        yield listening
