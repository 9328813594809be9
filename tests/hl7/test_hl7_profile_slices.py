"""Divided profiles (NIST's ProfileSlicing and DynamicMapping): segments and values judged by the definition of their slice."""

from __future__ import annotations

import pytest

from hl7 import er7
from hl7.er7 import Message
from hl7.profiles import profile

HEAD = "MSH|^~\\&|LAB|SUL|PONTE|HUB|20261124||ORU^R01^ORU_R01|1|P|2.5.1"


def fields(count: int, **told: str) -> str:
    """Fields of a segment, optional and of type ST where `told` says nothing else (`f3="CWE R"`)."""
    said = [told.get(f"f{n}", "ST O").split() for n in range(1, count + 1)]
    return "".join(f'<Field Name="f" Datatype="{kind}" Usage="{use}" Min="0" Max="*"/>' for kind, use in said)


def components(name: str, *usages: str) -> str:
    inner = "".join(f'<Component Name="c" Datatype="ST" Usage="{use}"/>' for use in usages)
    return f'<Datatype ID="{name}" Name="{name.partition("_")[0]}">{inner}</Datatype>'


MAPPING = """<DynamicMapping><Mapping Position="5" Reference="2" SecondReference="3.1"><Case Value="CWE" SecondValue="ORG"
Datatype="CWE_ORGANISM"/></Mapping><Mapping Position="5" Reference="2"><Case Value="CWE" Datatype="CWE"/>
<Case Value="TX" Datatype="ST"/></Mapping></DynamicMapping>"""
PROFILE = f"""<ConformanceProfile HL7Version="2.5.1"><Messages><Message ID="M1" Type="ORU" Event="R01">
<Segment Ref="MSH" Usage="R" Min="1" Max="1"/><Segment Ref="PID" Usage="R" Min="1" Max="1"/>
<Segment Ref="NTE" Usage="O" Min="0" Max="*"/><Group ID="M1-G" Name="RESULT" Usage="R" Min="1" Max="*">
<Segment Ref="OBR" Usage="R" Min="1" Max="1"/><Segment Ref="OBX" Usage="RE" Min="0" Max="*"/>
<Group ID="M1-S" Name="SPECIMEN" Usage="O" Min="0" Max="*"><Segment Ref="SPM" Usage="R" Min="1" Max="1"/></Group>
</Group></Message></Messages><Segments><Segment ID="MSH" Name="MSH"/>
<Segment ID="PID_BR" Name="PID" Label="PID">{fields(30, f3="CX R", f13="XTN O")}</Segment>
<Segment ID="NTE" Name="NTE">{fields(4)}</Segment><Segment ID="NTE_FIRST" Name="NTE">{fields(4, f4="ST R")}</Segment>
<Segment ID="OBR" Name="OBR">{fields(30)}</Segment><Segment ID="SPM" Name="SPM">{fields(30)}</Segment>
<Segment ID="OBX" Name="OBX">{MAPPING}{fields(17, f5="varies O")}</Segment>
<Segment ID="OBX_GLUCOSE" Name="OBX">{fields(17, f5="ST R", f6="ST R", f8="ST C", f14="ST X")}</Segment>
<Segment ID="OBX_CULTURE" Name="OBX">{fields(17, f5="CWE_ORGANISM R", f17="CWE R")}</Segment></Segments><Datatypes>
<Datatype ID="ST" Name="ST"/><Datatype ID="varies" Name="varies"/>{components("CX", "R", "O", "O", "O", "O")}
{components("CX_CPF", "R", "X", "X", "R", "R")}{components("XTN", *"OOOOOOOO")}{components("XTN_HOME", *"XRROOOOO")}
{components("XTN_MAIL", *"XRRROOOO")}{components("CWE", "RE", "RE", "RE")}{components("CWE_ORGANISM", "R", "R", "R")}
</Datatypes></ConformanceProfile>"""
PROFILE = PROFILE.replace('Segment Ref="PID"', 'Segment Ref="PID_BR"')
GLUCOSE = '<PlainText Path="3[1].1[1]" Text="2345-7" NotPresentBehavior="FAIL"/>'
CULTURE = '<AND><Presence Path="3[1].1[1]"/><StringList Path="3[1].1[1]" CSV="600-7,6463-4"/></AND>'
CPF = '<PlainText Path="5[1]" Text="NI" NotPresentBehavior="FAIL"/>'


