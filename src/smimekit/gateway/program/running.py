"""Runs a service until a signal ends it.

Knows signals: SIGTERM and SIGINT end it in order, SIGHUP has it read its file again.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Final

from smimekit.errors import SmimeError
from smimekit.gateway.program.config import Config
from smimekit.gateway.program.service import Service

__all__ = ["run"]

_LOG: Final = logging.getLogger("smimekit.gateway")
_HOUR: Final = 3600.0


async def run(config: Config, say: Callable[[str], None]) -> None:
    """Serve; `say` is told where, once everybody listens. Raises SmimeError and OSError."""
    loop = asyncio.get_running_loop()
    end, again = asyncio.Event(), asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, end.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    service = Service(config)
    await service.start()
    for name, address in service.addresses.items():
        say(f"{name or 'metrics'}: {address}")
    tasks = [
        asyncio.create_task(_reloading(service, again)),
        asyncio.create_task(_expiring(service)),
        asyncio.create_task(_telling(service)),
    ]
    await end.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await service.stop()


async def _reloading(service: Service, again: asyncio.Event) -> None:
    while True:
        await again.wait()
        again.clear()
        await service.reload()


async def _expiring(service: Service) -> None:
    while True:
        try:
            await asyncio.to_thread(service.expire)
        except OSError as error:
            _LOG.warning("The journal: %s", error)
        await asyncio.sleep(_HOUR)


async def _telling(service: Service) -> None:
    while True:
        try:
            await asyncio.to_thread(service.tell_administrator)
        except (SmimeError, OSError) as error:
            _LOG.warning("The digest: %s", error)
        # An hour, at most: a digest that the next hop did not take is tried again.
        every = service.digest_hours * _HOUR or _HOUR
        await asyncio.sleep(min(max(every, 1.0), _HOUR))
