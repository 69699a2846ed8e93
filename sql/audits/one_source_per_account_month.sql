-- Guards "one figure counts once": a provider's carbon figure of an account and month comes from one counting source.
SELECT
    e.tenant, e.provider_name, e.billing_account_id, e.sub_account_id, e.month,
    count(DISTINCT e.source) AS sources,
    min(e.source) AS first_source,
    max(e.source) AS last_source
FROM {{arg1}} AS e
JOIN settings.source AS s ON s.tenant = e.tenant AND s.source = e.source AND s.role = 'counts'
WHERE e.tenant IN (SELECT DISTINCT tenant FROM {{table}})
GROUP BY e.tenant, e.provider_name, e.billing_account_id, e.sub_account_id, e.month
HAVING count(DISTINCT e.source) > 1
