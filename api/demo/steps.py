"""The steps of the demonstration in their order; each module beside holds the functions of one part."""

from __future__ import annotations

from api.demo import asking, billing, closing, money, network, payments, reading, receiving
from api.demo.trial import StepFunction

STEPS: tuple[tuple[str, str, StepFunction], ...] = (
    ("receive", "The day comes in over MLLP; nothing is acknowledged before it is kept", receiving.receive),
    ("translate", "Every message is worked in its patient's lane; faults are told apart", receiving.translate),
    ("fhir", "The day is read back over FHIR with a token", reading.read_back),
    ("laboratory", "Orders go out to the laboratory, results come back and find their order", billing.laboratory),
    ("eligibility", "The payers are asked whether they cover the day's patients", asking.eligibility),
    ("authorise", "Images and stays are authorised; admissions and discharges are told", asking.authorise),
    ("bill", "Charges become guides of all five kinds, guides become batches for two payers", billing.close),
    ("check", "Every batch is checked against schema and rules, hashed, and signed where asked", billing.check_batches),
    ("deliver", "The batches are delivered by SOAP and get their protocol", billing.deliver),
    ("beside", "A document goes to its guide, a request is taken back, senhas stand on the guides", asking.beside),
    ("statement", "The payers' statements come back and reconcile to the cent", billing.statements),
    ("appeal", "Denials are listed and appealed, and the decisions come back", billing.appeal),
    ("payment", "The payers pay, one by statement, one by a portal's CSV; nothing stays due", payments.receive),
    ("claims", "Guides, answers and statements are read back over FHIR and agree to the cent", money.read_back),
    ("network", "Records become documents of the national network, and a correction replaces one", network.documents),
    ("exchange", "Nothing waits, nothing failed; the partners took exactly what was delivered", closing.exchange),
    (
        "audit",
        "The audit chain is sealed and holds; no patient data in a log or on the first page",
        closing.audit_and_logs,
    ),
)