def sliced(ref: str, assertion: str) -> str:
    return f'<Slice Ref="{ref}"><Description>x</Description><Assertion>{assertion}</Assertion></Slice>'


SLICING = f"""<ProfileSlicing><SegmentSlicing><Message ID="M1"><GroupContext ID="M1"><OccurrenceSlicing Position="3">
<Slice Ref="NTE_FIRST" Occurrence="1"/></OccurrenceSlicing></GroupContext><GroupContext ID="M1-G">
<AssertionSlicing Position="2">{sliced("OBX_GLUCOSE", GLUCOSE)}{sliced("OBX_CULTURE", CULTURE)}</AssertionSlicing>
</GroupContext></Message><Message ID="ANOTHER"><GroupContext ID="X"><OccurrenceSlicing Position="9"><Slice Ref="?"
Occurrence="1"/></OccurrenceSlicing></GroupContext></Message></SegmentSlicing><FieldSlicing><SegmentContext ID="PID">
<AssertionSlicing Position="3">{sliced("CX_CPF", CPF)}</AssertionSlicing><OccurrenceSlicing Position="13">
<Slice Ref="XTN_HOME" Occurrence="1"/><Slice Ref="XTN_MAIL" Occurrence="2"/></OccurrenceSlicing></SegmentContext>
</FieldSlicing></ProfileSlicing>"""
VALUES = """<ValueSetLibrary><ValueSetDefinitions><ValueSetDefinition BindingIdentifier="UNITS"><ValueElement Value="mg/dL"/>
</ValueSetDefinition></ValueSetDefinitions></ValueSetLibrary>"""
BINDINGS = """<ValueSetBindingsContext><ValueSetBindings><Segment><ByID ID="OBX_GLUCOSE"><ValueSetBinding BindingStrength="R"
Target="6[*]"><BindingLocations><SimpleBindingLocation CodeLocation="."/></BindingLocations><Bindings>
<Binding BindingIdentifier="UNITS"/></Bindings></ValueSetBinding></ByID></Segment></ValueSetBindings></ValueSetBindingsContext>"""
RULES = """<ConformanceContext><Predicates><Segment><ByID ID="OBX_GLUCOSE"><Predicate Target="8[1]" TrueUsage="R" FalseUsage="O">
<Condition><AND><Presence Path="7[1]"/></AND></Condition></Predicate></ByID></Segment></Predicates><Constraints><Datatype>
<ByID ID="CX_CPF"><Constraint ID="DIGITS"><Assertion><Format Path="1[1]" Regex="[0-9]{11}"/></Assertion></Constraint></ByID>
</Datatype></Constraints></ConformanceContext>"""


def read(slicing: str = SLICING) -> profile.Profile:
    return profile.read(*(text.encode() for text in (PROFILE, VALUES, BINDINGS, RULES, slicing)))


AGREED = read()


def judged(*lines: str, agreed: profile.Profile = AGREED) -> list[tuple[str, str]]:
    message = er7.read("\r".join([HEAD, *lines]).encode())
    assert isinstance(message, Message)
    return [(problem.code, problem.where) for problem in profile.judge(message, agreed)]


