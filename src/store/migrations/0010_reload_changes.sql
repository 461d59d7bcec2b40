-- What an edit changed: files with the numbers of lines added and removed, as JSON. No content of a file.
ALTER TABLE reloads ADD COLUMN changes TEXT;
