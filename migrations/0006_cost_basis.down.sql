CREATE TABLE bill_without_basis (
    tenant             TEXT NOT NULL,
    source             TEXT NOT NULL,
    kind               TEXT NOT NULL,
    export             TEXT NOT NULL,
    period             TEXT NOT NULL,
    provider_name      TEXT NOT NULL,
    billing_account_id TEXT NOT NULL,
    PRIMARY KEY (tenant, source, kind, export, period, provider_name, billing_account_id)
);
INSERT INTO bill_without_basis
SELECT DISTINCT tenant, source, kind, export, period, provider_name, billing_account_id FROM bill;
DROP TABLE bill;
ALTER TABLE bill_without_basis RENAME TO bill;
