CREATE TABLE "proposals" (
	"id" uuid PRIMARY KEY NOT NULL,
	"state" text DEFAULT 'OPEN' NOT NULL,
	"method" text NOT NULL,
	"path" text NOT NULL,
	"content_type" text,
	"body" text,
	"if_match" text,
	"tenant_id" text,
	"reason" text NOT NULL,
	"proposed_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp(6) with time zone NOT NULL,
	"locked_until" timestamp(6) with time zone,
	"decided_by" text,
	"decided_at" timestamp(6) with time zone,
	"note" text,
	CONSTRAINT "proposals_state" CHECK (state IN ('OPEN', 'APPLIED', 'REJECTED'))
);
--> statement-breakpoint
CREATE INDEX "proposals_open" ON "proposals" USING btree ("id") WHERE state = 'OPEN';--> statement-breakpoint
CREATE INDEX "proposals_expiring" ON "proposals" USING btree ("expires_at");