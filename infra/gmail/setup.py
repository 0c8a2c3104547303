"""What Lodestone needs of Google Cloud, as the commands that make it: the same that `lodestone topic` makes."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from domain.connections.permissions import needed
from infra.gmail.pubsub import ACK_SECONDS, ATTEMPTS, LEAST_BACKOFF, MOST_BACKOFF, dead
from infra.gmail.scopes import Scope, scopes_for

PUSHER = "gmail-api-push@system.gserviceaccount.com"
"""Gmail publishes as this account, in every project of the world."""

PUBLISHER = "roles/pubsub.publisher"
SUBSCRIBER = "roles/pubsub.subscriber"

APIS = ("gmail", "pubsub", "monitoring", "iam")
AGENT = '"serviceAccount:service-${PROJECT_NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"'
"""Google's own account that forwards dead letters; only the shell knows its number."""

DOCTOR = "lodestoneDoctor"
DOCTORS_RIGHTS = (
    "pubsub.topics.get",
    "pubsub.topics.getIamPolicy",
    "pubsub.subscriptions.get",
    "pubsub.subscriptions.getIamPolicy",
    "monitoring.timeSeries.list",
)
KEY_FILE = "lodestone-key.json"
CONSOLE = "https://console.cloud.google.com"


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is, or shall be. `account` is the address of the service account that pulls; `delegate` the
    client id of the one with domain-wide delegation, `redirect_uris` those of the OAuth client, where known."""

    project: str
    topic: str
    subscription: str
    account: str | None = None
    redirect_uris: tuple[str, ...] = ()
    delegate: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A heading, commands for a shell, a line each, and what nobody but a person can do."""

    title: str
    commands: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()


def steps(place: Place) -> tuple[Step, ...]:
    """In the order in which they are to be done; whatever is there already says so and does no harm."""
    account = place.account or _account(place.project)
    made = (Step("A service account for Lodestone", tuple(_make_account(place))),) * (not place.account)
    return (
        Step(
            "The APIs", (_gcloud("services enable", *(f"{api}.googleapis.com" for api in APIS), place=place),)
        ),
        Step("The topic, and Gmail's right to publish to it", tuple(_topic(place))),
        Step("The subscription, and one for dead letters; neither expires", tuple(_subscription(place))),
        Step("Pub/Sub's own right to move dead letters", tuple(_dead_letters(place))),
        *made,
        Step(
            "What it may do: pull, and look at what `lodestone doctor` checks", tuple(_rights(place, account))
        ),
        Step(
            "The consent screen and the OAuth client, which gcloud cannot make", by_hand=tuple(_client(place))
        ),
        Step("For Google Workspace instead: domain-wide delegation", by_hand=tuple(_delegation(place))),
    )


def settings(place: Place) -> Mapping[str, str]:
    """The environment to be set afterwards."""
    return {
        "LODESTONE_PUBSUB_PROJECT": place.project,
        "LODESTONE_PUBSUB_TOPIC": place.topic,
        "LODESTONE_PUBSUB_SUBSCRIPTION": place.subscription,
        "GOOGLE_APPLICATION_CREDENTIALS": f"/path/to/{KEY_FILE}",
        "LODESTONE_OAUTH_CLIENT_FILE": "/path/to/client_secret.json",
    }


def _account(project: str) -> str:
    """A project of the old kind, firm.example:crm, has its domain the other way round here."""
    domain, _, name = project.rpartition(":")
    return f"lodestone@{'.'.join(filter(None, (name, domain)))}.iam.gserviceaccount.com"


def _make_account(place: Place) -> list[str]:
    account = f"--iam-account={_account(place.project)}"
    return [
        _gcloud("iam service-accounts create lodestone --display-name=Lodestone", place=place),
        "# A key is needed only where Lodestone runs outside Google Cloud:",
        _gcloud("iam service-accounts keys create", KEY_FILE, account, place=place),
    ]


