"""A hub that cannot reach its database says why in a sentence, names the setting to look at, and shows no address."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import peers
import pytest

from canonical.errors import Misconfigured
from hub.store import migrate
from hub.store.database import Database

CASES = {
    "wrong password": (lambda url: url._replace(netloc=f"ponte_app:wrong-secret@{url.netloc.split('@')[1]}"), "does not take the role or its password"),
    "unknown role": (lambda url: url._replace(netloc=f"nobody-here:wrong-secret@{url.netloc.split('@')[1]}"), "does not take the role or its password"),
    "unknown database": (lambda url: url._replace(path="/absent-secret"), "no database of that name"),
    "nobody listens": (lambda url: url._replace(netloc=f"a:b@127.0.0.1:{peers.dead_port()}"), "nobody listens"),
    "unknown host": (lambda url: url._replace(netloc="a:b@host-secret.invalid"), "host name is not known"),
    "no address": (lambda url: url._replace(scheme="host-secret"), "not of the form postgresql://"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_the_reason_is_told(cluster: Any, case: str) -> None:
    change, said = CASES[case]
    url = change(urlsplit(cluster[0].database_url)).geturl()
    with pytest.raises(Misconfigured) as caught:
        await Database.open(url, size=1)
    assert said in caught.value.text and caught.value.text.endswith("check PONTE_DATABASE_URL")
    with pytest.raises(Misconfigured) as caught:
        await migrate.upgrade(url)
    assert said in caught.value.text and caught.value.text.endswith("check PONTE_OWNER_DATABASE_URL")
    assert "secret" not in caught.value.text and "127.0.0.1" not in caught.value.text
