-- Files that have the words, by the index alone: to the planner, a scan of a table whose words are stored apart looks cheaper than it is.
-- Of words that very many files have, the index gives some.
CREATE FUNCTION find_files_with_words(query tsquery, most integer) RETURNS SETOF uuid
LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 100
SET enable_seqscan = off SET gin_fuzzy_search_limit = 5000
AS $$ SELECT file_id FROM file_texts WHERE words @@ query LIMIT most $$;
