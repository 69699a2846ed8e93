/* model
grain = "one row per usage row of rollup.usage_daily"
kind  = "view"
*/
-- Usage with what its factors are looked up by: the meter (estimate.usage_meter) and the year.
SELECT
    r.*,
    CAST(extract(YEAR FROM r.charge_date) AS BIGINT) AS usage_year,
    concat_ws(chr(31), r.tenant, r.provider_name, COALESCE(r.service_name, chr(30)),
        COALESCE(r.service_code, chr(30)), COALESCE(r.usage_type, chr(30)), COALESCE(r.operation, chr(30)),
        COALESCE(r.sku_meter, chr(30)), COALESCE(r.instance_type, chr(30)),
        COALESCE(CAST(r.vcpus AS VARCHAR), chr(30)), COALESCE(r.usage_unit, chr(30)),
        CAST(r.usage_quantity IS NOT NULL AS VARCHAR)) AS meter_key
FROM rollup.usage_daily AS r
WHERE r.is_usage
