/* model
description = "What each delivered bill row costs, straight from the raw tables: the audit's own path to the money, without a join"
grain = "one row per delivered line"
kind = "view"
*/
SELECT tenant, source, export, period, COALESCE(clean_text("lineItem/CurrencyCode"), clean_text(line_item_currency_code)) AS currency,
    COALESCE(money("lineItem/UnblendedCost"), money(line_item_unblended_cost)) AS billed_cost
FROM raw.aws_cur
UNION ALL
SELECT tenant, source, export, period, clean_text(line_item_currency_code), money(line_item_unblended_cost) FROM raw.aws_cur_parquet
UNION ALL
SELECT tenant, source, export, period, clean_text(line_item_currency_code), money(line_item_unblended_cost) FROM raw.aws_cur2
UNION ALL
SELECT tenant, source, export, period, clean_text(line_item_currency_code), money(line_item_unblended_cost) FROM raw.aws_cur2_parquet
UNION ALL
SELECT tenant, source, export, period, clean_text(unblended_cost_unit), money(unblended_cost) FROM raw.aws_cost_explorer
UNION ALL
SELECT tenant, source, export, period, clean_text("BillingCurrency"), money("BilledCost") FROM raw.focus
UNION ALL
SELECT tenant, source, export, period, clean_text("BillingCurrency"), money("BilledCost") FROM raw.focus_parquet
UNION ALL
SELECT tenant, source, export, period, clean_text(currency), double_money(cost) + COALESCE(json_sum(credits, 'amount'), CAST(0 AS DECIMAL(38, 24))) FROM raw.gcp_billing
UNION ALL
SELECT tenant, source, export, period, clean_text(currency), double_money(cost) + COALESCE(json_sum(credits, 'amount'), CAST(0 AS DECIMAL(38, 24))) FROM raw.gcp_billing_files
UNION ALL
SELECT tenant, source, export, period, clean_text(currency), double_money(cost) + COALESCE(json_sum(credits, 'amount'), CAST(0 AS DECIMAL(38, 24))) FROM raw.gcp_billing_files_parquet
UNION ALL
SELECT tenant, source, export, period, COALESCE(clean_text("BillingCurrency"), clean_text("BillingCurrencyCode"), clean_text("Currency")),
    COALESCE(money("CostInBillingCurrency"), money("Cost"), money("PreTaxCost"), money("ExtendedCost"), money("BilledCost"))
FROM raw.azure_cost
UNION ALL
SELECT tenant, source, export, period, COALESCE(clean_text("BillingCurrency"), clean_text("BillingCurrencyCode"), clean_text("Currency")),
    COALESCE(money("CostInBillingCurrency"), money("Cost"), money("PreTaxCost"), money("ExtendedCost"), money("BilledCost"))
FROM raw.azure_cost_parquet
UNION ALL
SELECT tenant, source, export, period, clean_text("Currency"), money("Cost") FROM raw.azure_cost_query
