"""The sample company, one module per source."""
