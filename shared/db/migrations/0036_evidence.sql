CREATE TABLE "audit_readers" (
	"name" text PRIMARY KEY NOT NULL,
	"line" bigint DEFAULT 0 NOT NULL,
	"planned" bigint
);
--> statement-breakpoint
INSERT INTO "audit_readers" ("name") VALUES ('evidence'), ('usage');
--> statement-breakpoint
CREATE TABLE "sftp_actions" (
	"at" timestamp(6) with time zone NOT NULL,
	"event_id" text NOT NULL,
	"session_id" text NOT NULL,
	"tenant_id" text NOT NULL,
	"action" text NOT NULL,
	"path" text NOT NULL,
	"new_path" text,
	"size_bytes" bigint,
	"duration_ms" bigint,
	"failure" text,
	CONSTRAINT "sftp_actions_at_event_id_pk" PRIMARY KEY("at","event_id")
) PARTITION BY RANGE ("at");
--> statement-breakpoint
CREATE TABLE "sftp_actions_default" PARTITION OF "sftp_actions" DEFAULT;
--> statement-breakpoint
CREATE TABLE "sftp_sessions" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"username" text NOT NULL,
	"client_ip" text,
	"server_id" text,
	"first_at" timestamp(6) with time zone NOT NULL,
	"last_at" timestamp(6) with time zone NOT NULL,
	"uploads" integer DEFAULT 0 NOT NULL,
	"uploaded_bytes" bigint DEFAULT 0 NOT NULL,
	"downloads" integer DEFAULT 0 NOT NULL,
	"downloaded_bytes" bigint DEFAULT 0 NOT NULL,
	"others" integer DEFAULT 0 NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage_days" (
	"day" date NOT NULL,
	"tenant_id" text NOT NULL,
	"files" bigint DEFAULT 0 NOT NULL,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"records" bigint DEFAULT 0 NOT NULL,
	"mails" bigint DEFAULT 0 NOT NULL,
	"calls" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "usage_days_day_tenant_id_pk" PRIMARY KEY("day","tenant_id")
);
--> statement-breakpoint
ALTER TABLE "audit_sealing" ADD COLUMN "lines" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "audit_seals" ADD COLUMN "number" bigint;--> statement-breakpoint
CREATE INDEX "sftp_actions_session" ON "sftp_actions" USING btree ("session_id","at","event_id");--> statement-breakpoint
CREATE INDEX "sftp_sessions_first" ON "sftp_sessions" USING btree ("first_at","id");--> statement-breakpoint
CREATE INDEX "sftp_sessions_tenant" ON "sftp_sessions" USING btree ("tenant_id","first_at","id");--> statement-breakpoint
CREATE INDEX "sftp_sessions_last" ON "sftp_sessions" USING btree ("last_at");--> statement-breakpoint
CREATE INDEX "usage_days_tenant" ON "usage_days" USING btree ("tenant_id","day");--> statement-breakpoint
CREATE INDEX "audit_seals_number" ON "audit_seals" USING btree ("number") WHERE number IS NOT NULL;