//! The numbers that the emissions of an activity row are made of.

/// The numbers of the equations; each where a row's equation has it.
const NUMBERS: [&str; 14] = [
    "unit_ratio",
    "kgco2e_per_unit",
    "co2_kg_per_unit",
    "ch4_kg_per_unit",
    "n2o_kg_per_unit",
    "kgco2e_per_kwh",
    "co2_kg_per_kwh",
    "ch4_kg_per_kwh",
    "n2o_kg_per_kwh",
    "gwp_of_ch4",
    "gwp_of_n2o",
    "grid_gross_loss_fraction",
    "supplier_factor_kgco2e_per_unit",
    "kwh_per_unit",
];

/// The equations of the rows named `activity_rows`, the largest emissions first. Method points 9, 10 and 15 in words; the SQL
/// that computes them is estimate.activity_emissions.
pub fn equations_sql(limit: u32) -> String {
    let numbers: Vec<String> = NUMBERS
        .iter()
        .map(|number| format!("CASE WHEN strpos(equation, '{number}') > 0 THEN {number} END AS {number}"))
        .collect();
    format!(
        "WITH largest AS (
            SELECT * FROM activity_rows WHERE co2e_kg IS NOT NULL
            ORDER BY co2e_kg DESC, source_file, source_row_number, method, subcategory LIMIT {limit}
        ),
        gwp AS (
            SELECT assessment_report AS gwp_set,
                MAX(CASE WHEN species = 'CH4' THEN gwp_kgco2e_per_kg END) AS gwp_of_ch4,
                MAX(CASE WHEN species = 'N2O' THEN gwp_kgco2e_per_kg END) AS gwp_of_n2o
            FROM reference.gwp WHERE horizon_years = 100 GROUP BY assessment_report
        ),
        matched AS (
            SELECT r.*, a.is_electricity, COALESCE(CAST(r.energy_kwh AS DOUBLE), a.energy_kwh) AS kwh,
                CASE WHEN f.unit_text = a.unit_text THEN 1.0 ELSE a.canonical_multiplier / f.canonical_multiplier END AS unit_ratio,
                f.kgco2e_per_unit, f.co2_kg_per_unit, f.ch4_kg_per_unit, f.n2o_kg_per_unit,
                f.is_by_mass AND f.category_text NOT LIKE 'wtt-%' AND NOT a.is_electricity AS is_by_mass,
                e.is_by_mass AS is_grid_by_mass, e.co2_kg_per_kwh, e.ch4_kg_per_kwh, e.n2o_kg_per_kwh, e.grid_gross_loss_fraction,
                CASE WHEN r.instrument_row IS NOT NULL THEN CAST(r.co2e_kg AS DOUBLE) / NULLIF(CAST(r.energy_kwh AS DOUBLE), 0)
                     WHEN r.market_method = 'residual_mix' THEN e.residual_kgco2e_per_kwh ELSE e.kgco2e_per_kwh END AS kgco2e_per_kwh,
                CAST(a.supplier_factor_kgco2e_per_unit AS DOUBLE) AS supplier_factor_kgco2e_per_unit,
                a.canonical_multiplier AS kwh_per_unit, g.gwp_of_ch4, g.gwp_of_n2o
            FROM largest AS r
            JOIN estimate.activity_quantity AS a ON a.tenant = r.tenant AND a.source = r.source
                AND a.source_file = r.source_file AND a.source_row_number = r.source_row_number
            LEFT JOIN estimate.activity_factor AS f ON f.factor_id = r.factor_id
            LEFT JOIN estimate.electricity_factor AS e ON e.activity_key = a.activity_key
            LEFT JOIN gwp AS g ON g.gwp_set = r.gwp_set
        ),
        written AS (
            SELECT *, CASE
                WHEN method = 'activity' AND market_method = 'supplier' THEN 'co2e_kg = quantity × supplier_factor_kgco2e_per_unit'
                WHEN market_method = 'supplier' THEN 'co2e_kg = energy_kwh × supplier_factor_kgco2e_per_unit / kwh_per_unit'
                WHEN subcategory = 'Grid losses'
                    THEN 'co2e_kg = energy_kwh × grid_gross_loss_fraction / (1 − grid_gross_loss_fraction) × kgco2e_per_kwh'
                WHEN is_electricity AND method <> 'activity' AND is_grid_by_mass AND COALESCE(market_method, 'grid') = 'grid'
                    THEN 'co2e_kg = energy_kwh × (co2_kg_per_kwh + ch4_kg_per_kwh × gwp_of_ch4 + n2o_kg_per_kwh × gwp_of_n2o)'
                WHEN is_electricity AND method <> 'activity' THEN 'co2e_kg = energy_kwh × kgco2e_per_kwh'
                WHEN is_by_mass
                    THEN 'co2e_kg = quantity × unit_ratio × (co2_kg_per_unit + ch4_kg_per_unit × gwp_of_ch4 + n2o_kg_per_unit × gwp_of_n2o)'
                ELSE 'co2e_kg = quantity × unit_ratio × kgco2e_per_unit' END AS equation
            FROM matched
        )
        SELECT source_file, source_row_number, activity, method, scope, subcategory, equation, quantity, unit,
            CASE WHEN strpos(equation, 'energy_kwh') > 0 THEN kwh END AS energy_kwh, {}, co2e_kg
        FROM written ORDER BY co2e_kg DESC, source_file, source_row_number, method, subcategory",
        numbers.join(", ")
    )
}

/// Whether a column of the equations is one of their numbers.
pub fn is_number(column: &str) -> bool {
    column == "energy_kwh" || NUMBERS.contains(&column)
}
