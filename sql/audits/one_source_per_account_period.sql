-- Guards "one bill counts once": per provider, billing account and billing period, exactly one source counts. It reads the
-- table itself, whatever the ledger says. Rows that name no provider may be of any; rows without an account name no bill
-- that could be compared.
WITH held AS (
    SELECT DISTINCT tenant, provider_name, billing_account_id, period, source
    FROM {{arg1}}
    WHERE tenant IN (SELECT DISTINCT tenant FROM {{table}}) AND billing_account_id <> ''
)
SELECT
    a.tenant,
    COALESCE(a.provider_name, b.provider_name) AS provider_name,
    a.billing_account_id,
    a.period,
    a.source AS first_source,
    b.source AS last_source
FROM held AS a
JOIN held AS b
    ON b.tenant = a.tenant AND b.period = a.period AND b.billing_account_id = a.billing_account_id
WHERE a.source < b.source
    AND (a.provider_name = b.provider_name OR a.provider_name IS NULL OR b.provider_name IS NULL)
