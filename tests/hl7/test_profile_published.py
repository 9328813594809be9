"""What published profiles of NIST's tools write that exports of today do not: strengths and places of bindings in the
field itself, rules of a message under its id as a group, several messages in one file, least lengths."""

from __future__ import annotations

import pytest

from hl7 import er7
from hl7.er7 import Message
from hl7.profiles import profile
from mappings.convert.published import table_has

PROFILE = """<ConformanceProfile ID="P1">
  <Messages>
    <Message ID="M-ACK" Type="ACK" Event="A01" StructID="ACK">
      <Segment Ref="MSH_X" Usage="R" Min="1" Max="1"/><Segment Ref="MSA_X" Usage="R" Min="1" Max="1"/>
      <Segment Ref="ERR_X" Usage="O" Min="0" Max="*"/>
    </Message>
    <Message ID="M-ADT" Type="ADT" Event="A04" StructID="ADT_A01">
      <Segment Ref="MSH_X" Usage="R" Min="1" Max="1"/><Segment Ref="PID_X" Usage="R" Min="1" Max="1"/>
    </Message>
  </Messages>
  <Segments>
    <Segment ID="MSH_X" Name="MSH"/>
    <Segment ID="MSA_X" Name="MSA">
      <Field Name="Code" Usage="R" Min="1" Max="1" Datatype="CODE" MinLength="2" MaxLength="2"/>
      <Field Name="Id" Usage="R" Min="1" Max="1" Datatype="ST" MinLength="1" MaxLength="20"/>
    </Segment>
    <Segment ID="ERR_X" Name="ERR">
      <Field Name="One" Usage="O" Min="0" Max="1" Datatype="ST"/>
      <Field Name="Two" Usage="O" Min="0" Max="1" Datatype="ST"/>
      <Field Name="Why" Usage="O" Min="1" Max="1" Datatype="CWE" {binding}/>
      <Field Name="How bad" Usage="O" Min="1" Max="1" Datatype="ST"/>
    </Segment>
    <Segment ID="PID_X" Name="PID">
      <Field Name="Set" Usage="R" Min="1" Max="1" Datatype="ST"/>
    </Segment>
  </Segments>
  <Datatypes><Datatype ID="ST" Name="ST"/><Datatype ID="CODE" Name="ID"/><Datatype ID="CWE" Name="CWE">
    <Component Name="1" Usage="O" Datatype="{first}"/><Component Name="2" Usage="O" Datatype="ST"/>
    <Component Name="3" Usage="O" Datatype="ST"/>
    <Component Name="4" Usage="O" Datatype="ST"/>
  </Datatype></Datatypes>
</ConformanceProfile>"""
RULES = """<ConformanceContext><Predicates/><Constraints><Group><ByID ID="M-ACK">
  <Constraint ID="K1" Target="1[1]"><Description>-</Description><Assertion><IMPLY>
    <PlainText Path="2[1].1[1]" Text="AA" IgnoreCase="false"/>
    <PlainText Path="3[*].4[1]" Text="I" IgnoreCase="false" AtLeastOnce="false"/>
  </IMPLY></Assertion></Constraint></ByID></Group></Constraints></ConformanceContext>"""
SETS = """<ValueSetLibrary><NoValidation><BindingIdentifier>HL70357</BindingIdentifier>
  <BindingIdentifier>LARGE</BindingIdentifier></NoValidation>
  <ValueSetDefinitions Group="X" Order="2"><ValueSetDefinition BindingIdentifier="LARGE">
  <ValueElement Value="5"/></ValueSetDefinition></ValueSetDefinitions><ValueSetDefinitions Group="X" Order="1"><ValueSetDefinition BindingIdentifier="WHY">
  <ValueElement Value="101" DisplayName="-" CodeSystem="-" Usage="R"/></ValueSetDefinition></ValueSetDefinitions>
</ValueSetLibrary>"""


FORM = """<ConformanceContext><Constraints><Datatype><ByID ID="CODE"><Constraint ID="K2"><Assertion>
  <Format Path="." Regex="^[A-Z]{2}$"/></Assertion></Constraint></ByID></Datatype></Constraints></ConformanceContext>"""


def judged(kind: str, *lines: str, binding: str = "", first: str = "ST") -> list[tuple[str, str]]:
    text = "\r".join([f"MSH|^~\\&|A|B|C|D|20261124||{kind}|1|P|2.5.1", *lines])
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    agreed = profile.read(
        *(
            each.replace("{binding}", binding).replace("{first}", first).encode()
            for each in (PROFILE, RULES, SETS, FORM)
        )
    )
    return [(problem.code, problem.where or "") for problem in profile.judge(message, agreed, table_has)]


def test_each_message_of_one_file_has_its_own_rules() -> None:
    assert judged("ACK^A01^ACK", "MSA|AE|1") == []
    assert judged("ADT^A04^ADT_A01", "PID|1") == []
    assert judged("ADT^A04^ADT_A01", "PID") == [("structure.required", "PID#2-1")]
    assert judged("ADT^A08^ADT_A01", "PID|1") == [("profile.type", "MSH-9")]


def test_a_message_is_ruled_under_its_id_as_a_group_too() -> None:
    assert judged("ACK^A01^ACK", "MSA|AA|1", "ERR||||I") == []
    ((code, _),) = judged("ACK^A01^ACK", "MSA|AA|1", "ERR||||E")
    assert code == "profile.constraint"


def test_a_value_shorter_than_the_least() -> None:
    assert judged("ACK^A01^ACK", "MSA|A|1") == [
        ("profile.too-short", "MSA#2-1[1]"),
        ("profile.constraint", "MSA#2-1[1]"),
    ]


@pytest.mark.parametrize(
    ("binding", "sent", "wrong"),
    [
        ('Binding="WHY"', "999", True),
        ('Binding="WHY" BindingStrength="R"', "999", True),
        ('Binding="WHY" BindingStrength="S"', "999", False),
        ('Binding="WHY" BindingStrength="U"', "999", False),
        ('Binding="LARGE"', "999", False),
        ('Binding="HL70357"', "999", False),
        ('Binding="HL70516"', "999", True),
        ('Binding="WHY" BindingLocation="1:4"', "X^Casa^L^101", False),
        ('Binding="WHY" BindingLocation="1:4"', "X^Casa^L^999", True),
        ('Binding="WHY" BindingLocation="4"', "101^Casa^L^999", True),
    ],
)
def test_a_binding_binds_as_strongly_and_where_it_says(binding: str, sent: str, wrong: bool) -> None:
    found = judged("ACK^A01^ACK", "MSA|AE|1", f"ERR|||{sent}|E", binding=binding)
    assert found == ([("profile.table", "ERR#3-3[1]")] if wrong else [])


def test_what_a_simple_data_type_asks_of_its_values() -> None:
    assert judged("ACK^A01^ACK", "MSA|ae|1") == [("profile.constraint", "MSA#2-1[1]")]
    assert judged("ACK^A01^ACK", "MSA|AE|1", "ERR|||ab|E", first="CODE") == [("profile.constraint", "ERR#3-3[1].1")]
    assert judged("ACK^A01^ACK", "MSA|AE|1", "ERR|||AB^ab|E", first="CODE") == []
