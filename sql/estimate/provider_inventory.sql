/* model
description = "The providers' own figures that feed the inventory, with entity, site and country"
grain = "one row per row of normalize.provider_total of a counting source, where the tenant takes the provider's side"
kind = "view"
*/
SELECT
    t.tenant, t.source, t.provider_name, t.billing_account_id, t.sub_account_id, t.month, t.service_name, t.region_id,
    m.entity, m.site, r.country_iso2 AS country,
    concat('Cloud: ', t.provider_name) AS subcategory,
    concat_ws('/', 'provider', lower(replace(t.provider_name, ' ', '-')), t.model_version) AS factor_id,
    t.location_gco2e, t.market_gco2e
FROM normalize.provider_total AS t
JOIN settings.provider AS s ON s.tenant = t.tenant AND s.provider_name = t.provider_name
LEFT JOIN estimate.provider_account AS a
  ON (a.tenant IS NOT DISTINCT FROM t.tenant)
 AND (a.provider_name IS NOT DISTINCT FROM t.provider_name)
 AND (a.figure_billing_account_id IS NOT DISTINCT FROM t.billing_account_id)
 AND (a.figure_sub_account_id IS NOT DISTINCT FROM t.sub_account_id)
LEFT JOIN (SELECT * FROM estimate.account_mapping WHERE is_untagged) AS m
  ON (m.tenant IS NOT DISTINCT FROM a.tenant)
 AND (m.billing_account_id IS NOT DISTINCT FROM a.billing_account_id)
 AND (m.sub_account_id IS NOT DISTINCT FROM a.sub_account_id)
LEFT JOIN reference.regions AS r
  ON r.provider = CASE t.provider_name WHEN 'AWS' THEN 'aws' WHEN 'Microsoft' THEN 'azure' WHEN 'Google Cloud' THEN 'gcp' END
 AND r.region = t.region_id
WHERE s.inventory_source = 'provider' AND t.role = 'counts'
