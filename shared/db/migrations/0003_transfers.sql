CREATE TABLE "transfer_parts" (
	"owner_id" uuid NOT NULL,
	"seq" integer NOT NULL,
	"number" integer NOT NULL,
	"etag" text NOT NULL,
	"checksum" text,
	"size_bytes" bigint NOT NULL,
	CONSTRAINT "transfer_parts_owner_id_seq_number_pk" PRIMARY KEY("owner_id","seq","number")
);
--> statement-breakpoint
CREATE TABLE "transfers" (
	"owner_id" uuid NOT NULL,
	"seq" integer NOT NULL,
	"owner" text NOT NULL,
	"purpose" text NOT NULL,
	"tenant_id" text NOT NULL,
	"file_id" uuid NOT NULL,
	"epoch" integer NOT NULL,
	"state" text NOT NULL,
	"plan" text NOT NULL,
	"bucket" text NOT NULL,
	"key" text NOT NULL,
	"upload_id" text,
	"source_etag" text NOT NULL,
	"part_bytes" bigint NOT NULL,
	"bytes_total" bigint NOT NULL,
	"bytes_done" bigint DEFAULT 0 NOT NULL,
	"bytes_per_second" bigint DEFAULT 0 NOT NULL,
	"resumes" integer DEFAULT 0 NOT NULL,
	"worker" text NOT NULL,
	"next_action_at" timestamp(6) with time zone,
	"started_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp(6) with time zone,
	CONSTRAINT "transfers_owner_id_seq_pk" PRIMARY KEY("owner_id","seq"),
	CONSTRAINT "transfers_owner" CHECK (owner IN ('job', 'file')),
	CONSTRAINT "transfers_state" CHECK (state IN ('COPYING', 'COMPLETING', 'ABORTING', 'DONE', 'ABORTED')),
	CONSTRAINT "transfers_plan" CHECK (plan IN ('server-side', 'streamed'))
);
--> statement-breakpoint
CREATE INDEX "transfers_open" ON "transfers" USING btree ("updated_at") WHERE state IN ('COPYING', 'COMPLETING', 'ABORTING');