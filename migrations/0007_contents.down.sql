DROP TABLE listing;
DROP TABLE content;
