/* model
description = "Emissions as Azure's carbon API states them: by resource, month and scope, in grams"
grain = "one row per month, scope and resource, and per month and resource for the sum of the scopes"
kind = "view"
*/
WITH figures AS (
    SELECT
        tenant, source, period AS month, _source_uri AS source_file, _row_number AS source_row_number,
        lower(clean_text("subscriptionId")) AS sub_account_id,
        lower(clean_text("resourceId")) AS resource_id,
        lower(clean_text("resourceType")) AS resource_type,
        replace(lower(clean_text("location")), ' ', '') AS location,
        -- Azure's Scope 2 is market-based; it states no location-based figure.
        CASE clean_text("carbonScope") WHEN 'Scope1' THEN '1' WHEN 'Scope2' THEN '2_market' WHEN 'Scope3' THEN '3' END AS scope,
        -- Azure states kilograms.
        CAST(canonical_quantity(clean_text("latestMonthEmissions"), 1000.0, 'false', to_date('2000-01-01')) AS DECIMAL(38,9)) AS gco2e,
        -- Azure names no version of its model: the API's stands for it.
        clean_text("apiVersion") AS model_version
    FROM raw.azure_carbon
),
region AS (
    SELECT alias, region_id FROM reference.region_aliases
    WHERE provider_name = 'Microsoft' AND alias NOT LIKE 'prefix:%'
),
-- The names that bills give to what a resource type is.
service AS (
    SELECT * FROM (VALUES
        ('microsoft.apimanagement/service', 'API Management'),
        ('microsoft.app/containerapps', 'Azure Container Apps'),
        ('microsoft.app/managedenvironments', 'Azure Container Apps'),
        ('microsoft.cache/redis', 'Cache for Redis'),
        ('microsoft.cdn/profiles', 'CDN'),
        ('microsoft.cognitiveservices/accounts', 'Cognitive Services'),
        ('microsoft.compute/disks', 'Storage Accounts'),
        ('microsoft.compute/snapshots', 'Storage Accounts'),
        ('microsoft.compute/virtualmachines', 'Virtual Machines'),
        ('microsoft.compute/virtualmachinescalesets', 'Virtual Machines'),
        ('microsoft.containerinstance/containergroups', 'Container Instances'),
        ('microsoft.containerregistry/registries', 'Container Registry'),
        ('microsoft.containerservice/managedclusters', 'Azure Kubernetes Service'),
        ('microsoft.databricks/workspaces', 'Azure Databricks'),
        ('microsoft.datafactory/factories', 'Data Factory'),
        ('microsoft.dbformysql/flexibleservers', 'Azure DB for MySQL'),
        ('microsoft.dbforpostgresql/flexibleservers', 'Azure Database for PostgreSQL'),
        ('microsoft.dbforpostgresql/servers', 'Azure Database for PostgreSQL'),
        ('microsoft.documentdb/databaseaccounts', 'Azure Cosmos DB'),
        ('microsoft.eventhub/namespaces', 'Event Hubs'),
        ('microsoft.insights/components', 'Application Insights'),
        ('microsoft.keyvault/vaults', 'Key Vault'),
        ('microsoft.kusto/clusters', 'Azure Data Explorer'),
        ('microsoft.machinelearningservices/workspaces', 'Azure Machine Learning'),
        ('microsoft.network/applicationgateways', 'Application Gateway'),
        ('microsoft.network/azurefirewalls', 'Firewall'),
        ('microsoft.network/loadbalancers', 'Load Balancer'),
        ('microsoft.network/natgateways', 'NAT Gateway'),
        ('microsoft.network/publicipaddresses', 'Virtual Network'),
        ('microsoft.network/virtualnetworkgateways', 'VPN Gateway'),
        ('microsoft.operationalinsights/workspaces', 'Log Analytics'),
        ('microsoft.recoveryservices/vaults', 'Backup'),
        ('microsoft.search/searchservices', 'AI Search'),
        ('microsoft.servicebus/namespaces', 'Service Bus'),
        ('microsoft.sql/managedinstances', 'SQL Managed Instance'),
        ('microsoft.sql/servers', 'SQL Database'),
        ('microsoft.sql/servers/databases', 'SQL Database'),
        ('microsoft.storage/storageaccounts', 'Storage Accounts'),
        ('microsoft.streamanalytics/streamingjobs', 'Stream Analytics'),
        ('microsoft.synapse/workspaces', 'Azure Synapse Analytics'),
        ('microsoft.web/serverfarms', 'Azure App Service'),
        ('microsoft.web/sites', 'Azure App Service')
    ) AS known(resource_type, service_name)
),
-- A slice holds the answers for all three scopes or none of them: the total is the sum of what is stated.
totals AS (
    SELECT
        tenant, source, month, sub_account_id, resource_id, resource_type, location,
        'total_market' AS scope,
        CAST(SUM(gco2e) AS DECIMAL(38,9)) AS gco2e,
        MIN(model_version) AS model_version,
        MIN(source_file) AS source_file,
        MIN(source_row_number) AS source_row_number
    FROM figures
    GROUP BY tenant, source, month, sub_account_id, resource_id, resource_type, location
),
stated AS (
    SELECT
        tenant, source, month, sub_account_id, resource_type, location, scope, gco2e, model_version, source_file, source_row_number
    FROM figures
    UNION ALL
    SELECT
        tenant, source, month, sub_account_id, resource_type, location, scope, gco2e, model_version, source_file, source_row_number
    FROM totals
)
SELECT
    stated.tenant, stated.source,
    'Microsoft' AS provider_name,
    CAST(NULL AS VARCHAR) AS billing_account_id,
    stated.sub_account_id,
    stated.month,
    COALESCE(service.service_name, stated.resource_type) AS service_name,
    region.region_id,
    stated.scope,
    stated.gco2e,
    stated.model_version,
    stated.source_file,
    stated.source_row_number
FROM stated
LEFT JOIN region ON region.alias = stated.location
LEFT JOIN service ON service.resource_type = stated.resource_type
