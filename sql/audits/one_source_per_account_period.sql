-- Guards "one bill counts once": per provider, billing account and billing period, exactly one source counts. Rows that name
-- no provider may be of any.
WITH held AS (
    SELECT DISTINCT tenant, provider_name, billing_account_id, period, source
    FROM {{table}}
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
    ON b.tenant = a.tenant AND b.period = a.period
    AND COALESCE(b.billing_account_id, '') = COALESCE(a.billing_account_id, '')
WHERE a.source < b.source
    AND ((a.provider_name IS NOT DISTINCT FROM b.provider_name)
        OR (a.billing_account_id IS NOT NULL AND (a.provider_name IS NULL OR b.provider_name IS NULL)))
