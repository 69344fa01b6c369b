#!/usr/bin/env python3
"""Starts the full profile on SQLite, relaxed and strict, and compares what it answers with its profile."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from urllib.parse import urlencode

BINARY = os.path.abspath(sys.argv[1])
LEAKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "leaks")
PASSWORD = "excalibur in the lake"
OTHER = "holy hand grenade"
LIFETIME = 1234
SECRETS = {
    "AUTH_JWT_SECRET": "a secret of this script for access tokens",
    "RESET_SECRET": "a secret of this script for reset tokens",
    "VERIFY_SECRET": "a secret of this script for verify tokens",
}
KING = "king.arthur@camelot.bt"
BACKENDS = ("jwt", "db", "cookie")


def equal(found, expected, what):
    if found != expected:
        raise SystemExit(f"full profile: {what}: {found!r} instead of {expected!r}")


class Answer:
    def __init__(self, what, response):
        self.what = what
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def json(self):
        return json.loads(self.text)

    def its(self, status, body=None):
        """Compares status and, if given, body."""
        if self.status != status:
            raise SystemExit(f"full profile: {self.what}: {self.status} instead of {status}: {self.text}")
        if body is not None:
            equal(self.json(), body, self.what)
        return self


class App:
    """A running full profile in a folder of its own."""

    def __init__(self, strict, **settings):
        self.strict = strict
        self.folder = tempfile.TemporaryDirectory()
        self.tokens = os.path.join(self.folder.name, "tokens.jsonl")
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "RUST_LOG": "trace",
            "BIND": "127.0.0.1:0",
            "STRICT": str(int(strict)),
            "TOKENS_FILE": self.tokens,
            "SUPERUSER_EMAIL": KING,
            "SUPERUSER_PASSWORD": PASSWORD,
            "ACCESS_TOKEN_SECONDS": str(LIFETIME),
            **settings,
        }
        self.log = os.path.join(self.folder.name, "log")
        self.secrets = {PASSWORD, KING, *SECRETS.values()}
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([BINARY], cwd=self.folder.name, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)

    def __enter__(self):
        line = self.process.stdout.readline()
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line).group(1))
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        try:
            equal(self.process.wait(20), 0, "the exit code")
            if kind is None:
                self.tells_no_secret()
        finally:
            self.process.kill()
            self.folder.cleanup()

    def uses(self, fields):
        """Keeps in mind what is secret of a body or a form."""
        for name, value in fields.items() if isinstance(fields, dict) else ():
            if name in ("username", "email", "password", "current_password", "token", "access_token") and isinstance(value, str):
                self.secrets.add(value)

    def tells_no_secret(self):
        for line in self.lines():
            self.uses(line)
        known = os.path.join(self.folder.name, "secrets")
        with open(known, "w", encoding="utf-8") as file:
            file.writelines(f"{secret}\n" for secret in self.secrets)
        subprocess.run([LEAKS, known, self.log], check=True)

    def call(self, method, path, body=None, form=None, by=None, headers=None):
        headers = dict(headers or {})
        self.uses(form if form is not None else body)
        if form is not None:
            body = urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif body is not None and "Content-Type" not in headers:
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        headers.update(by or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, headers)
        answer = Answer(f"STRICT={int(self.strict)} {method} {path}", connection.getresponse())
        connection.close()
        return answer

    def register(self, email):
        answer = self.call("POST", "/auth/register", {"email": email, "password": PASSWORD})
        if not self.strict:
            return answer.its(201).json()
        equal(answer.its(202).text, "null", answer.what)
        return self.call("GET", "/users/me", by=self.session("db", email)).its(200).json()

    def login(self, backend, email, password=PASSWORD):
        return self.call("POST", f"/auth/{backend}/login", form={"username": email, "password": password})

    def session(self, backend, email, password=PASSWORD):
        """The headers that sign a request in."""
        answer = self.login(backend, email, password)
        if backend == "cookie":
            pair = answer.its(204).headers["Set-Cookie"].split(";")[0]
            self.secrets.add(pair.split("=", 1)[1])
            return {"Cookie": pair}
        token = answer.its(200).json()
        self.uses(token)
        equal((token["token_type"], token["expires_in"]), ("bearer", LIFETIME), answer.what)
        return {"Authorization": f"Bearer {token['access_token']}"}

    def lines(self):
        if not os.path.exists(self.tokens):
            return []
        with open(self.tokens, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def mailed(self, path, email):
        """Asks for a token and reads it from the one line that is new."""
        before = self.lines()
        self.call("POST", path, {"email": email}).its(202, json.loads("null"))
        new = self.lines()[len(before) :]
        kind = "reset" if path.endswith("forgot-password") else "verify"
        equal([(sorted(line), line["kind"], line["email"]) for line in new], [(["email", "kind", "token"], kind, email)], path)
        return new[0]["token"]

    def verify(self, email):
        token = self.mailed("/auth/request-verify-token", email)
        equal(self.call("POST", "/auth/verify", {"token": token}).its(200).json()["is_verified"], True, "verified")
        return token

    def refused(self, answer, status, code, reason=None):
        """A refusal with `code` beside `detail` where the profile is strict, and without where it is not."""
        detail = code if reason is None else {"code": code, "reason": reason}
        phrases = {"UNAUTHORIZED": "Unauthorized", "FORBIDDEN": "Forbidden", "NOT_FOUND": "Not Found", "TOO_MANY_REQUESTS": "Too Many Requests"}
        detail = phrases.get(code, detail)
        body = answer.its(status).json()
        equal(body["detail"], detail, answer.what)
        equal(body.get("code"), code if self.strict else None, f"{answer.what}: code")
        if not self.strict:
            equal(list(body), ["detail"], answer.what)


def people(app):
    """Everybody whom a guard may tell apart, with their sessions."""
    for name in ("plain", "inactive", "verified", "staff"):
        app.register(f"{name}@camelot.bt")
    app.verify("verified@camelot.bt")
    by = app.session("db", KING)
    staff = app.call("GET", "/users/me", by=app.session("db", "staff@camelot.bt")).json()
    app.call("PATCH", f"/users/{staff['id']}", {"is_superuser": True}, by=by).its(200)
    addresses = {name: f"{name}@camelot.bt" for name in ("plain", "inactive", "verified", "staff")}
    addresses["king"] = KING
    sessions = {name: {kind: app.session(kind, email) for kind in BACKENDS} for name, email in addresses.items()}
    # Over HTTP deactivation ends all sessions, so that nobody would be left to be let in by `any`.
    with sqlite3.connect(os.path.join(app.folder.name, "full-profile.sqlite")) as database:
        changed = database.execute("UPDATE users SET is_active = 0 WHERE email = ?", (addresses["inactive"],))
        equal(changed.rowcount, 1, "deactivated rows")
    database.close()
    return addresses, sessions


#                       nobody inactive plain verified staff king
GUARDS = {
    "any":                 (401, 200, 200, 200, 200, 200),
    "optional":            (None, None, 200, 200, 200, 200),
    "verified":            (401, 401, 403, 200, 403, 200),
    "superuser":           (401, 401, 403, 403, 200, 200),
    "verified-superuser":  (401, 401, 403, 403, 403, 200),
    "optional-superuser":  (None, None, None, None, 200, 200),
    "jwt-only":            (401, 401, 200, 200, 200, 200),
}
NAMES = ("nobody", "inactive", "plain", "verified", "staff", "king")


def guards(app):
    addresses, sessions = people(app)
    for name, column in zip(NAMES, zip(*GUARDS.values())):
        for backend in BACKENDS:
            by = sessions.get(name, {}).get(backend)
            for guard, expected in zip(GUARDS, column):
                answer = app.call("GET", f"/protected/{guard}", by=by)
                if guard == "jwt-only" and backend != "jwt" and expected == 200:
                    expected = 401
                if expected is None:
                    answer.its(200, {"email": None})
                elif expected == 200:
                    answer.its(200, {"email": addresses[name]})
                else:
                    app.refused(answer, expected, {401: "UNAUTHORIZED", 403: "FORBIDDEN"}[expected])
            answer = app.call("GET", "/authenticated-route", by=by)
            if name in ("nobody", "inactive"):
                app.refused(answer, 401, "UNAUTHORIZED")
            else:
                answer.its(200, {"message": f"Hello {addresses[name]}!"})
            app.call("GET", "/health", by=by).its(200)
    # A token works only on the backend it was issued by.
    cookie_name, cookie = sessions["king"]["cookie"]["Cookie"].split("=", 1)
    opaque = sessions["king"]["db"]["Authorization"].removeprefix("Bearer ")
    for by in ({"Authorization": f"Bearer {cookie}"}, {"Cookie": f"{cookie_name}={opaque}"}):
        app.refused(app.call("GET", "/users/me", by=by), 401, "UNAUTHORIZED")
    return sessions


def verified_mounts(app, sessions):
    plain, verified, staff, king = (sessions[name]["jwt"] for name in ("plain", "verified", "staff", "king"))
    app.refused(app.login("verified", "plain@camelot.bt"), 400, "LOGIN_USER_NOT_VERIFIED")
    by = app.session("verified", "verified@camelot.bt")
    app.call("GET", "/protected/jwt-only", by=by).its(200, {"email": "verified@camelot.bt"})
    app.refused(app.call("POST", "/auth/verified/logout", by=plain), 403, "FORBIDDEN")
    equal(app.call("POST", "/auth/verified/logout", by=by).its(204).text, "", "a logout")
    app.refused(app.call("GET", "/users/me", by=by), 401, "UNAUTHORIZED")

    me = app.call("GET", "/verified-users/me", by=verified).its(200).json()
    equal(sorted(me), ["email", "id", "is_active", "is_superuser", "is_verified"], "the user")
    equal(app.call("GET", "/users/me", by=verified).json(), me, "both mounts")
    for method, path, body in (("GET", "me", None), ("PATCH", "me", {}), ("GET", me["id"], None)):
        app.refused(app.call(method, f"/verified-users/{path}", body, by=plain), 403, "FORBIDDEN")
        app.refused(app.call(method, f"/verified-users/{path}", body), 401, "UNAUTHORIZED")
    app.call("PATCH", "/verified-users/me", {}, by=verified).its(200, me)
    app.refused(app.call("GET", f"/verified-users/{me['id']}", by=staff), 403, "FORBIDDEN")
    app.call("GET", f"/users/{me['id']}", by=staff).its(200, me)
    app.call("GET", f"/verified-users/{me['id']}", by=king).its(200, me)
    app.refused(app.call("GET", "/users/x", by=king), 404, "NOT_FOUND")


def tokens(app):
    email = "gareth@camelot.bt"
    user = app.register(email)
    equal(user, {"id": user["id"], "email": email, "is_active": True, "is_verified": False, "is_superuser": False}, "a new user")
    used = app.verify(email)
    app.refused(app.call("POST", "/auth/verify", {"token": used}), 400, "VERIFY_USER_ALREADY_VERIFIED")
    app.refused(app.call("POST", "/auth/verify", {"token": "x"}), 400, "VERIFY_USER_BAD_TOKEN")
    before = len(app.lines())
    for path in ("/auth/request-verify-token", "/auth/forgot-password"):
        app.call("POST", path, {"email": "nobody@camelot.bt"}).its(202)
    app.call("POST", "/auth/request-verify-token", {"email": email}).its(202)
    equal(len(app.lines()), before, "lines for nobody, and for who is verified")

    token = app.mailed("/auth/forgot-password", email)
    reset = lambda token, password: app.call("POST", "/auth/reset-password", {"token": token, "password": password})
    app.refused(reset(token, "short"), 400, "RESET_PASSWORD_INVALID_PASSWORD", "Password should be at least 8 characters")
    app.refused(reset("x", OTHER), 400, "RESET_PASSWORD_BAD_TOKEN")
    reset(token, OTHER).its(200)
    app.refused(reset(token, OTHER), 400, "RESET_PASSWORD_BAD_TOKEN")
    app.refused(app.login("jwt", email), 400, "LOGIN_BAD_CREDENTIALS")
    app.session("jwt", email, OTHER)


def passwords(app):
    def refused(email, password, reason):
        answer = app.call("POST", "/auth/register", {"email": email, "password": password})
        app.refused(answer, 400, "REGISTER_INVALID_PASSWORD", reason)

    short, address = "Password should be at least 8 characters", "Password should not contain e-mail"
    refused("kay@camelot.bt", "", short)
    refused("kay@camelot.bt", "1234567", short)
    refused("k@a.bt", "k@a.bt1", short)
    refused("kay@camelot.bt", "is kay@camelot.bt", address)
    common = "Password is one of those that are tried first"
    context = "Password should be more than your name, your e-mail or the name of this service"
    for index, (password, reason) in enumerate(
        (("password", common), ("12345678", common), ("        ", common), ("camelot2026", context), ("x" * 500, None))
    ):
        body = {"email": f"weak{index}@camelot.bt", "password": password}
        if app.strict and reason:
            refused(body["email"], password, reason)
        else:
            app.call("POST", "/auth/register", body).its(202 if app.strict else 201)
    answer = app.call("POST", "/auth/register", {"email": "Weak4@camelot.bt", "password": PASSWORD})
    if app.strict:
        equal(answer.its(202).text, "null", answer.what)
        last = app.lines()[-1]
        equal((last["kind"], last["email"]), ("reset", "weak4@camelot.bt"), "who has the address is told")
    else:
        app.refused(answer, 400, "REGISTER_USER_ALREADY_EXISTS")


def bodies(app):
    """What is wrong with a body, and where its media type is."""
    answer = app.call("POST", "/auth/register", "x", headers={"Content-Type": "text/plain"})
    answer.its(415 if app.strict else 422)
    answer = app.call("POST", "/auth/register", {"email": "x"}).its(422)
    fault = answer.json()["detail"]
    equal([error["loc"] for error in fault], [["body", "email"], ["body", "password"]], answer.what)
    equal("errors" in answer.json(), app.strict, f"{answer.what}: errors")
    equal(answer.json().get("code"), "VALIDATION_ERROR" if app.strict else None, f"{answer.what}: code")
    app.call("GET", "/auth/register").its(405)
    app.refused(app.call("GET", "/nothing"), 404, "NOT_FOUND")


def cookie(app):
    name = "__Host-fastapiusersauth" if app.strict else "fastapiusersauth"
    answer = app.login("cookie", KING).its(204)
    equal(answer.text, "", answer.what)

    def attributes(answer):
        pair, *rest = (part.strip() for part in answer.headers["Set-Cookie"].split(";"))
        return pair.split("=", 1), sorted(part.lower() for part in rest)

    (found, value), rest = attributes(answer)
    equal(found, name, "the cookie")
    equal(rest, sorted(["httponly", f"max-age={LIFETIME}", "path=/", "samesite=lax", "secure"]), "its attributes")
    by = {"Cookie": f"{name}={value}"}
    other_site = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    app.refused(app.call("POST", "/auth/cookie/logout", by=by, headers=other_site), 403, "CROSS_ORIGIN_REQUEST")
    (found, value), rest = attributes(app.call("POST", "/auth/cookie/logout", by=by).its(204))
    equal((found, value, "max-age=0" in rest), (name, "", True), "the cookie after logout")
    app.refused(app.call("GET", "/users/me", by=by), 401, "UNAUTHORIZED")


def present_password(app):
    email = "tristan@camelot.bt"
    app.register(email)
    by = app.session("db", email)
    changed = app.call("PATCH", "/users/me", {"password": OTHER}, by=by)
    if not app.strict:
        changed.its(200)
        app.call("POST", "/users/me/delete", by=by).its(204)
        return
    app.refused(changed, 400, "UPDATE_USER_INVALID_CURRENT_PASSWORD")
    app.refused(app.call("POST", "/users/me/delete", {}, by=by), 400, "DELETE_USER_INVALID_CURRENT_PASSWORD")
    app.call("PATCH", "/users/me", {"password": OTHER, "current_password": PASSWORD}, by=by).its(200)
    app.call("POST", "/users/me/delete", {"current_password": OTHER}, by=by).its(204)


def limits(app):
    """Guesses at one account are put off where the profile is strict, and the owner gets in by mail."""
    email = "lancelot@camelot.bt"
    app.register(email)
    statuses = [app.login(BACKENDS[number % 3], email, OTHER).status for number in range(101)]
    if not app.strict:
        equal(set(statuses), {400}, "wrong passwords without limits")
        return
    equal(statuses, [400] * statuses.count(400) + [429] * statuses.count(429), "wrong passwords")
    equal(1 <= statuses.count(400) <= 100, True, "how many wrong passwords are looked at")
    answer = app.login("jwt", email)
    app.refused(answer, 429, "TOO_MANY_REQUESTS")
    equal(int(answer.headers["Retry-After"]) > 0, True, "a time to come back")
    token = app.mailed("/auth/forgot-password", email)
    app.call("POST", "/auth/reset-password", {"token": token, "password": OTHER}).its(200)
    app.session("jwt", email, OTHER)
    asked = [app.call("POST", "/auth/forgot-password", {"email": email}).status for _ in range(40)]
    equal(asked.count(202) < 10, True, "mails to one address")
    unknown = [app.call("POST", "/auth/forgot-password", {"email": "nobody@camelot.bt"}).status for _ in range(40)]
    equal(429 in unknown, True, "mails to nobody")


def address(app):
    email, new = "bedivere@camelot.bt", "butler@camelot.bt"
    app.register(email)
    by = app.session("db", email)
    before = len(app.lines())
    shown = app.call("PATCH", "/users/me", {"email": new, "current_password": PASSWORD}, by=by).its(200).json()
    if not app.strict:
        equal((shown["email"], shown["is_verified"]), (new, False), "an address that changes at once")
        return
    equal(shown["email"], email, "an address that waits")
    lines = {line["kind"]: line for line in app.lines()[before:]}
    equal({kind: line["email"] for kind, line in lines.items()}, {"confirm_email_change": new, "undo_email_change": email}, "the mails")
    redeem = lambda what: app.call("POST", f"/auth/{what}-email-change", {"token": lines[f"{what}_email_change"]["token"]})
    shown = redeem("confirm").its(200).json()
    equal((shown["email"], shown["is_verified"]), (new, True), "a confirmed address")
    app.refused(redeem("confirm"), 400, "CHANGE_EMAIL_BAD_TOKEN")
    app.refused(app.call("GET", "/users/me", by=by), 401, "UNAUTHORIZED")
    redeem("undo").its(200)
    app.refused(redeem("undo"), 400, "CHANGE_EMAIL_BAD_TOKEN")
    app.refused(app.login("db", email), 400, "LOGIN_BAD_CREDENTIALS")
    token = app.mailed("/auth/forgot-password", email)
    app.call("POST", "/auth/reset-password", {"token": token, "password": OTHER}).its(200)
    app.session("db", email, OTHER)


def json_web_token(app):
    """A JWT is one of FastAPI-Users: its secret, its audience, its lifetime."""
    token = app.session("jwt", KING)["Authorization"].removeprefix("Bearer ")
    header, claims, signature = token.split(".")
    decoded = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    equal(json.loads(decoded(header))["alg"], "HS256", "the algorithm")
    secret = SECRETS["AUTH_JWT_SECRET"].encode()
    digest = hmac.new(secret, f"{header}.{claims}".encode(), hashlib.sha256).digest()
    equal(decoded(signature), digest, "the signature")
    claims = json.loads(decoded(claims))
    equal(claims["aud"], ["fastapi-users:auth"], "the audience")
    late = claims["exp"] - time.time() - LIFETIME
    equal(-60 < late < 2, True, "the lifetime")


def document(app):
    document = app.call("GET", "/openapi.json").its(200).json()
    ids = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]
    equal(len(ids), len(set(ids)), "operation ids")
    for path in ("/auth/verified/login", "/verified-users/me", "/protected/jwt-only", "/health"):
        equal(path in document["paths"], True, path)
    equal("<html" in app.call("GET", "/docs/").its(200).text.lower(), True, "the docs page")


def refuses_to_start(**settings):
    environment = {"PATH": os.environ.get("PATH", ""), "BIND": "127.0.0.1:0", **settings}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([BINARY], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    equal((done.returncode, "AUTH_JWT_SECRET is required" in done.stderr), (1, True), f"a start with {settings}")


def everything(app):
    verified_mounts(app, guards(app))
    tokens(app)
    passwords(app)
    bodies(app)
    cookie(app)
    present_password(app)
    address(app)
    limits(app)
    document(app)


with App(strict=False) as app:
    everything(app)
with App(strict=True, TOKEN_PREFIX="camelot_", LIMIT_PER_CLIENT="100000", **SECRETS) as app:
    everything(app)
    json_web_token(app)
    bearer = app.session("db", KING)["Authorization"]
    equal(bearer.startswith("Bearer camelot_"), True, "the prefix of opaque tokens")
refuses_to_start(STRICT="1")
refuses_to_start(BIND="0.0.0.0:0")
print("the full profile is what its profile says")