def _topic(place: Place) -> list[str]:
    return [
        _gcloud("pubsub topics create", place.topic, place=place),
        _grant("topics", place.topic, shlex.quote(f"serviceAccount:{PUSHER}"), PUBLISHER, place),
    ]


def _subscription(place: Place) -> list[str]:
    kept = (f"--ack-deadline={ACK_SECONDS}", "--expiration-period=never")
    backoff = (f"--min-retry-delay={LEAST_BACKOFF}s", f"--max-retry-delay={MOST_BACKOFF}s")
    letters = (f"--dead-letter-topic={dead(place.topic)}", f"--max-delivery-attempts={ATTEMPTS}")
    create = "pubsub subscriptions create"
    return [
        _gcloud("pubsub topics create", dead(place.topic), place=place),
        _gcloud(create, dead(place.subscription), f"--topic={dead(place.topic)}", *kept, place=place),
        _gcloud(create, place.subscription, f"--topic={place.topic}", *kept, *backoff, *letters, place=place),
    ]


def _dead_letters(place: Place) -> list[str]:
    number = _gcloud("projects describe", place.project, "--format=value(projectNumber)")
    return [
        f'PROJECT_NUMBER="$({number})"',
        _grant("topics", dead(place.topic), AGENT, PUBLISHER, place),
        _grant("subscriptions", place.subscription, AGENT, SUBSCRIBER, place),
    ]


def _rights(place: Place, account: str) -> list[str]:
    member = f"serviceAccount:{account}"
    role = f"projects/{place.project}/roles/{DOCTOR}"
    rights = f"--permissions={','.join(DOCTORS_RIGHTS)}"
    granted = (f"--member={member}", f"--role={role}", "--condition=None")
    return [
        _grant("subscriptions", place.subscription, shlex.quote(member), SUBSCRIBER, place),
        _gcloud("iam roles create", DOCTOR, "--title=Lodestone doctor", rights, "--stage=GA", place=place),
        _gcloud("projects add-iam-policy-binding", place.project, *granted),
    ]


def _client(place: Place) -> list[str]:
    scopes = ", ".join(scope.rpartition("/")[2] for scope in Scope)
    uri = ", ".join(place.redirect_uris) or "the address of its page"
    todo = {
        "branding": "name, support address, privacy policy",
        "audience": "Internal for a Workspace of your own; else External, then Publish app: in Testing every "
        "sign-in ends after 7 days",
        "scopes": f"{scopes}; a user is asked only for those that he needs",
        "clients": "a client of type Desktop app for `lodestone connect`, or of type Web application for the CRM's "
        f"own page with the redirect URI {uri}",
    }
    pages = (
        f"{CONSOLE}/auth/{page}?project={quote(place.project, safe='')} : {what}"
        for page, what in todo.items()
    )
    return [*pages, "The client must be made in this project: Gmail publishes to no topic of another one"]


def _delegation(place: Place) -> list[str]:
    client = place.delegate or "the service account's client id"
    sorting, without = (",".join(scopes_for(needed(labels=labels))) for labels in (True, False))
    return [
        f"https://admin.google.com/ac/owl/domainwidedelegation : {client}, with exactly {sorting}",
        f"Where nobody's mail is to be sorted: {without}",
        "LODESTONE_SERVICE_ACCOUNT_FILE names the key of that service account",
    ]


def _grant(kind: str, name: str, member: str, role: str, place: Place) -> str:
    """`member` is a word of the shell already."""
    begin = f"gcloud pubsub {kind} add-iam-policy-binding {shlex.quote(name)} --member={member}"
    return f"{begin} {shlex.quote(f'--role={role}')} {shlex.quote(f'--project={place.project}')}"


def _gcloud(command: str, *words: str, place: Place | None = None) -> str:
    where = (f"--project={place.project}",) if place else ()
    return shlex.join(("gcloud", *command.split(), *words, *where))
