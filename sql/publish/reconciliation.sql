/* model
description = "Our estimate beside the provider's own carbon figure, and why they differ as far as it can be known"
grain  = "one row per tenant, provider, month, sub account, service and region that either side has"
kind   = "full"
audits = ["unique(tenant, provider_name, month, sub_account_id, service_name, region_id)",
          "not_null(tenant, month, note)",
          "accepted_values(difference_basis, location, market)",
          "both_sides_whole()",
          "one_source_per_account_month(normalize.provider_emissions)"]
*/
-- Like with like: the provider's totals hold scope 3, so the estimate stands with its embodied emissions. Internet transfer
-- is in the estimate only if the tenant includes it. The difference is estimate minus provider, location-based, and
-- market-based where the provider publishes no other figure (difference_basis). A side without a figure is null, and the
-- note says why. Azure writes a subscription as an id or as a path: here it is the id, in lower case.
WITH usage_part AS (
    SELECT
        tenant, provider_name, month,
        CASE provider_name WHEN 'Microsoft' THEN regexp_replace(lower(sub_account_id), '^/subscriptions/', '')
             ELSE sub_account_id END AS sub_account_id,
        service_name, region_id, billing_currency,
        CASE WHEN carried_line_count IS NOT NULL AND NOT has_energy THEN uncovered_reason END AS uncovered_reason,
        sum(counted_location_gco2e) AS location_gco2e,
        sum(counted_market_gco2e) AS market_gco2e,
        sum(embodied_gco2e) AS embodied_gco2e,
        sum(CASE WHEN carried_effective_cost >= 0 THEN carried_effective_cost END) AS effective_cost,
        sum(covered_effective_cost) AS covered_cost,
        sum(carried_line_count) AS line_count,
        sum(CASE WHEN has_energy THEN carried_line_count END) AS covered_lines
    FROM estimate.published_row
    GROUP BY
        tenant, provider_name, month,
        CASE provider_name WHEN 'Microsoft' THEN regexp_replace(lower(sub_account_id), '^/subscriptions/', '')
             ELSE sub_account_id END,
        service_name, region_id, billing_currency,
        CASE WHEN carried_line_count IS NOT NULL AND NOT has_energy THEN uncovered_reason END
),
usage_by_currency AS (
    SELECT
        tenant, provider_name, month, sub_account_id, service_name, region_id, billing_currency,
        sum(location_gco2e) AS location_gco2e,
        sum(market_gco2e) AS market_gco2e,
        sum(embodied_gco2e) AS embodied_gco2e,
        sum(effective_cost) AS effective_cost,
        COALESCE(sum(covered_cost), 0) AS covered_cost,
        sum(line_count) AS line_count,
        COALESCE(sum(covered_lines), 0) AS covered_lines,
        string_agg(uncovered_reason, ', ' ORDER BY effective_cost DESC NULLS LAST, uncovered_reason) AS uncovered_reasons
    FROM usage_part
    GROUP BY tenant, provider_name, month, sub_account_id, service_name, region_id, billing_currency
),
-- What of the usage the estimate leaves out, in words: by cost per currency, of usage without cost by lines.
estimate_row AS (
    SELECT
        tenant, provider_name, month, sub_account_id, service_name, region_id,
        sum(location_gco2e) AS location_gco2e,
        sum(market_gco2e) AS market_gco2e,
        sum(embodied_gco2e) AS embodied_gco2e,
        string_agg(
            CASE
                WHEN covered_lines = line_count THEN NULL
                WHEN covered_lines = 0 THEN concat('no estimate: ', uncovered_reasons)
                WHEN effective_cost > 0 THEN concat(
                    'the estimate covers ',
                    CAST(CAST(floor(1000 * CAST(covered_cost AS DOUBLE) / CAST(effective_cost AS DOUBLE)) / 10
                        AS DECIMAL(4, 1)) AS VARCHAR),
                    ' % of the usage cost in ', billing_currency, ', without: ', uncovered_reasons)
                ELSE concat(
                    'the estimate covers ', CAST(covered_lines AS VARCHAR), ' of ', CAST(line_count AS VARCHAR),
                    ' usage lines, without: ', uncovered_reasons)
            END, '; ' ORDER BY billing_currency) AS coverage_note
    FROM usage_by_currency
    GROUP BY tenant, provider_name, month, sub_account_id, service_name, region_id
),
provider_row AS (
    SELECT
        tenant, provider_name, month, sub_account_id, service_name, region_id,
        sum(location_gco2e) AS location_gco2e,
        sum(market_gco2e) AS market_gco2e,
        max(model_version) AS model_version,
        max(replaced_model_version) AS replaced_model_version,
        bool_and(has_scope_3) AS has_scope_3
    FROM normalize.provider_total
    GROUP BY tenant, provider_name, month, sub_account_id, service_name, region_id
),
-- The two sides stacked and folded: no join over nullable columns, nothing fans out.
side AS (
    SELECT
        tenant, provider_name, month, sub_account_id, service_name, region_id,
        COALESCE(location_gco2e + embodied_gco2e, location_gco2e, embodied_gco2e) AS estimate_location_gco2e,
        COALESCE(market_gco2e + embodied_gco2e, market_gco2e, embodied_gco2e) AS estimate_market_gco2e,
        embodied_gco2e, coverage_note,
        CAST(NULL AS DECIMAL(38, 9)) AS provider_location_gco2e, CAST(NULL AS DECIMAL(38, 9)) AS provider_market_gco2e,
        CAST(NULL AS VARCHAR) AS model_version, CAST(NULL AS VARCHAR) AS replaced_model_version,
        CAST(NULL AS BOOLEAN) AS has_scope_3,
        1 AS bill_row, 0 AS figure_row
    FROM estimate_row
    UNION ALL
    SELECT
        tenant, provider_name, month, sub_account_id, service_name, region_id,
        NULL, NULL, NULL, NULL,
        location_gco2e, market_gco2e, model_version, replaced_model_version, has_scope_3,
        0, 1
    FROM provider_row
),
pair AS (
    SELECT
        tenant, provider_name, month, sub_account_id, service_name, region_id,
        sum(estimate_location_gco2e) AS estimate_location_gco2e,
        sum(estimate_market_gco2e) AS estimate_market_gco2e,
        sum(embodied_gco2e) AS embodied_gco2e,
        max(coverage_note) AS coverage_note,
        sum(provider_location_gco2e) AS provider_location_gco2e,
        sum(provider_market_gco2e) AS provider_market_gco2e,
        max(model_version) AS model_version,
        max(replaced_model_version) AS replaced_model_version,
        bool_and(has_scope_3) AS has_scope_3,
        max(bill_row) AS bill_row,
        max(figure_row) AS figure_row
    FROM side
    GROUP BY tenant, provider_name, month, sub_account_id, service_name, region_id
),
-- What else each side has of the same month, account and service tells why a row has one side only.
placed AS (
    SELECT
        p.*,
        COALESCE(s.has_figures, false) AS has_figures,
        COALESCE(s.inventory_source, 'estimate') = 'provider' AS feeds_inventory,
        min(CASE WHEN figure_row = 1 THEN month END) OVER provider AS first_figure_month,
        max(CASE WHEN figure_row = 1 THEN month END) OVER provider AS last_figure_month,
        max(figure_row) OVER provider_month AS figures_of_month,
        max(bill_row) OVER provider_month AS bills_of_month,
        max(figure_row) OVER account AS figures_of_account,
        max(bill_row) OVER account AS bills_of_account,
        max(figure_row) OVER service AS figures_of_service,
        max(bill_row) OVER service AS bills_of_service,
        max(model_version) OVER (
            PARTITION BY p.tenant, p.provider_name, sub_account_id ORDER BY month
            GROUPS BETWEEN 1 PRECEDING AND 1 PRECEDING
        ) AS earlier_model_version
    FROM pair AS p
    LEFT JOIN settings.provider AS s ON s.tenant = p.tenant AND s.provider_name = p.provider_name
    WINDOW
        provider AS (PARTITION BY p.tenant, p.provider_name),
        provider_month AS (PARTITION BY p.tenant, p.provider_name, month),
        account AS (PARTITION BY p.tenant, p.provider_name, month, sub_account_id),
        service AS (PARTITION BY p.tenant, p.provider_name, month, sub_account_id, service_name)
),
explained AS (
    SELECT
        *,
        CASE
            WHEN figure_row = 1 THEN NULL
            WHEN last_figure_month IS NULL AND NOT has_figures THEN 'no source brings the provider''s figures'
            WHEN last_figure_month IS NULL THEN 'no figure of the provider has landed yet'
            WHEN month > last_figure_month THEN 'the provider''s figure is not published yet'
            WHEN month < first_figure_month THEN concat('the provider''s figures begin in ', first_figure_month)
            WHEN figures_of_month = 0 THEN 'the provider''s figure of this month is missing'
            WHEN figures_of_account = 0 THEN 'the provider has no figure of this account'
            WHEN region_id IS NULL AND figures_of_service = 1
                THEN 'the bill names no region, the provider has this service under one'
            WHEN figures_of_service = 1 THEN 'the provider has this service in other regions'
            ELSE 'the provider has no figure of this service'
        END AS figure_note,
        CASE
            WHEN bill_row = 1 THEN NULL
            WHEN bills_of_month = 0 THEN 'no usage of this month on a bill'
            WHEN bills_of_account = 0 THEN 'no usage of this account on a bill'
            WHEN region_id IS NULL AND bills_of_service = 1
                THEN 'the provider names no region, the bill has this service under one'
            WHEN bills_of_service = 1 THEN 'the bill has usage of this service in other regions'
            ELSE 'no usage of this service on a bill'
        END AS bill_note,
        CASE WHEN feeds_inventory AND figures_of_account = 0 THEN 'a gap in the inventory, which takes the provider''s figures'
        END AS gap_note,
        CASE
            WHEN figure_row = 0 THEN NULL
            WHEN provider_location_gco2e IS NULL AND provider_market_gco2e IS NULL
                THEN concat(
                    'the provider states no total and no scope 2',
                    CASE WHEN feeds_inventory THEN ', a gap in the inventory' ELSE '' END)
            WHEN provider_location_gco2e IS NULL THEN concat(
                'the provider has no location-based figure',
                CASE WHEN feeds_inventory THEN ', a gap in the location-based inventory' ELSE '' END)
            WHEN provider_market_gco2e IS NULL THEN concat(
                'the provider has no market-based figure',
                CASE WHEN feeds_inventory THEN ', a gap in the market-based inventory' ELSE '' END)
        END AS basis_note,
        CASE
            WHEN figure_row = 0 OR estimate_location_gco2e IS NULL THEN NULL
            WHEN has_scope_3 AND embodied_gco2e IS NULL THEN 'scope 3 in the provider''s figure, no embodied emissions in the estimate'
            WHEN has_scope_3 THEN 'both sides with scope 3 (embodied)'
            WHEN embodied_gco2e IS NULL THEN 'no embodied emissions in the estimate, scope 3 not told by the provider'
            ELSE 'embodied emissions in the estimate, scope 3 not told by the provider'
        END AS scope_note,
        CASE WHEN bill_row = 1 AND estimate_location_gco2e IS NULL AND coverage_note IS NULL
             THEN 'no counted figure for the energy of this usage: internet transfer stands apart, or no grid factor' END
            AS uncounted_note,
        CASE WHEN replaced_model_version IS NOT NULL
             THEN concat('model ', model_version, ' replaces ', replaced_model_version) END AS restated_note,
        CASE WHEN model_version <> earlier_model_version
             THEN concat('the month before is of model ', earlier_model_version) END AS model_note,
        CASE WHEN provider_location_gco2e IS NOT NULL OR provider_market_gco2e IS NULL THEN 'location' ELSE 'market' END
            AS basis
    FROM placed
),
compared AS (
    SELECT
        *,
        CASE basis WHEN 'location' THEN estimate_location_gco2e ELSE estimate_market_gco2e END AS estimate_gco2e,
        CASE basis WHEN 'location' THEN provider_location_gco2e ELSE provider_market_gco2e END AS provider_gco2e
    FROM explained
)
SELECT
    tenant, provider_name, month, sub_account_id, service_name, region_id,
    estimate_location_gco2e, provider_location_gco2e, estimate_market_gco2e, provider_market_gco2e,
    estimate_gco2e - provider_gco2e AS difference_gco2e,
    CASE WHEN provider_gco2e <> 0 THEN CAST(estimate_gco2e AS DOUBLE) / CAST(provider_gco2e AS DOUBLE) END AS ratio,
    CASE WHEN estimate_gco2e IS NOT NULL AND provider_gco2e IS NOT NULL THEN basis END AS difference_basis,
    model_version AS provider_model_version,
    array_to_string(
        make_array(figure_note, bill_note, gap_note, basis_note, coverage_note, uncounted_note, scope_note, restated_note,
            model_note), '; '
    ) AS note
FROM compared
