"""The reference of the API as a page of ours, and the headers of every answer."""

from __future__ import annotations

import re

import httpx


async def test_the_reference_of_the_api_and_safe_headers(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/docs?lang=pt")
    assert page.status_code == 200 and "POST /api/v1/persons/block" in page.text and "<script" not in page.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text), "nothing of another site"
    for path in (
        "/fhir/Patient",
        "/api/v1/users",
        "/nothing",
        "/health/live",
        "/console/login",
        "/openapi.json",
        "/docs",
    ):
        headers = (await stranger.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store", path
        assert "default-src 'none'" in headers["content-security-policy"], path
    assert (await stranger.get("/fhir/metadata")).headers["cache-control"] == "no-cache", "its own word stays"
