-- Guards signs: energy and emissions are below zero only where the quantity is.
SELECT *
FROM {{table}}
WHERE (it_kwh < 0 OR facility_kwh < 0 OR location_gco2e < 0 OR market_gco2e < 0 OR embodied_gco2e < 0)
  AND NOT COALESCE(usage_quantity < 0, false)
