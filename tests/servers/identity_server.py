"""A small OpenID provider of a hospital, with faults: signs people in without asking, and says what it is told to say."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PERSON = {"sub": "s-1", "preferred_username": "Ana.Teste@hospital.example", "name": "Ana Teste", "groups": ["ti"]}


@cache
def key_of(name: str) -> Any:
    """A key pair, made once for all tests of a run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """One provider on a port of its own. `said` replaces claims, `header` header fields, `fault` names what goes wrong:
    `none`, `hs256`, `strange-key`, `retired-key`, `html`, `refuse`, `redirect`; `person` is who signs in."""

    def __init__(self, client_id: str = "ponte", secret: str = "") -> None:
        self.client_id, self.secret, self.fault = client_id, secret, ""
        self.person: dict[str, Any] = dict(PERSON)
        self.said: dict[str, Any] = {}
        self.issued: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.stranger = key_of("stranger")
        self.rotate("first")
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.get(self)

            def do_POST(self) -> None:
                outer.post(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realm"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def rotate(self, kid: str) -> None:
        """A new key; the old one is no longer published."""
        self.retired = (getattr(self, "kid", ""), getattr(self, "key", None))
        self.kid, self.key = kid, key_of(kid)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def get(self, request: http.server.BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        self.asked.append(parts.path)
        if parts.path == "/realm/.well-known/openid-configuration":
            places = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "keys"}
            document = {name: f"{self.issuer}/{place}" for name, place in places.items()}
            _answer(request, {"issuer": self.said.get("discovered", self.issuer), **document})
        elif parts.path == "/realm/keys":
            _answer(request, {"keys": [*self._keys()]})
        elif parts.path == "/realm/auth":
            query = dict(parse_qsl(parts.query))
            if self.fault == "refuse":
                back = {"error": "access_denied", "state": query["state"]}
            else:
                code = secrets.token_urlsafe(16)
                self.issued[code] = query
                back = {"code": code, "state": query["state"], "iss": self.said.get("answered", self.issuer)}
            request.send_response(302)
            request.send_header("location", f"{query['redirect_uri']}?{urlencode(back)}")
            request.end_headers()
        else:
            request.send_error(404)

    def _keys(self) -> list[dict[str, Any]]:
        found = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key())), "kid": self.kid, "use": "sig"}
        other = ec.generate_private_key(ec.SECP521R1()).public_key()
        strange = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(other)), "kid": "curve"}
        return [
            {**found, "kid": "for-encryption", "use": "enc", "alg": "RSA-OAEP"},
            strange,
            {"kty": "oct", "kid": "x"},
            found,
        ]

    def post(self, request: http.server.BaseHTTPRequestHandler) -> None:
        form = {
            k: v[0] for k, v in parse_qs(request.rfile.read(int(request.headers["content-length"])).decode()).items()
        }
        self.asked.append(urlsplit(request.path).path)
        asked = self.issued.pop(form.get("code", ""), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        same = asked is not None and (proof, form["redirect_uri"], form["client_id"]) == (
            asked["code_challenge"], asked["redirect_uri"], self.client_id,
        )  # fmt: skip
        if not same or asked is None or asked["code_challenge_method"] != "S256" or not self._knows(request):
            _answer(request, {"error": "invalid_grant"}, 400)
        elif self.fault == "html":
            _answer(request, "<html>Ana Teste</html>")
        elif self.fault == "redirect":
            request.send_response(302)
            request.send_header("location", "http://169.254.169.254/")
            request.end_headers()
        else:
            _answer(request, {"access_token": "x", "token_type": "Bearer", "id_token": self._token(asked)})

    def _knows(self, request: http.server.BaseHTTPRequestHandler) -> bool:
        scheme, _, told = request.headers.get("authorization", "").partition(" ")
        if not self.secret:
            return not scheme
        named = base64.b64decode(told).decode() if scheme == "Basic" else ""
        return [unquote_plus(part) for part in named.split(":")] == [self.client_id, self.secret]

    def _token(self, asked: Mapping[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": self.client_id, "iat": now, "exp": now + 300, "nonce": asked["nonce"], **self.person,
        }  # fmt: skip
        claims = {k: v for k, v in {**claims, **self.said.get("claims", {})}.items() if v is not None}
        header = {"kid": self.kid, **self.said.get("header", {})}
        if self.fault == "none":
            return jwt.encode(claims, None, "none", header)  # type: ignore[arg-type]
        if self.fault == "hs256":
            return jwt.encode(claims, "x" * 64, "HS256", header)
        if self.fault == "retired-key":
            return jwt.encode(claims, self.retired[1], "RS256", {"kid": self.retired[0]})
        key = self.stranger if self.fault == "strange-key" else self.key
        return jwt.encode(claims, key, "RS256", header)


def _answer(request: http.server.BaseHTTPRequestHandler, document: Any, status: int = 200) -> None:
    content = (document if isinstance(document, str) else json.dumps(document)).encode()
    request.send_response(status)
    request.send_header("content-type", "application/json")
    request.send_header("content-length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
