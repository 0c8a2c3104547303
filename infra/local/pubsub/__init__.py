"""A Pub/Sub on loopback that the official client uses unmodified; the state is in memory."""

from infra.local.pubsub.server import PubSubServer, pubsub_or_start

__all__ = ["PubSubServer", "pubsub_or_start"]
