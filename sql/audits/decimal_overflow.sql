-- Guards exact sums: a sum that its type does not hold is refused, and each exact sum is held against its f64 twin.
WITH figures AS (
    SELECT tenant, {{arg1}} AS exact_value, CAST({{arg1}} AS DOUBLE) AS float_value
    FROM {{table}}
),
sums AS (
    SELECT
        tenant,
        sum(exact_value) AS exact_sum,
        sum(float_value) AS float_sum,
        sum(abs(float_value)) AS float_size
    FROM figures
    GROUP BY tenant
)
SELECT tenant, exact_sum, float_sum
FROM sums
WHERE abs(CAST(exact_sum AS DOUBLE) - float_sum) > 0.000001 * greatest(1.0, float_size)
