/* model
description = "The accounts of the providers' carbon figures, as the bills write them"
grain = "one row per tenant, provider, billing account and sub account of normalize.provider_total"
kind = "view"
small = true
*/
-- Azure's figures name no billing account, and its bills may write a subscription as a path. Mappings are written for bills.
WITH billed AS (
    SELECT
        tenant, provider_name, billing_account_id, sub_account_id,
        CASE provider_name WHEN 'Microsoft' THEN regexp_replace(lower(sub_account_id), '^/subscriptions/', '')
             ELSE sub_account_id END AS account
    FROM rollup.usage_daily
),
billed_account AS (
    SELECT
        tenant, provider_name, account,
        min(billing_account_id) AS billing_account_id,
        min(sub_account_id) AS sub_account_id
    FROM billed
    GROUP BY tenant, provider_name, account
),
figure_account AS (
    SELECT DISTINCT tenant, provider_name, billing_account_id, sub_account_id FROM normalize.provider_total
)
SELECT
    f.tenant, f.provider_name,
    f.billing_account_id AS figure_billing_account_id,
    f.sub_account_id AS figure_sub_account_id,
    COALESCE(f.billing_account_id, b.billing_account_id) AS billing_account_id,
    COALESCE(b.sub_account_id, f.sub_account_id) AS sub_account_id
FROM figure_account AS f
LEFT JOIN billed_account AS b
  ON b.tenant = f.tenant AND b.provider_name = f.provider_name AND b.account = f.sub_account_id
