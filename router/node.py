"""The composition root of one router process: build its parts, connect them, start and stop them."""

from __future__ import annotations

import secrets

import structlog

from relevo.router.auth.tokens import Verifier
from relevo.router.config import Settings
from relevo.router.gateway.connections import Connections
from relevo.router.gateway.counts import GatewayCounts
from relevo.router.gateway.endpoint import Services
from relevo.router.gateway.rate_limit import Rates
from relevo.router.gateway.sign_ins import SignIns
from relevo.router.observe.supervisor import Supervisor
from relevo.router.observe.tasks import BackgroundTasks
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.durability import Durability, DurabilityLevel
from relevo.router.store.client.errors import (
    StoreDefectError,
    StoreEvictsError,
    StoreUnavailableError,
    UnsupportedStoreError,
)
from relevo.router.store.client.pipeline import PipelineLimits
from relevo.router.store.client.pubsub import PubSub
from relevo.router.store.clock import Clock
from relevo.router.store.commands import CommandLimits, StoreCommands
from relevo.router.store.node_registry import NodeRegistry
from relevo.router.tenant.feed import FEED_BUFFER_MAX, Feed
from relevo.router.tenant.in_flight import InFlightLimiters
from relevo.router.tenant.lease import Leases
from relevo.router.tenant.registration import Registration
from relevo.router.tenant.registry import TenantRegistry

log = structlog.get_logger(__name__)


class Node:
    """
    Hold the parts of one process; made inside a running loop.

    Args:
        settings: The settings.
        store_url: Where the store is.
    """

    def __init__(self, settings: Settings, store_url: str) -> None:
        self.settings = settings
        self.node_id = secrets.token_hex(8)
        limits = PipelineLimits(timeout_ms=settings.store_timeout_ms)
        durability = Durability(
            DurabilityLevel(settings.durability), settings.durability_replicas, settings.durability_timeout_ms
        )
        self.store = StoreClient(store_url, limits=limits, durability=durability)
        self.clock = Clock(self.store.time_ms, settings.node_renew_ms)
        self.verifier = Verifier(settings, self.clock.now_ms)
        self.store_commands = StoreCommands(self.store, CommandLimits.of(settings), self.node_id)
        self.node_registry = NodeRegistry(self.store, self.store_commands, settings.node_renew_ms)
        self.limiters = InFlightLimiters()
        self.rates = Rates(settings)
        self.counts = GatewayCounts()
        self.sign_ins = SignIns(settings.refused_token_rate)
        self.tasks = BackgroundTasks()
        self.supervisor = Supervisor()
        # The registration answers feed and leases, and asks them; so they get it when they call.
        self.feed = Feed(
            self.store_commands,
            self.supervisor,
            FEED_BUFFER_MAX,
            settings.node_renew_ms // 2,
            lambda *due: self.leases.expect(*due),
            lambda *reload: self.registration.reloaded(*reload),
        )
        self.subscriptions = PubSub(
            self.store, self.node_id, self.feed.heard, self.feed.subscribed, self.feed.lost, self.supervisor
        )
        self.leases = Leases(
            self.store_commands,
            settings.node_lease_ms,
            settings.node_renew_ms,
            lambda *renewal: self.registration.lease_renewed(*renewal),
            lambda tenant: self.registration.lease_expired(tenant),
        )
        self.registry = TenantRegistry(
            settings,
            self.feed,
            self.subscriptions,
            self.leases,
            lambda tenant: self.registration.drop(tenant),
        )
        self.registration = Registration(
            self.store_commands,
            self.registry,
            self.feed,
            self.leases,
            self.limiters,
            self.tasks,
            timeout_ms=settings.store_timeout_ms,
            pending_max=settings.connections_max,
        )
        self.connections = Connections(
            Services(
                settings=settings,
                clock=self.clock,
                verifier=self.verifier,
                store_commands=self.store_commands,
                registry=self.registry,
                registration=self.registration,
                limiters=self.limiters,
                rates=self.rates,
                counts=self.counts,
                sign_ins=self.sign_ins,
                tasks=self.tasks,
            )
        )

    async def start(self) -> None:
        """
        Reach the store, if it can be reached, and begin to renew leases.

        Raises:
            StoreEvictsError: The store would remove data that this node has acknowledged.
        """
        try:
            await self.store.open()
        except StoreEvictsError:
            await self.store.close()
            raise
        except (StoreUnavailableError, UnsupportedStoreError, StoreDefectError) as error:
            # Not the end: readiness is red, and each command looks for the store again.
            log.error("store check failed", reason=str(error))
        await self.node_registry.start()
        await self.clock.start()
        self.supervisor.run("clock", self.clock.keep)
        self.supervisor.run("node-lease", self.node_registry.keep)
        self.leases.start(self.supervisor)

    async def stop(self) -> None:
        """Stop the parts; what still runs has the store's time-out to end."""
        self.connections.is_draining = self.connections.is_leaving = True
        await self.supervisor.stop()
        await self.tasks.finish(self.settings.store_timeout_ms / 1000)
        self.registry.stop()
        await self.subscriptions.close()
        await self.store.close()

    def take_settings(self, settings: Settings) -> None:
        """
        Use the secrets and keys of settings that were read again; the rest of them needs a restart.

        Raises:
            SettingsError: A key cannot be used; all is as it was.
            ValueError: The URL of the store is malformed, or names another store; all is as it was.
        """
        url = settings.store_url
        credentials = None if url is None else self.store.credentials_of(url)
        self.verifier.take_keys(settings)
        if credentials is not None:
            self.store.take_credentials(credentials)
        self.settings = settings

    @property
    def unready(self) -> str | None:
        """Why this node should get no clients now, or None."""
        if self.connections.is_leaving:
            return "draining"
        if self.store_commands.refused is not None:
            return self.store_commands.refused
        if not self.verifier.can_verify():
            return "the keys that verify tokens were not read yet"
        if not self.subscriptions.healthy:
            return "the store's feed is not heard"
        if self.supervisor.failing:
            return f"tasks keep failing: {', '.join(sorted(self.supervisor.failing))}"
        return None