PID, OBR = "PID|1||7", "OBR|1|P|F|X^x^L"
SUGAR, GERM = "OBX|1|NM|2345-7^x^LN||90|mg/dL", "OBX|1|CWE|600-7^x^LN||112283007^E. coli^SCT||||||||||||B^b^L"
FREE = "OBX|1|TX|9^x^L||text"
FOUND = [
    ("a result of no slice", (PID, OBR, FREE + "||||||||" + "|14"), []),
    ("each slice", (PID, OBR, SUGAR, GERM, FREE), []),
    ("a field the slice asks for", (PID, OBR, SUGAR.replace("mg/dL", "")), [("structure.required", "OBX#4-6")]),
    ("a field another slice asks for", (PID, OBR, GERM.removesuffix("B^b^L")), [("structure.required", "OBX#4-17")]),
    ("a field the slice rules out", (PID, OBR, SUGAR + "|" * 8 + "20261124"), [("profile.not-supported", "OBX#4-14")]),
    ("the type of the slice", (PID, OBR, GERM.replace("^SCT", "")), [("structure.required", "OBX#4-5[1].3")]),
    ("a value set of the slice", (PID, OBR, SUGAR.replace("mg/dL", "mmol/L")), [("profile.table", "OBX#4-6")]),
    ("a second result set", (PID, OBR, SUGAR, "OBR|2|P|G|Y", SUGAR.replace("90", "")), [("structure.required", "OBX#6-5")]),
    ("the first note", (PID, "NTE|1||a", "NTE|2||b", OBR), [("structure.required", "NTE#3-4")]),
    ("the second note is free", (PID, "NTE|1||a|R", "NTE|2||b", OBR), []),
    ("a value by what it says", ("PID|1||7^^^A^MR~390^^^RFB^NI", OBR), [("profile.constraint", "PID#2-3[2]")]),
    ("and its components", ("PID|1||39053344705^1^^^NI", OBR), [("profile.not-supported", "PID#2-3[1].2"), ("structure.required", "PID#2-3[1].4")]),
    ("values in their order", ("PID|1||7" + "|" * 10 + "^PRN^PH~^NET^X.400~3", OBR), [("structure.required", "PID#2-13[2].4")]),
    ("an empty one keeps the order", ("PID|1||7" + "|" * 10 + "~^NET^X.400^a@b.org", OBR), []),
    ("a type by another field", (PID, OBR, "OBX|1|CWE|8^x^L||A^a^L^B"), [("profile.not-supported", "OBX#4-5[1].4")]),
    ("a type by two fields", (PID, OBR, "OBX|1|CWE|ORG^x^L||A^a"), [("structure.required", "OBX#4-5[1].3")]),
    ("a type of no case", (PID, OBR, "OBX|1|XPN|8^x^L||A^a^L^B"), []),
]  # fmt: skip


@pytest.mark.parametrize("row", FOUND, ids=lambda row: row[0].replace(" ", "-"))
def test_what_a_divided_profile_finds(row: tuple[str, tuple[str, ...], list[tuple[str, str]]]) -> None:
    assert judged(*row[1]) == row[2]


def test_a_predicate_of_a_slice_is_judged() -> None:
    assert judged(PID, OBR, SUGAR + "|70-99") == [("structure.required", "OBX#4-8")]
    assert judged(PID, OBR, SUGAR + "|70-99|N") == [] and judged(PID, OBR, FREE + "||70-99") == []


def test_what_cannot_be_judged_of_a_division_is_told() -> None:
    plugin = read(SLICING.replace(GLUCOSE, '<Plugin QualifiedClassName="x"/>').replace(CPF, '<Plugin Name="y"/>'))
    told = [("profile.unjudged", "PID#2-3[1]"), ("profile.unjudged", "OBX#4")]
    assert judged(PID, OBR, FREE, FREE, agreed=plugin) == told
    unsure = read(SLICING.replace('NotPresentBehavior="FAIL"', 'NotPresentBehavior="INCONCLUSIVE"'))
    assert judged("PID|1||7^^^A^MR", OBR, "OBX|1|TX|||t", agreed=unsure) == [("profile.unjudged", "OBX#4")]
    group = read(SLICING.replace('<AssertionSlicing Position="2"', '<AssertionSlicing Position="3"'))
    assert judged(PID, OBR, "SPM|1", agreed=group) == [("profile.unjudged", "SPM#4")]
    nowhere = read(SLICING.replace("M1-G", "M1-ELSE"))
    assert judged(PID, OBR, SUGAR.replace("mg/dL", ""), agreed=nowhere) == [("profile.unread", "MSH#1")]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('Ref="NTE_FIRST"', 'Ref="NOBODY"', "a slice names"), ('Ref="NTE_FIRST"', 'Ref="OBX"', "a slice names"),
        ('Ref="XTN_HOME"', 'Ref="XTN_NONE"', "a slice names"), (' Occurrence="2"', "", "neither an occurrence"),
    ],
)  # fmt: skip
def test_a_division_that_is_not_whole_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(profile.BadProfile, match=why):
        read(SLICING.replace(old, new))
