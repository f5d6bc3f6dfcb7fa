<#
Sends outgoing mail of an Exchange Online organisation through Outgate.

It makes (or corrects) an outbound connector and a mail flow rule: the connector first, which does nothing without a
rule; then the rule, switched off; then it switches the rule on and looks at the result. It can run again: what is right
already is left alone. What was there before is saved as JSON before the first change.

    .\outgate-set-up.ps1 -WhatIf                                   says what it would change
    .\outgate-set-up.ps1                                           changes it
    .\outgate-set-up.ps1 -ExceptRecipientDomains archive.example   leaves mail to these domains to Microsoft
    .\outgate-set-up.ps1 -ExceptRecipients me@home.example         the same for addresses, such as those of forwards
    .\outgate-set-up.ps1 -ExceptAutoForwards                       leaves out what mailbox rules forward

Exceptions that are not named keep as they are; an empty list such as -ExceptRecipients @() takes them away, and so does
-ExceptAutoForwards:$false.
Needs the module ExchangeOnlineManagement and the role Exchange Administrator. For a customer's organisation connect
first: Connect-ExchangeOnline -DelegatedOrganization customer.onmicrosoft.com
#>
#Requires -Modules ExchangeOnlineManagement
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [string[]]$ExceptRecipientDomains = @(),
    [string[]]$ExceptRecipients = @(),
    [switch]$ExceptAutoForwards,
    [string]$SaveTo = ''
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$Customer = <<customer>>
$CustomerId = <<id>>
$Mark = <<mark>>
$Name = <<name>>
$SmartHost = <<host>>
$Domains = <<domains>>
$ExclaimerRule = <<exclaimer>>
$HandlesExclaimer = <<handles_exclaimer>>
if (-not $SaveTo) {
    $SaveTo = Join-Path (Get-Location) ('outgate-before-' + $CustomerId + '-' + (Get-Date -Format 'yyyyMMdd-HHmmss') + '.json')
}

function Get-ListText($Value) {
    (@($Value) | Where-Object { $null -ne $_ } | ForEach-Object { ([string]$_).Trim() } | Sort-Object) -join ' '
}

function Get-ListOrNull($Value) {
    # $null is what takes an exception away.
    if (@($Value).Count -gt 0) { return $Value }
    return $null
}

function Get-Difference($Object, $Wanted) {
    $Different = @{}
    foreach ($Key in $Wanted.Keys) {
        $Property = $Object.PSObject.Properties[$Key]
        if ($null -eq $Property -or (Get-ListText $Property.Value) -ne (Get-ListText $Wanted[$Key])) {
            $Different[$Key] = $Wanted[$Key]
        }
    }
    return $Different
}

function Get-RuleDifference($Rule, $Connector) {
    $Different = Get-Difference $Rule $RuleWanted
    if ($null -ne $Connector -and [string]$Rule.RouteMessageOutboundConnector -eq [string]$Connector.Guid) {
        $Different.Remove('RouteMessageOutboundConnector')
    }
    return $Different
}

function Find-Connector {
    # Each of the two filters shows one kind only: rule-scoped or not, in test mode or not.
    foreach ($Scoped in @($true, $false)) {
        foreach ($Test in @($true, $false)) {
            Get-OutboundConnector -IsTransportRuleScoped $Scoped -IncludeTestModeConnectors $Test -ResultSize Unlimited
        }
    }
}

function Find-Named($Objects, $Wanted) {
    # By the exact name: asked for an identity that is not there, some cmdlets answer with everything.
    @($Objects) | Where-Object { $null -ne $_ -and $_.Name -eq $Wanted } | Select-Object -First 1
}

$Before = $null
function Save-Before {
    if ($null -eq $script:Before) {
        $script:Before = @{ Mark = $Mark; Connectors = $Connectors; Rules = $Rules }
        $script:Before | ConvertTo-Json -Depth 5 | Set-Content -LiteralPath $SaveTo -Encoding UTF8
        Write-Output "What was there before is saved in $SaveTo"
    }
}

if (-not (Get-Command -Name Get-OutboundConnector -ErrorAction SilentlyContinue)) {
    Connect-ExchangeOnline -ShowBanner:$false
}

