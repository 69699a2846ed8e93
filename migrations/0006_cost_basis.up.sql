-- The accounts of a bill that another source may hold by themselves (an Azure subscription), and what its amounts are
-- (actual, amortized, FOCUS): of one bill only one counts. Empty where there is no such thing.

CREATE TABLE bill_with_basis (
    tenant             TEXT NOT NULL,
    source             TEXT NOT NULL,
    kind               TEXT NOT NULL,
    export             TEXT NOT NULL,
    period             TEXT NOT NULL,
    provider_name      TEXT NOT NULL,
    billing_account_id TEXT NOT NULL,
    sub_account_id     TEXT NOT NULL,
    cost_basis         TEXT NOT NULL,
    PRIMARY KEY (tenant, source, kind, export, period, provider_name, billing_account_id, sub_account_id)
);
INSERT INTO bill_with_basis SELECT bill.*, '', '' FROM bill;
DROP TABLE bill;
ALTER TABLE bill_with_basis RENAME TO bill;
