/* model
grain = "one row per tenant, billing account, sub account and allocation tag values in use that a mapping matches"
kind  = "view"
small = true
*/
-- Entity, site and cost centre of a bill's accounts and tags. Each of the three takes the first mapping of the
-- configuration that matches and sets it. A provider's carbon figures name accounts, but no tags.
WITH accounts AS (
    SELECT tenant, billing_account_id, sub_account_id /*{tag_columns}*/
    FROM rollup.usage_daily
    UNION BY NAME
    SELECT tenant, billing_account_id, sub_account_id
    FROM estimate.provider_account
),
keyed AS (
    SELECT
        n.*,
        array_to_string(
            make_array(n.tenant, n.billing_account_id, n.sub_account_id /*{tag_columns:n}*/), chr(31), chr(30)
        ) AS account_key,
        COALESCE(CAST(NULL AS VARCHAR) /*{tag_columns:n}*/) IS NULL AS is_untagged
    FROM accounts AS n
),
conditions AS (
    SELECT m.*, a.tag_column
    FROM settings.mapping AS m
    LEFT JOIN settings.allocation_tag AS a
      ON a.tenant = m.tenant AND (a.tag_key = m.tag_key OR a.tag_column = m.tag_key)
),
matched AS (
    SELECT n.*, c.ordinal, c.entity, c.site, c.cost_centre
    FROM conditions AS c
    JOIN keyed AS n ON n.tenant = c.tenant
    WHERE (c.billing_account_id IS NULL OR c.billing_account_id = n.billing_account_id)
      AND (c.sub_account_id IS NULL OR c.sub_account_id = n.sub_account_id)
      AND (c.tag_key IS NULL OR c.tag_value = CASE c.tag_column /*{tag_cases:n}*/ END)
)
SELECT
    tenant, billing_account_id, sub_account_id /*{tag_columns}*/, account_key, is_untagged,
    first_value(entity ORDER BY ordinal) FILTER (WHERE entity IS NOT NULL) AS entity,
    first_value(site ORDER BY ordinal) FILTER (WHERE site IS NOT NULL) AS site,
    first_value(cost_centre ORDER BY ordinal) FILTER (WHERE cost_centre IS NOT NULL) AS cost_centre
FROM matched
GROUP BY tenant, billing_account_id, sub_account_id /*{tag_columns}*/, account_key, is_untagged
