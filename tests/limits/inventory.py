# ruff: noqa: E501
"""
Every bound that there is, and the test that holds the router, its verbs or a client to it.

``python -m tests.limits.inventory`` prints the table. What must be in it is found: settings whose name says
that they are bounds, and constants of the router and of the protocol whose name does. The rest is only here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from relevo.router.config import SETTINGS

ROOT = Path(__file__).parents[2]
BOUND = re.compile(r".*(_max|_bytes|_rate|_burst|_wait_ms|linger_ms)", re.IGNORECASE)
# What is kept or awaited for a time only is bounded by it.
TIMES = {
    "closed_retention_ms",
    "hello_timeout_ms",
    "http_request_timeout_ms",
    "jwks_timeout_ms",
    "key_ttl_ms",
    "ping_timeout_ms",
    "store_timeout_ms",
    "tenant_idle_ms",
}
# Tools, not the router.
NOT_SERVED = ("router/audit", "router/bundled_store", "router/workers")
# What a text of ours or a part of a frame is cut to, and RFC 6455's own.
NO_BOUNDS = {
    "ECHO_CHARACTERS_MAX",
    # How often one thing is tried, and how much is read at a time.
    "LOADS_MAX",
    "READ_BYTES_MAX",
    "REDIRECTS_MAX",
    "REPAIR_EVENTS_MAX",
    "_CLOSE_REASON_BYTES_MAX",
    "_CONTROL_PAYLOAD_BYTES_MAX",
}

ROUTER, STORE, VERBS = "tests/router", "tests/router/store", "tests/router/store/test_commands_bounds.py"
WHOLE = "tests/limits/test_router_bounds.py"
FLOOD = "tests/adversarial/test_flood.py"
LIMITS = f"{ROUTER}/test_limits.py"
TESTS: dict[str, str] = {
    # Of one connection.
    "message_rate": f"{FLOOD}::test_beyond_its_burst_each_message_is_told_when_to_come_back",
    "message_burst": f"{FLOOD}::test_beyond_its_burst_each_message_is_told_when_to_come_back",
    "INBOUND_SLICE_BYTES": f"{ROUTER}/test_websocket.py::test_a_flood_of_tiny_messages",
    "REFUSALS_MAX": f"{FLOOD}::test_who_never_listens_is_closed_with_4505",
    "READ_RATIO_MAX": f"{LIMITS}::test_a_flood_is_read_at_a_multiple_of_its_rate_until_its_sender_is_found",
    "in_flight_max": f"{ROUTER}/test_intake.py::test_beyond_its_commands_in_hand_a_connection_is_not_read",
    "message_bytes_max": "tests/adversarial/test_frames.py::test_a_broken_frame_ends_its_connection_and_nobody",
    "outbox_soft_bytes": f"{ROUTER}/test_websocket.py::test_a_peer_that_does_not_read_is_slow_until_it_has",
    "outbox_hard_bytes": f"{WHOLE}::test_clients_that_stop_reading_cost_at_most_their_budget",
    "BATCH_ITEMS_MAX": "tests/protocol/test_codec.py::test_a_batch_of_sixty_five_is_refused_whole",
    "BATCH_BYTES_MAX": f"{ROUTER}/test_outbox.py::test_large_messages_are_not_joined_beyond_a_batchs_size",
    "CLOSING_SLICE_MS": f"{ROUTER}/test_websocket_endings.py::test_who_floods_on_after_it_was_told_to_go",
    "CLOSE_WAIT_MS": f"{ROUTER}/test_websocket_endings.py::test_a_peer_that_does_not_answer_a_close",
    "time to drain": "tests/e2e/test_presence.py::test_a_router_that_is_told_to_stop_does_not_wait",
    "LINGER_MS": f"{ROUTER}/test_websocket_endings.py::test_a_peer_that_closes_and_reads_nothing_more",
    "CONTROL_FRAMES_MAX": "tests/adversarial/test_frames.py::test_a_broken_frame_ends_its_connection_and_nobody",
    "hello_timeout_ms": "tests/e2e/test_close_codes.py::test_each_close_code_reaches_a_client",
    "ping_timeout_ms": f"{ROUTER}/test_websocket.py::test_a_peer_that_answers_no_ping_is_told_and_dropped",
    # Of HTTP.
    "http_connections_max": f"{ROUTER}/test_slow_http.py::test_more_connections_than_allowed_are_refused",
    "http_request_timeout_ms": f"{WHOLE}::test_an_answer_over_http_that_nobody_takes_is_dropped",
    "PATH_BYTES_MAX": f"{ROUTER}/test_slow_http.py::test_a_path_over_eight_kib_is_refused",
    "HEAD_BYTES_MAX": f"{ROUTER}/test_slow_http.py::test_a_head_that_is_too_large_is_refused",
    "HEADERS_MAX": f"{ROUTER}/test_slow_http.py::test_128_headers_of_together_almost_32_kib_are_taken",
    "PIPELINE_MAX": f"{ROUTER}/test_slow_http.py::test_requests_that_do_not_wait_for_answers_are_bounded",
    "http linger": f"{ROUTER}/test_slow_http.py::test_a_refused_peer_that_goes_on_sending_is_dropped",
    # Of an agent, a back end, an address, a tenant, a node.
    "agent_message_rate": f"{FLOOD}::test_an_agents_devices_share_what_it_may_send",
    "agent_message_burst": f"{FLOOD}::test_an_agents_devices_share_what_it_may_send",
    "back_end_message_rate": f"{FLOOD}::test_what_comes_over_http_counts_as_what_comes_over_the_back_ends",
    "back_end_message_burst": f"{FLOOD}::test_what_comes_over_http_counts_as_what_comes_over_the_back_ends",
    "tenant_message_rate": f"{FLOOD}::test_a_tenants_agents_share_what_it_may_send",
    "tenant_message_burst": f"{FLOOD}::test_a_tenants_agents_share_what_it_may_send",
    "rate_buckets_max": f"{LIMITS}::test_no_more_are_kept_than_allowed_and_the_oldest_go_first",
    "tenant_hellos_max": "tests/chaos/test_clients.py::test_a_storm_comes_in_no_faster",
    "tenant_in_flight_max": f"{ROUTER}/test_intake.py::test_beyond_its_commands_in_hand_a_tenants",
    "tenant_turn_max": f"{ROUTER}/test_intake.py::test_in_one_turn_of_the_loop_only_some_of_a_tenants",
    "REST_S_MAX": f"{LIMITS}::test_however_much_was_refused_over_http_a_connection_is_read_again_soon",
    "connections_per_agent_max": f"{STORE}/test_verbs_tenant.py::test_an_agent_has_only_so_many_connections",
    "connections_per_address_max": f"{WHOLE}::test_an_address_has_only_so_many_websockets_as_a_trusted",
    "ADDRESS_CHARACTERS_MAX": f"{ROUTER}/test_addresses.py::test_an_address_may_come_with_a_port_or_be_a",
    "VERDICTS_MAX": f"{ROUTER}/test_addresses.py::test_only_the_latest_verdicts_are_kept",
    "connections_max": f"{WHOLE}::test_beyond_its_connections_a_node_refuses_the_handshake_and_takes_the",
    "departures": f"{ROUTER}/test_departures.py::test_beyond_the_bound_a_tenants_oldest_are_forgotten",
    "tenants_max": f"{WHOLE}::test_beyond_its_tenants_a_node_sends_new_ones_to_others_until_one_has_left",
    "tenant_idle_ms": f"{WHOLE}::test_beyond_its_tenants_a_node_sends_new_ones_to_others_until_one_has_left",
    "replica_tombstones_max": f"{ROUTER}/test_replica.py::test_removals_are_remembered_up_to_their_bound",
    "feed_buffer_max": f"{ROUTER}/test_feed.py::test_of_what_comes_while_the_directory_is_read_little_waits",
    # Of the store, and of the way to it.
    "agents_max": f"{VERBS}::test_a_tenant_has_only_so_many_agents_however_they_come",
    "departments_max": f"{VERBS}::test_a_tenant_has_only_so_many_departments_however_they_come",
    "sessions_max": f"{VERBS}::test_a_tenant_has_only_so_many_open_sessions",
    "history_max": f"{VERBS}::test_a_session_is_written_on_only_so_long_but_can_be_taken_and_closed",
    "events_max": f"{VERBS}::test_only_the_latest_events_are_kept",
    "key_ttl_ms": f"{VERBS}::test_a_key_and_its_answer_go_when_their_time_is_over",
    "closed_retention_ms": f"{VERBS}::test_what_was_closed_goes_when_its_time_is_over_and_so_does_its_place",
    "INBOX_MAX": f"{VERBS}::test_a_welcome_holds_only_so_many_sessions",
    "SESSIONS_DECODED_MAX": f"{STORE}/test_records.py::test_only_the_sessions_decoded_last_are_kept",
    "store_queue_max": f"{STORE}/test_link.py::test_what_one_tenant_asks_for_neither_fills_the_queue_nor",
    "store batch share": f"{STORE}/test_queue.py::test_of_one_lane_no_more_than_its_share_is_taken",
    "store backoff": f"{STORE}/test_link.py::test_a_store_that_hangs_up_is_called_again_at_intervals",
    "feed backoff": f"{STORE}/test_subscription.py::test_a_server_that_hangs_up_is_called_again_at",
    "store_timeout_ms": f"{STORE}/test_link.py::test_a_store_that_does_not_answer_is_unavailable_within_the",
    # Of tokens and their keys.
    "tokens_remembered_max": f"{ROUTER}/test_auth.py::test_only_so_many_tokens_are_known",
    "TOKEN_BYTES_MAX": f"{ROUTER}/test_auth.py::test_no_token_and_an_endless_one_are_refused",
    "NAME_CHARACTERS_MAX": f"{ROUTER}/test_auth.py::test_a_claim_of_the_wrong_kind_is_refused_by_its_name",
    "HEADER_BYTES_MAX": f"{ROUTER}/test_auth.py::test_a_header_longer_than_any_is_not_read",
    "HEADERS_READ_MAX": f"{ROUTER}/test_auth.py::test_only_the_latest_headers_are_kept",
    "JWKS_BYTES_MAX": f"{ROUTER}/test_jwks.py::test_an_answer_that_is_no_key_set_is_refused",
    "JWKS_KEYS_MAX": f"{ROUTER}/test_jwks.py::test_what_is_no_jwks_is_refused",
    "jwks_timeout_ms": f"{ROUTER}/test_jwks.py::test_a_reading_that_hangs_is_given_up",
    # Of what a command may hold.
    "INTEGER_MAX": "tests/protocol/test_codec.py::test_a_number_that_is_no_integer_in_bounds_is_refused",
    "DEPARTMENTS_MAX": "tests/protocol/test_messages.py::test_an_agents_profile_has_bounds_of_its_own",
    "LIMIT_MAX": "tests/protocol/test_messages.py::test_a_bound_lets_its_last_value_through_and_no_more",
    # Of the clients.
    "python in_flight_max": "tests/client/test_client.py::test_commands_beyond_the_bound_wait_their_turn",
    "python waiting_max": "tests/client/test_client.py::test_commands_that_wait_their_turn_are_bounded",
    "python events_max": "tests/client/test_events.py::test_the_oldest_are_dropped_and_a_marker_counts_them",
    "python acknowledgements": "tests/client/test_core_pushes.py::test_of_too_many_acknowledgements_the",
    "javascript inFlightMax": "clients/js/test/pure/core-commands.test.js::commands beyond the bound wait",
    "javascript waitingMax": "clients/js/test/pure/core-commands.test.js::commands that wait their turn are",
    "javascript acknowledgements": "clients/js/test/pure/core-pushes.test.js::of too many acknowledgements",
}


def settings() -> Iterator[str]:
    """Yield the settings that are bounds."""
    for setting in SETTINGS:
        if setting.minimum is not None and (BOUND.fullmatch(setting.name) or setting.name in TIMES):
            yield setting.name


def constants() -> Iterator[str]:
    """Yield the constants of the router and the protocol that are bounds."""
    files = [file for folder in ("router", "protocol") for file in sorted((ROOT / folder).rglob("*.py"))]
    for file in files:
        if file.relative_to(ROOT).as_posix().startswith(NOT_SERVED):
            continue
        for node in ast.parse(file.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name) and target.id.isupper() and BOUND.fullmatch(target.id):
                    yield target.id


def has_test(place: str) -> bool:
    """Return whether one test begins as a place says, such as ``tests/test_x.py::test_beyond_its``."""
    name, _, test = place.partition("::")
    text = (ROOT / name).read_text()
    return text.count(f"def {test}") + text.count(f'test("{test}') == 1


if __name__ == "__main__":
    for bound, place in TESTS.items():
        print(f"{bound:32} {place}")
    print(f"{len(TESTS)} bounds")