# Is this the right organisation?
$Accepted = @(Get-AcceptedDomain -ResultSize Unlimited | ForEach-Object { [string]$_.DomainName })
if ($Domains.Count -gt 0 -and @($Accepted | Where-Object { $Domains -contains $_ }).Count -eq 0) {
    throw "This organisation ($($Accepted -join ', ')) has none of the proven domains of $Customer. Nothing was changed. Connect to the right organisation."
}
foreach ($Missing in @($Accepted | Where-Object { $Domains -notcontains $_ -and $_ -notlike '*.mail.onmicrosoft.com' })) {
    if ($Missing -like '*.onmicrosoft.com') {
        Write-Warning "$Missing is not entered under Tenant lock in the portal. Mail from it, such as validation mails and journals, is refused until it is."
    } else {
        Write-Warning "$Missing is not among the proven domains of $Customer in the portal. Mail from it is refused until it is."
    }
}

# What is there.
$Connectors = @(Find-Connector)
$Rules = @(Get-TransportRule -ResultSize Unlimited)
$Connector = Find-Named $Connectors $Name
$Rule = Find-Named $Rules $Name
$Signatures = Find-Named $Rules $ExclaimerRule
if (($null -ne $Connector -and (Get-ListText $Connector.Comment) -ne $Mark) -or ($null -ne $Rule -and (Get-ListText $Rule.Comments) -ne $Mark)) {
    throw "There is another '$Name' already, which this script did not make. Nothing was changed. Rename it, or remove it if it was made by hand for Outgate."
}
if ($HandlesExclaimer -and $null -eq $Signatures) {
    throw "The rule '$ExclaimerRule' was not found. Nothing was changed. Set Exclaimer up first, or use the script without Exclaimer."
}
if ($HandlesExclaimer -and $Signatures.State -ne 'Enabled') {
    Write-Warning "The rule '$ExclaimerRule' is switched off: mail leaves without signatures until it is on."
}
if (-not $HandlesExclaimer -and $null -ne $Signatures) {
    Write-Warning 'Exclaimer is set up here: use the script of the guide for Microsoft 365 with Exclaimer instead.'
}

# The connector: only for a rule, always with TLS, and only to a host that proves its name.
$ConnectorWanted = @{
    ConnectorType            = 'Partner'
    UseMXRecord              = $false
    SmartHosts               = $SmartHost
    TlsSettings              = 'DomainValidation'
    TlsDomain                = $SmartHost
    IsTransportRuleScoped    = $true
    CloudServicesMailEnabled = $false
    TestMode                 = $false
    Enabled                  = $true
    Comment                  = $Mark
}
if ($null -eq $Connector) {
    if ($PSCmdlet.ShouldProcess($Name, 'Create the outbound connector')) {
        Save-Before
        New-OutboundConnector -Name $Name @ConnectorWanted | Out-Null
    }
} else {
    $ConnectorChange = Get-Difference $Connector $ConnectorWanted
    # What the cmdlet checks against each other goes together.
    foreach ($Pair in @(@('TlsSettings', 'TlsDomain'), @('UseMXRecord', 'SmartHosts'))) {
        if ($ConnectorChange.ContainsKey($Pair[0]) -or $ConnectorChange.ContainsKey($Pair[1])) {
            foreach ($Key in $Pair) { $ConnectorChange[$Key] = $ConnectorWanted[$Key] }
        }
    }
    if ($ConnectorChange.Count -gt 0 -and $PSCmdlet.ShouldProcess($Name, "Correct the outbound connector: $($ConnectorChange.Keys -join ', ')")) {
        Save-Before
        Set-OutboundConnector -Identity $Name @ConnectorChange
    }
}

