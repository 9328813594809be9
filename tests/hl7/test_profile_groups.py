"""Message profiles: rules of groups and messages, co-constraints, bindings of values in a file apart (NIST's schema), and
segments whose condition is in words (the standard's own XML)."""

from __future__ import annotations

import pytest

from hl7 import er7
from hl7.er7 import Message
from hl7.profiles import profile
from hl7.profiles.conditions import Condition, evaluate

HEAD = "MSH|^~\\&|POSTO|SUL|PONTE|HUB|20261124||VXU^V04^VXU_V04|1|P|2.5.1"
FIELD = '<Field Name="f" Datatype="ST" Usage="{usage}" Min="0" Max="{most}"/>'


def fields(count: int, **usages: str) -> str:
    return "".join(FIELD.format(usage=usages.get(f"f{n}", "O"), most="*") for n in range(1, count + 1))


PROFILE = f"""<ConformanceProfile HL7Version="2.5.1"><Messages><Message ID="M1" Type="VXU" Event="V04">
<Segment Ref="MSH" Usage="R" Min="1" Max="1"/><Segment Ref="PID" Usage="R" Min="1" Max="1"/>
<Segment Ref="NK1" Usage="C(R/X)" Min="0" Max="*"/>
<Group ID="VXU_V04.ORDER" Name="ORDER" Usage="R" Min="1" Max="*"><Segment Ref="ORC" Usage="R" Min="1" Max="1"/>
<Segment Ref="RXA" Usage="R" Min="1" Max="1"/><Segment Ref="RXR" Usage="C" Min="0" Max="1"/>
<Group ID="VXU_V04.OBSERVATION" Name="OBSERVATION" Usage="RE" Min="0" Max="*"><Segment Ref="OBX" Usage="R" Min="1" Max="1"/>
</Group></Group></Message></Messages><Segments><Segment ID="MSH" Name="MSH"/><Segment ID="PID" Name="PID">{fields(30)}</Segment>
<Segment ID="NK1" Name="NK1">{fields(3)}</Segment><Segment ID="ORC" Name="ORC">{fields(12, f3="C")}</Segment>
<Segment ID="RXA" Name="RXA">{fields(20)}</Segment><Segment ID="RXR" Name="RXR">{fields(2)}</Segment>
<Segment ID="OBX" Name="OBX">{fields(14)}</Segment></Segments><Datatypes><Datatype ID="ST" Name="ST"/></Datatypes>
</ConformanceProfile>"""
GIVEN = '<AND><Presence Path="2[1].20[1]"/><StringList Path="2[1].20[1]" CSV="CP,PA"/></AND>'
RULES = f"""<ConformanceContext><Predicates><Group><ByName Name="VXU_V04.ORDER">
<Predicate ID="P1" Target="1[1].3[1]" TrueUsage="R" FalseUsage="X"><Condition>{GIVEN}</Condition></Predicate>
<Predicate ID="P2" Target="3[1]" TrueUsage="R" FalseUsage="X"><Condition>{GIVEN}</Condition></Predicate></ByName></Group>
<Message><ByID ID="M1"><Predicate Target="3[1]" TrueUsage="R" FalseUsage="O"><Condition>
<AND><Presence Path="2[1].24[1]"/><PlainText Path="2[1].24[1]" Text="Y"/></AND></Condition></Predicate></ByID></Message></Predicates><Constraints>
<Segment><ByID ID="NK1"><Constraint ID="SET"><Assertion><SetID Path="1[1]"/></Assertion></Constraint></ByID>
<ByID ID="RXA"><Constraint ID="SAME"><Assertion><OR><NOT><Presence Path="4[1]"/></NOT><PathValue Path1="4[1]" Operator="EQ"
Path2="3[1]"/></OR></Assertion></Constraint><Constraint ID="DOSE"><Assertion><SimpleValue Path="6[1]" Operator="GT" Value="0"
Type="Number"/></Assertion></Constraint></ByID></Segment><Group><ByID ID="VXU_V04.ORDER"><Constraint ID="IZ-23"
Target="4[1].1[1]"><Assertion><IMPLY>{GIVEN}<AND><Presence Path="4[1]"/><PlainText Path="4[*].1[1].3[1].1[1]" Text="64994-7"
AtLeastOnce="true"/></AND></IMPLY></Assertion></Constraint></ByID></Group><Message><ByID ID="M1"><Constraint ID="NUMBERS">
<Assertion><IZSetID Parent="4[*]" Element="4[*].1[1].1[1]"/></Assertion></Constraint></ByID></Message></Constraints>
</ConformanceContext>"""
VALUES = """<ValueSetLibrary><ValueSetDefinitions><ValueSetDefinition BindingIdentifier="ELIGIBLE"><ValueElement Value="V01"/>
<ValueElement Value="V02"/></ValueSetDefinition><ValueSetDefinition BindingIdentifier="ROUTES"><ValueElement Value="IM"/>
</ValueSetDefinition></ValueSetDefinitions></ValueSetLibrary>"""
BINDINGS = """<ValueSetBindingsContext><ValueSetBindings><Segment><ByID ID="RXR"><ValueSetBinding BindingStrength="R" Target="1[*]">
<BindingLocations><ComplexBindingLocation CodeLocation="1[1]" CodeSystemLocation="3[1]"/><ComplexBindingLocation CodeLocation="4[1]"
CodeSystemLocation="6[1]"/></BindingLocations><Bindings><Binding BindingIdentifier="ROUTES"/></Bindings></ValueSetBinding>
<ValueSetBinding BindingStrength="S" Target="2[*]"><BindingLocations><SimpleBindingLocation CodeLocation="."/></BindingLocations>
<Bindings><Binding BindingIdentifier="ROUTES"/></Bindings></ValueSetBinding></ByID></Segment></ValueSetBindings>
</ValueSetBindingsContext>"""


