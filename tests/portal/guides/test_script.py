"""The scripts for Exchange Online, held against the documented parameters of the cmdlets (`cmdlets.json`).

PowerShell itself is not at hand: what is checked is that each call is of a documented cmdlet with documented
parameters and values, that quotes and brackets are balanced, that nothing is changed without asking, and that no value
can get out of its quotes.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.powershell import Call, calls, tables, tokens

from outgate.portal.guides.script import ScriptValues, quoted, require_tls, send_connector, set_up_script, undo_script

FACTS = json.loads((Path(__file__).parent / "cmdlets.json").read_text())
PARAMETERS: dict[str, set[str]] = {
    name: {*names, *FACTS["common"]} for name, names in {**FACTS["cmdlets"], **FACTS["own"]}.items()
}
VALUES = ScriptValues("smtp.eu.example.net", "alpha", "Alpha Ltd", ("alpha.example", "alpha.onmicrosoft.com"))
EXCLAIMER = replace(VALUES, with_exclaimer=True)
SCRIPTS = [
    pytest.param(set_up_script(VALUES), id="set-up"),
    pytest.param(set_up_script(EXCLAIMER), id="exclaimer"),
    pytest.param(undo_script(VALUES), id="undo"),
    pytest.param(send_connector("smtp.eu.example.net"), id="send-connector"),
    pytest.param(require_tls("smtp.eu.example.net"), id="require-tls"),
]
HOSTILE = st.text(st.sampled_from("'\"`$(){}#<>\r\n\u2018\u2019\u201c; @|&a\0\ud800\u202e")) | st.text()
SPLATTED = {"ConnectorChange": "ConnectorWanted", "RuleChange": "RuleWanted"}  # a part of the other


def own_functions(script: str) -> set[str]:
    return set(re.findall(r"(?m)^function (\S+?)(?:\(| )", script))


def changes(script: str) -> list[Call]:
    found = [each for each in calls(script) if re.match(r"(New|Set|Enable|Disable|Remove)-(Out|Trans)", each.name)]
    assert found
    return found


@pytest.mark.parametrize("script", SCRIPTS)
def test_only_documented_cmdlets_and_parameters(script: str) -> None:
    own = own_functions(script)
    found = [each for each in calls(script) if each.name not in own]
    assert found
    wanted = tables(script)
    for each in found:
        assert each.name in PARAMETERS
        splatted = {key for name in each.splatted for key in wanted[SPLATTED.get(name, name)]}
        assert {*each.parameters, *splatted} <= PARAMETERS[each.name], each
        assert not splatted & set(each.parameters), each


def test_reader_finds_what_the_scripts_call() -> None:
    """Else the test above would hold for a reader that finds nothing."""
    names = [each.name for each in calls(set_up_script(EXCLAIMER))]
    for cmdlet in ("New-OutboundConnector", "Set-OutboundConnector", "New-TransportRule", "Enable-TransportRule"):
        assert names.count(cmdlet) == 1
    assert names.count("Set-TransportRule") == 3
    made = next(each for each in calls(set_up_script(VALUES)) if each.name == "New-TransportRule")
    assert set(made.parameters) == {"Name", "Enabled"}
    assert made.splatted == ["RuleWanted"]
    undone = {each.name: set(each.parameters) for each in changes(undo_script(VALUES))}
    assert undone["Remove-TransportRule"] == {"Identity", "Confirm"}
    assert set(next(calls(send_connector("h"))).parameters) >= {"Custom", "TlsDomain", "SourceTransportServers"}


def test_values_are_documented_too() -> None:
    found = tables(set_up_script(VALUES))
    texts = {
        key: token.text
        for name in ("ConnectorWanted", "RuleWanted")
        for key, token in found[name].items()
        if token.kind == "string"
    }
    assert texts.keys() >= {"ConnectorType", "TlsSettings", "FromScope", "SentToScope", "RuleErrorAction", "Mode"}
    for key, text in texts.items():
        assert text in FACTS["values"][key]
    assert "'AutoForward'" in set_up_script(VALUES)
    assert "AutoForward" in FACTS["values"]["ExceptIfMessageTypeMatches"]
    assert texts["RuleErrorAction"] == "Defer"
    assert texts["TlsSettings"] == "DomainValidation"


def test_exceptions_set_later_are_documented_too() -> None:
    keys = set(re.findall(r"\$RuleWanted\['(\w+)'\]", set_up_script(VALUES)))
    assert len(keys) == 3
    assert keys <= PARAMETERS["New-TransportRule"] & PARAMETERS["Set-TransportRule"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_quotes_and_brackets_are_balanced(script: str) -> None:
    assert tokens(script)
    assert "<<" not in script


@pytest.mark.parametrize("script", SCRIPTS[:3])
def test_lines_end_as_windows_has_them(script: str) -> None:
    assert script.count("\r\n") == script.count("\n")


@pytest.mark.parametrize("script", SCRIPTS[:3])
def test_everything_that_changes_something_asks_first(script: str) -> None:
    """So that -WhatIf changes nothing: each change stands in a block whose condition asks."""
    assert "SupportsShouldProcess = $true" in script
    lines = script.split("\r\n")
    for name in {each.name for each in changes(script)} | ({"Save-Before"} & own_functions(script)):
        for number, line in enumerate(lines):
            if not line.strip().startswith(name):
                continue
            opening = next(before for before in reversed(lines[:number]) if before.rstrip().endswith("{"))
            assert "ShouldProcess(" in opening, (line, opening)


def test_what_was_there_is_saved_before_each_change() -> None:
    lines = [line.strip() for line in set_up_script(EXCLAIMER).split("\r\n")]
    places = [
        number
        for number, line in enumerate(lines)
        if re.match(r"(New|Set|Enable)-(OutboundConnector|TransportRule)", line)
    ]
    assert len(places) == 7
    assert all(lines[place - 1] == "Save-Before" for place in places)


def test_order_connector_first_rule_switched_on_last_and_away_in_the_other_order() -> None:
    script = set_up_script(EXCLAIMER)
    order = [
        "Get-AcceptedDomain",
        "New-OutboundConnector -Name",
        "New-TransportRule -Name $Name -Enabled $false",
        "-StopRuleProcessing $true",
        "-Priority $Signatures.Priority",
        "Enable-TransportRule",
        "# Look at the result.",
    ]
    places = [script.index(each) for each in order]
    assert places == sorted(places)
    undo = undo_script(VALUES)
    assert undo.index("Disable-TransportRule") < undo.index("Remove-TransportRule") < undo.index("Remove-OutboundConn")


@pytest.mark.parametrize("script", SCRIPTS[:3])
def test_nothing_is_looked_up_by_an_identity_that_may_be_absent(script: str) -> None:
    """Get-TransportRule answers that with all rules; Get-OutboundConnector's filters show one kind only each."""
    for each in calls(script):
        if each.name in ("Get-TransportRule", "Get-OutboundConnector", "Get-AcceptedDomain"):
            assert "Identity" not in each.parameters
        if each.name == "Get-OutboundConnector":
            assert {"IsTransportRuleScoped", "IncludeTestModeConnectors"} <= set(each.parameters)
    assert "foreach ($Scoped in @($true, $false))" in script
    assert "foreach ($Test in @($true, $false))" in script


