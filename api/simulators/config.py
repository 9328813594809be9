"""What the process of the simulators is told: its ports, and where the lab sends its results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from canonical.errors import Misconfigured

VARIABLE = "PONTE_SIMULATOR_CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Ports of the simulators, where the lab sends its results, and where the TLS files of RNDS lie."""

    http_port: int
    lab_port: int
    results_host: str
    results_port: int
    lab_delay_s: float = 0.3
    rnds_auth_port: int = 0
    rnds_ehr_port: int = 0
    rnds_folder: str = ""

    def as_json(self) -> str:
        """The value of the variable that hands this to the process."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Config:
        """The configuration of this process; raises Misconfigured."""
        try:
            return cls(**json.loads(environment[VARIABLE]))
        except (KeyError, ValueError, TypeError):
            raise Misconfigured(f"{VARIABLE} must hold the simulators' ports as JSON") from None
