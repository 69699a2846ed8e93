DROP TABLE table_state;
