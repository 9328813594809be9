"""The page that takes files of any system: what it says, what it gives back, and that it keeps nothing."""

from __future__ import annotations

import base64
import io
import re
import zipfile

import httpx
from billing_day import rows

from hub.world import Tenant, World
from tests.api.console.test_console import enter, plain
from tests.api.tiss.test_tiss_files import lote

PAGE = "/console/files"
KEPT = "SELECT (SELECT count(*) FROM message WHERE tenant_id = $1) + (SELECT count(*) FROM audit_event WHERE tenant_id = $1)"


def zipped(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return made.getvalue()


def body(raw: bytes) -> bytes:
    """What stands behind the declaration."""
    return raw.partition(b"?>")[2].strip()


def returned(page: str) -> list[dict[str, str]]:
    """The forms that carry a file to be repaired, as their fields."""
    found = re.findall(r'name="name" value="([^"]*)">\s*<input type="hidden" name="content" value="([^"]*)"', page)
    return [{"name": name, "content": content} for name, content in found]


async def test_files_are_judged_and_given_back_repaired(
    browser: httpx.AsyncClient,
    world: World,
    tenant: Tenant,
) -> None:
    raw = await lote(world, tenant, 1)
    wrong = raw.replace(b"<ans:valorTotalGeral>", b"<ans:valorTotalGeral>1", 1)
    await enter(browser, world, tenant)
    before = await rows(world, tenant, KEPT)
    dropped = [
        ("file", ("C:\\lotes\\errado.xml", wrong, "text/xml")),
        ("file", ("certo.xml", raw, "text/xml")),
        ("file", ("lotes.zip", zipped(a_xml=wrong, b_xml=raw[:700], capa_pdf=b"%PDF"), "application/zip")),
        ("other", ("x.xml", raw, "text/xml")),
    ]
    answer = await browser.post(PAGE, files=dropped)
    told = plain(answer.text)
    assert answer.status_code == 200 and "<script" not in answer.text and "x.xml" not in told
    assert "errado.xml não deve ser enviado" in told and "certo.xml pode ser enviado" in told
    assert "lotes.zip/b.xml não é uma mensagem TISS legível" in told and "linha 1, coluna" in told
    assert "sum.total · glosa 5042" in told and "O Ponte corrige: total da guia recalculado" in told
    first, second = returned(answer.text)
    assert (first["name"], second["name"]) == ("errado.xml", "lotes.zip")
    one = await browser.post(f"{PAGE}/repaired", files={name: (None, value) for name, value in first.items()})
    assert one.headers["content-disposition"] == 'attachment; filename="corrigido-errado.xml"'
    assert body(one.content) == body(raw)
    many = await browser.post(f"{PAGE}/repaired", files={name: (None, value) for name, value in second.items()})
    with zipfile.ZipFile(io.BytesIO(many.content)) as archive:
        assert archive.namelist() == ["a.xml", "b.xml"] and archive.read("b.xml") == raw[:700]
        assert body(archive.read("a.xml")) == body(raw)
    assert await rows(world, tenant, KEPT) == before
    english = await browser.post(f"{PAGE}?lang=en", files=dropped[:1])
    assert "must not be sent" in plain(english.text)


async def test_what_is_no_form_of_ours_is_told(
    browser: httpx.AsyncClient,
    world: World,
    tenant: Tenant,
) -> None:
    await enter(browser, world, tenant)
    assert "Nenhum arquivo veio" in (await browser.post(PAGE, files={"file": ("", b"")})).text
    for body, kind in (
        (b"x", "text/plain"),
        (b"x", "multipart/form-data; boundary=a"),
        (b"--a", "multipart/form-data"),
    ):
        for place in (PAGE, f"{PAGE}/repaired"):
            answer = await browser.post(place, content=body, headers={"content-type": kind})
            assert answer.status_code == 400 and "<form" in answer.text
    bad = await browser.post(f"{PAGE}/repaired", files={"content": (None, "%%%")})
    assert bad.status_code == 400
    none = await browser.post(f"{PAGE}/repaired", files={"content": (None, base64.b64encode(b"<a/>").decode())})
    assert none.status_code == 422 and "não é uma mensagem TISS" in none.text
    large = await browser.post(
        PAGE, content=b"", headers={"content-type": "multipart/form-data; boundary=a", "content-length": "99999999"}
    )
    assert large.status_code == 413
    crowd = await browser.post(PAGE, files=[("file", (f"{n}.xml", b"")) for n in range(301)])
    assert crowd.status_code == 413


async def test_only_a_session_of_this_site_may_drop_files(
    stranger: httpx.AsyncClient,
    browser: httpx.AsyncClient,
    world: World,
    tenant: Tenant,
) -> None:
    for place in (PAGE, f"{PAGE}/repaired"):
        assert (await stranger.post(place, files={"file": ("a.xml", b"<a/>")})).status_code == 401
    assert (await stranger.get(PAGE)).status_code == 401
    await enter(browser, world, tenant)
    foreign = await browser.post(PAGE, files={"file": ("a.xml", b"<a/>")}, headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
