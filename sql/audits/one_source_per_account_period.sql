-- Guards "one bill counts once": per provider, billing account and billing period, exactly one source counts. It reads the
-- table itself, whatever the ledger says. Rows without an account name no bill that could be compared.
SELECT
    usage.tenant,
    usage.provider_name,
    usage.billing_account_id,
    usage.period,
    count(DISTINCT usage.source) AS sources,
    min(usage.source) AS first_source,
    max(usage.source) AS last_source
FROM {{arg1}} AS usage
WHERE usage.tenant IN (SELECT DISTINCT tenant FROM {{table}}) AND usage.billing_account_id <> ''
GROUP BY usage.tenant, usage.provider_name, usage.billing_account_id, usage.period
HAVING count(DISTINCT usage.source) > 1
