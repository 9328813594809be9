"""Profiles are read strictly, found by name, and each has a case; partners take their settings from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import registry
from canonical.errors import Misconfigured
from hub.exchange.out.delivery import Policy
from hub.exchange.partners import merged

CASES = Path(__file__).resolve().parents[1] / "cases"
GOOD = 'title = "X"\nspeaks = "hl7 2.5.1"\n[transport]\nkind = "mllp"\n'


@pytest.mark.parametrize("name", sorted(registry.profiles()))
def test_every_profile_has_a_case(name: str) -> None:
    folder = CASES / {"payer": "payers", "lab": "labs", "network": "networks"}[registry.profile(name).kind] / name
    assert folder.is_dir() and any(path.is_dir() for path in folder.iterdir()), (
        f"add {folder.relative_to(CASES.parent)}/<what-it-shows>/ with a captured exchange, every person invented"
    )


def test_the_scan_finds_every_kind() -> None:
    kinds = {profile.kind for profile in registry.profiles().values()}
    assert kinds == {"payer", "lab", "network"}
    with pytest.raises(Misconfigured):
        registry.profile("nobody")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace('title = "X"\n', ""), "title is missing"),
        (GOOD.replace('"mllp"', '"pigeon"'), "transport kind"),
        (GOOD + 'pool = "x"\n', "knows no pool"),
        ("extra = 1\n" + GOOD, "unknown key extra"),
        ('quirks = ["speaks-in-riddles"]\n' + GOOD, "unknown quirks"),
        (GOOD + "[retry]\nattempts = true\n", "retry attempts"),
        (GOOD + '[retry]\nthen = "explode"\n', "retry then"),
        (GOOD.replace('"X"', "7"), "must be text"),
    ],
)
def test_a_wrong_profile_names_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "exemplo.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"exemplo.toml: .*{says}"):
        registry.load(path, "lab")


PAYER = 'title = "X"\nspeaks = "tiss 4.03.00"\n[transport]\nkind = "soap"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[levels]\n"sum.total" = "warning"\n"sum.nothing" = "error"\n', ":7: levels.sum.nothing is no code"),
        ('[levels]\n"sum.total" = "loud"\n', ":6: levels.sum.total must be one of"),
        ("[contract]\ndays = 60\nlargest = 1\n", ":7: contract.largest is unknown"),
        ('[until]\n"4.02.00" = "soon"\n', ":6: until.4.02.00 must be a day"),
        ("[contrato]\ndays = 60\n", ":5: contrato is unknown"),
    ],
)
def test_a_wrong_contract_of_a_payer_names_file_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "exemplo.toml"
    path.write_text(PAYER + text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"exemplo.toml{says}"):
        registry.load(path, "payer")


def test_own_settings_lie_over_the_profile() -> None:
    settings = merged("demo_lab", {"transport": {"port": 99}, "allow_private": True})
    assert settings["transport"]["port"] == 99 and settings["transport"]["kind"] == "mllp"
    assert settings["transport"]["timeout_s"] == 20 and settings["allow_private"] is True
    assert Policy.of(settings).attempts == 40 and Policy.of({}) == Policy()
    assert merged("", {"a": 1}) == {"a": 1}
