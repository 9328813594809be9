"""What callers of /api/v1/tiss say of a request to a payer: whom it is about, items, annexes. Strict, with examples."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from hub.requests import authorisation
from hub.requests.authorisation import Item
from hub.requests.matter import Named

RecordId = Annotated[str, Field(pattern=r"^([A-Za-z0-9.\-]{1,64})?$")]
Text = Annotated[str, Field(max_length=1000)]
Short = Annotated[str, Field(max_length=70)]
Code = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{0,10}$")]
Table = Annotated[str, Field(pattern=r"^(00|18|19|20|22|90|98)$", examples=["22"])]
Count = Annotated[int, Field(ge=0, le=9999)]
Amount = Annotated[Decimal, Field(gt=0, lt=10000, decimal_places=2)]
Diagnoses = Annotated[list[Annotated[str, Field(pattern=r"^[A-Z][0-9]{2}[0-9A-Z]?$")]], Field(max_length=4)]


class Strict(BaseModel):
    """A body without unknown members."""

    model_config = ConfigDict(extra="forbid")


class Whom(Strict):
    """Whom a request is about: patient, encounter or coverage lead to the others; `payer` chooses one."""

    patient: RecordId = Field(default="", examples=["p-001"])
    encounter: RecordId = ""
    coverage: RecordId = ""
    payer: str = Field(default="", pattern=r"^([0-9]{6})?$", examples=["999806"])

    @property
    def named(self) -> Named:
        """As the hub takes it."""
        return Named(patient=self.patient, encounter=self.encounter, coverage=self.coverage, payer=self.payer)


class EligibilityWish(Whom):
    """Whose membership is asked about; `token` is the patient's código de validação, `absence` why there is none."""

    token: str = Field(default="", max_length=10)
    absence: str = Field(default="", pattern=r"^(0[1-7])?$")


class ItemWish(Strict):
    """A procedure that no order tells of; tooth, region, faces and cents are for dental treatment."""

    table: Table
    code: Code = Field(min_length=1, examples=["40304361"])
    quantity: int = Field(default=1, ge=1, le=999)
    description: str = Field(default="", max_length=150)
    tooth: str = Field(default="", pattern=r"^([1-8][1-8])?$")
    region: str = Field(default="", pattern=r"^[A-Z]{0,4}$")
    faces: str = Field(default="", pattern=r"^[DLMOPVIC]{0,5}$")
    cents: int | None = Field(default=None, ge=0, le=10**10)

    @property
    def item(self) -> Item:
        """As the hub takes it."""
        told = self.model_dump()
        return Item(**{**told, "quantity": str(self.quantity)})


class OpmeItem(Strict):
    """One implant or special material, with the order of preference of its manufacturer (`option`)."""

    table: Table = "19"
    code: Code = Field(min_length=1)
    description: str = Field(default="", max_length=150)
    option: Literal["1", "2", "3"] = "1"
    quantity: int = Field(ge=1, le=999)
    cents: int | None = Field(default=None, ge=0, le=10**10)
    anvisa: str = Field(default="", max_length=15)
    manufacturer_reference: str = Field(default="", max_length=60)
    operating_licence: str = Field(default="", max_length=30)


class OpmeAnnex(Strict):
    """OPME: implants and special materials with their technical justification."""

    kind: Literal["opme"]
    justification: Text = Field(min_length=1)
    specification: Text = ""
    note: Text = ""
    items: list[OpmeItem] = Field(min_length=1, max_length=100)


class _Oncology(Strict):
    diagnosed_on: datetime.date | None = None
    diagnoses: Diagnoses = Field(default_factory=list)
    staging: Literal["0", "1", "2", "3", "4", "5"]
    purpose: Literal["1", "2", "3", "4", "5"]
    ecog: Literal["0", "1", "2", "3", "4"]
    histopathology: Text = ""
    relevant: Text = ""
    surgery: str = Field(default="", max_length=40)
    surgery_on: datetime.date | None = None
    note: Text = ""


class Drug(Strict):
    """One drug of a cycle: doses in `unit` (table 60), by `route` (table 62), so many times a day."""

    table: Table = "20"
    code: Code = Field(min_length=1)
    description: str = Field(default="", max_length=150)
    on: datetime.date
    doses: Amount
    unit: str = Field(pattern=r"^[0-9]{3}$")
    route: str = Field(pattern=r"^[0-9]{2}$")
    frequency: int = Field(ge=1, le=99)


class ChemotherapyAnnex(_Oncology):
    """Quimioterapia; weight (kg), height (cm) and surface (m²) come from observations where they are not told."""

    kind: Literal["quimio"]
    weight: Amount | None = None
    height: Amount | None = None
    surface: Amount | None = None
    tumour: str = Field(pattern=r"^[1-9]$")
    node: str = Field(pattern=r"^[1-9]$")
    metastasis: str = Field(pattern=r"^[1-9]$")
    line: Literal["1", "2", "3", "4"]
    plan: Text = Field(min_length=1)
    irradiated: str = Field(default="", max_length=40)
    irradiated_on: datetime.date | None = None
    cycles: Count
    cycle: Count
    cycle_days: Count
    interval: Count
    items: list[Drug] = Field(min_length=1, max_length=100)


class RadiotherapyAnnex(_Oncology):
    """Radioterapia; doses in cGy."""

    kind: Literal["radio"]
    imaging: str = Field(default="", pattern=r"^[1-6]?$")
    chemotherapy: str = Field(default="", max_length=40)
    chemotherapy_on: datetime.date | None = None
    fields: Count
    field_dose: Count
    total_dose: Count
    days: Count
    starts_on: datetime.date


