"""A small HTTP/1.1 load generator over keep-alive connections: requests are ready bytes, answers only counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.measure import Measure, middle


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Answers per second, and how long single ones took (milliseconds)."""

    rate: float
    p50: float
    p95: float
    p99: float


def figures(
    name: str, rounds: Sequence[tuple[Load, Load]], *, unit: str, floor_name: str, per_request: int = 1
) -> list[Measure]:
    """The rate and the percentiles of the round (ours, floor) with the median ratio.

    Percentiles stand as 1000 / milliseconds, so that larger is faster for them too.
    """
    ours, floor = middle(rounds, lambda pair: pair[0].rate / pair[1].rate)
    parts = (("p50", ours.p50, floor.p50), ("p95", ours.p95, floor.p95), ("p99", ours.p99, floor.p99))
    return [
        Measure(
            name=name,
            value=ours.rate * per_request,
            unit=unit,
            floor=floor.rate * per_request,
            floor_name=floor_name,
        ),
        *(
            Measure(name=f"{name}-{part}", value=1000 / own, unit="1000/ms", floor=1000 / bare, floor_name=floor_name)
            for part, own, bare in parts
        ),
    ]


def get(path: str, token: str) -> bytes:
    """A GET request."""
    lines = (f"GET {path} HTTP/1.1", "Host: hub", f"Authorization: Bearer {token}", "Accept: application/fhir+json")
    return "\r\n".join((*lines, "", "")).encode()


def post(path: str, token: str, body: bytes) -> bytes:
    """A POST request with a JSON body."""
    lines = (
        f"POST {path} HTTP/1.1", "Host: hub", f"Authorization: Bearer {token}", "Accept: application/fhir+json",
        "Content-Type: application/fhir+json", "Prefer: return=minimal", f"Content-Length: {len(body)}",
    )  # fmt: skip
    return "\r\n".join((*lines, "", "")).encode() + body


async def run(port: int, requests: list[bytes], *, connections: int = 16, seconds: float = 3.0) -> Load:
    """Send `requests` in turn over `connections` for `seconds`; raises ValueError for an answer that is no success."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    start = time.perf_counter()
    await asyncio.gather(*(_connection(port, requests[n:] + requests[:n], end, times) for n in range(connections)))
    took = time.perf_counter() - start
    times.sort()
    at = [times[min(len(times) - 1, int(len(times) * part))] * 1000 for part in (0.5, 0.95, 0.99)]
    return Load(rate=len(times) / took, p50=at[0], p95=at[1], p99=at[2])


async def _connection(port: int, requests: list[bytes], end: float, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    turn = 0
    try:
        while (began := time.perf_counter()) < end:
            writer.write(requests[turn % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 20"):
                raise ValueError(head.split(b"\r\n", 1)[0].decode("latin-1"))
            length = head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
            times.append(time.perf_counter() - began)
            turn += 1
    finally:
        writer.close()
