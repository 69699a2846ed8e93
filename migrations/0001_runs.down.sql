DROP TABLE table_version;
DROP TABLE slice;
DROP TABLE run;
