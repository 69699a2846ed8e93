/* model
description = "The factors of every meter, per unit of quantity, as a billing period was estimated with them"
grain       = "one row per source, export, billing period, meter and component; a meter without any factor is one row without component"
kind        = "incremental"
partition   = ["tenant", "source", "export", "period"]
skip_if_unchanged = true
audits      = ["unique(tenant, source, export, period, meter_key, component)"]
*/
-- Kept, so that a changed factor makes those periods again that use it, and no other.
WITH meters AS (
    SELECT DISTINCT
        tenant, source, export, period, provider_name, service_name, service_code, usage_type, operation, sku_meter,
        instance_type, vcpus, usage_unit, meter_key
    FROM estimate.usage_row
)
SELECT
    m.tenant, m.source, m.export, m.period, m.provider_name, m.service_name, m.service_code, m.usage_type, m.operation,
    m.sku_meter, m.instance_type, m.vcpus, m.usage_unit,
    f.*
FROM estimate.usage_factors AS f
RIGHT JOIN meters AS m ON m.meter_key = f.meter_key