def chosen(
    code: str, constraint: str, *, name: str = "CoConstraint", usage: str = "R", limits: str = '1" Max="1'
) -> str:
    return f"""<{name} Usage="{usage}" Min="{limits}"><Selectors><Code Path="3[1]" Name="OBX-3" Code="{code}" CodeSystem="LN">
<BindingLocation Position="1" CodePath="1[1]" CodeSystemPath="3[1]"/></Code></Selectors><Constraints>{constraint}</Constraints>
</{name}>"""


BOUND = """<PlainText Path="2[1]" Name="OBX-2" Value="CE"/><ValueSet Path="5[1]" Name="OBX-5"><ValueSetBinding Target="."
BindingStrength="R"><BindingLocations><ComplexBindingLocation CodeLocation="1[1]" CodeSystemLocation="3[1]"/></BindingLocations>
<Bindings><Binding BindingIdentifier="ELIGIBLE"/></Bindings></ValueSetBinding></ValueSet>"""
DAY = '<PlainText Path="2[1]" Name="OBX-2" Value="DT"/>'
TOGETHER = f"""<CoConstraintContext><ByMessage ID="M1"><Context Name="ORDER" Path="4[*]"><Segment Name="OBX" Path="4[*].1[*]">
<SimpleTable>{chosen("48767-8", '<PlainText Path="2[1]" Name="OBX-2" Value="TX"/>', usage="O", limits='0" Max="1')}</SimpleTable>
<ConditionalTable><CoConstraintGroupId><IdPath Priority="1" Path="4[1]" Name="OBX-4"/></CoConstraintGroupId><Condition>
<Assertion>{GIVEN}</Assertion></Condition><CoConstraintGroup Name="VIS" Usage="R" Min="1" Max="2">
{chosen("64994-7", BOUND, name="Primary")}{chosen("29769-7", DAY)}</CoConstraintGroup></ConditionalTable></Segment></Context>
</ByMessage></CoConstraintContext>"""
AGREED = profile.read(*(text.encode() for text in (PROFILE, RULES, VALUES, BINDINGS, TOGETHER)))
PID, ORC, RXR = "PID|1||7", "ORC|RE||9", "RXR|IM"
RXA = "RXA|0|1|20261124||03|0.5||||||||||||||CP"
ELIGIBLE, VIS = "OBX|1|CE|64994-7^x^LN|1|V01^x^L", "OBX|2|DT|29769-7^x^LN|1|20261124"
REFUSED = RXA.removesuffix("CP") + "RE"


