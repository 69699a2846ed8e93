-- Guards "one bill counts once": per provider, billing account and billing period, exactly one source counts.
SELECT
    tenant,
    provider_name,
    billing_account_id,
    period,
    count(DISTINCT source) AS sources,
    min(source) AS first_source,
    max(source) AS last_source
FROM {{table}}
GROUP BY tenant, provider_name, billing_account_id, period
HAVING count(DISTINCT source) > 1
