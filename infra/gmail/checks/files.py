"""The files of Google's that the settings name: can they be read, and do they fit?"""

import json
from collections.abc import Iterator
from pathlib import Path

from domain.checks import Finding, failed, ok
from infra.gmail.delegation import NoServiceAccount, ServiceAccount
from infra.gmail.sign_in import GoogleSignIn, NoClient


def client(file: Path, project: str) -> Iterator[Finding]:
    """The OAuth client; Gmail publishes to no topic of another project than the client's (FACTS §1)."""
    check = "oauth client"
    try:
        found = GoogleSignIn(file)
    except NoClient:
        says = "LODESTONE_OAUTH_CLIENT_FILE is no client_secret.json that can be read"
        yield failed(check, says, "download it again: https://console.cloud.google.com/auth/clients")
        return
    theirs = json.loads(file.read_text())[found.kind].get("project_id", project)
    if theirs == project:
        yield ok(check, f"a client of type {found.kind}")
    else:
        says = "it is of another project than the topic, and Gmail publishes only to its own"
        yield failed(check, says, "make topic and client in one project, or mend LODESTONE_PUBSUB_PROJECT")


def service_account(file: Path) -> Iterator[Finding]:
    """The key for domain-wide delegation; whether it is delegated, each mailbox's token shows."""
    check = "service account"
    try:
        ServiceAccount(file)
    except NoServiceAccount:
        says = "LODESTONE_SERVICE_ACCOUNT_FILE is no service account's key that can be read"
        yield failed(check, says, "make another one: `lodestone setup google` prints the command")
    else:
        yield ok(check, "its key can be read")