def judged(*lines: str, agreed: profile.Profile = AGREED) -> list[tuple[str, str]]:
    message = er7.read("\r".join([HEAD, *lines]).encode())
    assert isinstance(message, Message)
    return [(problem.code, problem.where) for problem in profile.judge(message, agreed)]


WHOLE = (PID, ORC, RXA, RXR, ELIGIBLE, VIS)
BROKEN = [
    ("conforms", WHOLE, []),
    ("refused", (PID, "ORC|RE", REFUSED), []),
    ("two orders, the second refused", (*WHOLE, "ORC|RE", REFUSED), []),
    ("a field that another segment asks for", (PID, "ORC|RE", *WHOLE[2:]), [("structure.required", "ORC#3-3")]),
    ("a field that another segment rules out", (PID, ORC, REFUSED), [("profile.not-supported", "ORC#3-3")]),
    ("a segment that another asks for", (PID, ORC, RXA, ELIGIBLE, VIS), [("structure.segment-missing", "RXR")]),
    ("a segment that another rules out", (PID, "ORC|RE", REFUSED, RXR), [("profile.not-supported", "RXR#5")]),
    ("a twin without kin", (PID + "|" * 21 + "Y", *WHOLE[1:]), [("structure.segment-missing", "NK1")]),
    ("a twin with kin", (PID + "|" * 21 + "Y", "NK1|1|A", *WHOLE[1:]), []),
    ("kin in another order", (PID, "NK1|2|A", "NK1|2|B", *WHOLE[1:]), [("profile.constraint", "NK1#3")]),
    ("an end of its own", (PID, ORC, RXA.replace("24||", "24|20261125|"), *WHOLE[3:]), [("profile.constraint", "RXA#4")]),
    ("the end that is the start", (PID, ORC, RXA.replace("24||", "24|20261124|"), *WHOLE[3:]), []),
    ("no dose", (PID, ORC, RXA.replace("0.5", "0"), *WHOLE[3:]), [("profile.constraint", "RXA#4")]),
    ("words for a dose", (PID, ORC, RXA.replace("0.5", "x"), *WHOLE[3:]), [("profile.constraint", "RXA#4")]),
    ("a route of no list", (PID, ORC, RXA, "RXR|XX^^L", ELIGIBLE, VIS), [("profile.table", "RXR#5-1")]),
    ("a route of the list beside one's own", (PID, ORC, RXA, "RXR|XX^^L^IM^^H|suggested", ELIGIBLE, VIS), []),
    ("numbers that jump", (*WHOLE[:5], VIS.replace("OBX|2", "OBX|5")), [("profile.constraint", "MSH#1")]),
    ("numbers that begin again", (*WHOLE, "ORC|RE||8", *WHOLE[2:]), []),
    ("no eligibility", (PID, ORC, RXA, RXR, VIS.replace("|2|", "|1|")), [("profile.constraint", "ORC#3"), ("profile.together-missing", "ORC#3")]),
    ("no day beside it", (PID, ORC, RXA, RXR, ELIGIBLE), [("profile.together-missing", "OBX#6")]),
    ("the day of another set", (*WHOLE[:5], VIS.replace("|1|2026", "|2|2026")), [("profile.together-missing", "OBX#6")]),
    ("a code outside the bound set", (*WHOLE[:4], ELIGIBLE.replace("V01", "V9"), VIS), [("profile.together", "OBX#6-5")]),
    ("a type that is not the bound one", (*WHOLE[:5], VIS.replace("DT", "TS")), [("profile.together", "OBX#7-2")]),
    ("the code of another system is another code", (*WHOLE[:5], VIS.replace("LN", "L")), [("profile.together-missing", "OBX#6")]),
    ("one text too many", (*WHOLE, "OBX|3|TX|48767-8^x^LN||a", "OBX|4|TX|48767-8^x^LN||b"), [("profile.together-count", "ORC#3")]),
    ("a text of another type", (*WHOLE, "OBX|3|ST|48767-8^x^LN||a"), [("profile.together", "OBX#8-2")]),
    ("a refused one binds nothing", (PID, "ORC|RE", REFUSED, VIS.replace("|2|", "|1|")), []),
]  # fmt: skip


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row[0].replace(" ", "-"))
def test_what_rules_of_groups_and_co_constraints_find(row: tuple[str, tuple[str, ...], list[tuple[str, str]]]) -> None:
    assert judged(*row[1]) == row[2]