class Tooth(Strict):
    """A tooth and its state: A missing, E to be extracted, H sound, C carious, R restored."""

    tooth: str = Field(pattern=r"^[1-8][1-8]$")
    condition: Literal["A", "E", "H", "C", "R"]


class TeethAnnex(Strict):
    """Situação inicial: the state of the teeth before a treatment."""

    kind: Literal["situacao-inicial"]
    periodontal: bool
    soft_tissue: bool
    note: Text = ""
    items: list[Tooth] = Field(min_length=1, max_length=52)


Annex = Annotated[OpmeAnnex | ChemotherapyAnnex | RadiotherapyAnnex | TeethAnnex, Field(discriminator="kind")]


def annex(wish: Annex) -> dict[str, Any]:
    """An annex as the hub takes it: texts by name, without what is not told."""
    told = wish.model_dump(mode="json", exclude_none=True)
    return {name: _plain(value) for name, value in told.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value


class AuthorisationWish(Whom):
    """What is to be authorised: orders (ServiceRequest ids), or items, or a stay; the rest is what no record tells.

    `detail` is chosen by the visit's class when it is empty; `main_number` is the guide a prorrogação refers to.
    """

    detail: Literal["", "sp-sadt", "internacao", "prorrogacao", "odonto"] = ""
    orders: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9.\-]{1,64}$")]] = Field(default_factory=list, max_length=100)
    items: list[ItemWish] = Field(default_factory=list, max_length=100)
    annexes: list[Annex] = Field(default_factory=list, max_length=3)
    indication: Annotated[str, Field(max_length=500)] = ""
    note: Text = ""
    days: int | None = Field(default=None, ge=1, le=99)
    from_date: datetime.date | None = None
    until_date: datetime.date | None = None
    stay_kind: str = Field(default="", pattern=r"^[1-5]?$")
    accommodation: str = Field(default="", pattern=r"^([0-9]{2})?$")
    main_number: str = Field(default="", max_length=20)
    stage: Literal["", "1", "2"] = ""
    character: Literal["", "1", "2"] = ""
    special: Literal["", "01", "02", "03"] = ""
    token: str = Field(default="", max_length=10)
    absence: str = Field(default="", pattern=r"^(0[1-7])?$")
    odonto_kind: str = Field(default="", pattern=r"^[1-5]?$")
    plan: str = Field(default="", max_length=40)
    phone: str = Field(default="", pattern=r"^[0-9]{0,11}$")
    email: str = Field(default="", max_length=60)

    @property
    def values(self) -> dict[str, str]:
        """What no record tells, as texts."""
        records = {"patient", "encounter", "coverage", "payer", "detail", "orders", "items", "annexes"}
        told = self.model_dump(mode="json", exclude=records, exclude_none=True)
        return {name: str(value) for name, value in told.items() if value != ""}

    @property
    def wish(self) -> authorisation.Wish:
        """As the hub takes it."""
        return authorisation.Wish(
            named=self.named,
            detail=self.detail,
            orders=tuple(self.orders),
            items=tuple(one.item for one in self.items),
            annexes=tuple(annex(one) for one in self.annexes),
            values=self.values,
        )


class StayWish(Strict):
    """The visit whose admission (I) or discharge (A) is told; without `event` a finished visit tells its discharge."""

    encounter: RecordId = Field(min_length=1, examples=["v-001"])
    payer: str = Field(default="", pattern=r"^([0-9]{6})?$")
    event: Literal["", "I", "A"] = ""
    stay_kind: str = Field(default="", pattern=r"^[1-5]?$")
    ending: str = Field(default="", pattern=r"^([1-6][0-9])?$")


class CancelWish(Strict):
    """What the payer is to cancel: sent guides, requests for authorisation, or one batch; `note` is kept here."""

    guides: list[UUID] = Field(default_factory=list, max_length=100)
    requests: list[UUID] = Field(default_factory=list, max_length=100)
    batch: UUID | None = None
    note: Annotated[str, Field(max_length=500)] = ""


class DocumentWish(Strict):
    """A document of a guide or of a request: a stored DocumentReference, or its content in Base64 (up to 20 MB).

    `kind` is tipoDocumento (01 to 17), `format` formatoDocumento (01 to 09; else by the content's type).
    """

    guide: UUID | None = None
    request: UUID | None = None
    document: RecordId = Field(default="", examples=["laudo-001"])
    content: str = Field(default="", max_length=28 * 1024 * 1024, pattern=r"^[A-Za-z0-9+/=]*$")
    content_type: str = Field(default="", max_length=100, examples=["application/pdf"])
    kind: str = Field(pattern=r"^(0[1-9]|1[0-7])$", examples=["02"])
    format: str = Field(default="", pattern=r"^(0[1-9])?$")
    item: int | None = Field(default=None, ge=1, le=9999)
    note: Annotated[str, Field(max_length=500)] = ""


class StatementWish(Strict):
    """Which statement a payer is asked for: `analise` of protocols, `pagamento` or `odonto` of a day or a month."""

    payer: str = Field(pattern=r"^[0-9]{6}$", examples=["999806"])
    kind: Literal["analise", "pagamento", "odonto"] = "analise"
    protocols: list[Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,12}$")]] = Field(default_factory=list, max_length=600)
    paid_on: datetime.date | None = None
    competence: str = Field(default="", pattern=r"^([0-9]{4}(0[1-9]|1[0-2]))?$", examples=["202611"])


class AnnexWish(Strict):
    """An annex to a request for authorisation that was sent before."""

    request: UUID
    annex: Annex
    phone: str = Field(default="", pattern=r"^[0-9]{0,11}$")
    email: str = Field(default="", max_length=60)
