-- A key of each person's own, under which the person becomes a pseudonym. It goes with the person.
ALTER TABLE users ADD COLUMN pseudonym_key BLOB;
