"""The ways in: a message profile read from its files, and a message judged by it."""

from __future__ import annotations

from hl7.profiles import nist, standard
from hl7.profiles.judging import Lists, judge
from hl7.profiles.parts import BadProfile, Part, Profile, parsed


def read(raw: bytes, *more: bytes) -> Profile:
    """The profile in `raw`; raises BadProfile.

    It is an HL7v2xConformanceProfile or HL7v2xStaticDef, or a ConformanceProfile of NIST's tools, which may have `more`
    files: its conditions and constraints, its value sets and their bindings, its co-constraints.
    """
    root, others = parsed(raw), [parsed(each) for each in more]
    if nist.is_one(root):
        return nist.read(root, others)
    if others:
        raise BadProfile("only a ConformanceProfile has files beside it")
    return standard.read(root)


__all__ = ["BadProfile", "Lists", "Part", "Profile", "judge", "read"]
