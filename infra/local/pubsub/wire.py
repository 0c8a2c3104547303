"""The Pub/Sub messages as plain protobuf classes.

google-cloud-pubsub carries them inside its own wrappers; unwrapped they cost a fraction of the time.
"""

from typing import Any

from google.pubsub_v1.types import pubsub

Wire = Any  # an instance of one of the classes below: protobuf makes them at run time, without types

Empty: Any = pubsub.DetachSubscriptionResponse.pb()  # has no fields either: the same on the wire
Topic: Any = pubsub.Topic.pb()
Subscription: Any = pubsub.Subscription.pb()
PubsubMessage: Any = pubsub.PubsubMessage.pb()
ReceivedMessage: Any = pubsub.ReceivedMessage.pb()

GetTopicRequest: Any = pubsub.GetTopicRequest.pb()
DeleteTopicRequest: Any = pubsub.DeleteTopicRequest.pb()
ListTopicsRequest: Any = pubsub.ListTopicsRequest.pb()
ListTopicsResponse: Any = pubsub.ListTopicsResponse.pb()
PublishRequest: Any = pubsub.PublishRequest.pb()
PublishResponse: Any = pubsub.PublishResponse.pb()

GetSubscriptionRequest: Any = pubsub.GetSubscriptionRequest.pb()
UpdateSubscriptionRequest: Any = pubsub.UpdateSubscriptionRequest.pb()
DeleteSubscriptionRequest: Any = pubsub.DeleteSubscriptionRequest.pb()
ListSubscriptionsRequest: Any = pubsub.ListSubscriptionsRequest.pb()
ListSubscriptionsResponse: Any = pubsub.ListSubscriptionsResponse.pb()
PullRequest: Any = pubsub.PullRequest.pb()
PullResponse: Any = pubsub.PullResponse.pb()
StreamingPullRequest: Any = pubsub.StreamingPullRequest.pb()
StreamingPullResponse: Any = pubsub.StreamingPullResponse.pb()
AcknowledgeRequest: Any = pubsub.AcknowledgeRequest.pb()
ModifyAckDeadlineRequest: Any = pubsub.ModifyAckDeadlineRequest.pb()
