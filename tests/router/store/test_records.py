"""Records as the store packs them, decoded."""

import pytest

from relevo.router.store import records
from tests.router.events import session_record


@pytest.mark.limit("SESSIONS_DECODED_MAX")
def test_only_the_sessions_decoded_last_are_kept() -> None:
    ids = [f"s{number}" for number in range(records.SESSIONS_DECODED_MAX + 10)]
    for session_id in [*ids, *ids[:10]]:
        assert records.session(records.packed(session_record(session_id, "ana"))).id == session_id
    assert records._decode_session.cache_info().currsize == records.SESSIONS_DECODED_MAX
