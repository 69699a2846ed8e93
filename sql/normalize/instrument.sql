/* model
description = "Contractual instruments of market-based electricity: contracts, guarantees of origin, RECs"
grain = "one row per delivered row"
kind = "view"
*/
WITH rows AS (
    SELECT
        tenant, source, clean_text(kind) AS kind, clean_text(market) AS market, clean_text(energy_kwh) AS energy_kwh,
        clean_text(factor_kgco2e_per_kwh) AS factor, clean_text(vintage) AS vintage,
        usage_timestamp(valid_from, _date_order) AS valid_from, usage_timestamp(valid_to, _date_order) AS valid_to,
        clean_text(site) AS site, clean_text(evidence) AS evidence, _source_uri AS source_file,
        _row_number AS source_row_number
    FROM raw.instruments
    UNION ALL
    SELECT
        tenant, source, clean_text(kind), clean_text(market), clean_text(CAST(energy_kwh AS VARCHAR)),
        clean_text(CAST(factor_kgco2e_per_kwh AS VARCHAR)), clean_text(vintage), usage_timestamp(valid_from, _date_order),
        usage_timestamp(valid_to, _date_order), clean_text(site), clean_text(evidence), _source_uri, _row_number
    FROM raw.instruments_parquet
)
SELECT
    tenant, source, kind, market,
    canonical_quantity(energy_kwh, 1.0, 'false', valid_from) AS energy_kwh,
    canonical_quantity(factor, 1.0, 'false', valid_from) AS factor_kgco2e_per_kwh,
    vintage, CAST(valid_from AS DATE) AS valid_from, CAST(valid_to AS DATE) AS valid_to, site, evidence,
    source_file, source_row_number
FROM rows