def test_what_is_not_judged_is_told_once() -> None:
    """Without its values nobody knows the codes, without its rules nobody the conditions; a file of another kind is not read."""
    without = profile.read(*(text.encode() for text in (PROFILE, RULES, TOGETHER, "<ProfileComponents/>")))
    assert judged(*WHOLE, *WHOLE[1:], agreed=without) == [("profile.unjudged", "OBX#6-5"), ("profile.unread", "MSH#1")]
    alone = profile.read(PROFILE.encode())
    told = ("profile.condition", "ORC#3-3")
    assert judged(PID, "ORC|RE", RXA, agreed=alone) == [
        told,
        ("profile.condition", "NK1"),
        ("profile.condition", "RXR"),
    ]


def test_a_condition_in_words_is_told_where_its_segment_is_absent() -> None:
    text = """<HL7v2xStaticDef MsgType="VXU" EventType="V04"><Segment Name="MSH" Usage="R"/><Segment Name="PID" Usage="R"/>
    <SegGroup Name="VISIT" Usage="C" Min="0"><Predicate>internado</Predicate><Segment Name="PV1" Usage="R"/></SegGroup>
    </HL7v2xStaticDef>"""
    agreed = profile.read(text.encode())
    assert (
        judged(PID, agreed=agreed) == [("profile.condition", "VISIT")] and judged(PID, "PV1|1|I", agreed=agreed) == []
    )


def test_stray_segments_do_not_hide_the_rest() -> None:
    found = judged(*WHOLE[:4], "PID|2||8", "ZZZ|1", ELIGIBLE)
    assert found == [("structure.segment-repeat", "PID#6"), ("profile.together-missing", "OBX#8")]
    many = judged(*["PID|1||7"] * 80, *WHOLE)
    assert {code for code, _ in many} == {"structure.segment-repeat"} and len(many) == 80


@pytest.mark.parametrize(
    ("kind", "words", "values", "holds"),
    [
        ("SimpleValue", ("GE", "10", "Number"), ["9"], False), ("SimpleValue", ("LT", "10", "Number"), ["9"], True),
        ("SimpleValue", ("LE", "20261124"), ["20261123"], True), ("SimpleValue", ("??", "1"), ["1"], None),
        ("NumberList", ("1", "2"), ["1.0"], True), ("NumberList", ("1", "2"), ["x"], False), ("NumberList", ("y",), ["1"], None),
        ("ValueSet", (), ["1"], None), ("Format", ("[",), ["1"], None), ("Plugin", (), ["1"], None),
    ],
)  # fmt: skip
def test_single_tests(kind: str, words: tuple[str, ...], values: list[str], holds: bool | None) -> None:
    condition = Condition(kind=kind, path="1[1]", words=words, places=((".", ""),))
    assert evaluate(condition, lambda path: values) is holds
