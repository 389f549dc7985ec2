"""Refused tokens: counted by cause, logged with a bound."""

import pytest
from structlog.testing import capture_logs

from relevo.router.gateway.sign_ins import REFUSALS_LOGGED_MAX, SILENCE_S, SignIns
from relevo.router.transport.address_rate import BURST_S


@pytest.mark.adversarial("tokens: 102 forged ones from one address")
def test_many_refused_tokens_are_counted_and_logged_once_for_each_cause() -> None:
    sign_ins = SignIns(20)
    with capture_logs() as logs:
        for number in range(102):
            sign_ins.refuse("192.0.2.7", "signature" if number % 2 else "expired", number / 10)
        sign_ins.refuse("192.0.2.7", "signature", 10.2 + SILENCE_S)
    assert sign_ins.refused == {"signature": 52, "expired": 51}
    assert [(line["event"], line["address"], line["cause"], line["left_out"]) for line in logs] == [
        ("token refused", "192.0.2.7", "expired", 0),
        ("token refused", "192.0.2.7", "signature", 0),
        ("token refused", "192.0.2.7", "signature", 50),
    ]


@pytest.mark.limit("REFUSALS_LOGGED_MAX")
def test_refused_tokens_of_many_addresses_have_a_bound_of_log_lines() -> None:
    sign_ins = SignIns(20)
    with capture_logs() as logs:
        for number in range(10 * REFUSALS_LOGGED_MAX):
            sign_ins.refuse(f"192.0.2.{number}", "signature", 1.0)
        assert len(logs) == REFUSALS_LOGGED_MAX
        sign_ins.refuse("192.0.2.7", "signature", 2.0 + SILENCE_S)
    assert len(logs) == REFUSALS_LOGGED_MAX + 1


def test_address_with_many_refused_tokens_waits_and_others_do_not() -> None:
    sign_ins = SignIns(5)
    for _ in range(5 * int(BURST_S)):
        assert sign_ins.wait_s("192.0.2.7", 1.0) == 0
        sign_ins.refuse("192.0.2.7", "signature", 1.0)
    assert sign_ins.wait_s("192.0.2.7", 1.0) == pytest.approx(0.2)
    assert sign_ins.wait_s("192.0.2.8", 1.0) == 0
