/* model
grain = "one row per electricity row and instrument that covers part of it"
kind  = "view"
*/
-- Which instrument covers which electricity (method point 10). Each kilowatt-hour of an instrument is used once. The
-- instruments of a tenant are dealt out one after the other (those of a site first, then those that expire first), each
-- over the electricity of its market and validity, the earliest period first, until it is used up.
WITH RECURSIVE needs AS (
    SELECT
        activity_key,
        tenant,
        site,
        country_iso2,
        upper(trim(region)) AS grid_region,
        period_start,
        period_end,
        CAST(energy_kwh AS DECIMAL(38, 12)) AS needed_kwh,
        row_number() OVER (
            PARTITION BY tenant ORDER BY period_start, period_end, site, source, source_file, source_row_number
        ) AS place_in_line
    FROM estimate.activity_in_units
    WHERE is_electricity AND energy_kwh > 0
),
instruments AS (
    SELECT
        tenant,
        concat(source_file, '#', CAST(source_row_number AS VARCHAR)) AS instrument_row,
        lower(kind) AS kind,
        upper(trim(market)) AS market,
        site,
        valid_from,
        valid_to,
        CAST(energy_kwh AS DECIMAL(38, 12)) AS supplied_kwh,
        CAST(factor_kgco2e_per_kwh AS DOUBLE) AS factor_kgco2e_per_kwh,
        row_number() OVER (
            PARTITION BY tenant
            ORDER BY site IS NULL, valid_to, valid_from,
                CASE lower(kind) WHEN 'contract' THEN 1 WHEN 'go' THEN 2 ELSE 3 END,
                market, source, source_file, source_row_number
        ) AS turn
    FROM normalize.instrument
    -- A contract that does not say its factor says nothing; certificates of renewable energy are 0.
    WHERE energy_kwh > 0 AND (factor_kgco2e_per_kwh IS NOT NULL OR lower(kind) IN ('go', 'rec'))
),
turns AS (
    SELECT tenant, max(turn) AS last_turn FROM instruments GROUP BY tenant
),
dealt AS (
    SELECT
        n.tenant,
        n.site,
        n.country_iso2,
        n.grid_region,
        n.period_start,
        n.period_end,
        n.place_in_line,
        t.last_turn,
        CAST(0 AS BIGINT) AS turn,
        n.needed_kwh AS open_kwh,
        CAST(0 AS DECIMAL(38, 12)) AS covered_kwh
    FROM turns AS t
    JOIN needs AS n ON n.tenant = t.tenant
    UNION ALL
    SELECT
        tenant,
        site,
        country_iso2,
        grid_region,
        period_start,
        period_end,
        place_in_line,
        last_turn,
        turn,
        CAST(open_kwh - covered_kwh AS DECIMAL(38, 12)) AS open_kwh,
        CAST(covered_kwh AS DECIMAL(38, 12)) AS covered_kwh
    FROM (
        SELECT
            *,
            CASE WHEN asked_kwh = 0 OR supplied_kwh <= asked_before_kwh THEN CAST(0 AS DECIMAL(38, 12))
                 WHEN supplied_kwh - asked_before_kwh < asked_kwh THEN CAST(supplied_kwh - asked_before_kwh AS DECIMAL(38, 12))
                 ELSE asked_kwh END AS covered_kwh
        FROM (
            SELECT
                *,
                CAST(sum(asked_kwh) OVER (
                    PARTITION BY tenant ORDER BY place_in_line ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                ) - asked_kwh AS DECIMAL(38, 12)) AS asked_before_kwh
            FROM (
                SELECT
                    d.tenant, d.site, d.country_iso2, d.grid_region, d.period_start,
                    d.period_end, d.place_in_line, d.last_turn, d.open_kwh,
                    CAST(d.turn + 1 AS BIGINT) AS turn,
                    COALESCE(i.supplied_kwh, CAST(0 AS DECIMAL(38, 12))) AS supplied_kwh,
                    CASE WHEN (i.market IN (d.country_iso2, d.grid_region)
                               -- The market of guarantees of origin is that of the AIB.
                               OR (i.market IN ('EU', 'EEA', 'AIB') AND d.country_iso2 IN (
                                   'AT', 'BE', 'BG', 'CH', 'CY', 'CZ', 'DE', 'DK', 'EE', 'ES', 'FI', 'FR', 'GR', 'HR',
                                   'HU', 'IE', 'IS', 'IT', 'LT', 'LU', 'LV', 'MT', 'NL', 'NO', 'PL', 'PT', 'RO', 'SE',
                                   'SI', 'SK')))
                          AND (i.site IS NULL OR i.site = d.site)
                          AND d.period_start >= i.valid_from
                          AND d.period_end <= i.valid_to
                         THEN d.open_kwh ELSE CAST(0 AS DECIMAL(38, 12)) END AS asked_kwh
                FROM instruments AS i
                RIGHT JOIN dealt AS d ON i.tenant = d.tenant AND i.turn = d.turn + 1
                WHERE d.turn < d.last_turn AND d.open_kwh > 0
            ) AS asked
        ) AS queued
    ) AS served
)
SELECT
    n.activity_key,
    c.instrument_row,
    c.kind,
    c.factor_kgco2e_per_kwh,
    c.covered_kwh
FROM (
    SELECT d.tenant, d.place_in_line, i.instrument_row, i.kind, i.factor_kgco2e_per_kwh, d.covered_kwh
    FROM instruments AS i
    JOIN dealt AS d ON i.tenant = d.tenant AND i.turn = d.turn
    WHERE d.covered_kwh > 0
) AS c
-- The key is long and takes no part in dealing: each turn holds all open rows.
JOIN needs AS n ON n.tenant = c.tenant AND n.place_in_line = c.place_in_line
