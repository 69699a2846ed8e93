DROP TABLE bill;
DROP TABLE delivery;
DROP TABLE fingerprint;
