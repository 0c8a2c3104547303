"""Checks of Redis: is it reachable, new enough, and set up to keep its data (FACTS §7)?"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from domain.checks import Finding, failed, ok, warning

CHECK = "redis"
SECONDS = 5.0
OLDEST = (6, 2)
LAG_SECONDS = 10
_REPLICA = re.compile(r"slave\d+")


def look(url: str) -> Iterator[Finding]:
    """Findings from INFO, of which a managed Redis may hide a part."""
    client = Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, retry=None)
    try:
        yield from of_redis(client.info())
    except RedisError as error:
        yield failed(
            CHECK, f"it does not answer ({type(error).__name__})", "is it running? check LODESTONE_REDIS_URL"
        )
    finally:
        client.close()


def of_redis(info: Mapping[str, Any]) -> Iterator[Finding]:
    """Findings on version, role, persistence, eviction, memory and replicas."""
    version = str(info.get("redis_version", "0"))
    if _number(version) < OLDEST:
        yield failed(CHECK, f"Redis {version} is too old", "6.2 or newer is needed")
    elif info.get("role", "master") != "master":
        yield failed(CHECK, "it is a replica and takes no writes", "name the primary in LODESTONE_REDIS_URL")
    elif info.get("loading"):
        yield warning(CHECK, "it is still loading its data", "wait, then look again")
    else:
        yield ok(CHECK, f"Redis {version}")
    yield from _persistence(info)
    yield from _eviction(info)
    for name, replica in info.items():
        if (
            _REPLICA.fullmatch(name)
            and isinstance(replica, dict)
            and int(replica.get("lag", 0)) > LAG_SECONDS
        ):
            says = f"a replica is {replica['lag']} s behind"
            yield warning(
                "redis.replicas", says, "what was queued since is lost if the primary dies; look at it"
            )


def _persistence(info: Mapping[str, Any]) -> Iterator[Finding]:
    check = "redis.persistence"
    enabled = info.get("aof_enabled")
    if enabled is None:
        yield warning(
            check, "it does not tell whether it persists", "see that appendonly is on where it is managed"
        )
    elif not int(enabled):
        says = "appendonly is off: with Redis the CRM's queued changes are lost; mail is not"
        yield warning(check, says, "set appendonly yes in redis.conf")
    elif info.get("aof_last_write_status", "ok") != "ok":
        yield failed(check, "its last write to the append-only file failed", "look at its disk")
    else:
        yield ok(check, "appendonly is on")


def _eviction(info: Mapping[str, Any]) -> Iterator[Finding]:
    check = "redis.memory"
    policy, limit = str(info.get("maxmemory_policy", "")), int(info.get("maxmemory", 0) or 0)
    used = int(info.get("used_memory", 0) or 0)
    step = "set maxmemory-policy noeviction in redis.conf, and give Lodestone a Redis of its own"
    if not policy:
        yield warning(check, "it does not tell its eviction policy", step)
    elif policy != "noeviction":
        judge = failed if limit else warning
        yield judge(check, f"maxmemory-policy is {policy}: it may throw jobs away", step)
    elif limit and used > 0.9 * limit:
        yield warning(check, f"{used * 100 // limit} % of its memory is used", "raise maxmemory")
    else:
        yield ok(check, "maxmemory-policy is noeviction")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