def test_exclaimers_rule_is_touched_only_where_asked() -> None:
    assert "$HandlesExclaimer = $false" in set_up_script(VALUES)
    assert "$HandlesExclaimer = $true" in set_up_script(EXCLAIMER)


def test_script_knows_whose_organisation_it_is_for() -> None:
    script = set_up_script(VALUES)
    assert "$Domains = @('alpha.example', 'alpha.onmicrosoft.com')" in script
    assert "$Domains = @()" in set_up_script(replace(VALUES, domains=()))


@pytest.mark.parametrize("script", SCRIPTS[:3])
def test_organisation_is_looked_at_before_anything_is_changed(script: str) -> None:
    """The undo, too: in another organisation it would find nothing of ours, and say that all is undone."""
    looked = script.index('throw "This organisation')
    assert looked < min(script.index(each) for each in ("New-", "Set-T", "Disable-") if each in script[looked:])


def test_exception_for_forwards_can_be_taken_back() -> None:
    script = set_up_script(VALUES)
    assert "if ($PSBoundParameters.ContainsKey('ExceptAutoForwards'))" in script
    assert "if ($ExceptAutoForwards) { 'AutoForward' } else { $null }" in script


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("outgate-before-alpha-20261126-101500.json", True),
        ("outgate-before-alpha-two-20261126-101500.json", False),
        ("outgate-before-alpha-20261126-101500.json.undone", False),
        ("outgate-before-beta-20261126-101500.json", False),
    ],
)
def test_undo_takes_only_what_was_saved_for_the_customer_since_the_last_undo(name: str, is_ours: bool) -> None:
    """The name of another customer may begin with this one's."""
    undo = undo_script(VALUES)
    before, after = re.findall(r"\$SavedName = '(.+?)' \+ \[regex\]::Escape\(\$CustomerId\) \+ '(.+?)'", undo)[0]
    assert bool(re.search(before + re.escape("alpha") + after, name)) is is_ours
    assert undo.index("Set-TransportRule") < undo.index("# Look at the result.") < undo.index("Rename-Item")
    assert "$CustomerId + '-' + (Get-Date -Format 'yyyyMMdd-HHmmss') + '.json'" in set_up_script(VALUES)


def test_what_the_cmdlet_wants_together_is_given_together() -> None:
    """Set-OutboundConnector takes UseMXRecord $false with SmartHosts on the same line only."""
    script = set_up_script(VALUES)
    pairs = re.findall(r"@\('(\w+)', '(\w+)'\)", script)
    assert pairs == [("TlsSettings", "TlsDomain"), ("UseMXRecord", "SmartHosts")]
    assert {each for pair in pairs for each in pair} <= set(tables(script)["ConnectorWanted"])


@given(HOSTILE)
def test_no_value_gets_out_of_its_quotes(text: str) -> None:
    (token,) = tokens(quoted(text))
    assert token.kind == "string"
    kept = "".join(each for each in text if each.isprintable())
    assert re.sub("['\u2018\u2019\u201a\u201b]", "'", token.text) == re.sub("['\u2018\u2019\u201a\u201b]", "'", kept)


@given(HOSTILE, HOSTILE, st.lists(HOSTILE, max_size=3))
def test_hostile_values_change_nothing_else_of_the_script(name: str, host: str, domains: list[str]) -> None:
    hostile = ScriptValues(host, "alpha", name, tuple(domains))
    for make in (set_up_script, undo_script):
        plain = [token.kind for token in tokens(make(replace(VALUES, domains=("x",) * len(domains))))]
        script = make(hostile)
        assert [token.kind for token in tokens(script)] == plain
        assert script.encode()


def test_value_that_looks_like_a_place_is_none() -> None:
    script = set_up_script(replace(VALUES, customer_name="<<mark>>"))
    assert "$Customer = '<<mark>>'" in script
    assert tokens(script)
