-- Guards "never both": a provider's emissions come from the side that the configuration names, the estimate or the
-- provider. inventory_one_side(column), whose text is `Cloud: <provider>`.
SELECT i.tenant, i.{{arg1}} AS cloud, i.month, i.data_source, count(*) AS inventory_rows
FROM {{table}} AS i
LEFT JOIN settings.provider AS s ON s.tenant = i.tenant AND concat('Cloud: ', s.provider_name) = i.{{arg1}}
WHERE i.{{arg1}} LIKE 'Cloud: %'
  AND i.data_source IN ('estimate', 'provider')
  AND i.data_source <> COALESCE(s.inventory_source, 'estimate')
GROUP BY i.tenant, i.{{arg1}}, i.month, i.data_source
