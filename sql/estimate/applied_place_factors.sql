/* model
description = "PUE and grid factors of every place, as a billing period was estimated with them"
grain       = "one row per source, export, billing period, provider_name, region_id and usage year"
kind        = "incremental"
partition   = ["tenant", "source", "export", "period"]
skip_if_unchanged = true
audits      = ["unique(tenant, source, export, period, provider_name, region_id, usage_year)"]
*/
-- Kept, so that a changed factor makes those periods again that use it, and no other.
WITH places AS (
    SELECT DISTINCT tenant, source, export, period, provider_name, region_id, usage_year FROM estimate.usage_row
)
SELECT
    u.tenant, u.source, u.export, u.period,
    p.*
FROM estimate.place_factors AS p
RIGHT JOIN places AS u
  ON (p.provider_name IS NOT DISTINCT FROM u.provider_name)
 AND (p.region_id IS NOT DISTINCT FROM u.region_id)
 AND (p.usage_year IS NOT DISTINCT FROM u.usage_year)
