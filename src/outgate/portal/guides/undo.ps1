<#
Takes back what outgate-set-up.ps1 did: mail leaves from Microsoft itself again.

    .\outgate-undo.ps1 -WhatIf                    says what it would change
    .\outgate-undo.ps1                            changes it; it can run again
    .\outgate-undo.ps1 -SavedIn outgate-before-...json

The rule goes before the connector, which cannot be removed while a rule names it. Only what the set-up made is removed.
If the set-up changed the rule of Exclaimer, that is put back as the file says that the set-up saved; without -SavedIn
the oldest such file of this directory is used, and those that were used are renamed. Keep Microsoft's include in your SPF record.
#>
#Requires -Modules ExchangeOnlineManagement
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [string]$SavedIn = ''
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$Customer = <<customer>>
$CustomerId = <<id>>
$Mark = <<mark>>
$Name = <<name>>
$Domains = <<domains>>
$ExclaimerRule = <<exclaimer>>

function Find-Connector {
    foreach ($Scoped in @($true, $false)) {
        foreach ($Test in @($true, $false)) {
            Get-OutboundConnector -IsTransportRuleScoped $Scoped -IncludeTestModeConnectors $Test -ResultSize Unlimited
        }
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

# The rule, then the connector.
$Rule = Get-TransportRule -ResultSize Unlimited | Where-Object { $_.Name -eq $Name -and ([string]$_.Comments).Trim() -eq $Mark } | Select-Object -First 1
if ($null -ne $Rule -and $PSCmdlet.ShouldProcess($Name, 'Switch the mail flow rule off, and remove it')) {
    Disable-TransportRule -Identity $Name -Confirm:$false
    Remove-TransportRule -Identity $Name -Confirm:$false
}
$Connector = @(Find-Connector) | Where-Object { $_.Name -eq $Name -and ([string]$_.Comment).Trim() -eq $Mark } | Select-Object -First 1
if ($null -ne $Connector -and $PSCmdlet.ShouldProcess($Name, 'Remove the outbound connector')) {
    Remove-OutboundConnector -Identity $Name -Confirm:$false
}

# Exclaimer's rule as it was. Which file says so: the one before the first change since the last time that this ran.
$SavedName = '^outgate-before-' + [regex]::Escape($CustomerId) + '-[0-9]{8}-[0-9]{6}\.json$'
$Saved = @(Get-ChildItem -Path (Get-Location) -Filter 'outgate-before-*.json' | Where-Object { $_.Name -match $SavedName } | Sort-Object -Property Name)
if (-not $SavedIn -and $Saved.Count -gt 0) {
    $SavedIn = $Saved[0].FullName
}
if ($SavedIn) {
    $Before = Get-Content -LiteralPath $SavedIn -Raw | ConvertFrom-Json
    if ($Before.Mark -ne $Mark) { throw "$SavedIn was not saved by the set-up of $Customer." }
    $Was = $Before.Rules | Where-Object { $_.Name -eq $ExclaimerRule } | Select-Object -First 1
    $Is = Get-TransportRule -ResultSize Unlimited | Where-Object { $_.Name -eq $ExclaimerRule } | Select-Object -First 1
    if ($null -ne $Was -and $null -ne $Is -and $Is.StopRuleProcessing -and -not $Was.StopRuleProcessing -and $PSCmdlet.ShouldProcess($ExclaimerRule, 'Let more rules be processed, as before')) {
        Set-TransportRule -Identity $ExclaimerRule -StopRuleProcessing $false
    }
}
if ($WhatIfPreference) { return }

# Look at the result.
$Left = @(Get-TransportRule -ResultSize Unlimited) + @(Find-Connector) | Where-Object { $null -ne $_ -and $_.Name -eq $Name } | Select-Object -First 1
if ($null -ne $Left) {
    throw "'$Name' is still there. If this script did not make it, it is not touched; else run this again in a minute."
}
# What was saved has been put back: the next set-up saves anew, and the next undo does not take these.
foreach ($File in $Saved) {
    Rename-Item -LiteralPath $File.FullName -NewName ($File.Name + '.undone')
}
Write-Output "Mail of $Customer leaves from Microsoft itself again. It takes Exchange Online 30 to 60 minutes to act on it everywhere."
