"""A Pub/Sub on loopback that the official client uses unmodified."""

from infra.local.pubsub.client import PubsubControl, PubsubControlError, PubsubCounters
from infra.local.pubsub.server import PubSubServer, pubsub_or_start

__all__ = ["PubSubServer", "PubsubControl", "PubsubControlError", "PubsubCounters", "pubsub_or_start"]
