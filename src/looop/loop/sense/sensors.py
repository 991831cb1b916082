"""Run sensors: all that are due at once, each bounded, and nothing of them left behind."""

import asyncio
import os
import secrets
from collections.abc import Mapping

import msgspec

from looop.config import Config
from looop.kit import files, proc
from looop.kit.child import Done, Limits
from looop.kit.clock import Clock
from looop.loop.sense import readings
from looop.loop.sense.discover import Sensor
from looop.model.records import SensorStamp
from looop.model.world import Reading
from looop.paths import Paths

__all__ = ["run_due", "run_one"]

_ERR_BYTES = 4096


async def run_one(
    sensor: Sensor, paths: Paths, config: Config, env: Mapping[str, str], clock: Clock, mark: str
) -> tuple[Reading, Done]:
    """Run one sensor to its reading; publishes nothing."""
    limit_s = config.sensor_timeout
    if sensor.header.timeout_s is not None:
        limit_s = sensor.header.timeout_s
    cap = config.sensor_max_bytes
    limits = Limits(
        wall_s=limit_s,
        out_bytes=cap or 64 << 20,
        err_bytes=_ERR_BYTES,
        stop_when_large=True,
        grace_s=1.0,
    )
    at = clock.wall()
    if sensor.broken:
        done = Done(
            end=proc.End.UNSPAWNABLE,
            code=126,
            signal=None,
            out=b"",
            err=b"",
            out_total=0,
            took_s=0.0,
            why=sensor.broken,
        )
    else:
        child_env = paths.child_env(env) | proc.mark_variable(mark)
        child_env["LOOOP_SENSOR"] = sensor.name
        done = await proc.run(
            [str(sensor.path)], cwd=paths.data, env=child_env, limits=limits, clock=clock
        )
    reading = readings.from_run(
        sensor.snapshot, done, at=at, trust=sensor.header.trust, cap=cap, limit_s=limit_s
    )
    return reading, done


def _publish(paths: Paths, reading: Reading, err: bytes) -> None:
    path = paths.snapshot(reading.name)
    files.write_atomic(path, msgspec.json.encode(reading.as_json()) + b"\n", durable=False)
    if err.strip():
        files.write_atomic(paths.snapshot_err(reading.name), err, durable=False)
    else:
        files.remove(paths.snapshot_err(reading.name))


async def run_due(
    sensors: list[Sensor], paths: Paths, config: Config, env: Mapping[str, str], clock: Clock
) -> dict[str, tuple[Reading, SensorStamp]]:
    """Run these sensors together, publish their snapshots, and leave none of their children."""
    mark = f"sense-{os.getpid()}-{secrets.token_hex(4)}"
    slots = asyncio.Semaphore(config.sensor_concurrency)
    out: dict[str, tuple[Reading, SensorStamp]] = {}

    async def one(sensor: Sensor) -> None:
        async with slots:
            reading, done = await run_one(sensor, paths, config, env, clock, mark)
        try:
            _publish(paths, reading, done.err)
        except OSError as error:
            why = f"snapshot cannot be written: {error.strerror}"
            reading = readings.unreadable(
                sensor.snapshot, why, trust=sensor.header.trust, at=reading.at
            )
        stamp = SensorStamp(
            at=reading.at,
            ok=reading.ok,
            took_s=reading.took_s,
            size=done.out_total,
            code=done.shell_code,
            script=sensor.version,
            trust=sensor.header.trust,
        )
        out[sensor.name] = (reading, stamp)

    try:
        async with asyncio.TaskGroup() as group:
            for sensor in sensors:
                group.create_task(one(sensor))
    finally:
        if sensors:
            proc.sweep(mark)
    return out
