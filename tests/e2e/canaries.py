"""Planted values that must never come out again in a log or in the usage rows."""

NAME = "canary.person@example.org"
PASSWORD = "canary-Passw0rd-of-the-visit"
QUERY_VALUE = "canaryquery7731"
BODY = "canarybody5512"
ADDRESS = "203.0.113.77"
HEADER_VALUE = "canaryheader9041"
BROWSER_ADDRESS = "127.0.0.1"

PLANTED = {
    "the e-mail address": NAME,
    "the name in the e-mail address": "canary.person",
    "the password": PASSWORD,
    "a query value": QUERY_VALUE,
    "a body": BODY,
    "a client's address": ADDRESS,
    "the browser's address": BROWSER_ADDRESS,
    "a request header": HEADER_VALUE,
}


def found_in(text, cookies):
    """Which planted values, and which of the session cookies (whole, or its signature alone), stand in the text."""
    secrets = dict(PLANTED)
    for number, cookie in enumerate(cookies, start=1):
        secrets[f"session cookie {number}"] = cookie
        secrets[f"the signature of session cookie {number}"] = cookie.rpartition(".")[2]
    return [what for what, secret in secrets.items() if secret and secret in text]
