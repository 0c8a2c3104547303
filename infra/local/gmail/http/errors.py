"""Gmail's refusals, in Google's own error body (Gmail "Resolve errors"; FACTS §4)."""

from typing import Any

Json = dict[str, Any]
Headers = tuple[tuple[str, str], ...]

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class ApiError(Exception):
    """One refused call; `body()` is what the client gets to read."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        status: str = "",
        headers: Headers = (),
        entry: Json | None = None,
        details: list[Json] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.domain = domain
        self.status = status or STATUS.get(code, "UNKNOWN")
        self.headers = headers
        self.entry = entry or {}
        self.details = details or []

    def body(self) -> Json:
        """{"error": …} with code, message, status and the older `errors` list beside them."""
        first = {"message": self.message, "domain": self.domain, "reason": self.reason, **self.entry}
        error: Json = {
            "code": self.code,
            "message": self.message,
            "errors": [first],
            "status": self.status,
        }
        if self.details:
            error["details"] = self.details
        return {"error": error}


class OAuthError(Exception):
    """What /token and /revoke answer in OAuth's own form."""

    def __init__(self, code: int, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.code = code
        self.error = error
        self.description = description

    def body(self) -> Json:
        """RFC 6749 §5.2."""
        return {"error": self.error, "error_description": self.description}


NO_TOKEN = {
    "token.invalid_client": (401, "invalid_client", "The OAuth client was not found."),
    "token.deleted_client": (401, "deleted_client", "The OAuth client was deleted."),
    "token.unauthorized_client": (400, "unauthorized_client", "Unauthorized"),
    "token.invalid_scope": (400, "invalid_scope", "Some requested scopes were invalid."),
}
"""What /token says when it is not the user's doing (FACTS §5), by the fault that makes it so."""


def invalid(message: str) -> ApiError:
    """400: a value Gmail will not take."""
    return ApiError(400, "invalidArgument", message)


def failed_precondition(message: str) -> ApiError:
    """400: right in form, not possible on this message or mailbox."""
    return ApiError(400, "failedPrecondition", message, status="FAILED_PRECONDITION")


def unreadable(message: str, field: str = "") -> ApiError:
    """400 of Google's front end: the request does not fit the method's schema."""
    violation: Json = {"description": message, **({"field": field} if field else {})}
    detail: Json = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return ApiError(400, "badRequest", message, details=[detail])


def not_found() -> ApiError:
    """404, the same words for a message, a label and an expired history id."""
    return ApiError(404, "notFound", "Requested entity was not found.")


def conflict() -> ApiError:
    """409 for a label name that exists, be it in another case (FACTS §3)."""
    return ApiError(409, "aborted", "Label name exists or conflicts")


TRIED = "Error sending test message to Cloud PubSub"
"""How a refusal of watch begins: Gmail tries the topic first (FACTS §1)."""


def no_topic(topic: str) -> ApiError:
    """404 for a watch on a topic that is not there."""
    name = topic.rpartition("/")[2]
    return ApiError(404, "notFound", f"{TRIED} {topic} : Resource not found (resource={name}).")


def no_publisher(topic: str) -> ApiError:
    """403 for a watch on a topic to which Gmail may not publish."""
    return ApiError(403, "forbidden", f"{TRIED} {topic} : User not authorized to perform this action.")


def other_project(project: str) -> ApiError:
    """400 for a watch on a topic that is not in the OAuth client's project."""
    return invalid(f"Invalid topicName does not match projects/{project}/topics/*")


def unauthenticated() -> ApiError:
    """401 for an access token that is missing, unknown, expired or revoked."""
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, "
        "login cookie or other valid authentication credential."
    )
    return ApiError(
        401,
        "authError",
        message,
        headers=(("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/", error="invalid_token"'),),
        entry={"location": "Authorization", "locationType": "header"},
    )


def delegation_denied(address: str) -> ApiError:
    """403 when userId names another mailbox than the token's."""
    return ApiError(403, "forbidden", f"Delegation denied for {address}")


def insufficient_scope() -> ApiError:
    """403 when the user granted none of the scopes the method asks for (FACTS §5)."""
    return ApiError(403, "insufficientPermissions", "Request had insufficient authentication scopes.")


def not_built(verb: str, path: str) -> ApiError:
    """501 for everything real Gmail has and this server has not, so that no test passes by luck."""
    return ApiError(501, "notImplemented", f"The local Gmail does not implement {verb} {path}")


def unknown_term(term: str) -> ApiError:
    """501 for a part of the search language that is not built."""
    return ApiError(501, "notImplemented", f"The local Gmail does not know the search term {term}")


def rate_limited(status: int, retry_at: str) -> ApiError:
    """403 or 429 once a mailbox is over its units, with the time in the text (FACTS §4)."""
    message = f"User-rate limit exceeded.  Retry after {retry_at}"
    if status == 429:
        return ApiError(429, "rateLimitExceeded", message)
    return ApiError(403, "userRateLimitExceeded", message, domain="usageLimits")


def sending_limited(retry_at: str) -> ApiError:
    """429 once a mailbox has sent its day's mails (FACTS §4). The words are those that users report."""
    message = f"User-rate limit exceeded.  Retry after {retry_at} (Mail sending)"
    return ApiError(429, "rateLimitExceeded", message)


def too_large(most: int) -> ApiError:
    """413 for a mail of more than so many bytes."""
    return ApiError(413, "uploadTooLarge", f"Request is too large. Maximum allowed: {most} bytes.")


def project_limited(status: int) -> ApiError:
    """403 or 429 once all mailboxes of a project together are over its units; it names no time. The words are
    those that users report."""
    message = (
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service "
        "'gmail.googleapis.com' for consumer 'project_number:1234567890'."
    )
    return ApiError(status, "rateLimitExceeded", message, domain="usageLimits")