# The rule: from inside to outside. If it cannot be evaluated, the message waits instead of passing by.
$RuleWanted = @{
    FromScope                     = 'InOrganization'
    SentToScope                   = 'NotInOrganization'
    RouteMessageOutboundConnector = $Name
    RuleErrorAction               = 'Defer'
    SenderAddressLocation         = 'Header'
    Mode                          = 'Enforce'
    Comments                      = $Mark
}
if ($PSBoundParameters.ContainsKey('ExceptRecipientDomains')) {
    $RuleWanted['ExceptIfRecipientDomainIs'] = Get-ListOrNull $ExceptRecipientDomains
}
if ($PSBoundParameters.ContainsKey('ExceptRecipients')) {
    $Patterns = @($ExceptRecipients | ForEach-Object { '^' + [regex]::Escape($_) + '$' })
    $RuleWanted['ExceptIfRecipientAddressMatchesPatterns'] = Get-ListOrNull $Patterns
}
if ($PSBoundParameters.ContainsKey('ExceptAutoForwards')) {
    $RuleWanted['ExceptIfMessageTypeMatches'] = if ($ExceptAutoForwards) { 'AutoForward' } else { $null }
}
if ($null -eq $Rule) {
    if ($PSCmdlet.ShouldProcess($Name, 'Create the mail flow rule, switched off')) {
        Save-Before
        New-TransportRule -Name $Name -Enabled $false @RuleWanted | Out-Null
    }
} else {
    $RuleChange = Get-RuleDifference $Rule $Connector
    if ($RuleChange.Count -gt 0 -and $PSCmdlet.ShouldProcess($Name, "Correct the mail flow rule: $($RuleChange.Keys -join ', ')")) {
        Save-Before
        Set-TransportRule -Identity $Name @RuleChange
    }
}

# Exclaimer's rule comes first and stops the others; what comes back from Exclaimer no longer meets it, but ours.
if ($HandlesExclaimer) {
    if (-not $Signatures.StopRuleProcessing -and $PSCmdlet.ShouldProcess($ExclaimerRule, 'Stop processing more rules')) {
        Save-Before
        Set-TransportRule -Identity $ExclaimerRule -StopRuleProcessing $true
    }
    $Rule = Find-Named (Get-TransportRule -ResultSize Unlimited) $Name
    if ($null -ne $Rule -and $Rule.Priority -lt $Signatures.Priority -and $PSCmdlet.ShouldProcess($Name, 'Put the mail flow rule behind that of Exclaimer')) {
        Save-Before
        Set-TransportRule -Identity $Name -Priority $Signatures.Priority
    }
}

$Rule = Find-Named (Get-TransportRule -ResultSize Unlimited) $Name
if (($null -eq $Rule -or $Rule.State -ne 'Enabled') -and $PSCmdlet.ShouldProcess($Name, 'Switch the mail flow rule on')) {
    Save-Before
    Enable-TransportRule -Identity $Name -Confirm:$false
}
if ($WhatIfPreference) { return }

# Look at the result.
$Problems = @()
$Rules = @(Get-TransportRule -ResultSize Unlimited)
$Connector = Find-Named (Find-Connector) $Name
$Rule = Find-Named $Rules $Name
$Signatures = Find-Named $Rules $ExclaimerRule
if ($null -eq $Connector) {
    $Problems += 'The connector is not there.'
} else {
    foreach ($Key in (Get-Difference $Connector $ConnectorWanted).Keys) { Write-Warning "The connector's $Key is shown as $(Get-ListText $Connector.$Key)." }
    if (-not $Connector.Enabled) { $Problems += 'The connector is not switched on.' }
}
if ($null -eq $Rule) {
    $Problems += 'The rule is not there.'
} else {
    foreach ($Key in (Get-RuleDifference $Rule $Connector).Keys) { Write-Warning "The rule's $Key is shown as $(Get-ListText $Rule.$Key)." }
    if ($Rule.State -ne 'Enabled') { $Problems += 'The rule is not switched on.' }
    foreach ($Other in @($Rules | Where-Object { $_.Priority -lt $Rule.Priority -and $_.State -eq 'Enabled' -and $_.StopRuleProcessing -and $_.Name -ne $ExclaimerRule })) {
        Write-Warning "The rule '$($Other.Name)' comes before ours and stops the others: mail that it takes does not come to Outgate."
    }
}
if ($HandlesExclaimer -and $null -ne $Rule) {
    if (-not $Signatures.StopRuleProcessing) { $Problems += "The rule '$ExclaimerRule' does not stop the others." }
    if ($Rule.Priority -lt $Signatures.Priority) { $Problems += "The rule '$ExclaimerRule' does not come before ours." }
}
if ($Problems.Count -gt 0) {
    throw "Not all is as it should be. Exchange Online may need a minute: run this again, it leaves alone what is right. $($Problems -join ' ')"
}
Write-Output "Mail of $Customer to outside leaves by $SmartHost. It takes Exchange Online 30 to 60 minutes to act on it everywhere."
Write-Output 'Now send a message to somebody outside your organisation, and watch the end of the guide in the portal.'
