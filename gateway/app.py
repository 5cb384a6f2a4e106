"""What is plugged into what: the only place that names concrete classes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from prometheus_client import CollectorRegistry

from gateway import __version__
from gateway.api.door import Api
from gateway.api.request import Means
from gateway.config import Config, Listen
from gateway.exchange.collector import Collector
from gateway.house import House
from gateway.identity import (
    PURPOSE_TOKENS,
    Credential,
    resolve,
)
from gateway.model import Event
from gateway.operations import gate
from gateway.operations.admin import AdminDoor
from gateway.operations.applying import Applying
from gateway.operations.bans import guard_actions
from gateway.operations.commands import Commands
from gateway.operations.control import ControlServer
from gateway.operations.doors import Door, SmallServer, limits_of, open_door
from gateway.operations.file_door import file_door
from gateway.operations.health import Vitals
from gateway.operations.hooks import Hooks
from gateway.operations.host_keys import host_keys
from gateway.operations.housekeeping import Expiring, Housekeeping, Resting
from gateway.operations.key_files import KeyFiles
from gateway.operations.keys import FirstKeys, log_signer, open_seal
from gateway.operations.missing import missing_secrets
from gateway.operations.moves import cut_off
from gateway.operations.outside import Outside, checkpoint, open_catalog
from gateway.operations.own_policy import OwnPolicies
from gateway.operations.reload import Policies
from gateway.operations.scrubbing import at_rest, scrubbing_of
from gateway.operations.storerooms import Storerooms
from gateway.s3.server import S3Door
from gateway.sealer import Sealer
from gateway.stores.build import build, fitted
from gateway.telemetry import Telemetry
from gateway.webhooks import HttpSender

STORE_THREADS = 16
COURIER_GRACE_SECONDS = 10.0
"""What is under way then is abandoned: the next start looks it up and goes on."""
HERALD_GRACE_SECONDS = 2.0
"""What is under way then is sent again by the next start."""
S_NS = 10**9

log = logging.getLogger(__name__)


class WorkerEnded(Exception):
    """A worker stopped before the gateway did: a fault of ours."""


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway at work. `made` are the keys of its first start."""

    house: House
    made: tuple[Credential, ...]
    doors: Mapping[str, Door]
    workers: Sequence[asyncio.Task[None]]

    async def until(self, stop: asyncio.Event) -> None:
        """Returns when `stop` is set; raises what ended a worker before that, or WorkerEnded."""
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait((stopping, *self.workers), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for worker in done & set(self.workers):
            worker.result()
            raise WorkerEnded(worker.get_name())


@asynccontextmanager
async def running(config: Config, outside: Outside | None = None) -> AsyncIterator[Running]:
    """The whole gateway, from start to stop. What is pushed last is stopped first: doors, then
    the courier, then the log, then the catalog."""
    gate.check(gate.this_build())
    outside = outside or Outside()
    async with AsyncExitStack() as stack:
        house = await _house(config, outside, stack)
        policies = _policies(house)
        await policies.start()
        first = FirstKeys(house.catalog, house.seal, outside.clock, outside.entropy)
        made = await first.make(house.mesh)
        await house.enter_keys()
        await _log_start_and_stop(house, stack)
        workers = await _workers(house, policies, stack)
        await _control(house, policies, stack)
        house.vitals.opening = True
        doors = await _doors(house, policies, stack)
        house.vitals.opening = False
        stack.callback(_say_stopping, house)
        log.info("serving", extra={name: door.listen.url for name, door in doors.items()})
        yield Running(house, made, doors, workers)
    log.info("stopped")


def _say_stopping(house: House) -> None:
    house.vitals.stopping = True
    log.info("stopping")


async def _house(config: Config, outside: Outside, stack: AsyncExitStack) -> House:
    await asyncio.to_thread(config.state.mkdir, mode=0o700, parents=True, exist_ok=True)
    catalog = await open_catalog(config, outside)
    stack.push_async_callback(catalog.close)
    seal = await open_seal(config.seal_key, config.folder, catalog, outside.entropy)
    signer = await log_signer(catalog, seal, outside.entropy)
    keep = config.audit.keep * S_NS
    sealer = Sealer(catalog, signer, outside.clock, keep_reads=keep)
    telemetry = Telemetry(CollectorRegistry(), log_requests=config.log.requests)
    vitals = Vitals(catalog, sealer, telemetry, outside.clock, outside.clock())
    pool = ThreadPoolExecutor(STORE_THREADS, "store")
    stack.callback(pool.shutdown, cancel_futures=True)
    secret_of = partial(resolve, folder=config.policies)
    rooms = Storerooms(
        lambda spec, secrets: fitted(
            build(spec, secrets, pool), telemetry.store(spec.party, spec.name), outside.draw
        ),
        secret_of,
    )
    stack.push_async_callback(rooms.close)
    sender = await stack.enter_async_context(HttpSender(__version__))
    hooks = Hooks(secret_of)
    house = House(config, outside, catalog, seal, sealer, vitals, rooms, hooks, sender)
    vitals.headway = house.headway
    stack.callback(house.hashing.shutdown, cancel_futures=True)
    return house


def _policies(house: House) -> Policies:
    return Policies(
        folder=house.config.policies,
        kept=house.catalog,
        clock=house.outside.clock,
        enter=house.enter,
        changed=house.vitals.changed,
        guard=partial(cut_off, house.catalog),
        missing=partial(missing_secrets, house.config.policies),
        follow=house.config.apply == "watch",
    )


async def _log_start_and_stop(house: House, stack: AsyncExitStack) -> None:
    """The last record is the stop, and the last checkpoint covers it."""

    async def say(kind: str) -> None:
        await house.catalog.append([Event(kind, house.outside.clock())])

    stack.push_async_callback(house.sealer.stop)
    await say("start")
    stack.push_async_callback(say, "stop")


async def _workers(
    house: House, policies: Policies, stack: AsyncExitStack
) -> Sequence[asyncio.Task[None]]:
    """Each runs until it is stopped; one that ends before ends the gateway."""
    collector = Collector(house.catalog, house.rooms.store, house.outside.clock, house.buckets)
    housekeeping = Housekeeping(collector, house.places, house.rooms.store)
    kept = house.config.lifecycle
    expiring = Expiring(
        house.exchange.lifecycle,
        house.outside.clock,
        day_ns=kept.day * S_NS,
        every_s=kept.every,
    )
    settling = house.exchange.settling(house.config.sftp.resume)
    resting = Resting(settling, house.habits)
    runs = {
        "sealer": house.sealer.run(),
        "courier": house.courier.run(),
        "herald": house.herald.run(),
        "policies": policies.watch(),
        "key files": KeyFiles(house.config.policies, lambda: house.mesh, house.enter_keys).watch(),
        "housekeeping": housekeeping.run(),
        "lifecycle": expiring.run(),
        "convergence": house.convergence.run(),
        "settling": resting.run(),
        "scrub": scrubbing_of(house).run(),
    }
    tasks = [asyncio.create_task(run, name=name) for name, run in runs.items()]

    async def cancel() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(cancel)
    stack.push_async_callback(house.courier.stop, COURIER_GRACE_SECONDS)
    stack.push_async_callback(house.herald.stop, HERALD_GRACE_SECONDS)
    return tasks


async def _control(house: House, policies: Policies, stack: AsyncExitStack) -> None:
    commands = Commands(
        catalog=house.catalog,
        seal=house.seal,
        mesh=lambda: house.mesh,
        clock=house.outside.clock,
        random=house.outside.entropy,
        checkpoint=lambda: checkpoint(house.sealer, house.catalog),
        keys_changed=house.enter_keys,
        resumed=house.nudge,
        headway=house.headway,
    )
    actions = {
        **commands.actions(),
        **Applying(policies).actions(),
        **at_rest(house),
        **guard_actions(house.guard, house.outside.clock),
    }
    server = ControlServer(house.config.state, actions)
    await server.start()
    stack.push_async_callback(server.stop)


async def _doors(house: House, policies: Policies, stack: AsyncExitStack) -> Mapping[str, Door]:
    doors: dict[str, Door] = {}
    openers = {
        "s3": partial(_s3_door, house, policies),
        "sftp": partial(_sftp_door, house),
        "admin": partial(_admin_door, house),
    }
    for name, listen in house.config.listen.items():
        doors[name] = await openers[name](listen)
        stack.push_async_callback(doors[name].close)
    return MappingProxyType(doors)


async def _sftp_door(house: House, listen: Listen) -> Door:
    house.host_keys = tuple(await host_keys(house.catalog, house.seal))
    door = file_door(house, house.host_keys)
    house.vitals.at_files = door.present
    return await open_door(door.start, partial(door.stop, house.config.limits.stop), listen)


async def _s3_door(house: House, policies: Policies, listen: Listen) -> Door:
    config, limits = house.config, house.config.limits
    door = S3Door(
        house.exchange,
        lookup=house.keyring.lookup,
        clock=house.outside.clock,
        ids=house.outside.request_id,
        telemetry=house.vitals.telemetry,
        stranger=house.sealer.unsigned,
        token_secret=house.seal.derive(PURPOSE_TOKENS),
        ready=house.vitals.ready,
        region=config.region,
        domain=config.domain,
        external_url=config.external_url,
        trusted_proxies=config.trusted_proxies,
        limits=limits_of(limits),
        api=Api(
            Means(OwnPolicies(policies, house.outside.clock), house.exchange),
            house.sealer.observe,
            house.outside.clock,
        ),
    )
    return await open_door(door.start, partial(door.stop, limits.stop), listen)


async def _admin_door(house: House, listen: Listen) -> Door:
    vitals = house.vitals
    server = SmallServer(AdminDoor(vitals.health, vitals.metrics, vitals.ready))
    return await open_door(server.start, server.stop, listen)
