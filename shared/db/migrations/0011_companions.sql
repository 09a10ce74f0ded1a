ALTER TABLE "files" DROP CONSTRAINT "files_status";--> statement-breakpoint
-- Not validated: every row kept the narrower check until now, and a scan would hold the lock on the whole table.
ALTER TABLE "files" ADD CONSTRAINT "files_status" CHECK (status IN ('UPLOADED', 'QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED', 'QUARANTINED', 'COMPANION')) NOT VALID;--> statement-breakpoint
UPDATE "files" SET status = 'COMPANION', error_code = NULL, error_cause = NULL, error_message = NULL
WHERE status = 'QUARANTINED' AND error_code = 'COMPANION_FILE';
